# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Barge-in through the real nodes: fifty interrupts at random times, each ending told once, the next utterance right.

Simulated time moves frame by frame, so that a busy machine changes nothing; `bench/barge_in.py` has the same figures
with the time that computing takes.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("rclpy")
from avatar_forcing_ros.msg import PlaybackEvent
from std_srvs.srv import Trigger

from avatar_forcing_ros import signals
from avatar_forcing_ros.nodes.audio_messages import AudioReader
from avatar_forcing_ros.nodes.ros_time import stamp_ns
from avatar_forcing_ros.nodes.testing import AvatarStage, TestGraph
from avatar_forcing_ros.testing import speech_like

pytestmark = [pytest.mark.ros, pytest.mark.simulated_time]

FRAME_NS = 40_000_000
MS = 1_000_000
ENDINGS = (PlaybackEvent.FINISHED, PlaybackEvent.INTERRUPTED)


@pytest.fixture
def graph():
    with TestGraph() as graph:
        yield graph


def heard_of(stage: AvatarStage, utterance_id: str) -> np.ndarray:
    reader = AudioReader("AudioChunk")
    pieces = [reader.read(message).samples for message in stage.spoken if message.utterance_id == utterance_id]
    return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)


def test_fifty_interrupts_at_random_times_in_a_row(graph: TestGraph) -> None:
    rng = np.random.default_rng(4)
    stage = AvatarStage(graph)
    stage.play(8)
    asked_ns: dict[str, int] = {}
    for number in range(50):
        name, epoch = f"utterance {number}", stage.infos[-1].epoch
        stage.say(name, speech_like(2.0, seed=number))
        stage.play(int(rng.integers(4, 16)))
        asked_ns[name] = stage.now_ns
        if number % 2:
            stage.interrupt()
        else:
            assert graph.call(Trigger, "generator/interrupt", Trigger.Request()).success
        stage.play_until(lambda epoch=epoch: stage.infos[-1].epoch == epoch + 1)
        stage.play(int(rng.integers(0, 3)))
    stage.say("the last", speech_like(0.6))
    stage.play(40)
    graph.spin_until(lambda: stage.events and stage.events[-1].event == PlaybackEvent.FINISHED)

    assert set(np.diff(stage.stamps())) == {FRAME_NS}
    for name, asked in asked_ns.items():
        told = [event for event in stage.events if event.utterance_id == name]
        frames = [info for info in stage.infos if info.utterance_id == name]
        assert [event.event for event in told if event.event in ENDINGS] == [PlaybackEvent.INTERRUPTED], name
        ended_ns = stamp_ns(told[-1].header.stamp)
        assert ended_ns - asked <= 100 * MS
        assert all(stamp_ns(info.header.stamp) + FRAME_NS <= asked + 100 * MS for info in frames)
        spoken = [stamp_ns(message.header.stamp) for message in stage.spoken if message.utterance_id == name]
        assert all(stamp + FRAME_NS <= asked + 100 * MS for stamp in spoken)
        presented = heard_of(stage, name)
        position = stamp_ns(told[-1].position) * 16_000 // signals.NANOSECONDS
        assert abs(len(presented) - position) <= 640  # the first frame may begin with silence
        expected = speech_like(2.0, seed=int(name.split()[1]))[:position]
        np.testing.assert_allclose(presented[len(presented) - position :], expected, atol=1e-4)
    last = heard_of(stage, "the last")
    np.testing.assert_allclose(last[: len(speech_like(0.6))], speech_like(0.6), atol=1e-4)
    assert [event.utterance_id for event in stage.events[-2:]] == ["the last"] * 2
    assert len([event for event in stage.events if event.event in ENDINGS]) == 51


@pytest.mark.parametrize("enabled", [True, False])
def test_the_users_voice_interrupts_when_it_may(graph: TestGraph, voices: dict[str, np.ndarray], enabled: bool) -> None:
    stage = AvatarStage(graph, avatar__barge_in__enabled=enabled)
    stage.play(8)
    stage.say("a long answer", voices["avatar"][: 16_000 * 4])
    stage.play(30, lambda: stage.hear(np.zeros(0, np.float32)))
    begun_ns = stage.now_ns
    words = iter(np.split(0.6 * voices["user"][: 60 * 640], 60))
    stage.play(60, lambda: stage.hear(next(words)))

    endings = [event for event in stage.events if event.event in ENDINGS]
    if enabled:
        assert [event.event for event in endings] == [PlaybackEvent.INTERRUPTED]
        assert stamp_ns(endings[0].header.stamp) - begun_ns <= 800 * MS
        assert stage.infos[-1].epoch == 1
    else:
        assert PlaybackEvent.INTERRUPTED not in [event.event for event in endings]
        assert stage.infos[-1].epoch == 0


def test_the_avatars_own_echo_does_not_interrupt_it(graph: TestGraph, voices: dict[str, np.ndarray]) -> None:
    stage = AvatarStage(graph, avatar__barge_in__enabled=True)
    stage.play(8)
    stage.say("a long answer", voices["avatar"][: 16_000 * 6])
    stage.play(165, lambda: stage.hear(np.zeros(0, np.float32), echo=0.4, echo_frames=4))
    graph.spin_until(lambda: len(stage.events) == 2)

    assert [event.event for event in stage.events] == [PlaybackEvent.STARTED, PlaybackEvent.FINISHED]


def test_an_interrupt_with_nothing_to_say_is_only_a_new_epoch(graph: TestGraph) -> None:
    stage = AvatarStage(graph)
    stage.play(10)
    stage.interrupt()
    stage.play_until(lambda: stage.infos[-1].epoch == 1)
    stage.play(5)

    assert not stage.events
    assert all(b - a == FRAME_NS for a, b in pairwise(stage.stamps()))


def test_reset_ends_what_is_being_said(graph: TestGraph) -> None:
    stage = AvatarStage(graph)
    stage.play(10)
    stage.say("said", speech_like(2.0))
    stage.say("waiting", speech_like(1.0))
    stage.play(20)
    assert graph.call(Trigger, "generator/reset", Trigger.Request()).success
    graph.set_clock(stage.now_ns + 2 * FRAME_NS)  # as soon as an interrupt ends it
    graph.spin_until(lambda: len(stage.events) == 3)

    assert [(event.utterance_id, event.event) for event in stage.events] == [
        ("said", PlaybackEvent.STARTED),
        ("said", PlaybackEvent.INTERRUPTED),
        ("waiting", PlaybackEvent.INTERRUPTED),
    ]
