# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Checks for lips by colour: on any skin they are redder than the cheeks, unlike hands, masks and foreheads."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.landmarks import CHEEKS, LOWER_LIP, UPPER_LIP, fit_head

_LIPS = np.concatenate((UPPER_LIP[1:3, 3:8].ravel(), LOWER_LIP[1:3, 3:8].ravel()))
_FOREHEAD = np.array([151, 9, 108, 337, 69, 299])
_LEAST_COLOUR = 4  # distance from grey, 8-bit Lab, below which a picture has no colours


def lip_red(image: NDArray[np.uint8], landmarks: NDArray[np.float64]) -> float | None:
    """How much redder the lips are than the cheeks, or than the forehead where these have no colour.

    Args:
        image: (H, W, 3) uint8 RGB.
        landmarks: (478, 3) of its face, in pixels.

    Returns:
        Difference of a* in 8-bit CIE Lab; None in a picture without colours. Tested portraits gave 6 to 15, with a hand
        in front of the mouth -5 to -3, and with an upside-down face taken for upright -6 to 1.
    """
    soft = cv2.GaussianBlur(image, (0, 0), max(0.5, 0.01 * fit_head(landmarks).scale))
    lab = cv2.cvtColor(soft, cv2.COLOR_RGB2LAB)
    lips, cheeks = (_median(lab, landmarks[ids]) for ids in (_LIPS, CHEEKS))
    if np.abs(cheeks[1:] - 128).max() >= _LEAST_COLOUR:
        return float(lips[1] - cheeks[1])
    forehead = _median(lab, landmarks[_FOREHEAD])  # a mask may cover the cheeks, too
    return float(lips[1] - forehead[1]) if np.abs(forehead[1:] - 128).max() >= _LEAST_COLOUR else None


def _median(lab: NDArray[np.uint8], points: NDArray[np.float64]) -> NDArray[np.float64]:
    columns, rows = np.round(points[:, :2]).astype(int).clip(0, np.array(lab.shape[1::-1]) - 1).T
    return np.median(lab[rows, columns].astype(np.float64), axis=0)
