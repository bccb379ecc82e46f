# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The rule by which a generator and its understudy share avatar/image_raw. It needs no ROS.

The generator leads. It shows a frame only while it holds a lease, which it renews with every frame and which expires
`LEASE_S` after the latest one. The understudy steps in when it has heard of no frame for `PATIENCE_S`, which is longer.
So a generator that was stopped and resumes knows that it is off stage before it shows anything. It returns when the
understudy permits it, with a higher term than the one in which it fell silent. Two faces are never shown, and only the
understudy decides.

Silence is measured on the monotonic clock, which is never set; frames are identified by their presentation time.

`session/endings.py` has the rule by which each utterance ends once.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from avatar_forcing_ros.signals import NANOSECONDS
from avatar_forcing_ros.timeline.grid import FRAME_NS

LEASE_S = 0.090
PATIENCE_S = 0.100
ALONE_S = 1.0
"""A generator that no longer hears its understudy goes on stage on its own after this long."""
FIRST_WORD_S = 4.0
"""The same for one that has never heard it, because the middleware is slow while a machine starts."""
GONE_S = 1.0
"""An utterance that no generator has listed for this long is lost."""
_ASLEEP_S = 0.100
_SET_CLOCK_NS = NANOSECONDS
_REMEMBERED = 1024
_LISTENS_S = 0.3
"""A node that has not emptied its queues for this long does not know what others have said."""
_NOTICE_FRAMES = 2
"""A generator is sent on stage this many frames ahead, so that the word has come by then."""
_SAYS_EVERY = 4
"""The understudy repeats its word every so many frames, for nodes that start later or missed it."""
_RECENT_S, _IN_TIME_FRAMES = 0.15, 4
"""A generator keeps time if its last two reports are so recent, and their frames so close to the one that is due."""
_AWAY_PER_FADE = 4
"""The shorter a generator was away, the less the two motions differ, and the sooner one has become the other."""

LEADER, UNDERSTUDY = 0, 1  # the constants of msg/Stage.msg


@dataclass(frozen=True)
class Word:
    """What the understudy says; see msg/Stage.msg."""

    term: int
    on_stage: int
    from_ns: int
    epoch: int = 0
    ended: Sequence[str] = ()
    detail: str = ""


@dataclass(frozen=True)
class Report:
    """What the generator says with each frame; see msg/LeadingRole.msg.

    `readers` are the numbers of subscriptions that its publishers have found, in a fixed order of topics.
    """

    stamp_ns: int
    term: int
    on_stage: bool
    epoch: int
    utterances: Sequence[str] = ()
    portrait_sha256: str = ""
    leaving: bool = False
    readers: Sequence[int] = ()


