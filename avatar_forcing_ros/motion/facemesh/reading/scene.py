# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What around a face tells about it: a cut in a film, and faces that never move, as on posters and in frames."""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np
from numpy.typing import NDArray

_SAMPLES, _CELLS = 80, 12  # along the longer side of a thumbnail: more cells take people who walk for cuts
_LEAST_CONTRAST = 4.0  # standard deviation of grey levels below which a picture shows nothing
_UNLIKE = 0.4
"""Correlation of two pictures in a row below which there was a cut.

Filmed people: .99 and more, .9 over half a second; a face that crosses the picture within a second: .76; two people's
films: .39 and less, but .8 before one backdrop. A light that is switched on or off does not lower it.
"""
_STILL = 0.02
"""Mean difference of two patches from which something moved, in standard deviations. Photographs before a noisy camera:
.011 at most within seconds; filmed people: .04 at least within half a second."""
_STILL_LOOKS = 20  # of half a second: nobody holds still like a picture for ten seconds
_SAME = 0.06  # a known picture, though the light has changed a little since the last look
_PATCH = 24  # pixels on a side
_MOST_KNOWN = 8

Box = tuple[slice, slice]


def thumbnail(image: NDArray[np.uint8]) -> NDArray[np.float32] | None:
    """A picture (H, W, 3) in a few grey cells (h, w) of mean 0 and deviation 1; None if it shows nothing."""
    step = max(1, max(image.shape[:2]) // _SAMPLES)
    points = np.ascontiguousarray(image[step // 2 :: step, step // 2 :: step])
    share = _CELLS / max(points.shape[:2])
    width, height = (max(1, round(side * share)) for side in points.shape[1::-1])
    grey = cv2.resize(points, (width, height), interpolation=cv2.INTER_AREA).mean(axis=2, dtype=np.float32)
    contrast = float(grey.std())
    return None if contrast < _LEAST_CONTRAST else (grey - grey.mean()) / np.float32(contrast)


def is_cut(before: NDArray[np.float32], after: NDArray[np.float32]) -> bool:
    """Whether two thumbnails in a row are of different shots."""
    return float(np.mean(before * after)) < _UNLIKE


class StillFaces:
    """Tells faces that never move from people."""

    def __init__(self) -> None:
        self._known: deque[tuple[Box, NDArray[np.float32]]] = deque(maxlen=_MOST_KNOWN)
        self._watched: tuple[Box, NDArray[np.float32]] | None = None
        self._looks = 0

    def watch(self, image: NDArray[np.uint8], low: NDArray[np.float64], high: NDArray[np.float64]) -> bool:
        """Look at the face between two corners, twice a second; true once it has shown to be a picture."""
        if self._watched is None or _difference(image, *self._watched) > _STILL:
            box = _box(image, low, high)
            self._watched, self._looks = (box, _patch(image, box)), 0
            return False
        self._looks += 1
        if self._looks < _STILL_LOOKS:
            return False
        self._known.append(self._watched)
        self._watched = None
        return True

    def is_known(self, image: NDArray[np.uint8], middle: NDArray[np.float64]) -> bool:
        """Whether a face with this middle is a known picture, and nobody stands before it."""
        for number, (box, patch) in enumerate(self._known):
            rows, columns = box
            is_there = rows.start <= middle[1] < rows.stop and columns.start <= middle[0] < columns.stop
            if is_there and _difference(image, box, patch) < _SAME:
                self._known[number] = box, _patch(image, box)  # daylight changes slowly
                return True
        return False


def _box(image: NDArray[np.uint8], low: NDArray[np.float64], high: NDArray[np.float64]) -> Box:
    """What of a face lies within the picture; at least a pixel."""
    size = np.array(image.shape[1::-1])
    left, top = np.clip(low.astype(int), 0, size - 1).tolist()
    right, bottom = np.clip(high.astype(int), (left + 1, top + 1), size).tolist()
    return slice(top, bottom), slice(left, right)


def _patch(image: NDArray[np.uint8], box: Box) -> NDArray[np.float32]:
    """(24, 24) grey, of mean 0 and deviation 1, so that exposure does not count."""
    small = cv2.resize(image[box], (_PATCH, _PATCH), interpolation=cv2.INTER_AREA)
    grey = np.asarray(small, np.float32).mean(axis=2)
    return np.asarray((grey - grey.mean()) / max(float(grey.std()), 1.0), np.float32)


def _difference(image: NDArray[np.uint8], box: Box, patch: NDArray[np.float32]) -> float:
    return float(np.abs(_patch(image, box) - patch).mean())
