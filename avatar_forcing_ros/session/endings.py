# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How each utterance ends once, even if the process that says it dies. It needs no ROS.

At any time, only one of generator and understudy may announce the ending of an utterance:

1. A living generator ends what it has. It lists its utterances in every report, and removes one only after publishing
   its ending; within its process, each can be claimed only once (`Lease.claim`).
2. The understudy ends the utterances of a generator that is gone for certain: its process no longer exists (one that
   hangs is killed first), or it has announced that it is leaving. Silence alone proves this only of a generator on
   another computer. Before it ends anything, it takes in all messages sent to it by then (`Endings`).
3. An utterance that no generator has listed for `GONE_S` is ended by the understudy while it is on stage: the word that
   sends a generator on stage names such utterances, and the generator never says them. While a generator is on stage,
   the understudy asks it for the ending, and it agrees unless it has the utterance or has ended it.

A generator that was stopped and resumes treats its utterances as a session without an understudy does: it continues
where it was last heard, or INTERRUPTS there if that was longer than `AvatarConfig.behind_ms` ago.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from avatar_forcing_ros.session.stage import GONE_S, Report, Watch, remember_newest
from avatar_forcing_ros.signals import NANOSECONDS
from avatar_forcing_ros.timeline.grid import FRAME_NS

_NAMED = 256
"""Each word of the understudy names its latest endings, up to this many."""
ELSEWHERE_GONE_S = 3.0
"""A generator that cannot be observed, or may not be killed, counts as gone after this long, without proof."""
_TAKES_IN_S = 0.3
"""Messages that a process sent right before its end have arrived after this long."""
_ASKS_AGAIN_S, _ASKS = 0.5, 6

Owner = tuple[str, int]
"""A generator: its host and process number."""


@dataclass
class _Spoken:
    """One utterance as the understudy has seen it; `position_ns` of it precede the stretch that is being said."""

    seen_s: float
    owner: Owner | None = None
    listed: bool = False
    began: bool = False
    position_ns: int = 0
    said_from_ns: int | None = None
    said_until_ns: int = 0
    asked: int = 0
    asked_s: float = -1e9

    @property
    def presented_ns(self) -> int:
        """How much of it was heard, in nanoseconds."""
        since_ns = 0 if self.said_from_ns is None else self.said_until_ns - self.said_from_ns
        return self.position_ns + max(0, since_ns)


@dataclass
class Ledger:
    """Which generator said what, so that utterances of one that is gone end where they really stopped.

    Attributes:
        ended: the latest utterances that the understudy has ended.
        leader: the generator that was heard last.
    """

    ended: deque[str] = field(default_factory=lambda: deque(maxlen=_NAMED))
    leader: Owner | None = None
    _open: dict[str, _Spoken] = field(default_factory=dict)
    _closed: dict[str, None] = field(default_factory=dict)

    def sent(self, utterance_id: str, now_s: float) -> None:
        """Note that a dialogue manager has sent a part of an utterance, or that a generator has it."""
        if utterance_id and utterance_id not in self._closed:
            self._open.setdefault(utterance_id, _Spoken(now_s))

    def listed(self, names: Sequence[str], owner: Owner, now_s: float) -> None:
        """Note the utterances that a generator has; those that it had before are over."""
        self.leader = owner
        for name in names:
            self.sent(name, now_s)
            if (spoken := self._open.get(name)) is not None:
                spoken.owner, spoken.listed, spoken.seen_s = owner, True, now_s
        has = set(names)  # what was never listed may be newer than this report
        for name in [name for name in self.of(owner) if self._open[name].listed and name not in has]:
            self.over(name)

    def said(self, utterance_id: str, stamp_ns: int, duration_ns: int, now_s: float) -> None:
        """Note that a piece of an utterance was handed to the loudspeaker."""
        if (spoken := self._begun(utterance_id, now_s)) is not None:
            if spoken.said_from_ns is None or stamp_ns > spoken.said_until_ns + FRAME_NS // 2:  # it was delayed
                spoken.position_ns, spoken.said_from_ns = spoken.presented_ns, stamp_ns
            spoken.said_until_ns = stamp_ns + duration_ns

    def began(self, utterance_id: str, stamp_ns: int, now_s: float) -> None:
        """Note that an utterance has STARTED, perhaps in the middle of a frame."""
        if (spoken := self._begun(utterance_id, now_s)) is not None:
            spoken.said_from_ns = stamp_ns
            spoken.said_until_ns = max(spoken.said_until_ns, stamp_ns)

    def _begun(self, utterance_id: str, now_s: float) -> _Spoken | None:
        self.sent(utterance_id, now_s)
        if (spoken := self._open.get(utterance_id)) is not None:
            spoken.began, spoken.owner = True, spoken.owner or self.leader
        return spoken

    def stalled(self, utterance_id: str, position_ns: int) -> None:
        """Note that an utterance has STALLED; it continues with its next piece."""
        if (spoken := self._open.get(utterance_id)) is not None:
            spoken.position_ns, spoken.said_from_ns = position_ns, None

    def over(self, utterance_id: str) -> None:
        """Note that an utterance has ended, whoever announced it."""
        self._open.pop(utterance_id, None)
        remember_newest(self._closed, utterance_id)

    def of(self, owner: Owner) -> list[str]:
        """Utterances of a generator; those that have begun come first."""
        names = [name for name, spoken in self._open.items() if spoken.owner == owner]
        return sorted(names, key=lambda name: not self._open[name].began)

    def lost(self, now_s: float) -> list[str]:
        """Utterances that have waited for longer than `GONE_S` and that no generator has listed."""
        return [name for name, each in self._open.items() if each.owner is None and now_s - each.seen_s > GONE_S]

    def end(self, name: str) -> Ending:
        """End an utterance on behalf of the understudy."""
        ending = Ending(name, self._open[name].presented_ns)
        self.over(name)
        self.ended.append(name)
        return ending

    def ask(self, name: str, now_s: float) -> Ending | None:
        """The ending to ask a generator for, if it is time to ask; if it never answers, it ended it long ago."""
        spoken = self._open[name]
        if now_s - spoken.asked_s < _ASKS_AGAIN_S:
            return None
        spoken.asked, spoken.asked_s = spoken.asked + 1, now_s
        if spoken.asked > _ASKS:
            self.over(name)
            return None
        return Ending(name, spoken.presented_ns)


