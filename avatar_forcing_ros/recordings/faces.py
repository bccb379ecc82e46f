# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Follows one face through a clip and finds the stretches in which it is the same face in one take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.landmarks import OVAL
from avatar_forcing_ros.motion.facemesh.reading.measures import INDEX, MEASURES, measure
from avatar_forcing_ros.motion.facemesh.reading.tracker import FaceTracker


@dataclass(frozen=True)
class StretchConfig:
    """What breaks a stretch.

    Attributes:
        bridged_frames: a face lost for at most this long is filled in from both sides.
        jump: movement within one frame, in face widths, that only a cut or another face can explain.
        zoom: change of the face's width within one frame, as a ratio, that only these can explain.
    """

    bridged_frames: int = 3
    jump: float = 0.5
    zoom: float = 1.35


class RememberingTracker(FaceTracker):
    """A tracker that keeps its results.

    Attributes:
        found: landmarks (478, 3) of every frame so far, None where there was no face.
        people: `person` of every frame so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: list[NDArray[np.float64] | None] = []
        self.people: list[int] = []

    def track(self, image: NDArray[np.uint8]) -> NDArray[np.float64] | None:
        """See `FaceTracker.track`."""
        landmarks = super().track(image)
        self.found.append(landmarks)
        self.people.append(self.person)
        return landmarks


@dataclass(frozen=True)
class FollowedFace:
    """A tracker's results for T frames.

    Attributes:
        landmarks: (478, 3) in pixels for each frame, None where there was no face.
        people: (T,) number of the person; it grows by one when another person takes over.
    """

    landmarks: Sequence[NDArray[np.float64] | None]
    people: NDArray[np.int64]

    @property
    def found(self) -> NDArray[np.bool_]:
        """(T,) whether there was a face."""
        return np.array([points is not None for points in self.landmarks], bool)

    def measures(self) -> NDArray[np.float64]:
        """(T, 18) of `measures.measure`, NaN where there was no face."""
        nobody = np.full(len(MEASURES), np.nan)
        return np.stack([nobody if points is None else measure(points) for points in self.landmarks])

    def boxes(self) -> NDArray[np.float64]:
        """(T, 3) centre and width of the face in pixels, NaN where there was no face."""
        return np.stack([_box(points) for points in self.landmarks])


def _box(points: NDArray[np.float64] | None) -> NDArray[np.float64]:
    if points is None:
        return np.full(3, np.nan)
    low, high = points[OVAL, :2].min(0), points[OVAL, :2].max(0)
    return np.array([*(low + high) / 2, high[0] - low[0]])


def stretches(face: FollowedFace, config: StretchConfig | None = None) -> NDArray[np.int64]:
    """Number the stretches of a clip.

    Returns:
        (T,) number of each frame's stretch, short losses included; -1 where the face was lost for longer.
    """
    config = config or StretchConfig()
    boxes, numbers = face.boxes(), np.full(len(face.landmarks), -1)
    stretch, last = -1, None
    for frame in np.flatnonzero(face.found).tolist():
        if last is None or not _goes_on(boxes, face.people, last, frame, config):
            stretch, last = stretch + 1, frame
        numbers[last : frame + 1] = stretch
        last = frame
    return numbers


def _goes_on(
    boxes: NDArray[np.float64], people: NDArray[np.int64], last: int, frame: int, config: StretchConfig
) -> bool:
    """Whether the faces of two frames, with none between them, are the same face in one take."""
    if frame - last > config.bridged_frames + 1 or people[frame] != people[last]:
        return False
    moved = np.abs(boxes[frame, :2] - boxes[last, :2]).max() / boxes[last, 2]
    zoomed = np.abs(np.log(boxes[frame, 2] / boxes[last, 2]))
    return bool(moved < config.jump and zoomed < np.log(config.zoom))


def filled(rows: NDArray[np.float64], numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    """(T, X) rows, with NaN rows inside stretches interpolated linearly; others stay."""
    out = rows.copy()
    for number in range(numbers.max(initial=-1) + 1):
        frames = np.flatnonzero(numbers == number)
        known = frames[~np.isnan(rows[frames]).any(axis=1)]
        for column in range(rows.shape[1]):
            out[frames, column] = np.interp(frames, known, rows[known, column])
    return out


def lip_gaps(measures: NDArray[np.float64]) -> NDArray[np.float64]:
    """(T,) opening between the lips of (T, 18) measures, in interocular distances."""
    return measures[:, INDEX["lip_gap"]]
