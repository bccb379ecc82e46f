# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Where to look: a place in front of the face -> how far head and eyes turn, which share the way as people's do.

The face's frame is that of REP 103 with its origin between the eyes: x out of the picture towards the viewer, y to the
face's own left, which is the viewer's right, z up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.gains import GAINS

IRIS_RADIUS = 0.156
"""Distance of the iris from the point about which an eye turns, in interocular distances: 9.8 mm of 63 mm.

Source: 13.5 mm from the cornea to the centre of rotation, less 3.7 mm to the iris (Le Grand and El Hage, "Physiological
Optics", 1980).
"""


@dataclass(frozen=True)
class LookConfig:
    """How the way to a place is shared; angles in radians, sideways and up or down.

    Attributes:
        head_share: share of the way that the head takes. Source: Stahl, "Amplitude of human head movements associated
            with horizontal saccades", 1999: eyes alone within some 15 degrees, then the head more and more.
        head_most: how far the head turns at most.
        eyes_most: how far the eyes turn in the head at most; they look at places beyond as far as they can.
    """

    head_share: tuple[float, float] = (0.50, 0.60)
    head_most: tuple[float, float] = (0.24, 0.20)
    eyes_most: tuple[float, float] = (0.50, 0.30)


def direction_of(place: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3,) place in the face's frame -> (2,) angles like yaw and pitch: to the viewer's right, and down.

    Raises:
        ValueError: the place is not finite, or is where the eyes are.
    """
    if place.shape != (3,) or not np.isfinite(place).all():
        raise ValueError(f"a place to look at must be three finite numbers, got {place}")
    if np.linalg.norm(place) < 1e-6:
        raise ValueError("a place to look at must not be where the eyes are, got 0, 0, 0")
    x, y, z = place
    return np.array([np.arctan2(y, x), np.arctan2(-z, np.hypot(x, y))])


def reachable(direction: NDArray[np.float64], config: LookConfig) -> NDArray[np.float64]:
    """The direction (2,), or as much of it as head and eyes can reach together."""
    most = np.array(config.head_most) + config.eyes_most
    return np.clip(direction, -most, most)


def head_of(direction: NDArray[np.float64], config: LookConfig) -> NDArray[np.float64]:
    """(2,) how far the head turns for a direction: its share, and what is beyond the eyes' reach."""
    beyond = np.sign(direction) * np.maximum(np.abs(direction) - config.eyes_most, 0)
    share = np.clip(np.array(config.head_share) * direction, -np.array(config.head_most), config.head_most)
    return np.where(np.abs(beyond) > np.abs(share), beyond, share)


def gaze_of(turned: NDArray[np.float64]) -> NDArray[np.float64]:
    """(2,) angles of the eyes in the head -> `gaze_x` and `gaze_y`."""
    return IRIS_RADIUS * np.sin(turned) / _SHOWN


def eyes_of(gaze: NDArray[np.float64]) -> NDArray[np.float64]:
    """(2,) `gaze_x` and `gaze_y` -> angles of the eyes in the head."""
    return np.arcsin(np.clip(gaze * _SHOWN / IRIS_RADIUS, -1, 1))


_SHOWN = np.array([GAINS.gaze_side, GAINS.gaze_down])
