# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which square of a picture the auto-encoder sees: the head with a margin, unchanged while the user stays in it.

The square does not follow the face. If it did, the motion of the head would be cropped away before it is read.

Source: arXiv 2601.00664, section 5.1: one box per clip, its side twice the longer side of the face.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.landmarks import OVAL


@dataclass(frozen=True)
class CropConfig:
    """How squares are chosen.

    Attributes:
        margin: what is added around the face, relative to its longer side; half of it goes to each side.
        settle_frames: number of faces averaged before the square of a video is fixed (1 s).
        leave_share: distance of the face from the middle of the square, relative to its side, at which a new square
            begins.
        lost_frames: frames without a face after which a new square begins (1 s).
    """

    margin: float = 1.0
    settle_frames: int = 25
    leave_share: float = 0.3
    lost_frames: int = 25


@dataclass(frozen=True)
class Square:
    """A square part of a picture: its middle and side, in pixels."""

    x: float
    y: float
    side: float


def face_square(face: NDArray[np.float64], shape: tuple[int, ...], margin: float = CropConfig.margin) -> Square:
    """The square around a face, within the picture.

    A square that would reach beyond the picture is moved and, if it is larger than the picture, made smaller.

    Args:
        face: (478, 2 or more) landmarks in pixels.
        shape: (H, W, ...) of the picture.
        margin: see `CropConfig`.
    """
    low, high = face[OVAL, :2].min(0), face[OVAL, :2].max(0)
    x, y = (low + high) / 2
    return _within(Square(x, y, (1 + margin) * (high - low).max()), shape)


def _within(square: Square, shape: tuple[int, ...]) -> Square:
    height, width = shape[:2]
    side = min(square.side, height, width)
    x = float(np.clip(square.x, side / 2, width - side / 2))
    y = float(np.clip(square.y, side / 2, height - side / 2))
    return Square(x, y, float(side))


def cut(image: NDArray[np.uint8], square: Square, size: int) -> NDArray[np.uint8]:
    """Cut a square out of a picture (H, W, 3) that contains it, as (size, size, 3)."""
    left, top, side = (
        max(0, round(value)) for value in (square.x - square.side / 2, square.y - square.side / 2, square.side)
    )
    part = image[top : top + side, left : left + side]
    return cv2.resize(part, (size, size), interpolation=cv2.INTER_AREA)


class SteadySquare:
    """The square of one user's video."""

    def __init__(self, config: CropConfig | None = None) -> None:
        self.config = config or CropConfig()
        self.reset()

    def reset(self) -> None:
        """Forget the square. The next face begins a new one."""
        self._square: Square | None = None
        self._faces = 0
        self._lost = 0
        self._shape: tuple[int, ...] = ()

    def miss(self) -> None:
        """Note that this frame has no face."""
        self._lost += 1
        if self._lost >= self.config.lost_frames:
            self.reset()

    def update(self, face: NDArray[np.float64], shape: tuple[int, ...]) -> Square:
        """The square for a frame of this shape that shows this face."""
        square = face_square(face, shape, self.config.margin)
        old = self._square
        has_left = old and max(abs(square.x - old.x), abs(square.y - old.y)) > self.config.leave_share * old.side
        if old is None or shape != self._shape or has_left:
            self.reset()
            self._shape = shape
        self._lost = 0
        if self._faces < self.config.settle_frames:
            self._faces += 1
            self._square = _blend(self._square or square, square, 1 / self._faces)
        assert self._square is not None
        return self._square


def _blend(old: Square, new: Square, share: float) -> Square:
    return Square(*(o + share * (n - o) for o, n in ((old.x, new.x), (old.y, new.y), (old.side, new.side))))
