# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Prepares three pictures of each eye: shut, with skin; the white without iris; the iris as if no lid hid it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.drawing.eyes import EyePatch
from avatar_forcing_ros.motion.facemesh.gains import GAINS, ExpressionGains
from avatar_forcing_ros.motion.facemesh.landmarks import EyeLandmarks
from avatar_forcing_ros.motion.facemesh.preparing.eye_opening import (
    EyeConfig,
    find_socket,
    landmark_opening,
    lash_colour,
    lash_rows,
    shut_eye,
    widen,
)
from avatar_forcing_ros.motion.facemesh.preparing.eyeball import split_eyeball


def cut_eye(
    image: NDArray[np.uint8],
    landmarks: NDArray,
    eye: EyeLandmarks,
    scale: float,
    glasses: bool = False,
    config: EyeConfig | None = None,
    gains: ExpressionGains = GAINS,
) -> EyePatch:
    """Prepare one eye.

    Args:
        image: (S, S, 3) uint8, the portrait.
        landmarks: (478, 3) in its pixels.
        eye: which eye.
        scale: pixels per interocular distance.
        glasses: trust the landmarks alone, so that a rim next to the eye is not taken for lashes.
        config: see `EyeConfig`.
        gains: how far the iris moves.
    """
    config = config or EyeConfig()
    outline = landmarks[eye.outline, :2]
    low = np.floor(outline.min(0) - [0.12 * scale, 0.16 * scale]).astype(int).clip(0)
    high = np.ceil(outline.max(0) + 0.12 * scale).astype(int).clip(None, np.array(image.shape[1::-1]))
    picture = image[low[1] : high[1], low[0] : high[0]].astype(np.float32)
    marks = landmarks[:, :2] - low
    opening = landmark_opening(marks, eye, picture.shape[1])
    socket = opening.mask(len(picture)) if glasses else find_socket(picture, opening, scale, config)
    if not glasses:
        opening = widen(opening, socket, lash_rows(picture, opening, scale), marks, eye, scale, config)
    white, iris = split_eyeball(picture, marks, eye, opening, scale)
    soft = cv2.dilate(socket.astype(np.float32), np.ones((3, 3), np.uint8))
    return EyePatch(
        left=int(low[0]),
        top=int(low[1]),
        open=picture,
        shut=shut_eye(picture, socket, opening, scale),
        socket=cv2.GaussianBlur(soft, (0, 0), max(0.8, 0.012 * scale)),
        white=white,
        iris=iris,
        lashes=lash_colour(picture, opening.upper, scale),
        upper=opening.upper.astype(np.float32),
        lower=opening.lower.astype(np.float32),
        lash=max(0.8, config.lash * scale),
        gaze_side=gains.gaze_side * scale,
        gaze_down=gains.gaze_down * scale,
    )
