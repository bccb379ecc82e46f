# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Audio features on the frame grid: sound goes in and feature frames come out by grid frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.timeline.grid import FRAME_SAMPLES

KEPT_FRAMES = 256
"""Feature frames that are kept: more than a primed cache, the memory before it and a window of conditions need."""


class FeatureStream(Protocol):
    """Turns 16 kHz sound into one feature vector per video frame, without looking ahead."""

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n,) samples -> (k, F) feature frames that are now complete."""
        ...


@dataclass
class FeatureTrack:
    """Feature frames of one continuous sound, addressed by grid frame.

    The sound may start anywhere and jump forward; gaps count as silence.

    Attributes:
        make_stream: makes a fresh feature stream.
        size: F, numbers in a feature frame.
    """

    make_stream: Callable[[], FeatureStream]
    size: int
    _stream: FeatureStream | None = None
    _next_frame: int = 0
    _frames: dict[int, NDArray[np.float32]] = field(default_factory=dict)
    _silence: NDArray[np.float32] | None = None

    @property
    def next_frame(self) -> int:
        """First grid frame whose features have not been made yet."""
        return self._next_frame

    def restart(self, frame: int, before: NDArray[np.float32]) -> None:
        """Continue at a grid frame as if `before`, (k * 640,) samples, had just sounded; k may be 0."""
        self._stream = self.make_stream()
        self._stream.push(before)
        self._next_frame = frame
        self._frames = {n: features for n, features in self._frames.items() if n < frame}

    def push(self, samples: NDArray[np.float32]) -> None:
        """Add the sound of the next k grid frames, (k * 640,) float32: the more at once, the fewer costly passes."""
        if len(samples) % FRAME_SAMPLES:
            raise ValueError(f"sound must be whole frames of {FRAME_SAMPLES} samples, got {len(samples)}")
        assert self._stream is not None, "restart() says where the sound begins"
        features = self._stream.push(samples)
        if len(features) * FRAME_SAMPLES != len(samples):
            raise ValueError(f"a feature stream gave {len(features)} frames for {len(samples)} samples")
        for frame in features:
            self._frames[self._next_frame] = frame
            self._frames.pop(self._next_frame - KEPT_FRAMES, None)
            self._next_frame += 1

    def read(self, frames: range) -> NDArray[np.float32]:
        """(T, F) features of grid frames: silence before the sound began, the newest ones where none have come yet."""
        newest = self._next_frame - 1
        return np.stack([self._frames.get(min(n, newest), self.silence) for n in frames])

    @property
    def silence(self) -> NDArray[np.float32]:
        """(F,) features of digital silence."""
        if self._silence is None:
            stream = self.make_stream()
            self._silence = stream.push(np.zeros(8 * FRAME_SAMPLES, np.float32))[-1]
        return self._silence
