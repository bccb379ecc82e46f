# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One rule: where a new epoch begins, whatever is older is dropped, from its presentation time on; arrival decides."""

from __future__ import annotations

import itertools
import threading

import numpy as np
import pytest

from avatar_forcing_ros.avatar import Avatar, AvatarConfig
from avatar_forcing_ros.messages import making
from avatar_forcing_ros.session.clock import VirtualClock
from avatar_forcing_ros.session.outbox import Epoch, Outbox
from avatar_forcing_ros.session.quality import QualityConfig, QualityLadder
from avatar_forcing_ros.session.session import Session
from avatar_forcing_ros.signals import MILLISECOND, NANOSECONDS, AudioChunk
from avatar_forcing_ros.testing import speech_like, tiny_bundle
from avatar_forcing_ros.testing.sessions import Speed, VirtualMachine
from avatar_forcing_ros.timeline.grid import FRAME_NS

START_NS = 1_000 * NANOSECONDS
PORTRAIT = np.full((64, 64, 3), 90, np.uint8)
LEAD_NS = AvatarConfig().interrupt_lead_ms * MILLISECOND


# --- the outbox -------------------------------------------------------------------------------------------------------


class Box:
    """An outbox on a clock moved by hand, and what it did."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.outbox, self.done = Outbox(VirtualClock(lambda: self.now_ns)), []

    def put(self, due_ns: int, stamp_ns: int, epoch: Epoch, name: str) -> None:
        self.outbox.put(due_ns, stamp_ns, epoch, lambda: self.done.append(name))

    def run_until(self, time_ns: int) -> list[str]:
        while (due_ns := self.outbox.next_due_ns) is not None and due_ns <= time_ns:
            self.now_ns = due_ns
            self.outbox.turn()
        return self.done


def test_an_outbox_acts_in_order_of_time_and_of_putting() -> None:
    box = Box()
    for due_ns, name in ((30, "c"), (10, "a"), (30, "d"), (20, "b"), (99, "later")):
        box.put(due_ns, due_ns, Epoch(), name)
    assert box.run_until(50) == ["a", "b", "c", "d"]


def test_nothing_is_done_before_its_time() -> None:
    box = Box()
    box.put(30, 30, Epoch(), "a")
    box.outbox.turn()
    box.outbox.act()
    assert box.done == []


@pytest.mark.parametrize("put_first", [True, False])
def test_a_new_epoch_drops_what_is_older_whenever_it_was_put(put_first: bool) -> None:
    box = Box()

    def put() -> None:
        for stamp_ns in (10, 20, 30):
            box.put(stamp_ns, stamp_ns, Epoch(0, 5), f"old {stamp_ns}")
            box.put(stamp_ns, stamp_ns, Epoch(1, 0), f"new {stamp_ns}")

    if put_first:
        put()
    dropped = box.outbox.begin(Epoch(1), 20)
    if not put_first:
        put()

    assert dropped == (2 if put_first else 0)
    assert box.run_until(99) == ["old 10", "new 10", "new 20", "new 30"]


def test_of_several_epochs_each_drops_from_its_own_time_in_any_order() -> None:
    beginnings = [(Epoch(1), 30), (Epoch(2), 20), (Epoch(2, 7), 50)]
    for order in itertools.permutations(beginnings):
        box = Box()
        for beginning in order:
            box.outbox.begin(*beginning)
        kept = {
            (epoch, stamp_ns)
            for epoch in (Epoch(), Epoch(1, 3), Epoch(2, 1), Epoch(2, 7))
            for stamp_ns in (10, 20, 30, 50)
            if box.outbox.takes(stamp_ns, epoch)
        }
        expected = {(Epoch(), 10), (Epoch(1, 3), 10)} | {(Epoch(2, 1), t) for t in (10, 20, 30)}
        assert kept == expected | {(Epoch(2, 7), t) for t in (10, 20, 30, 50)}


def test_beginnings_are_forgotten_when_nothing_older_can_come() -> None:
    box = Box()
    for number in range(100):
        box.outbox.begin(Epoch(number), 1000 - number)
        box.outbox.begin(Epoch(number, 1), number)
        box.outbox.forget_before(Epoch(number, 1))
    assert box.outbox._beginnings == []


# --- a session whose thread is late -----------------------------------------------------------------------------------


def machine(slowness: float = 1.0) -> VirtualMachine:
    stage = VirtualMachine(
        tiny_bundle(),
        PORTRAIT,
        Speed(slowness=slowness),
        AvatarConfig(image_size=32),
        QualityConfig(fixed=0),
        start_ns=START_NS,
    )
    for number in range(5):
        say = AudioChunk(None, speech_like(2.0), 16_000, f"utterance {number}", end_of_utterance=True)
        stage.session.say(say)
    return stage


def heard_after(stage: VirtualMachine, topic: str, time_ns: int, name: str) -> int:
    """Messages of an utterance that are stamped at a time or later."""
    stamps = (m.header.stamp for m in stage.published[topic] if m.utterance_id == name)
    return sum(stamp.sec * NANOSECONDS + stamp.nanosec >= time_ns for stamp in stamps)


ASKS = ("interrupt", "reset")


@pytest.mark.parametrize(("first", "second"), itertools.product(ASKS, ASKS))
@pytest.mark.parametrize("apart_ms", [0, 30, 130, 350])
def test_a_second_request_between_arrival_and_execution_of_the_first_loses_nothing(
    first: str, second: str, apart_ms: int
) -> None:
    stage = machine(slowness=4.0)  # 120 ms for a block of 160 ms: requests mostly wait
    stage.run(1.2)
    asked_ns = stage.now_ns + 17 * MILLISECOND
    then_ns = asked_ns + apart_ms * MILLISECOND
    said_second = AudioChunk(None, speech_like(2.0), 16_000, "between", end_of_utterance=True)
    stage.at(asked_ns, getattr(stage.session, first))
    stage.at(asked_ns + 1, lambda: stage.session.say(said_second))
    stage.at(then_ns, getattr(stage.session, second))
    stage.run(3)

    for topic in ("avatar/speech", "avatar/frame_info"):
        assert heard_after(stage, topic, asked_ns + LEAD_NS + FRAME_NS, "utterance 0") == 0
        if apart_ms:
            assert heard_after(stage, topic, then_ns + LEAD_NS + FRAME_NS, "between") == 0
    epochs = [info.epoch for info in stage.published["avatar/frame_info"]]
    assert epochs == sorted(epochs) and epochs[-1] == 2
    endings = [e.utterance_id for e in stage.published["avatar/playback"] if e.event == e.INTERRUPTED]
    assert sorted(endings) == ["between"] * bool(apart_ms) + [f"utterance {n}" for n in range(5)]
    cut = next(e for e in stage.published["avatar/playback"] if e.event == e.INTERRUPTED)
    said = sum(chunk.utterance_id == cut.utterance_id for chunk in stage.published["avatar/speech"])
    assert cut.position.sec * NANOSECONDS + cut.position.nanosec == said * FRAME_NS


def test_requests_count_by_their_arrival_however_busy_the_thread_is() -> None:
    # what is made of the same arrivals is the same on a machine that is free and on one that mostly lags
    asked_ns = START_NS + 1_230 * MILLISECOND
    made = []
    for slowness in (0.0, 4.0):
        stage = machine(slowness)
        stage.at(asked_ns, stage.session.interrupt)
        stage.at(asked_ns + 50 * MILLISECOND, stage.session.reset)
        stage.run(4)
        made.append([(i.epoch, i.frame_index, i.header.stamp.nanosec) for i in stage.published["avatar/frame_info"]])
    assert len(made[0]) > 90
    assert made[0] == made[1][: len(made[0])]  # a late block goes on beyond the end of the run


class StandingThread:
    """A session whose deciding thread stands still, on a clock moved by hand."""

    def __init__(self) -> None:
        self.now_ns, self.said = START_NS, []
        self.acting = VirtualClock(lambda: self.now_ns)
        self.outbox = Outbox(self.acting)
        avatar = Avatar(tiny_bundle(), PORTRAIT, AvatarConfig(image_size=32))
        ladder = QualityLadder(QualityConfig(fixed=0), 0.16)
        clock = VirtualClock(lambda: self.now_ns)
        self.session = Session(avatar, clock, self.outbox, ladder, lambda what, error: self.said.append((what, error)))
        self.session.turn()


def test_an_interrupt_silences_what_waits_although_the_deciding_thread_stands_still() -> None:
    standing = StandingThread()
    standing.session.say(AudioChunk(None, speech_like(2.0), 16_000, "long", end_of_utterance=True))
    for _ in range(10):
        standing.now_ns += FRAME_NS
        standing.session.turn()
    waiting = [item.stamp_ns for item in standing.outbox._items]
    standing.session.interrupt()

    left = [item.stamp_ns for item in standing.outbox._items]
    silent_from_ns = standing.now_ns + LEAD_NS + FRAME_NS
    assert max(waiting) >= silent_from_ns > max(left, default=0)


def test_any_number_of_threads_may_interrupt_and_reset_while_it_decides() -> None:
    standing = StandingThread()
    asks = [standing.session.interrupt, standing.session.reset] * 2
    threads = [threading.Thread(target=lambda ask=ask: [ask() for _ in range(50)]) for ask in asks]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        standing.now_ns += MILLISECOND
        standing.session.turn()
    for thread in threads:
        thread.join()
    standing.session.turn()

    assert standing.said == []
    assert standing.session.figures()["epoch"] == 200
    assert standing.outbox._beginnings == []


def test_a_clock_that_is_set_back_leaves_nothing_of_the_time_that_will_not_come() -> None:
    standing = StandingThread()
    for _ in range(10):
        standing.now_ns += FRAME_NS
        standing.session.turn()
    assert standing.outbox.next_due_ns is not None
    standing.session.interrupt()  # is carried out after the jump, and must not wait for the old time
    standing.now_ns -= 500 * NANOSECONDS
    for _ in range(10):
        standing.session.turn()
        standing.now_ns += FRAME_NS

    due_ns = [item.due_ns for item in standing.outbox._items]
    assert due_ns and max(due_ns) < standing.now_ns + NANOSECONDS


@pytest.mark.parametrize("step_s", [-3600.0, -5.0, -0.3, 5.0, 3600.0])
@pytest.mark.parametrize("after_s", [0.9, 1.03])
def test_within_a_second_of_a_step_of_the_clock_all_is_as_before(step_s: float, after_s: float) -> None:
    stage = machine()
    parts = np.array_split(speech_like(2.0), 10)
    for n, part in enumerate(parts):  # comes as it is made, also while the clock is set
        piece = AudioChunk(None, part, 16_000, "cut", n, n == 9)
        stage.at(START_NS + 200 * n * MILLISECOND, lambda piece=piece: stage.session.say(piece))
    stage.session.interrupt()
    stage.run(after_s)
    stage.set_clock(step_s)
    set_ns, frames = stage.now_ns, len(stage.published["avatar/frame_info"])
    for n, part in enumerate(parts[5:], 5):
        piece = AudioChunk(None, part, 16_000, "cut", n, n == 9)
        stage.at(set_ns + 200 * (n - 5) * MILLISECOND, lambda piece=piece: stage.session.say(piece))
    stage.run(1.0)
    stage.session.say(AudioChunk(None, speech_like(0.5), 16_000, "next", 0, True))
    stage.run(3.0)

    shown_ns = [making.stamp_ns(info.header.stamp) for info in stage.published["avatar/frame_info"][frames:]]
    assert {b - a for a, b in itertools.pairwise(n for n in shown_ns if n > set_ns)} == {FRAME_NS}
    events = [(e.utterance_id, e.event, making.stamp_ns(e.header.stamp)) for e in stage.published["avatar/playback"]]
    began = {who: at_ns for who, kind, at_ns in events if kind == 0}
    assert 0 <= began["next"] - set_ns < 2 * NANOSECONDS
    endings = [who for who, kind, _ in events if kind in (1, 2)]
    assert endings.count("cut") == endings.count("next") == 1


@pytest.mark.parametrize("ask", ["interrupt", "reset"])
def test_a_new_epoch_leaves_no_gap_in_the_pictures(ask: str) -> None:
    stage = machine()
    stage.run(1.2)
    for n in range(20):  # at every place within a block
        stage.at(stage.now_ns + n * 317 * MILLISECOND, getattr(stage.session, ask))
    stage.run(8)

    shown_ms = np.array(stage.published_ns["avatar/image_raw"]) / MILLISECOND
    assert stage.session.figures()["epoch"] == 20
    assert np.diff(shown_ms).max() <= 120
