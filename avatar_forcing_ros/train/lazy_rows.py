# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Arrays (C, T, X) too large for memory: pieces of files, and latents computed from coefficients on demand.

They support what training does with an array: `x[pieces, frames]` with arrays of numbers, `x[a:b]`, `x[:, :n]`,
`shape` and `np.asarray(x)`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

_OPEN_FILES = 256
"""Well below the number of files that a process may have open."""


class LazyRows(ABC):
    """An array (C, T, X) whose rows are made on demand."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int, int]:
        """(C, T, X)."""

    @property
    @abstractmethod
    def dtype(self) -> np.dtype[Any]:
        """Data type of the rows."""

    @abstractmethod
    def rows(self, pieces: NDArray[np.int64], frames: NDArray[np.int64]) -> NDArray:
        """(B, K, X) for pieces (B,) and frames (B, K)."""

    @abstractmethod
    def part(self, pieces: slice, frames: int) -> LazyRows:
        """The first `frames` frames of some pieces."""

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return self.part(key, self.shape[1])
        pieces, frames = key
        if isinstance(frames, slice):
            return self.part(pieces, len(range(*frames.indices(self.shape[1]))))
        count = np.asarray(frames).shape[0]
        return self.rows(np.broadcast_to(np.asarray(pieces).reshape(-1), (count,)), np.asarray(frames))

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray:
        count, frames, _ = self.shape
        return self.rows(np.arange(count), np.tile(np.arange(frames), (count, 1))).astype(dtype or self.dtype)


@dataclass(frozen=True)
class Piece:
    """The frames of one person in a clip, from `start` on: `side` 0 or 1 of a file (2, T, F)."""

    path: Path
    side: int
    start: int


@lru_cache(maxsize=_OPEN_FILES)
def _opened(path: Path) -> NDArray:
    return np.load(path, mmap_mode="r")


@dataclass(frozen=True, eq=False)
class FileRows(LazyRows):
    """Rows that are read from files.

    Attributes:
        pieces: the C pieces.
        frames: T, frames of each piece.
        size: X, numbers per frame.
    """

    pieces: Sequence[Piece]
    frames: int
    size: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, T, X)."""
        return len(self.pieces), self.frames, self.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type in the files."""
        return np.dtype(np.float16)

    def rows(self, pieces: NDArray[np.int64], frames: NDArray[np.int64]) -> NDArray:
        """See `LazyRows.rows`."""
        asked = zip((self.pieces[number] for number in pieces), frames, strict=True)
        return np.stack([_opened(piece.path)[piece.side, piece.start + numbers] for piece, numbers in asked])

    def part(self, pieces: slice, frames: int) -> FileRows:
        """See `LazyRows.part`."""
        return replace(self, pieces=self.pieces[pieces], frames=frames)


@dataclass(frozen=True, eq=False)
class ExpandedRows(LazyRows):
    """Motion latents, computed from coefficients.

    Attributes:
        coefficients: (C, T, U) float32.
        directions: (M, U).
    """

    coefficients: NDArray[np.float32]
    directions: NDArray[np.float32]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, T, M)."""
        count, frames = self.coefficients.shape[:2]
        return int(count), int(frames), len(self.directions)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of the coefficients."""
        return self.coefficients.dtype

    def rows(self, pieces: NDArray[np.int64], frames: NDArray[np.int64]) -> NDArray:
        """See `LazyRows.rows`."""
        return self.coefficients[pieces[:, None], frames] @ self.directions.T

    def part(self, pieces: slice, frames: int) -> ExpandedRows:
        """See `LazyRows.part`."""
        return replace(self, coefficients=self.coefficients[pieces, :frames])
