# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Landmarks -> 18 raw measures of one face: its pose, and distances on the face with the pose removed.

Nothing here depends on what is neutral for a person: `calibration.py` learns that, and `features.py` turns both into
channels.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.landmarks import (
    EYES,
    LOWER_LIP,
    MOUTH_CORNERS,
    UPPER_LIP,
    EyeLandmarks,
    canonical_face,
    fit_head,
    head_angles,
)

MEASURES: tuple[str, ...] = (
    "yaw",  # radians
    "pitch",
    "roll",
    "x",  # pixels; position of the neck, the pivot of the head, so that turning alone does not move it
    "y",
    "log_scale",  # of pixels per interocular distance
    "lip_gap",  # between the inner lips; this and all that follow are in interocular distances unless said
    "mouth_width",  # half of it
    "corner_lift",  # height of the mouth corners against the tip of the nose; negative
    "lip_lift",  # height of the upper lip against the tip of the nose; negative
    "lip_height",  # of both lips together
    "brow_height",  # against the eyes
    "brow_distance",  # between the inner ends
    "aperture_right",  # opening of the lids by the eye's width
    "aperture_left",
    "iris_x",  # against its place in the canonical face, mean of both eyes
    "iris_y",
    "smile_shape",  # in units of the smile; see `SMILE_SHAPE`
)
INDEX = {name: i for i, name in enumerate(MEASURES)}
LIPS = slice(INDEX["lip_gap"], INDEX["lip_height"] + 1)
BROWS = slice(INDEX["brow_height"], INDEX["brow_distance"] + 1)

SMILE_SHAPE = np.array([4.0, 2.0, 9.5, -7.5, 3.0])
"""What a smile is seen by, for each of `MEASURES[LIPS]`, in smiles per interocular distance.

Corners rise against the nose, but that alone is no smile: a jaw that opens takes them down, lips that close after a
word take the whole mouth down, and people's mouths differ in height by a whole smile. Corners that rise against the
upper lip do neither. Fitted on drawn users of two portraits, mirrored too, seen by a webcam while they talk and smile
(read for one portrait by a fit on the other, it correlates by .94 with the smile that was drawn, the height of the
corners alone by .68), then rounded, with less of the gap and more of the width, which real mouths show.
"""

NECK = np.array([0.0, 1.34, 0.5])
"""Pivot of heads in head space; the renderer's pivot for a face of canonical length."""
NOSE_TIP = 1
INNER_PAIRS = (UPPER_LIP[3, 4:7], LOWER_LIP[3, 4:7])
INNER_BROWS = np.array([107, 55, 336, 285])


def measure(landmarks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Measures of one face, (478, 3) picture space -> (18,)."""
    head = fit_head(landmarks)
    angles = head_angles(head.rotation)
    points = head.invert(landmarks)
    neck = head.apply(NECK)
    pose = [angles.yaw, angles.pitch, angles.roll, neck[0], neck[1], np.log(head.scale)]
    lips = lip_measures(points)
    eyes = eye_measures(points, angles.yaw)
    return np.concatenate([pose, lips, brow_measures(points), eyes, [SMILE_SHAPE @ lips]])


def lip_measures(points: NDArray) -> NDArray[np.float64]:
    """`MEASURES[LIPS]` of (478, 3) head-space points; linear in them."""
    x, y = points[:, 0], points[:, 1]
    upper, lower = INNER_PAIRS
    left, right = MOUTH_CORNERS
    nose = y[NOSE_TIP]
    return np.array(
        [
            y[lower].mean() - y[upper].mean(),
            (x[right] - x[left]) / 2,
            nose - y[MOUTH_CORNERS].mean(),
            nose - y[UPPER_LIP[[0, 3], 5]].mean(),
            y[UPPER_LIP[3, 5]] - y[UPPER_LIP[0, 5]] + y[LOWER_LIP[0, 5]] - y[LOWER_LIP[3, 5]],
        ]
    )


def brow_measures(points: NDArray) -> NDArray[np.float64]:
    """`MEASURES[BROWS]` of (478, 3) head-space points; linear in them."""
    height = -np.mean([points[eye.brow, 1].mean() for eye in EYES])
    right, left = points[INNER_BROWS, 0].reshape(2, 2).mean(1)
    return np.array([height, left - right])


def eye_measures(points: NDArray, yaw: float) -> NDArray[np.float64]:
    """Apertures of both eyes, and the position of the irises; the eye turned away counts less."""
    apertures = [_aperture(points, eye) for eye in EYES]
    irises = _iris_places(points) - _resting_irises()  # (2 eyes, xy)
    toward_right = 1 / (1 + np.exp(-yaw / 0.2))  # the nose points to the viewer's right: the right eye faces us
    return np.concatenate([apertures, irises.T @ [toward_right, 1 - toward_right]])


def _iris_places(points: NDArray) -> NDArray[np.float64]:
    """(2, 2) iris of the right and left eye, relative to the middle of the eye's corners."""
    return np.array([points[eye.iris[0], :2] - points[eye.corners, :2].mean(0) for eye in EYES])


@cache
def _resting_irises() -> NDArray[np.float64]:
    return _iris_places(canonical_face().points)


def _aperture(points: NDArray, eye: EyeLandmarks) -> float:
    gaps = np.linalg.norm(points[eye.upper_lid[1:-1]] - points[eye.lower_lid[1:-1]], axis=1)
    return float(gaps.mean() / np.linalg.norm(points[eye.corners[1]] - points[eye.corners[0]]))
