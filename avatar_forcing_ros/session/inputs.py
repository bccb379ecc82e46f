# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Watches the inputs: whether camera and microphone are there, have stopped, or send something unusable."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.behaviour.config import AvatarConfig
from avatar_forcing_ros.signals import MILLISECOND, NANOSECONDS, AudioChunk, MotionSample
from avatar_forcing_ros.timeline.grid import FRAME_NS

NONE_YET = "no picture from the camera yet"
_AHEAD_NS = 20 * MILLISECOND
_JUDGED_NS = NANOSECONDS  # an input is judged by its last second, so that complaints come and go quickly
_LEAST_JUDGED = 3
_NO_STAMP = "sound needs the time of its first sample, got an empty header.stamp: set it to now less its length"
_LONGEST_CHUNK_NS = 250 * MILLISECOND  # with longer ones, blocks are decided without any of their newest sound


@dataclass(frozen=True)
class Punctuality:
    """When what an input gives comes too late to count.

    Attributes:
        window_ns: what is older than this when it comes counts only if no decision has fallen meanwhile.
        period_ns: between two decisions.
        tolerated: share that may be lost: of pictures half, because the one before is held; sound has holes then.
    """

    window_ns: int
    period_ns: int
    tolerated: float

    def lost(self, age_ns: int) -> float:
        """Share of items of this age that come too late, 0 to 1."""
        return min(1.0, max(0.0, (age_ns - self.window_ns) / self.period_ns))


