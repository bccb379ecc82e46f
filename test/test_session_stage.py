# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Generator and understudy on one stage, in virtual time: never two faces, never none, one ending per utterance."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from avatar_forcing_ros.session.endings import Ledger
from avatar_forcing_ros.session.stage import GONE_S, LEADER, UNDERSTUDY, Lease, Report, Watch, Word, is_found
from avatar_forcing_ros.timeline.grid import FRAME_NS

FRAME_S = FRAME_NS / 1e9


@dataclass
class Theatre:
    """Both sides, with words and reports that take a frame at most; `running` says whether the generator runs, `ready`
    whether it has the portrait and the readers, `loses` whether a network keeps reports back to send them again."""

    now_s: float = 1000.0
    running: bool = True
    ready: bool = True
    watch: Watch = field(default_factory=Watch)
    shown: list[tuple[int, int]] = field(default_factory=list)
    letters: list[Word] = field(default_factory=list)
    loses: bool = False
    reports: list[Report] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lease = Lease(True, lambda: self.now_s)

    def restart(self) -> None:
        """Another generator takes the place of the one that was there."""
        self.lease, self.running, self.letters = Lease(True, lambda: self.now_s), True, []

    def frame(self) -> None:
        """One frame of the grid passes."""
        self.now_s += FRAME_S
        stamp = round(self.now_s / FRAME_S) * FRAME_NS
        if self.running:
            for word in self.letters:
                self.lease.hear(word)
            self.letters = []
            on_stage = self.lease.may_show(stamp, stamp)
            if on_stage:
                self.shown.append((stamp, LEADER))
            self.reports.append(Report(stamp, self.lease.term, on_stage, 0))
        if not self.loses:
            for report in self.reports:
                self.watch.hear(report, self.now_s)
            self.reports = []
        cue = self.watch.tick(stamp, self.now_s, self.ready)
        if cue.plays:
            self.shown.append((stamp, UNDERSTUDY))
        if cue.says:
            self.letters.append(self.watch.word())

    def play(self, seconds: float) -> None:
        """Let time pass."""
        for _ in range(round(seconds / FRAME_S)):
            self.frame()

    @property
    def gap_ms(self) -> float:
        """Longest time between two shown frames."""
        return float(np.diff([stamp for stamp, _ in self.shown]).max()) / 1e6

    @property
    def doubles(self) -> int:
        """Frames shown at a time that was there, or later."""
        return int((np.diff([stamp for stamp, _ in self.shown]) <= 0).sum())


@pytest.fixture
def theatre() -> Theatre:
    theatre = Theatre()
    theatre.play(3)
    assert theatre.shown[0][1] == UNDERSTUDY
    assert theatre.shown[-1][1] == LEADER
    return theatre


@pytest.mark.parametrize("away_s", [0.12, 0.2, 0.4, 0.9, 1.1, 3.0, 30.0])
def test_a_generator_that_stops_and_wakes_leaves_no_gap_and_shows_no_second_face(
    theatre: Theatre, away_s: float
) -> None:
    theatre.running = False
    theatre.play(away_s)
    assert theatre.shown[-1][1] == UNDERSTUDY
    theatre.running = True
    theatre.play(2)

    assert theatre.shown[-1][1] == LEADER
    assert theatre.gap_ms <= 160
    assert theatre.doubles == 0


@pytest.mark.parametrize(("patience_s", "stays"), [(0.1, False), (0.25, True)])
def test_with_patience_reports_that_come_late_by_a_network_cost_no_generator_the_stage(
    patience_s: float, stays: bool
) -> None:
    theatre = Theatre(watch=Watch(patience_s=patience_s))
    theatre.play(3)
    theatre.shown.clear()
    for n in range(200):
        theatre.loses = n % 20 < 4  # 160 ms: lost, asked for, lost again
        theatre.frame()

    assert (UNDERSTUDY not in [who for _, who in theatre.shown]) == stays
    theatre.running = False
    theatre.play(0.4)
    assert theatre.shown[-1][1] == UNDERSTUDY