class Lease:
    """The generator's side; thread-safe.

    Args:
        shared: whether there is an understudy. Without one, the generator is always on stage.
        monotonic_s: the clock that measures silence.

    Attributes:
        shared: as given.
        term: the newest term, see msg/Stage.msg.
        epoch: the highest epoch that the understudy has seen; None before its first word.
    """

    def __init__(self, shared: bool = False, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self.shared, self._clock_s = shared, monotonic_s
        self._lock = threading.RLock()
        self._on_stage = not shared
        self._granted_ns: int | None = None
        self._lapsed_term = -1
        self._heard_s = self._shown_s = monotonic_s()
        # utterances, in order of their coming; dictionaries stand for sets that keep it
        self._taken: dict[str, None] = {}  # accepted, and their endings are not published yet
        self._over: dict[str, None] = {}  # somebody here has claimed the right to announce their ending
        self._signed: dict[str, None] = {}  # of these, those whose ending the understudy asked for
        self._ended: dict[str, None] = {}  # the understudy has announced their ending
        self.term = 0
        self.epoch: int | None = None

    @property
    def on_stage(self) -> bool:
        """Whether the latest frame was shown, and the next one will be if it comes in time."""
        with self._lock:
            return self._on_stage and not self._has_lapsed()

    @property
    def awaits_word(self) -> bool:
        """Whether to wait for the first word of the understudy, if there is one."""
        return self.shared and self.epoch is None and self._clock_s() - self._heard_s < FIRST_WORD_S

    @property
    def is_alone(self) -> bool:
        """Whether there should be an understudy, but it has long been silent."""
        return self.shared and self._clock_s() - self._heard_s > FIRST_WORD_S

    def may_show(self, stamp_ns: int, now_ns: int) -> bool:
        """Whether a frame may be published now; call this right before publishing it.

        Args:
            stamp_ns: its presentation time.
            now_ns: ROS time.
        """
        if not self.shared:
            return True
        with self._lock:
            if self._on_stage and self._has_lapsed():
                self._on_stage, self._granted_ns, self._lapsed_term = False, None, self.term
                self._heard_s = self._clock_s()  # while stopped, it did not listen either, so it must do that first
            alone_s = FIRST_WORD_S if self.epoch is None else ALONE_S
            if not self._on_stage and self._clock_s() - self._heard_s > alone_s:
                self._on_stage, self.term = True, self.term + 1
            if not self._on_stage and self._granted_ns is not None:
                was_set = abs(self._granted_ns - now_ns) > _SET_CLOCK_NS
                if not was_set and now_ns - self._granted_ns > LEASE_S * NANOSECONDS:
                    self._granted_ns = None  # too late: the understudy is on stage again
                else:
                    self._on_stage = was_set or stamp_ns >= self._granted_ns
            if self._on_stage:
                self._shown_s, self._granted_ns = self._clock_s(), None
            return self._on_stage

    def hear(self, word: Word) -> None:
        """Take a word of the understudy."""
        with self._lock:
            self._heard_s = self._clock_s()
            self.epoch = word.epoch
            remember_newest(self._ended, *word.ended)
            if word.term < self.term:
                return  # the understudy does not know yet what happened while it was away
            if word.on_stage == UNDERSTUDY:
                self._on_stage, self._granted_ns = False, None
            elif not self._on_stage and word.term > self._lapsed_term:
                self._granted_ns = word.from_ns
            self.term = word.term

    def has_ended(self, utterance_id: str) -> bool:
        """Whether the understudy has announced or requested an utterance's end, whatever the avatar reports later."""
        with self._lock:
            return utterance_id in self._ended or utterance_id in self._signed

    def is_told(self, utterance_id: str) -> bool:
        """Whether the understudy has announced the end of an utterance."""
        with self._lock:
            return utterance_id in self._ended

    def take(self, utterance_id: str) -> None:
        """Note an accepted utterance; chunks that come after its end are ignored."""
        if self.shared and utterance_id:
            with self._lock:
                if utterance_id not in self._over:
                    self._taken[utterance_id] = None

    def began(self, utterance_id: str) -> None:
        """Note that an utterance has begun, perhaps a new one with the id of one that has ended."""
        if self.shared and utterance_id:
            with self._lock:
                self._over.pop(utterance_id, None)
                self._taken[utterance_id] = None

    def claim(self, utterance_id: str) -> bool:
        """Whether the caller may announce the end of an utterance: only the first may, and then calls `told`."""
        with self._lock:
            if self.has_ended(utterance_id) or utterance_id in self._over:
                return False
            remember_newest(self._over, utterance_id)
            return True

    def sign(self, utterance_id: str) -> bool:
        """Whether an ending that the understudy asks for may be announced; not if we have the utterance after all."""
        with self._lock:
            if utterance_id in self._taken or not self.claim(utterance_id):
                return False
            remember_newest(self._signed, utterance_id)
            self._taken[utterance_id] = None
            return True

    def told(self, utterance_id: str) -> None:
        """Note that the ending of an utterance was published, or never will be."""
        with self._lock:
            self._taken.pop(utterance_id, None)

    @property
    def utterances(self) -> list[str]:
        """Utterances that were taken and whose ending has not been published."""
        with self._lock:
            return list(self._taken)

    def forget_ended(self) -> set[str]:
        """Taken utterances that the understudy has ended since the last call; they must not be said any more."""
        with self._lock:
            ended = {name for name in self._taken if name in self._ended}
            self._taken = {name: None for name in self._taken if name not in self._ended}
            return ended

    def _has_lapsed(self) -> bool:
        return self.shared and self._clock_s() - self._shown_s > LEASE_S


def remember_newest(names: dict[str, None], *newest: str) -> None:
    """Add names to those known, and forget the oldest if there are too many."""
    names.update(dict.fromkeys(newest))
    while len(names) > _REMEMBERED:
        del names[next(iter(names))]


def is_found(readers: Sequence[int], by_us: Sequence[int]) -> bool:
    """Whether a generator that waits has found all subscribers that we have found.

    The middleware takes between a tenth of a second and many seconds to connect a new publisher to each subscription,
    and messages published before are silently lost.

    Args:
        readers: numbers of subscriptions in the generator's report.
        by_us: the same for our own publishers.
    """
    return all(theirs < 0 or theirs >= ours for theirs, ours in zip(readers, by_us, strict=False))


@dataclass(frozen=True)
class Cue:
    """What the understudy does at one frame of the grid.

    Attributes:
        plays: whether it shows a frame.
        share: share of the generator's motion in it: 0 while idling, rising towards 1 before it hands over.
        steps_in: whether it has just taken the stage; its motion then continues from the generator's latest.
        says: whether to publish on the topic `stage`.
    """

    plays: bool
    share: float = 0.0
    steps_in: bool = False
    says: bool = False


@dataclass
class Watch:
    """The understudy's side: watches the generator's reports and decides, once per frame of the grid.

    Attributes:
        patience_s: see `PATIENCE_S`; use more where a network delays or loses the generator's reports.
        fade_frames: number of frames in which the face blends into the generator's motion before it hands over, at
            most; a quarter of the time for which the generator was away if that is less.
        on_stage: whether the understudy is on stage.
        term: see `Stage.msg`.
        from_ns: presentation time of the first frame of the side that is on stage.
        epoch: highest epoch seen.
        newest: the generator's latest report, None before the first.
        why: reason for the latest change, in one line.
        entries: how often it has stepped in for a generator.
    """

    patience_s: float = PATIENCE_S
    fade_frames: int = 8
    on_stage: bool = True
    term: int = 0
    from_ns: int = 0
    epoch: int = 0
    newest: Report | None = None
    why: str = "the generator has not started yet"
    entries: int = 0
    _heard_s: float = -1e9
    _shown_s: float = -1e9
    _lead_s: float | None = None
    _tick_s: float | None = None
    _unsure_until_s: float = -1e9
    _woke_s: float = -1e9
    _granted_ns: int | None = None
    _away: int = 0
    _fades: int = 0
    _faded: int = 0
    _ticks: int = 0
    _arrivals: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=2))

    def hear(self, report: Report, now_s: float) -> None:
        """Take the generator's report of a frame."""
        self.newest, self._heard_s = report, now_s
        self.epoch = max(self.epoch, report.epoch)
        if report.on_stage:
            self._shown_s = now_s
            self._granted_ns = self._granted_ns if self.on_stage else None
        self._arrivals.append((now_s, report.stamp_ns))

    def silence_s(self, now_s: float) -> float:
        """How long ago the generator was last heard, in seconds."""
        return now_s - self._heard_s

    def listens(self, now_s: float, emptied_s: float) -> None:
        """Note when all messages were last taken in; being too busy for that counts as having been asleep."""
        if now_s - emptied_s > _LISTENS_S:
            self._woke_s = now_s

    def has_stage(self) -> bool:
        """Whether the understudy is on stage, the generator has confirmed that, and none has been sent on stage."""
        report = self.newest
        confirmed = report is None or (not report.on_stage and report.term == self.term)
        return self.on_stage and self._granted_ns is None and confirmed

    def knows(self, now_s: float) -> bool:
        """Whether the generator's silence means anything, since one that was asleep did not listen either."""
        return now_s - self._woke_s > GONE_S

    def tick(self, stamp_ns: int, now_s: float, ready: bool = True) -> Cue:
        """Decide what to do for a frame of the grid.

        Args:
            stamp_ns: its presentation time.
            now_s: monotonic time.
            ready: whether the generator has the right portrait and has found its subscribers.
        """
        if self._tick_s is None or now_s - self._tick_s > _ASLEEP_S:
            self._wake(now_s, None if self._tick_s is None else now_s - self._tick_s)
        self._tick_s = now_s
        self._ticks += 1
        regular = self._ticks % _SAYS_EVERY == 0
        if self._leads(now_s):
            return self._watch(stamp_ns, now_s, regular)
        if now_s < self._unsure_until_s:
            return Cue(plays=False)
        return self._play(stamp_ns, now_s, ready, regular)

    def _wake(self, now_s: float, slept_s: float | None) -> None:
        """After a start or a sleep of our own, listen first, because the generator may be on stage."""
        if slept_s is None or slept_s > ALONE_S / 2:
            self._unsure_until_s = now_s + self.patience_s
        if slept_s is not None:
            self._woke_s = now_s
            self._shown_s = max(self._shown_s, now_s - self.patience_s / 2)

    def _leads(self, now_s: float) -> bool:
        """Whether the generator is on stage, even if it went there on its own."""
        report = self.newest
        if report is None or not report.on_stage or report.term < self.term or self._granted_ns is not None:
            return not self.on_stage
        if self.on_stage and now_s - self._shown_s < self.patience_s:
            self.on_stage, self.term, self.from_ns, self._faded = False, report.term, report.stamp_ns, 0
            self.why = "the generator was on stage already"
        return not self.on_stage

    def _watch(self, stamp_ns: int, now_s: float, regular: bool) -> Cue:
        assert self.newest is not None or self._granted_ns is None
        if now_s - self._shown_s < self.patience_s and (self.newest is None or self.newest.on_stage):
            return Cue(plays=False, says=regular)
        if self._granted_ns is not None and now_s - self._shown_s < self.patience_s:
            return Cue(plays=False, says=regular)  # it was sent on stage and has not arrived yet
        leaving = self.newest is not None and self.newest.leaving
        self.why = "the generator has been deactivated" if leaving else "the generator is silent"
        self.entries += not leaving
        self.on_stage, self._granted_ns, self._away, self._faded, self.from_ns = True, None, 0, 0, stamp_ns
        self.term = max(self.term, self.newest.term if self.newest else 0) + 1
        return Cue(plays=True, steps_in=True, says=True)

    def _play(self, stamp_ns: int, now_s: float, ready: bool, regular: bool) -> Cue:
        if self._granted_ns is not None and (stamp_ns >= self._granted_ns or self._granted_ns - stamp_ns > NANOSECONDS):
            self.on_stage, self.from_ns, self._shown_s = False, self._granted_ns, now_s
            return Cue(plays=False, says=True)
        self._away += 1
        ready = ready or self._granted_ns is not None  # permission once given holds
        if not (ready and self._keeps_time(stamp_ns, now_s)):
            lost, self._faded, self._granted_ns = self._faded > 0, 0, None
            return Cue(plays=True, steps_in=lost, says=regular or lost)
        if not self._faded:
            self._fades = min(self.fade_frames, max(_NOTICE_FRAMES, self._away // _AWAY_PER_FADE))
        self._faded += 1
        goes = self._granted_ns is None and self._faded > self._fades - _NOTICE_FRAMES
        if goes:
            notice_ns = _NOTICE_FRAMES * FRAME_NS
            self._granted_ns, self.term, self.why = stamp_ns + notice_ns, self.term + 1, "the generator leads"
        return Cue(plays=True, share=min(1.0, self._faded / (self._fades + 1)), says=regular or goes)

    def _keeps_time(self, stamp_ns: int, now_s: float) -> bool:
        """Whether the generator's frames are in time; its reports must be recent."""
        if len(self._arrivals) < 2 or (self.newest is not None and self.newest.leaving):
            return False
        return all(
            now_s - at_s < _RECENT_S and abs(stamp_ns - of_ns) <= _IN_TIME_FRAMES * FRAME_NS
            for at_s, of_ns in self._arrivals
        )

    def word(self, ended: Sequence[str] = ()) -> Word:
        """The word for now; a change is announced before it takes place."""
        going = self._granted_ns is not None or not self.on_stage
        from_ns = self.from_ns if self._granted_ns is None else self._granted_ns
        return Word(self.term, LEADER if going else UNDERSTUDY, from_ns, self.epoch, ended, self.why)