@dataclass(frozen=True)
class Ending:
    """The end of an utterance that is INTERRUPTED after `position_ns`."""

    utterance_id: str
    position_ns: int


class Endings:
    """The understudy's side of the rule; not thread-safe.

    Args:
        watch: knows who is on stage.
        is_gone: whether the process of a generator has ended; None if it cannot be observed from here.

    Attributes:
        ledger: which generator said what.
    """

    def __init__(self, watch: Watch, is_gone: Callable[[Owner], bool | None]) -> None:
        self.ledger = Ledger()
        self._watch, self._is_gone = watch, is_gone
        self._heard_s: dict[Owner, float] = {}
        self._gone_s: dict[Owner, float] = {}
        self._leaving = False

    def hear(self, owner: Owner, report: Report, now_s: float) -> None:
        """Take a generator's report of a frame."""
        self._heard_s[owner], self._leaving = now_s, report.leaving
        self._gone_s.pop(owner, None)
        self.ledger.listed(report.utterances, owner, now_s)

    def tick(self, now_s: float, emptied_s: float) -> tuple[list[Ending], list[Ending]]:
        """The endings that the understudy announces now, and those that it asks the generator for.

        Args:
            now_s: monotonic time.
            emptied_s: all messages that had arrived by then have been taken in.
        """
        self._watch.listens(now_s, emptied_s)
        for owner in self._heard_s:
            if owner not in self._gone_s and self._has_gone(owner, now_s):
                self._gone_s[owner] = now_s
        if not self._watch.knows(now_s):
            return [], []
        ledger = self.ledger
        gone = [owner for owner, at_s in self._gone_s.items() if emptied_s - at_s > _TAKES_IN_S]
        ends = [name for owner in gone for name in ledger.of(owner)]
        asks: list[str] = []
        leader = ledger.leader
        if leader is None or leader in gone or self._watch.has_stage():
            ends += ledger.lost(now_s)
        elif leader not in self._gone_s and now_s - self._heard_s[leader] < GONE_S:
            asks = ledger.lost(now_s)
        for owner in gone:
            if owner != leader:
                del self._heard_s[owner], self._gone_s[owner]
        asked = [ledger.ask(name, now_s) for name in asks]
        return [ledger.end(name) for name in ends], [ending for ending in asked if ending is not None]

    def _has_gone(self, owner: Owner, now_s: float) -> bool:
        if owner == self.ledger.leader and self._leaving:
            return True
        silent_s = now_s - self._heard_s[owner]
        if silent_s < FRAME_NS / NANOSECONDS:
            return False
        gone = self._is_gone(owner)
        replaced = gone is None and owner != self.ledger.leader
        return bool(gone) or silent_s > (GONE_S if replaced else ELSEWHERE_GONE_S)
