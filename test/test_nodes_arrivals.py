"""What had come when a block was due counts for it, whatever the machine was doing; a burst is taken in as a whole."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

pytest.importorskip("rclpy")
from avatar_forcing_ros.msg import AudioChunk
from std_srvs.srv import Trigger

from avatar_forcing_ros import signals
from avatar_forcing_ros.audio.barge_in import BargeInConfig
from avatar_forcing_ros.avatar import AvatarConfig
from avatar_forcing_ros.nodes.audio_messages import from_chunk
from avatar_forcing_ros.nodes.testing import AvatarStage, TestGraph
from avatar_forcing_ros.session.quality import QualityConfig
from avatar_forcing_ros.testing import tiny_bundle
from avatar_forcing_ros.testing_sessions import Speed, VirtualMachine

pytestmark = pytest.mark.ros

MS = 1_000_000
PORTRAIT = np.full((64, 64, 3), 90, np.uint8)


@pytest.mark.parametrize("on_simulated_time", [True, False])
def test_sound_that_came_while_the_machine_was_busy_counts_for_the_next_decision(on_simulated_time: bool) -> None:
    config = AvatarConfig(image_size=32, barge_in=BargeInConfig(enabled=True))  # decides on every frame
    stage = VirtualMachine(
        tiny_bundle(), PORTRAIT, Speed(), config, QualityConfig(fixed=0), every_frame=on_simulated_time
    )
    first_ns = stage.now_ns
    for n in range(1, 100):
        chunk = signals.AudioChunk(first_ns + (n - 1) * 40 * MS, np.full(640, 0.01, np.float32), 16_000)
        stage.at(first_ns + n * 40 * MS + 7 * MS, partial(stage.session.hear, chunk))
    stage.run(1)
    stage.speed.slowness = 8.0  # 240 ms of work for 160 ms
    stage.run(1)
    stage.speed.slowness = 1.0
    stage.run(2)

    figures = stage.session.figures()
    assert figures["user_audio_received"] == 99
    assert (figures["user_audio_late"], figures["user_audio_gaps"]) == (0, 0)


def test_settling_takes_in_a_whole_burst() -> None:
    with TestGraph() as graph:
        stage = AvatarStage(graph)
        stage.play(4)
        silence = signals.AudioChunk(stage.now_ns, np.zeros(160, np.float32), 16_000)
        sound = [from_chunk(silence) for _ in range(30)]
        graph.send(AudioChunk, "user_audio", sound[0])
        graph.send(AudioChunk, "user_audio", *sound[1:])
        assert graph.call(Trigger, "generator/settle", Trigger.Request()).success

        assert stage.node.inputs["microphone"].count == 30
