# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Keeps a loudspeaker on the presentation clock. No ROS, no sound card: times and samples in, samples out.

The avatar's voice has stamps; a sound card asks for samples at its own crystal's rate and says when they will be heard.
Each piece is taken from where the voice is at that moment. What is off by less than a jump is caught up by single
samples; in silence, and where more is off, playing jumps to the right place. A voice that comes too late for the sound
card is not cut: it is played later, and that is reported.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.signals import MILLISECOND, NANOSECONDS, AudioChunk
from avatar_forcing_ros.timeline.drift import DriftFollower, of_length

VOICE_EARLY_MS, VOICE_LATE_MS = 40, 60
"""How far a voice may be ahead of the lips and behind them.

Source: EBU R 37, the relative timing of the sound and vision components of a television signal.
"""
_LONGEST_AHEAD_S = 10


@dataclass(frozen=True)
class PlaybackConfig:
    """How the loudspeaker follows the presentation clock.

    Attributes:
        smoothing_ms: average the sound card's fluctuating time reports over this long.
        jump_ms: jump if playback is further off than this.
        margin_ms: a voice that comes too late for the sound card is played this much later than it needs.
        longest_delay_ms: speech that arrives later than this is dropped.
        forget_ms: after this much silence, try half of the delay.
        extra_latency_ms: additional latency that the sound card does not report, as with Bluetooth.
    """

    smoothing_ms: int = field(default=1000, metadata={"range": (1, 60_000)})
    jump_ms: int = field(default=30, metadata={"range": (1, 1000)})
    margin_ms: int = field(default=5, metadata={"range": (0, 100)})
    longest_delay_ms: int = field(default=300, metadata={"range": (0, 2000)})
    forget_ms: int = field(default=2000, metadata={"range": (100, 60_000)})
    extra_latency_ms: int = field(default=0, metadata={"range": (-1000, 1000)})


class VoiceBuffer:
    """Samples by their number since time zero; what nobody wrote is silence."""

    def __init__(self) -> None:
        self._first = 0
        self._samples = np.zeros(0, np.float32)

    def write(self, start: int, samples: NDArray[np.float32]) -> None:
        """Put samples where they belong; what stood there is replaced."""
        if not len(self._samples):
            self._first = start
        skipped = max(0, self._first - start)  # before everything that is kept
        start, samples = start + skipped, samples[skipped:]
        stop = start - self._first + len(samples)
        if stop > len(self._samples):
            self._samples = np.concatenate([self._samples, np.zeros(stop - len(self._samples), np.float32)])
        self._samples[start - self._first : stop] = samples

    def read(self, start: int, count: int) -> NDArray[np.float32]:
        """(count,) samples from a number on."""
        out = np.zeros(count, np.float32)
        begin, stop = max(start, self._first), min(start + count, self._first + len(self._samples))
        if begin < stop:
            out[begin - start : stop - start] = self._samples[begin - self._first : stop - self._first]
        return out

    def sounds(self, start: int, count: int) -> bool:
        """Whether any of these samples is more than silence."""
        first = max(0, start - self._first)
        return bool(self._samples[first : max(0, start + count - self._first)].any())

    def forget(self, before: int) -> None:
        """Give up the samples before a number."""
        gone = min(max(0, before - self._first), len(self._samples))
        self._samples = self._samples[gone:]
        self._first += gone


@dataclass
class PlayHead:
    """Which sample of the voice the sound card plays next.

    Attributes:
        drift: compares where it is with where it should be.
        jump: in samples; playing that is further off than this jumps, even while the voice sounds.
        position: of the next sample; None before the sound card has asked for any.
        delay: in samples; the voice is played this much after its stamps.
    """

    drift: DriftFollower
    jump: int
    position: int | None = None
    delay: int = 0

    def follow(self, heard: float, count: int, sounds: bool) -> tuple[int, int]:
        """The sound card asks for `count` samples.

        Args:
            heard: the number that a sample has, by its stamp, at the time when the first of them is heard.
            count: how many.
            sounds: whether the voice sounds where it is; in silence any jump is free.

        Returns:
            By how many samples to jump, and how many to take then: `count`, one more, or one less.
        """
        wanted = heard - self.delay
        if self.position is None:
            self.position = round(wanted)
        off = wanted - self.position
        if abs(off - self.drift.average) > self.jump:
            self.drift.restart(off)  # the sound card stopped, or a clock was set
        take = count + self.drift.follow(off, count)
        average = self.drift.average
        jump = round(average) if not sounds or abs(average) > self.jump else 0
        self.drift.average -= jump
        self.position += jump
        return jump, take


