# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Generator and understudy in virtual time, with messages that come when they like: each utterance ends once."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")

from avatar_forcing_ros.nodes.stage_messages import from_word, to_report, to_word
from avatar_forcing_ros.nodes.stage_outlet import StageOutlet
from avatar_forcing_ros.session.endings import Ending, Endings, Owner
from avatar_forcing_ros.session.outlet import Provenance, Shown
from avatar_forcing_ros.session.stage import GONE_S, Lease, Watch
from avatar_forcing_ros.signals import AvatarFrame
from avatar_forcing_ros.timeline.grid import FRAME_NS
from avatar_forcing_ros.timeline.playback import Playback, PlaybackEvent

FRAME_S = FRAME_NS / 1e9
KILLS_S = 2.0
SEEDS = range(10)
"""Thousands were tried; these are enough to see each rule that is broken."""
FINAL = (Playback.FINISHED, Playback.INTERRUPTED)


class DiedError(Exception):
    """The process is killed in the middle of something."""


@dataclass
class Process:
    """Its callbacks come in order within a topic, and not at all while it is deaf; it does nothing while it is stopped.

    Attributes:
        stopped_until_s: SIGSTOP.
        deaf_until_s: the thread of its callbacks gets no turn.
    """

    stopped_until_s: float = 0.0
    deaf_until_s: float = 0.0
    topics: dict[str, deque[tuple[Callable[..., None], Any]]] = field(default_factory=dict)

    def send(self, topic: str, accept: Callable[..., None], message: Any) -> None:
        self.topics.setdefault(topic, deque()).append((accept, message))

    def hear(self, order: np.random.Generator, most: int) -> None:
        """A few messages of each topic."""
        for topic in order.permutation(sorted(self.topics)):
            for _ in range(min(most, len(self.topics[topic]))):
                accept, message = self.topics[topic].popleft()
                accept(message)


class Generator(Process):
    """The real lease and the real outlet; instead of an avatar that speaks, a list of what is to be said and for how
    long."""

    def __init__(self, theatre: Theatre, number: int) -> None:
        super().__init__()
        self.theatre, self.number, self.dies_at = theatre, number, ""
        self.lease = Lease(True, lambda: theatre.now_s)
        self.outlet = StageOutlet(self, self.lease, self, self, lambda: theatre.now_ns, "")
        self.queue: deque[list[Any]] = deque()

    # what the outlet publishes through; messages go at once

    def readers(self) -> tuple[int, ...]:
        return ()

    def shown(self, shown: Shown) -> None:
        pass

    def happened(self, event: PlaybackEvent) -> None:
        if self.dies_at == "before":
            raise DiedError
        self.theatre.publish(event)
        if self.dies_at == "after":
            raise DiedError

    def publish(self, report: Any) -> None:
        self.theatre.understudy.send("leader", self.theatre.hear_leader, to_report(report))

    def send(self, *letter: Any) -> None:
        if len(letter) == 1:
            letter[0]()
        else:
            super().send(*letter)

    # what a session does

    def say(self, name: str, frames: int) -> None:
        if not self.lease.has_ended(name):
            self.lease.take(name)
            self.queue.append([name, frames, False])

    def asked(self, ending: Ending) -> None:
        event = PlaybackEvent(self.theatre.now_ns, ending.utterance_id, Playback.INTERRUPTED, ending.position_ns)
        self.outlet.sign(event)

    def interrupt(self) -> None:
        for name, _, _ in self.queue:
            self.outlet.happened(PlaybackEvent(self.theatre.now_ns, name, Playback.INTERRUPTED, 0))
        self.queue.clear()

    def turn(self) -> None:
        stamp_ns = self.theatre.now_ns
        frame = AvatarFrame(stamp_ns, 0, 0, 0, np.zeros(2, np.float32))
        self.outlet.shown(Shown(frame, lambda: np.zeros((2, 2, 3), np.uint8), Provenance(None, 0, 0, "")))
        begun = {name for name, _, has_begun in self.queue if has_begun}
        if self.lease.forget_ended() & begun:
            self.interrupt()
        self.queue = deque(each for each in self.queue if not self.lease.has_ended(each[0]))
        if self.queue and (self.lease.on_stage or self.queue[0][2]):
            first = self.queue[0]
            if not first[2]:
                self.outlet.happened(PlaybackEvent(stamp_ns, first[0], Playback.STARTED, 0))
            first[1], first[2] = first[1] - 1, True
            if first[1] <= 0:
                self.queue.popleft()
                self.outlet.happened(PlaybackEvent(stamp_ns, first[0], Playback.FINISHED, FRAME_NS))


