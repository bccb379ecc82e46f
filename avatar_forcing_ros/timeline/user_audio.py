# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The user's sound on the frame grid: stamped chunks come in any order and leave as frames of 640 samples."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.audio.resample import Resampler
from avatar_forcing_ros.signals import AudioChunk
from avatar_forcing_ros.timeline.drift import DriftFollower, of_length
from avatar_forcing_ros.timeline.feature_track import FeatureStream, FeatureTrack
from avatar_forcing_ros.timeline.grid import FRAME_SAMPLES, SAMPLE_RATE, SENSED_AHEAD_NS, sample_of

JITTER_SAMPLES = SAMPLE_RATE // 25
"""Stamps of sound cards wander by milliseconds; up to 40 ms, a chunk is taken to follow the previous one directly."""
DRIFT_SAMPLES = SAMPLE_RATE // 200
"""If stamps are 5 ms off on average, the sound card's clock drifts, and single samples are inserted or dropped."""
DRIFT_SMOOTHING = 4 * SAMPLE_RATE
LONGEST_FILLED_GAP = SAMPLE_RATE
"""A gap of up to one second is filled with silence; after a longer one, the sound starts anew."""

Sound = NDArray[np.float32]


@dataclass
class UserAudioTimeline:
    """Chunks of one microphone, put in order by their stamps and cut into grid frames.

    Attributes:
        make_stream: makes a fresh feature stream, whenever the sound starts anew.
        feature_size: F, numbers in a feature frame.
        timeout_ns: a microphone that has been silent for longer is not there.
        clean: turns the samples of whole frames into those that get features; its first argument is their first grid
            frame.
        features: feature frames of the sound, on the grid.
        heard_until_ns: end of the newest sound that was read; None if there was none yet.
        late: number of chunks refused because their time had been read already.
        gaps: number of places where sound was missing, filled with silence.
        overlaps: number of chunks cut because they began before the previous one had ended.
        repeated: number of chunks refused because they had come already.
        future: number of chunks refused because their stamp was far ahead.
    """

    make_stream: Callable[[], FeatureStream]
    feature_size: int
    timeout_ns: int
    clean: Callable[[int, Sound], Sound] = lambda _first_frame, sound: sound
    late: int = 0
    gaps: int = 0
    overlaps: int = 0
    repeated: int = 0
    future: int = 0
    features: FeatureTrack = field(init=False)
    heard_until_ns: int | None = None
    _pending: list[AudioChunk] = field(default_factory=list)
    _resampler: Resampler | None = None
    _tail: Sound = field(default_factory=lambda: np.zeros(0, np.float32))
    _whole: list[Sound] = field(default_factory=list)
    _position: int | None = None
    _read_until_ns: int | None = None
    _drift: DriftFollower = field(default_factory=lambda: DriftFollower(DRIFT_SMOOTHING, DRIFT_SAMPLES))

    def __post_init__(self) -> None:
        self.features = FeatureTrack(self.make_stream, self.feature_size)

    def push(self, chunk: AudioChunk) -> None:
        """Accept a chunk; one that is late, repeated or stamped far ahead is counted and left out.

        Raises:
            ValueError: the chunk has no stamp.
        """
        if chunk.stamp_ns is None:
            raise ValueError("user audio needs the stamp of its first sample, got none")
        if self._read_until_ns is not None and chunk.end_ns <= self._read_until_ns:
            self.late += 1
            return
        if self._read_until_ns is not None and chunk.stamp_ns > self._read_until_ns + SENSED_AHEAD_NS:
            self.future += 1
            return
        if any((c.stamp_ns, c.seq) == (chunk.stamp_ns, chunk.seq) for c in self._pending):
            self.repeated += 1
            return
        insort(self._pending, chunk, key=lambda c: (c.stamp_ns, c.seq))

    def advance(self, until_ns: int) -> None:
        """Make the features of every grid frame that is complete in the chunks that have ended by `until_ns`."""
        self.listen(until_ns)
        self._make_features()

    def listen(self, until_ns: int) -> None:
        """Read chunks up to a time; their features follow with the next `advance`, as each encoder pass is costly."""
        while self._pending and self._pending[0].end_ns <= until_ns:
            self._append(self._pending.pop(0))
        self._read_until_ns = max(until_ns, self._read_until_ns or until_ns)
        if len(self._tail) >= FRAME_SAMPLES:
            self._whole.append(self._take_whole_frames())

    def _make_features(self) -> None:
        if self._whole:
            self.features.push(np.concatenate(self._whole))
            self._whole.clear()

    def present(self, now_ns: int) -> bool:
        """Whether a microphone is there, that is, whether sound came within the timeout."""
        return self.heard_until_ns is not None and now_ns - self.heard_until_ns <= self.timeout_ns

    def _append(self, chunk: AudioChunk) -> None:
        assert chunk.stamp_ns is not None
        start = sample_of(chunk.stamp_ns)
        self._resample_from(chunk.sample_rate)
        if self._position is None or start - self._end_sample > LONGEST_FILLED_GAP:
            self._begin(start)
        if sample_of(chunk.end_ns) <= self._end_sample - JITTER_SAMPLES:
            self.overlaps += 1  # none of it is new
            return
        assert self._resampler is not None
        begins = start - self._resampler.held_back  # the resampler's output is that much older than its input
        samples = self._resampler.push(chunk.samples)
        self._tail = np.concatenate([self._tail, self._aligned(samples, begins)])
        self.heard_until_ns = chunk.end_ns

    def _resample_from(self, rate: int) -> None:
        """Switch to a resampler for a rate, keeping what the previous one held back."""
        if self._resampler is not None and self._resampler.rate == rate:
            return
        if self._resampler is not None and self._position is not None:
            self._tail = np.concatenate([self._tail, self._resampler.flush()])
        self._resampler = Resampler(rate)

    @property
    def _end_sample(self) -> int:
        assert self._position is not None
        return self._position + len(self._tail)

    def _begin(self, start: int) -> None:
        self.gaps += self._position is not None
        self._make_features()
        frame = start // FRAME_SAMPLES
        self.features.restart(frame, np.zeros(0, np.float32))
        self._position = frame * FRAME_SAMPLES
        self._tail = np.zeros(start - self._position, np.float32)
        self._drift.restart()

    def _aligned(self, samples: NDArray[np.float32], start: int) -> NDArray[np.float32]:
        """The samples with a gap filled or an overlap cut off, if their stamp is off by more than jitter."""
        missing = start - self._end_sample
        if abs(missing) <= JITTER_SAMPLES:
            return of_length(samples, len(samples) + self._drift.follow(missing, len(samples)))
        self._drift.restart()
        if missing < 0:
            self.overlaps += 1
            return samples[-missing:]
        self.gaps += 1
        return np.concatenate([np.zeros(missing, np.float32), samples])

    def _take_whole_frames(self) -> Sound:
        assert self._position is not None
        whole = len(self._tail) // FRAME_SAMPLES * FRAME_SAMPLES
        taken, self._tail = self._tail[:whole], self._tail[whole:]
        first_frame = self._position // FRAME_SAMPLES
        self._position += whole
        return self.clean(first_frame, taken)
