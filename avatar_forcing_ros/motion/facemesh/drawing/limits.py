# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Soft limits: however large a motion latent is, the renderer stays within what a portrait can show."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.channels import CHANNELS, HIGH, LOW, SIZE

POSE_KNEE = 0.7
"""Share of a pose channel's range that stays linear; beyond it, the motion approaches the limit."""
SHARE_KNEE = 0.9
"""The same for expression. Lids are only clipped, because a blink of 1 must shut the eye."""

_KNEE = np.array([1.0 if c.name.startswith("blink") else SHARE_KNEE if c.unit == "1" else POSE_KNEE for c in CHANNELS])


def soft_limit(latent: NDArray) -> NDArray[np.float64]:
    """(18,) -> (18,): unchanged well within the channels' limits, monotone, never beyond them.

    Raises:
        ValueError: the latent is not 18 finite numbers.
    """
    latent = np.asarray(latent, np.float64)
    if latent.shape != (SIZE,):
        raise ValueError(f"latent must have shape ({SIZE},), got {latent.shape}")
    if not np.isfinite(latent).all():
        raise ValueError("latent must be finite, got NaN or infinite values")
    bound = np.where(latent < 0, -LOW, HIGH)
    size = np.abs(latent)
    room = np.maximum((1 - _KNEE) * bound, 1e-9)
    bent = _KNEE * bound + room * np.tanh((size - _KNEE * bound) / room)
    return np.sign(latent) * np.minimum(np.where(size > _KNEE * bound, bent, size), bound)
