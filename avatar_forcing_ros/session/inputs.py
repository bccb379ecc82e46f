# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What comes in from outside and when: is the camera there, is the microphone there, who has stopped."""

from __future__ import annotations

from collections import OrderedDict, deque

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.signals import MILLISECOND, NANOSECONDS, AudioChunk

_AHEAD_NS = 20 * MILLISECOND
_JUDGED_NS = NANOSECONDS  # by what came in the newest second: what is wrong is said soon, and is over soon
_LEAST_JUDGED = 3


class InputWatch:
    """Remembers when an input last gave something, and how old that was by its stamp.

    Attributes:
        name: what it is called in messages.
        count: how many items came.
    """

    def __init__(self, name: str, timeout_ns: int) -> None:
        self.name, self._timeout_ns = name, timeout_ns
        self._last_ns: int | None = None
        self._ages_ns: deque[tuple[int, int]] = deque()
        self.count = 0

    def seen(self, now_ns: int, made_ns: int | None = None) -> None:
        """Something came now; by its stamp it was made at `made_ns`."""
        self._last_ns = now_ns
        self.count += 1
        if made_ns is not None:
            self._ages_ns.append((now_ns, now_ns - made_ns))
        while len(self._ages_ns) > _LEAST_JUDGED and not 0 <= now_ns - self._ages_ns[0][0] <= _JUDGED_NS:
            self._ages_ns.popleft()

    def forget(self) -> None:
        """Nothing has come yet; time has jumped."""
        self._last_ns = None
        self._ages_ns.clear()

    @property
    def least_age_ns(self) -> int | None:
        """By their stamps, how old the newest items were at least when they came: transport, and error of clocks."""
        return min((age_ns for _, age_ns in tuple(self._ages_ns)), default=None)

    def clock_complaint(self) -> str:
        """What is wrong with its stamps, in one line, or empty.

        Nothing comes before it is made, and what is older than the timeout counts for nothing: then the clock of the
        sensor is not this one. Stamps are believed all the same, for whoever corrects them by arrival cannot replay.
        """
        age_ns = self.least_age_ns
        if age_ns is None or len(self._ages_ns) < _LEAST_JUDGED or -_AHEAD_NS <= age_ns <= self._timeout_ns:
            return ""
        where = "ahead of" if age_ns < 0 else "behind"
        return f"the stamps of the {self.name} are {abs(age_ns) // MILLISECOND} ms {where} this clock"

    def stopped(self, now_ns: int) -> bool:
        """It was there once and has been silent for longer than the timeout."""
        return self._last_ns is not None and now_ns - self._last_ns > self._timeout_ns


class PictureWatch:
    """Whether a camera gives pictures as it did: at what rate, of what size.

    Args:
        timeout_ns: one that was silent for this long has stopped.
    """

    SLOW_HZ, SLOW_NO_MORE_HZ = 10.0, 12.0
    """Rate below which it is said, and from which it is over: a blink takes 150 ms."""
    _SAID_NS = 3 * NANOSECONDS // 2
    """A change of size is over at once; it is said so long that the next report has it."""

    def __init__(self, timeout_ns: int) -> None:
        self._timeout_ns = timeout_ns
        self._came_ns: deque[int] = deque()
        self._first_ns: int | None = None
        self._last_ns: int | None = None
        self._slow = False
        self._change, self._changed_ns = "", 0
        self.size: tuple[int, int] | None = None

    def seen(self, now_ns: int, width: int, height: int) -> None:
        """A picture of this size came now."""
        if self._last_ns is not None and not 0 <= now_ns - self._last_ns <= self._timeout_ns:
            self._came_ns.clear()
            self._first_ns = None
        if self.size not in (None, (width, height)) and self.size is not None:
            self._change = f"the pictures have changed from {self.size[0]}x{self.size[1]} to {width}x{height}"
            self._changed_ns = now_ns
        self.size, self._last_ns = (width, height), now_ns
        self._first_ns = now_ns if self._first_ns is None else self._first_ns
        self._came_ns.append(now_ns)
        while self._came_ns and not 0 <= now_ns - self._came_ns[0] < NANOSECONDS:
            self._came_ns.popleft()

    def rate_hz(self, now_ns: int) -> float | None:
        """Pictures in the newest second, None while it has not been watched for that long."""
        if self._first_ns is None or now_ns - self._first_ns < NANOSECONDS:
            return None
        return float(sum(now_ns - came_ns < NANOSECONDS for came_ns in tuple(self._came_ns)))

    def complaint(self, now_ns: int) -> str:
        """What is wrong with it, in one line, or empty."""
        if self._last_ns is None:
            return "no picture from the camera yet"
        if now_ns - self._last_ns > self._timeout_ns:
            return f"the camera has stopped: its newest picture came {(now_ns - self._last_ns) // MILLISECOND} ms ago"
        rate_hz = self.rate_hz(now_ns)
        if rate_hz is not None:
            self._slow = rate_hz < (self.SLOW_NO_MORE_HZ if self._slow else self.SLOW_HZ)
            if self._slow:
                return f"only {rate_hz:.0f} pictures a second come from the camera"
        return self._change if 0 <= now_ns - self._changed_ns < self._SAID_NS else ""