class VoicePlayback:
    """Between the avatar's voice, which has stamps, and a sound card, which has none. Safe in two threads.

    Attributes:
        extra_latency_ms: see `PlaybackConfig`; may be set at any time.
        late: chunks that came too late for the sound card and delayed the voice.
        lost: chunks that came so late, or are stamped so far ahead, that they were left out.
        jumps: places where playing jumped while the voice sounded.
    """

    def __init__(self, sample_rate: int, config: PlaybackConfig | None = None) -> None:
        self._rate, self._config = sample_rate, config or PlaybackConfig()
        self._lock = threading.Lock()
        self._voice = VoiceBuffer()
        drift = DriftFollower(self._samples(self._config.smoothing_ms), tolerance=4)
        self._head = PlayHead(drift, self._samples(self._config.jump_ms))
        self._quiet = 0
        self.extra_latency_ms = self._config.extra_latency_ms
        self.late = 0
        self.lost = 0
        self.jumps = 0

    def push(self, chunk: AudioChunk) -> None:
        """Take a piece of the voice.

        Raises:
            ValueError: it has no stamp, or another rate than the loudspeaker.
        """
        if chunk.stamp_ns is None or chunk.sample_rate != self._rate:
            raise ValueError(
                f"expected stamped sound at {self._rate} Hz, got {chunk.sample_rate} Hz, stamp {chunk.stamp_ns}"
            )
        start = round(_sample(chunk.stamp_ns, self._rate))
        with self._lock:
            if self._in_time(start):
                self._voice.write(start, chunk.samples)
            else:
                self.lost += 1

    def pull(self, count: int, heard_ns: int) -> NDArray[np.float32]:
        """The next (count,) samples for the sound card; the first of them will be heard at `heard_ns`."""
        heard = _sample(heard_ns + self.extra_latency_ms * MILLISECOND, self._rate)
        head = self._head
        with self._lock:
            sounds = head.position is not None and self._voice.sounds(head.position, count)
            jump, take = head.follow(heard, count, sounds)
            assert head.position is not None
            self.jumps += bool(jump and sounds)
            if jump < -self._samples(self._config.longest_delay_ms):
                self._voice = VoiceBuffer()  # the clock was set back: what is kept belongs to another time
            played = self._voice.read(head.position, take)
            head.position += take
            self._voice.forget(head.position - self._samples(self._config.longest_delay_ms))
            self._rest(take, sounds)
        return of_length(played, count)

    @property
    def behind_ms(self) -> float:
        """How far the voice is heard behind its stamps, and so behind the pictures; negative is ahead."""
        return 1000 * (self._head.delay + self._head.drift.average) / self._rate

    def _in_time(self, start: int) -> bool:
        """Whether a chunk can be played; one that is late delays the voice instead of losing its beginning."""
        head = self._head
        missed = 0 if head.position is None else head.position - start
        if missed <= 0:
            return -missed <= _LONGEST_AHEAD_S * self._rate
        more = missed + self._samples(self._config.margin_ms)
        if head.delay + more > self._samples(self._config.longest_delay_ms):
            return False
        self.late += 1
        head.delay += more
        head.position = start - self._samples(self._config.margin_ms)
        self._voice.forget(start)  # what was played before the gap is not played again
        return True

    def _rest(self, count: int, sounds: bool) -> None:
        self._quiet = 0 if sounds else self._quiet + count
        if self._quiet > self._samples(self._config.forget_ms):
            self._quiet, self._head.delay = 0, self._head.delay // 2

    def _samples(self, milliseconds: int) -> int:
        return milliseconds * self._rate // 1000


def _sample(time_ns: int, rate: int) -> float:
    """Samples since time zero; exact to a hundredth of a sample for times of this century."""
    return time_ns * rate / NANOSECONDS
