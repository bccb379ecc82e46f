# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The user's motion on the frame grid: stamped samples come in any order, and each grid point reads the newest one."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.signals import NANOSECONDS, MotionSample
from avatar_forcing_ros.timeline.grid import SENSED_AHEAD_NS

KEPT_NS = 8 * NANOSECONDS
"""How long a sample is kept; more than a primed cache and the memory before it reach back."""


@dataclass(frozen=True)
class MotionWindow:
    """The user's motion at some grid points.

    Attributes:
        latents: (T, U) float32; zero where `valid` is false.
        valid: (T,) bool.
        stamps_ns: T stamps of the samples used; None where there was none.
    """

    latents: NDArray[np.float32]
    valid: NDArray[np.bool_]
    stamps_ns: Sequence[int | None]


@dataclass
class UserMotionTimeline:
    """Keeps the recent motion samples of one user, sorted by stamp.

    Attributes:
        size: U, length of a user motion latent.
        timeout_ns: a sample older than this does not count for the present.
        repeated: number of samples refused because their stamp had come already.
        late: number of samples refused because their time had been decided already.
        future: number of samples refused because their stamp was far ahead.
    """

    size: int
    timeout_ns: int
    repeated: int = 0
    late: int = 0
    future: int = 0
    _samples: list[MotionSample] = field(default_factory=list)
    _closed_until_ns: int = -1

    def push(self, sample: MotionSample) -> None:
        """Accept a sample; one with a repeated, late or far future stamp is counted and left out.

        Raises:
            ValueError: the latent does not have the length of the motion space.
        """
        if sample.latent.shape != (self.size,):
            raise ValueError(f"user motion must have {self.size} numbers, got {sample.latent.shape}")
        if sample.stamp_ns <= self._closed_until_ns:
            self.late += 1
            return
        if 0 <= self._closed_until_ns < sample.stamp_ns - SENSED_AHEAD_NS:
            self.future += 1
            return
        position = bisect_right(self._samples, sample.stamp_ns, key=_stamp)
        if position and self._samples[position - 1].stamp_ns == sample.stamp_ns:
            self.repeated += 1
            return
        insort(self._samples, sample, key=_stamp)

    def read(self, stamps_ns: list[int]) -> MotionWindow:
        """The newest sample at or before each of (T,) ascending stamps; this changes nothing."""
        if not self._samples:  # nobody there: asked for hundreds of frames a second
            frames = len(stamps_ns)
            return MotionWindow(np.zeros((frames, self.size), np.float32), np.zeros(frames, bool), [None] * frames)
        known_ns = [sample.stamp_ns for sample in self._samples]
        held = [self._at(bisect_right(known_ns, stamp), stamp) for stamp in stamps_ns]
        valid = np.array([sample is not None and sample.valid for sample in held])
        latents = np.stack([np.zeros(self.size, np.float32) if s is None or not s.valid else s.latent for s in held])
        return MotionWindow(latents, valid, [None if sample is None else sample.stamp_ns for sample in held])

    def close(self, until_ns: int) -> None:
        """Close the time up to this stamp: later input for it is late, and old input is forgotten."""
        self._closed_until_ns = max(until_ns, self._closed_until_ns)
        del self._samples[: bisect_right(self._samples, self._closed_until_ns - KEPT_NS, key=_stamp)]

    def _at(self, position: int, stamp_ns: int) -> MotionSample | None:
        """The sample before a position in the list, unless it is too old for a stamp."""
        if not position or stamp_ns - self._samples[position - 1].stamp_ns > self.timeout_ns:
            return None
        return self._samples[position - 1]


def _stamp(sample: MotionSample) -> int:
    return sample.stamp_ns