class SoundWatch:
    """Whether a microphone gives sound that can be used: one that is off gives a constant, one too loud clips.

    No room is so quiet that a microphone gives the same number for a second; whoever mutes one sends zeros.
    """

    SILENT_S = 1.0
    CLIPS, CLIPS_NO_MORE = 0.01, 0.002
    """Share of clipped samples in the newest second from which it is said, and below which it is over."""
    _FULL_SCALE, _PLATEAU = 0.999, 0.5
    _WINDOW_S = 1.0

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Nothing has come yet."""
        self._constant_s = 0.0
        self._value: float | None = None
        self._newest: deque[tuple[float, float]] = deque()
        self._clips = False

    def hear(self, chunk: AudioChunk) -> None:
        """The next chunk."""
        samples = chunk.samples
        if not len(samples):
            return
        duration_s = chunk.duration_ns / NANOSECONDS
        value = float(samples[0])
        constant = bool((samples == value).all())
        if not constant:
            self._constant_s = 0.0
        else:
            self._constant_s = duration_s + (self._constant_s if value == self._value else 0.0)
        self._value = float(samples[-1])
        clipped = 0.0 if constant else self._share_clipped(np.abs(samples))
        self._newest.append((duration_s, clipped * duration_s))
        while self._heard_s() - self._newest[0][0] >= self._WINDOW_S:
            self._newest.popleft()
        self._clips = self._share > (self.CLIPS_NO_MORE if self._clips else self.CLIPS)

    def _heard_s(self) -> float:
        return sum(length_s for length_s, _ in self._newest)

    @property
    def _share(self) -> float:
        return sum(clipped_s for _, clipped_s in self._newest) / max(self._WINDOW_S, self._heard_s())

    def _share_clipped(self, loudness: NDArray[np.float32]) -> float:
        """Share of samples at full scale, or on a plateau, because some converters clip below it."""
        full = loudness >= self._FULL_SCALE
        flat = (np.diff(loudness) == 0) & (loudness[1:] >= self._PLATEAU)
        plateau = flat[1:] & flat[:-1]  # three equal ones
        return float(max(full.mean(), plateau.sum() / len(loudness)))

    def complaint(self) -> str:
        """What is wrong with it, in one line, or empty."""
        if self._constant_s >= self.SILENT_S:
            return "the microphone gives no sound, the same number for a second: is it muted?"
        if self._clips:
            return f"the microphone clips, {self._share:.0%} of its samples: turn its gain down"
        return ""


class ArrivalTimes:
    """When the newest motion samples reached the node, by their stamps."""

    KEPT = 256

    def __init__(self) -> None:
        self._times: OrderedDict[int, int] = OrderedDict()

    def add(self, stamp_ns: int, received_ns: int) -> None:
        """Remember one; a repeated stamp came when it came first."""
        self._times[stamp_ns] = min(received_ns, self._times.get(stamp_ns, received_ns))
        while len(self._times) > self.KEPT:
            self._times.popitem(last=False)

    def of(self, stamp_ns: int | None) -> int | None:
        """When the sample of this stamp came, None when that is not known."""
        return None if stamp_ns is None else self._times.get(stamp_ns)