@pytest.mark.parametrize("seed", range(20))
def test_generators_that_die_and_stop_at_random_leave_no_gap_and_show_no_second_face(
    theatre: Theatre, seed: int
) -> None:
    chance = np.random.default_rng(seed)
    for _ in range(10):
        theatre.running = False
        theatre.play(float(chance.uniform(0.04, 4.0)))
        if chance.random() < 0.5:
            theatre.restart()
        theatre.running = True
        theatre.play(float(chance.uniform(0.04, 3.0)))

    assert theatre.gap_ms <= 160
    assert theatre.doubles == 0


def test_an_understudy_that_was_stopped_ends_nothing_before_it_has_listened_again(theatre: Theatre) -> None:
    assert theatre.watch.knows(theatre.now_s)
    theatre.now_s += 1.4  # it is stopped; the generator goes on, and nobody hears it
    theatre.watch.tick(round(theatre.now_s / FRAME_S) * FRAME_NS, theatre.now_s)
    assert theatre.watch.silence_s(theatre.now_s) > GONE_S
    assert not theatre.watch.knows(theatre.now_s)
    theatre.play(1.2)
    assert theatre.watch.knows(theatre.now_s) and theatre.watch.silence_s(theatre.now_s) < GONE_S


def test_a_generator_goes_on_when_its_understudy_is_gone(theatre: Theatre) -> None:
    before = len(theatre.shown)
    for _ in range(100):
        theatre.now_s += FRAME_S
        stamp = round(theatre.now_s / FRAME_S) * FRAME_NS
        assert theatre.lease.may_show(stamp, stamp)
    assert len(theatre.shown) == before


def test_a_generator_that_was_not_granted_the_stage_shows_nothing_whatever_old_words_say() -> None:
    theatre = Theatre()
    lease = theatre.lease
    lease.hear(Word(5, LEADER, 0))
    assert lease.may_show(FRAME_NS, 0)
    theatre.now_s += 0.5  # it was stopped, and wakes
    assert not lease.may_show(2 * FRAME_NS, 0)
    lease.hear(Word(5, LEADER, 0))  # was said before it was stopped
    assert not lease.may_show(3 * FRAME_NS, 0)
    lease.hear(Word(7, LEADER, 0))
    assert not lease.may_show(4 * FRAME_NS, 4 * FRAME_NS)  # too late: the understudy has gone on
    lease.hear(Word(9, LEADER, 6 * FRAME_NS))
    assert not lease.may_show(5 * FRAME_NS, 5 * FRAME_NS)
    assert lease.may_show(6 * FRAME_NS, 6 * FRAME_NS)


def test_a_generator_comes_on_stage_only_when_everybody_will_see_it_and_then_for_certain() -> None:
    theatre = Theatre()
    theatre.ready = False
    theatre.play(5)
    assert theatre.shown[-1][1] == UNDERSTUDY
    theatre.ready = True
    while theatre.letters[-1:] == [] or theatre.letters[-1].on_stage == UNDERSTUDY:
        theatre.frame()
    theatre.ready = False  # somebody has joined since the word was given
    theatre.play(1)
    assert theatre.shown[-1][1] == LEADER
    assert theatre.gap_ms <= 80
    assert theatre.doubles == 0


@pytest.mark.parametrize(
    ("theirs", "ours", "found"),
    [
        ((0, 0), (0, 0), True),
        ((0, 1), (1, 1), False),
        ((2, 1), (1, 1), True),
        ((2, 0), (1, 1), False),
        ((-1, 1), (1, 1), True),
        ((), (1, 1), True),
    ],
    ids=[
        "nobody listens",
        "one is missing",
        "more than ours",
        "another topic does not make up",
        "no such topic",
        "old",
    ],
)
def test_who_is_found(theirs: tuple[int, ...], ours: tuple[int, ...], found: bool) -> None:
    assert is_found(theirs, ours) == found


def test_without_an_understudy_everything_is_shown() -> None:
    now_s = [0.0]
    lease = Lease(False, lambda: now_s[0])
    for seconds in (0.0, 100.0):
        now_s[0] = seconds
        assert lease.may_show(0, 0)
        assert lease.on_stage


LEADS = ("here", 1)


def _end_all(ledger: Ledger) -> list[tuple[str, int]]:
    """The leader is gone."""
    ends = [ledger.end(name) for name in ledger.of(LEADS)]
    return [(end.utterance_id, end.position_ns) for end in ends]


