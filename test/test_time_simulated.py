# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""use_sim_time: the clock of a bag stands still, goes on, loops and leaps, and the generator goes with it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip("rclpy")
from avatar_forcing_ros.msg import AudioChunk, FrameInfo, MotionLatents, PlaybackEvent

from avatar_forcing_ros import signals
from avatar_forcing_ros.nodes.audio_messages import from_chunk
from avatar_forcing_ros.nodes.generator_node import GeneratorNode
from avatar_forcing_ros.nodes.motion_messages import from_sample
from avatar_forcing_ros.nodes.ros_time import stamp_ns
from avatar_forcing_ros.nodes.testing import TestGraph
from avatar_forcing_ros.testing import smiling, speech_like, tiny_bundle
from avatar_forcing_ros.timeline.grid import FRAME_NS

pytestmark = pytest.mark.ros

START_NS = 1_000 * signals.NANOSECONDS
BLOCK_NS, LEAD_NS = 4 * FRAME_NS, 80_000_000


class Bag:
    """A clock with a camera and a microphone on it, as a played bag has them."""

    def __init__(self, graph: TestGraph) -> None:
        self.graph, self.now_ns, self.seq = graph, START_NS, 0
        self.node = graph.add(
            GeneratorNode,
            {"open_model": lambda *_: tiny_bundle()},
            use_sim_time=True,
            avatar__image_size=64,
            user_audio__kind="AudioChunk",
        )
        self.infos = graph.listen(FrameInfo, "avatar/frame_info")

    def play(self, frames: int) -> None:
        """Move on frame by frame; frames of the avatar are waited for once there has been one at this time."""
        for _ in range(frames):
            self.now_ns += FRAME_NS
            self.graph.send(MotionLatents, "user_motion", from_sample(smiling(self.now_ns, 0.4), "bars", ()))
            chunk = signals.AudioChunk(self.now_ns - FRAME_NS, np.full(640, 0.1, np.float32), 16_000, seq=self.seq)
            self.graph.send(AudioChunk, "user_audio", from_chunk(chunk))
            self.seq += 1
            self.tick()

    def tick(self) -> None:
        self.graph.set_clock(self.now_ns)
        if self.infos and 0 < self.now_ns - self.newest_ns <= 2 * FRAME_NS:
            self.graph.spin_until(lambda: self.newest_ns >= self.now_ns)
        else:
            self.graph.spin(0.15)

    @property
    def newest_ns(self) -> int:
        return stamp_ns(self.infos[-1].header.stamp)

    def go_to(self, time_ns: int) -> list[FrameInfo]:
        """Set the clock, play on, and return the frames that came since."""
        before = len(self.infos)
        self.now_ns = time_ns
        self.tick()
        self.play(12)
        return self.infos[before:]


@pytest.fixture
def bag() -> Iterator[Bag]:
    with TestGraph() as graph:
        yield Bag(graph)


def stamps(infos: list[FrameInfo]) -> list[int]:
    return [stamp_ns(info.header.stamp) for info in infos]


def test_before_there_is_a_clock_nothing_comes(bag: Bag) -> None:
    bag.graph.send(MotionLatents, "user_motion", from_sample(smiling(START_NS, 0.4), "bars", ()))
    bag.graph.spin(1.0)

    assert not bag.infos
    assert bag.node.faults.count == 0


def test_a_clock_that_stops_stops_the_avatar_and_it_goes_on_where_it_was(bag: Bag) -> None:
    bag.play(12)
    before = len(bag.infos)
    for _ in range(5):  # what still comes in, and a clock that says the same again, move nothing
        bag.graph.set_clock(bag.now_ns)
        bag.graph.send(MotionLatents, "user_motion", from_sample(smiling(bag.now_ns + 1, 0.4), "bars", ()))
        bag.graph.spin(0.3)
    assert len(bag.infos) == before

    bag.play(6)

    assert len(bag.infos) == before + 6
    assert set(np.diff(stamps(bag.infos))) == {FRAME_NS}
    assert bag.node.faults.count == 0


def test_a_bag_that_loops_begins_anew_within_a_block(bag: Bag) -> None:
    events = bag.graph.listen(PlaybackEvent, "avatar/playback")
    bag.play(12)
    bag.graph.send(
        AudioChunk, "speech", from_chunk(signals.AudioChunk(None, speech_like(3.0), 16_000, "lost", 0, True))
    )
    bag.play(12)
    assert bag.infos[-1].utterance_id == "lost"
    begins_ns = START_NS - 500 * signals.NANOSECONDS

    after = bag.go_to(begins_ns)

    assert {info.epoch for info in after} == {1}
    assert set(np.diff(stamps(after))) == {FRAME_NS}
    assert all(stamp % FRAME_NS == 0 for stamp in stamps(after))
    # decided at once; its first frame stands on the next block of the grid after the lead
    assert begins_ns < stamps(after)[0] <= begins_ns + LEAD_NS + BLOCK_NS
    assert not any(info.utterance_id for info in after)
    assert bag.node.faults.count == 0
    bag.graph.spin(0.2)
    endings = [event for event in events if event.event in (PlaybackEvent.FINISHED, PlaybackEvent.INTERRUPTED)]
    assert [event.utterance_id for event in endings] == ["lost"]
    assert stamp_ns(after[-1].user_motion_until) > begins_ns


@pytest.mark.parametrize("leap_s", [2, 3600])
def test_a_clock_that_leaps_ahead_is_followed_without_making_up_for_what_was_skipped(bag: Bag, leap_s: int) -> None:
    bag.play(12)
    there_ns = bag.now_ns + leap_s * signals.NANOSECONDS

    after = [info for info in bag.go_to(there_ns) if stamp_ns(info.header.stamp) >= there_ns]

    assert set(np.diff(stamps(after))) == {FRAME_NS}
    assert stamps(after)[0] <= there_ns + LEAD_NS + BLOCK_NS
    assert len(bag.infos) < 12 + 12 + 8
    assert {info.epoch for info in after} == {1}
    assert bag.node.faults.count == 0