class Theatre:
    """Both processes, and who kills and stops them."""

    def __init__(self, seed: int = 0) -> None:
        self.chance = np.random.default_rng(seed)
        self.now_s, self.understudy = 1000.0, Process()
        self.watch = Watch()
        self.endings = Endings(self.watch, lambda owner: owner[1] in self.dead)
        self.dead: set[int] = set()
        self.generator: Generator | None = None
        self.starts_s = self.now_s
        self.number, self.emptied_s = 0, self.now_s
        self.sent: list[str] = []
        self.told: list[tuple[str, str]] = []
        self.most = 1000
        self.kills = True

    @property
    def now_ns(self) -> int:
        return round(self.now_s / FRAME_S) * FRAME_NS

    @property
    def endings_of(self) -> Counter[str]:
        """How often each utterance ended."""
        return Counter(name for name, _ in self.told)

    def publish(self, event: PlaybackEvent, by: str = "generator") -> None:
        if event.kind in FINAL:
            self.told.append((event.utterance_id, by))
        self.understudy.send("playback", self.hear_playback, event)

    def hear_playback(self, event: PlaybackEvent) -> None:
        ledger = self.endings.ledger
        if event.kind in FINAL:
            ledger.over(event.utterance_id)
        elif event.kind is Playback.STARTED:
            ledger.began(event.utterance_id, event.stamp_ns, self.now_s)

    def hear_leader(self, report: Any) -> None:
        self.watch.hear(report, self.now_s)
        self.endings.hear(self.owner, report, self.now_s)

    @property
    def owner(self) -> Owner:
        return ("here", self.number)

    def say(self, frames: int = 10) -> str:
        """A dialogue manager sends an utterance to whoever is there."""
        name = f"{len(self.sent)}"
        self.sent.append(name)
        self.understudy.send("speech", lambda who: self.endings.ledger.sent(who, self.now_s), name)
        if (generator := self.generator) is not None:
            generator.send("speech", lambda who: generator.say(who, frames), name)
        return name

    def kill(self) -> None:
        """Kill -9; the keeper starts another one."""
        if self.generator is not None:
            self.dead.add(self.number)
            self.generator, self.starts_s = None, self.now_s + float(self.chance.uniform(0.2, 2.5))

    def frame(self) -> None:
        """One frame of the grid passes."""
        self.now_s += FRAME_S
        if self.generator is None and self.now_s >= self.starts_s and not self.understudy.topics.get("leader"):
            self.number += 1
            self.generator = Generator(self, self.number)
        for act in self.chance.permutation(3):
            (self._generate, self._hear, self._tick)[act]()

    def _generate(self) -> None:
        generator = self.generator
        if generator is None or self.now_s < generator.stopped_until_s:
            return
        try:
            if self.now_s >= generator.deaf_until_s:
                generator.hear(self.chance, self.most)
            generator.turn()
        except DiedError:
            self.kill()

    def _hear(self) -> None:
        if self.now_s >= max(self.understudy.stopped_until_s, self.understudy.deaf_until_s):
            self.understudy.hear(self.chance, self.most)
            if not any(self.understudy.topics.values()):
                self.emptied_s = self.now_s

    def _tick(self) -> None:
        if self.now_s < self.understudy.stopped_until_s:
            return
        cue = self.watch.tick(self.now_ns, self.now_s)
        ends, asks = self.endings.tick(self.now_s, self.emptied_s)
        for ending in ends:
            event = PlaybackEvent(self.now_ns, ending.utterance_id, Playback.INTERRUPTED, ending.position_ns)
            self.publish(event, "understudy")
        if (generator := self.generator) is not None:
            for ending in asks:
                generator.send("asks", generator.asked, ending)
            if cue.says or ends:
                word = from_word(self.watch.word(tuple(self.endings.ledger.ended)))
                generator.topics.pop("stage", None)  # latched: the newest one counts
                generator.send("stage", lambda message: generator.lease.hear(to_word(message)), word)
            if (
                self.kills
                and self.watch.knows(self.now_s)
                and self.watch.silence_s(self.now_s) > KILLS_S
                and self.endings.ledger.leader
            ):
                self.kill()

    def play(self, seconds: float) -> None:
        """Let time pass."""
        for _ in range(round(seconds / FRAME_S)):
            self.frame()


@pytest.fixture
def theatre() -> Theatre:
    theatre = Theatre()
    theatre.play(3)
    assert theatre.generator is not None and theatre.generator.lease.on_stage
    return theatre


@pytest.mark.parametrize("away_s", [0.5, 1.02, 1.5, 2.5])
@pytest.mark.parametrize("frames", [8, 60])
@pytest.mark.parametrize(
    "who", ["generator stopped", "generator deaf", "understudy stopped", "understudy deaf", "both"]
)
def test_who_is_away_while_something_is_said_tells_no_second_ending(
    theatre: Theatre, who: str, frames: int, away_s: float
) -> None:
    theatre.say(frames)
    theatre.play(0.2)
    assert theatre.generator is not None
    if who in ("generator deaf", "both"):
        theatre.generator.deaf_until_s = theatre.now_s + away_s
    if who in ("understudy deaf", "both"):
        theatre.understudy.deaf_until_s = theatre.now_s + away_s
    if who == "generator stopped":
        theatre.generator.stopped_until_s = theatre.now_s + away_s
    if who == "understudy stopped":
        theatre.understudy.stopped_until_s = theatre.now_s + away_s
    theatre.say(frames)
    theatre.play(10)
    assert theatre.endings_of == {"0": 1, "1": 1}
    assert theatre.number == 1 or who == "generator stopped"  # who does not listen kills nobody for being silent