def test_an_utterance_ends_once_where_it_stopped() -> None:
    ledger = Ledger()
    ledger.listed(["second", "first"], LEADS, 0.0)
    ledger.began("first", 10 * FRAME_NS, 0.4)
    for n in range(10, 25):
        ledger.said("first", n * FRAME_NS, FRAME_NS, n * FRAME_S)

    assert _end_all(ledger) == [("first", 15 * FRAME_NS), ("second", 0)]
    assert _end_all(ledger) == []
    ledger.said("first", 25 * FRAME_NS, FRAME_NS, 1.0)  # was on its way
    assert _end_all(ledger) == []


def test_what_was_said_before_a_stall_counts() -> None:
    ledger = Ledger(leader=LEADS)
    ledger.began("a", 0, 0.0)
    ledger.said("a", 0, FRAME_NS, 0.0)
    ledger.stalled("a", FRAME_NS // 2)
    assert _end_all(ledger) == [("a", FRAME_NS // 2)]

    ledger.began("b", 0, 0.0)
    ledger.said("b", 0, FRAME_NS, 0.0)
    ledger.stalled("b", FRAME_NS // 2)
    ledger.said("b", 8 * FRAME_NS, FRAME_NS, 0.3)
    assert _end_all(ledger) == [("b", FRAME_NS // 2 + FRAME_NS)]


def test_a_hole_in_what_was_said_does_not_count() -> None:
    ledger = Ledger(leader=LEADS)
    ledger.began("a", 0, 0.0)
    for n in (0, 1, 15, 16):  # a generator that was stopped goes on later
        ledger.said("a", n * FRAME_NS, FRAME_NS, n * FRAME_S)
    assert _end_all(ledger) == [("a", 4 * FRAME_NS)]


def test_what_no_generator_has_taken_is_lost_after_a_while_and_what_one_has_is_not() -> None:
    ledger = Ledger()
    ledger.sent("taken", 0.0)
    ledger.sent("lost", 0.0)
    ledger.listed(["taken"], LEADS, 0.1)

    assert ledger.lost(GONE_S / 2) == []
    assert ledger.lost(GONE_S + 0.1) == ["lost"]
    ledger.listed([], LEADS, GONE_S + 0.2)  # its ending was told
    assert ledger.of(LEADS) == []
    ledger.sent("taken", 2.0)  # a piece that was on its way
    assert ledger.lost(10.0) == ["lost"]


def test_late_pieces_of_what_is_over_are_not_listed_and_a_new_utterance_of_the_same_name_is() -> None:
    lease = Lease(shared=True)
    lease.take("a")
    assert lease.claim("a")
    assert not lease.claim("a")
    assert lease.utterances == ["a"]  # until it is told
    lease.told("a")
    lease.take("a")
    assert lease.utterances == []
    lease.began("a")
    assert lease.utterances == ["a"]
    assert lease.claim("a")


def test_what_the_understudy_has_ended_nobody_else_ends() -> None:
    lease = Lease(shared=True)
    lease.take("a")
    lease.hear(Word(1, UNDERSTUDY, 0, ended=("a",)))
    assert not lease.claim("a")
    assert not lease.sign("a")
    assert lease.forget_ended() == {"a"}
    assert lease.utterances == []


def test_what_has_begun_is_not_taken_for_over_by_a_report_of_before() -> None:
    ledger = Ledger()
    ledger.listed([], LEADS, 0.0)
    ledger.began("a", 0, 0.0)
    ledger.listed([], LEADS, 0.0)  # made before it began, and taken in later
    assert ledger.of(LEADS) == ["a"]
    ledger.listed(["a"], LEADS, 0.1)
    ledger.listed([], LEADS, 0.2)
    assert ledger.of(LEADS) == []


def test_the_understudy_has_the_stage_when_the_generator_has_confirmed_it() -> None:
    watch = Watch()
    assert watch.has_stage()
    watch.hear(Report(0, 3, True, 0), 0.0)
    assert not watch.has_stage()  # it was on stage already
    watch.term = 4
    watch.hear(Report(0, 3, False, 0), 0.1)
    assert not watch.has_stage()  # it has yet to hear of that
    watch.hear(Report(0, 4, False, 0), 0.2)
    assert watch.has_stage()
