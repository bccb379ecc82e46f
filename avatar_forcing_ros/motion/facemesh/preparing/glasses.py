# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Detects glasses by their bridge: bare skin on the nose is smooth, a bridge makes a step in colour."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.landmarks import Similarity

STEP = 0.035
"""Change of colour along the nose that only a bridge makes, per hundredth of an interocular distance and relative to
the brightness: bare noses reach 0.015, dark and clear frames 0.1 and more."""

BROW_SHARE = 0.12
"""Share of the brow motion to show behind glasses, because the mesh would bend the rims with the brows."""


def wears_glasses(image: NDArray[np.uint8], head: Similarity) -> bool:
    """Whether the face whose head space is `head` wears glasses; image (H, W, 3) uint8 RGB."""
    x, y = np.meshgrid(np.linspace(-0.07, 0.07, 15), np.linspace(-0.20, 0.45, 66))
    pixels = head.apply(np.stack([x, y, np.full_like(x, -0.3)], -1))[..., :2].astype(np.float32)
    soft = cv2.GaussianBlur(image, (0, 0), max(0.5, 0.01 * head.scale)).astype(np.float32)
    along = cv2.remap(soft, pixels, None, cv2.INTER_LINEAR).mean(1)
    steps = np.abs(np.diff(along, axis=0)).sum(1)
    return bool(steps.max() > STEP * along.sum(1).mean())