@pytest.mark.parametrize("deaf_s", [0.26, 1.5])
@pytest.mark.parametrize("dies", ["before", "after"])
def test_a_generator_that_dies_while_it_tells_an_ending_leaves_one(theatre: Theatre, dies: str, deaf_s: float) -> None:
    assert theatre.generator is not None
    theatre.say(10)
    theatre.play(0.28)
    theatre.generator.dies_at = dies
    theatre.understudy.deaf_until_s = theatre.now_s + deaf_s
    theatre.play(8)
    assert theatre.told == [("0", "understudy" if dies == "before" else "generator")]


def test_what_a_generator_never_got_is_ended_by_it_when_it_is_asked(theatre: Theatre) -> None:
    assert theatre.generator is not None
    theatre.say()
    theatre.generator.topics["speech"].clear()
    theatre.play(GONE_S + 0.5)
    assert theatre.told == [("0", "generator")]
    theatre.generator.say("0", 10)  # it comes after all
    theatre.play(3)
    assert theatre.told == [("0", "generator")]


def test_what_is_sent_while_there_is_no_generator_is_ended_by_the_understudy(theatre: Theatre) -> None:
    theatre.kill()
    theatre.starts_s = theatre.now_s + 5
    theatre.say()
    theatre.play(GONE_S + 1.0)
    assert theatre.told == [("0", "understudy")]


def test_a_generator_whose_process_cannot_be_seen_is_taken_for_gone_after_a_longer_silence() -> None:
    theatre = Theatre()
    theatre.endings = Endings(theatre.watch, lambda _owner: None)
    theatre.play(3)
    assert theatre.generator is not None
    theatre.say(200)
    theatre.play(1)
    theatre.generator.stopped_until_s = theatre.now_s + 1.8
    theatre.play(1.7)
    assert theatre.told == []
    theatre.kill()
    theatre.starts_s = theatre.now_s + 100
    theatre.play(2)
    assert theatre.told == [("0", "understudy")]


def test_who_takes_the_place_of_a_process_that_cannot_be_seen_proves_that_it_is_gone() -> None:
    theatre = Theatre()
    theatre.endings = Endings(theatre.watch, lambda _owner: None)
    theatre.play(3)
    theatre.say(200)
    theatre.play(1)
    theatre.kill()
    theatre.starts_s = theatre.now_s + 1.2
    theatre.play(2)
    assert theatre.told == [("0", "understudy")]


@pytest.mark.parametrize("away_s", [1.8, 2.9, 3.2, 6.0])
def test_one_that_cannot_be_seen_and_comes_back_tells_no_second_ending(away_s: float) -> None:
    theatre = Theatre()
    theatre.endings, theatre.kills = Endings(theatre.watch, lambda _owner: None), False
    theatre.play(3)
    assert theatre.generator is not None
    theatre.say(30)
    theatre.play(0.5)
    theatre.generator.stopped_until_s = theatre.now_s + away_s
    theatre.play(away_s + 6)
    assert (theatre.endings_of, theatre.number) == ({"0": 1}, 1)


def test_whatever_is_killed_stopped_and_kept_waiting_each_utterance_ends_once() -> None:
    by: Counter[str] = Counter()
    for seed in SEEDS:
        theatre = Theatre(seed)
        chance = theatre.chance
        theatre.play(3)
        for _ in range(12):
            theatre.most = int(chance.choice([1, 2, 1000]))
            for _ in range(int(chance.integers(0, 8))):
                theatre.say(int(chance.integers(1, 40)))
                theatre.play(float(chance.uniform(0, 0.1)))
            away_s, generator = theatre.now_s + float(chance.exponential(1.0)), theatre.generator
            what = chance.integers(0, 7)
            if generator is not None:
                generator.dies_at = "before" if what == 0 else "after" if what == 1 else ""
                generator.stopped_until_s = away_s if what == 2 else 0.0
                generator.deaf_until_s = away_s if what == 3 else 0.0
            if what == 4:
                theatre.kill()
            theatre.understudy.stopped_until_s = away_s if what == 5 else 0.0
            theatre.understudy.deaf_until_s = away_s if what in (3, 6) else 0.0
            theatre.play(float(chance.uniform(0.04, 3.0)))
        if theatre.generator is not None:
            theatre.generator.dies_at = ""
        theatre.most = 1000
        theatre.play(30)
        wrong = {name: theatre.endings_of[name] for name in theatre.sent if theatre.endings_of[name] != 1}
        assert not wrong, (seed, [told for told in theatre.told if told[0] in wrong], wrong)
        by.update(who for _, who in theatre.told)
    assert min(by["generator"], by["understudy"]) > 20
