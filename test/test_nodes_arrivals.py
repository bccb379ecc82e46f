# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What had come when a block was due counts for it, whatever the machine was doing; a burst is taken in as a whole."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

pytest.importorskip("rclpy")
from avatar_forcing_ros.msg import AudioChunk, AvatarState, FrameInfo
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger

from avatar_forcing_ros import signals
from avatar_forcing_ros.audio.barge_in import BargeInConfig
from avatar_forcing_ros.avatar import AvatarConfig
from avatar_forcing_ros.nodes.audio_messages import from_chunk
from avatar_forcing_ros.nodes.generator_node import GeneratorNode
from avatar_forcing_ros.nodes.testing import AvatarStage, TestGraph
from avatar_forcing_ros.session.quality import QualityConfig
from avatar_forcing_ros.testing import tiny_bundle
from avatar_forcing_ros.testing.sessions import Speed, VirtualMachine
from avatar_forcing_ros.timeline.grid import FRAME_NS

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


def slow_bundle(seconds_per_evaluation: float):
    """A model that keeps the processor waiting, as a much larger one would."""
    import time

    bundle = tiny_bundle()
    bundle.network.transformer.register_forward_pre_hook(lambda *_: time.sleep(seconds_per_evaluation))
    return bundle


def test_a_node_with_a_slow_model_publishes_at_a_lower_quality_and_on_simulated_time_at_full() -> None:
    for sim_time in (False, True):
        with TestGraph() as graph:
            arguments = {"open_model": lambda *_: slow_bundle(0.09)}
            node = graph.add(
                GeneratorNode, arguments, user_audio__kind="AudioChunk", avatar__image_size=64, use_sim_time=sim_time
            )
            infos = graph.listen(FrameInfo, "avatar/frame_info")
            images = graph.listen(Image, "avatar/image_raw")
            states = graph.listen(AvatarState, "avatar/state", latched=True)
            if sim_time:
                for n in range(40):
                    graph.set_clock(10**12 + n * FRAME_NS)
                    graph.spin(0.05)
                assert {info.quality_level for info in infos} == {0}
            else:
                graph.spin_until(lambda infos=infos: infos and infos[-1].quality_level >= 1)
                graph.spin_until(lambda states=states: states[-1].quality_level >= 1)
                assert "quality level" in states[-1].detail
            assert images and node.faults.count == 0