class InputWatch:
    """Remembers when an input last gave something, and how old that was by its stamp.

    Args:
        name: what it is called in messages.
        timeout_ns: one that was silent for this long has stopped.
        punctuality: when its items come too late; None: never.

    Attributes:
        name: what it is called in messages.
        count: how many items came.
    """

    def __init__(self, name: str, timeout_ns: int, punctuality: Punctuality | None = None) -> None:
        self.name, self._timeout_ns, self._punctuality = name, timeout_ns, punctuality
        self._last_ns: int | None = None
        self._length_ns = 0
        self._ages_ns: deque[tuple[int, int]] = deque()
        self._refusal, self._refused_ns = "", 0
        self.count = 0

    def seen(self, now_ns: int, made_ns: int | None = None, length_ns: int = 0) -> None:
        """Something of this length came now; by its stamp it was complete at `made_ns`."""
        self._last_ns, self._length_ns = now_ns, length_ns
        self.count += 1
        if made_ns is not None:
            self._ages_ns.append((now_ns, now_ns - made_ns))
        while len(self._ages_ns) > _LEAST_JUDGED and not 0 <= now_ns - self._ages_ns[0][0] <= _JUDGED_NS:
            self._ages_ns.popleft()

    def refused(self, now_ns: int, reason: str) -> None:
        """Something came now that cannot be used."""
        self._refusal, self._refused_ns = reason, now_ns

    def forget(self) -> None:
        """Start again as if nothing had arrived, after a jump in time."""
        self._last_ns = None
        self._refusal = ""
        self._ages_ns.clear()

    def refusal(self, now_ns: int) -> str:
        """That what comes now cannot be used, in one line, or empty."""
        is_newest = self._last_ns is None or self._refused_ns >= self._last_ns
        if not (self._refusal and is_newest and now_ns - self._refused_ns <= self._timeout_ns):
            return ""
        return f"the {self.name} sends what cannot be used: {self._refusal}"

    @property
    def least_age_ns(self) -> int | None:
        """The least age by stamp that recent items had on arrival: transport plus clock error; None without items."""
        return min((age_ns for _, age_ns in tuple(self._ages_ns)), default=None)

    def clock_complaint(self) -> str:
        """What is wrong with its stamps, in one line, or empty.

        No item can arrive before it was made, and items older than the timeout are useless: either means that the
        sensor's clock differs from this one. The stamps are used all the same: correcting them by arrival times would
        make replays differ.
        """
        age_ns = self.least_age_ns
        if age_ns is None or len(self._ages_ns) < _LEAST_JUDGED:
            return ""
        if -_AHEAD_NS <= age_ns <= self._timeout_ns:
            return self._late_complaint(age_ns)
        where = "ahead of" if age_ns < 0 else "behind"
        complaint = f"the stamps of the {self.name} are {abs(age_ns) // MILLISECOND} ms {where} this clock"
        if abs(age_ns + self._length_ns) <= _AHEAD_NS:
            complaint += (
                ", as long as its chunks: stamp each with the time of its first sample, not with that of sending"
            )
        return complaint

    def _late_complaint(self, age_ns: int) -> str:
        """That more of it comes too late to count than is tolerated, even of what comes soonest, or empty."""
        if self._punctuality is None or (lost := self._punctuality.lost(age_ns)) <= self._punctuality.tolerated:
            return ""
        enough_ms = -(-age_ns // FRAME_NS) * FRAME_NS // MILLISECOND
        return (
            f"the {self.name} is {age_ns // MILLISECOND} ms late by its stamps, and {lost:.0%} of what it gives is too "
            f"late to count: raise avatar.reorder_ms to {enough_ms}, or have it come sooner"
        )

    def length_complaint(self) -> str:
        """That its pieces are so long that their sound is old when it comes, in one line, or empty."""
        if self._length_ns <= _LONGEST_CHUNK_NS:
            return ""
        return (
            f"the chunks of the {self.name} are {self._length_ns // MILLISECOND} ms long, so what they begin with is "
            "old: set 10 to 100 ms where it is captured"
        )

    def stopped(self, now_ns: int) -> bool:
        """It was there once and has been silent for longer than the timeout, besides the time that an item takes."""
        return self._last_ns is not None and now_ns - self._last_ns > self._timeout_ns + self._length_ns


class PictureWatch:
    """Watches the rate and the size of a camera's pictures.

    Args:
        timeout_ns: a camera that has been silent for longer has stopped.
    """

    SLOW_HZ, SLOW_NO_MORE_HZ = 10.0, 12.0
    """Rates below which a complaint begins, and from which it ends: a blink takes 150 ms."""
    FROZEN_NS = 5 * NANOSECONDS
    """A camera's noise makes each picture differ; one that repeats a picture for this long is frozen."""
    _SAID_NS = 3 * NANOSECONDS // 2
    """A change of size is momentary; it is reported this long so that the next report includes it."""

    def __init__(self, timeout_ns: int) -> None:
        self._timeout_ns = timeout_ns
        self._came_ns: deque[int] = deque()
        self._first_ns: int | None = None
        self._last_ns: int | None = None
        self._slow = False
        self._change, self._changed_ns = "", 0
        self._refusal, self._refused_ns = "", 0
        self._mark: int | None = None
        self._same_since_ns = 0
        self.size: tuple[int, int] | None = None

    def seen(self, now_ns: int, width: int, height: int, mark: int | None = None) -> None:
        """Note that a picture of this size arrived; two whose mark is the same are the same, None is never the same."""
        if mark is None or mark != self._mark or now_ns < self._same_since_ns:
            self._mark, self._same_since_ns = mark, now_ns
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

    def refused(self, now_ns: int, reason: str) -> None:
        """A picture came now that cannot be read."""
        self._refusal, self._refused_ns = reason, now_ns

    def rate_hz(self, now_ns: int) -> float | None:
        """Pictures in the last second; None until the camera has been watched for a second."""
        if self._first_ns is None or now_ns - self._first_ns < NANOSECONDS:
            return None
        return float(sum(now_ns - came_ns < NANOSECONDS for came_ns in tuple(self._came_ns)))

    def complaint(self, now_ns: int) -> str:
        """What is wrong with it, in one line, or empty."""
        is_newest = self._last_ns is None or self._refused_ns > self._last_ns
        if self._refusal and is_newest and now_ns - self._refused_ns <= self._timeout_ns:
            return f"pictures come that cannot be read: {self._refusal}"
        if self._last_ns is None:
            return NONE_YET
        if now_ns - self._last_ns > self._timeout_ns:
            return f"the camera has stopped: its newest picture came {(now_ns - self._last_ns) / NANOSECONDS:.0f} s ago"
        rate_hz = self.rate_hz(now_ns)
        if rate_hz is not None:
            self._slow = rate_hz < (self.SLOW_NO_MORE_HZ if self._slow else self.SLOW_HZ)
            if self._slow:
                return f"only {rate_hz:.0f} pictures a second come from the camera"
        if self._last_ns - self._same_since_ns >= self.FROZEN_NS:
            return "the camera gives the same picture again and again, without any noise: is it frozen, or covered?"
        return self._change if 0 <= now_ns - self._changed_ns < self._SAID_NS else ""


class SoundWatch:
    """Watches whether a microphone's sound can be used: one that is off gives a constant, one that is too loud clips.

    No room is so quiet that a microphone gives the same number for a second; a muted one gives zeros.
    """

    SILENT_S = 1.0
    CLIPS, CLIPS_NO_MORE = 0.01, 0.002
    """Shares of clipped samples in the last second above which a complaint begins, and below which it ends."""
    _FULL_SCALE, _PLATEAU = 0.999, 0.5
    _WINDOW_S = 1.0

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start again as if nothing had arrived."""
        self._constant_s = 0.0
        self._value: float | None = None
        self._newest: deque[tuple[float, float]] = deque()
        self._clips = False

    def hear(self, chunk: AudioChunk) -> None:
        """Take the next chunk."""
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
        """Share of samples at full scale, or on a plateau below it, where some converters clip."""
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
        """Remember a sample's arrival; for a repeated stamp, the first one counts."""
        self._times[stamp_ns] = min(received_ns, self._times.get(stamp_ns, received_ns))
        while len(self._times) > self.KEPT:
            self._times.popitem(last=False)

    def of(self, stamp_ns: int | None) -> int | None:
        """When the sample with this stamp arrived; None if that is not known."""
        return None if stamp_ns is None else self._times.get(stamp_ns)


class SessionInputs:
    """Watches all that comes into one session.

    Args:
        config: the avatar's behaviour in time, which says when input is late and when it has stopped.
        block_frames: number of frames of a block.

    Attributes:
        camera: watches the arrival of user motion.
        microphone: watches the arrival of user audio.
        sound: watches whether the user's sound can be used.
        speech: watches the arrival of speech to say; its silence is no fault.
        motion_arrivals: when the newest samples of user motion arrived.
    """

    def __init__(self, config: AvatarConfig, block_frames: int) -> None:
        timeout_ns, window_ns = config.input_timeout_ms * MILLISECOND, config.reorder_ms * MILLISECOND
        period_ns = block_frames * FRAME_NS
        self.camera = InputWatch("camera", timeout_ns, Punctuality(window_ns, period_ns, tolerated=0.5))
        self.microphone = InputWatch("microphone", timeout_ns, Punctuality(window_ns, period_ns, tolerated=0.05))
        self.sound = SoundWatch()
        self.speech = InputWatch("speech", timeout_ns)
        self.motion_arrivals = ArrivalTimes()

    def hear(self, chunk: AudioChunk, received_ns: int) -> None:
        """Note a chunk of the user's voice."""
        self.sound.hear(chunk)
        if chunk.stamp_ns is None:
            self.microphone.seen(received_ns, None, chunk.duration_ns)
            self.microphone.refused(received_ns, _NO_STAMP)
        else:
            self.microphone.seen(received_ns, chunk.end_ns, chunk.duration_ns)

    def see(self, sample: MotionSample, received_ns: int) -> None:
        """Note a sample of the user's motion."""
        self.camera.seen(received_ns, sample.stamp_ns)
        self.motion_arrivals.add(sample.stamp_ns, received_ns)

    def forget(self) -> None:
        """Start again as if nothing had arrived from the user, after a jump in time."""
        self.camera.forget()
        self.microphone.forget()
        self.sound.forget()

    def stopped(self, now_ns: int) -> dict[str, str]:
        """Of camera and microphone, that it has stopped, in one line, or empty."""
        return {i.name: i.stopped(now_ns) * f"the {i.name} has stopped" for i in (self.camera, self.microphone)}

    def complaints(self, now_ns: int) -> dict[str, str]:
        """What is wrong with camera and microphone, each in one line, or empty."""
        stopped = self.stopped(now_ns)
        return {
            "camera": stopped["camera"] or self.camera.clock_complaint(),
            "microphone": self.microphone.refusal(now_ns)
            or stopped["microphone"]
            or self.microphone.clock_complaint()
            or self.microphone.length_complaint()
            or self.sound.complaint(),
        }

    def figures(self) -> dict[str, object]:
        """Figures for diagnostics, by name."""
        return {
            "user_motion_received": self.camera.count,
            "user_audio_received": self.microphone.count,
            "speech_received": self.speech.count,
            "user_motion_age_ms_least": _milliseconds(self.camera.least_age_ns),
            "user_audio_age_ms_least": _milliseconds(self.microphone.least_age_ns),
        }


def _milliseconds(duration_ns: int | None) -> float | str:
    return "" if duration_ns is None else duration_ns / MILLISECOND
