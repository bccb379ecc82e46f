# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Nodes of one process hand over what they publish as it is, and from outside nobody sees a difference."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
from avatar_forcing_ros.msg import FrameInfo, MotionLatents
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import String

from avatar_forcing_ros.files.media import read_video
from avatar_forcing_ros.graph import settings as graph
from avatar_forcing_ros.graph.demo_files import recorded_conversation
from avatar_forcing_ros.graph.environment import apart_from_itself
from avatar_forcing_ros.graph.keeping import KEEP
from avatar_forcing_ros.nodes import one_process
from avatar_forcing_ros.nodes.handover import HandingPublisher, Handover
from avatar_forcing_ros.nodes.ros_time import stamp_ns
from avatar_forcing_ros.nodes.testing import TestGraph

pytestmark = pytest.mark.ros


def test_the_live_graph_in_one_process_has_its_parameters_but_no_understudy() -> None:
    (together,) = graph.one_process(graph.live(graph.AvatarChoice(portrait="me.png"), webcam=1, barge_in=True))
    chosen, rest = one_process._split(together.ros_arguments())

    assert dict(chosen) == {
        "generator_node": {"portrait": "me.png", "avatar.barge_in.enabled": True, "understudy": False},
        "motion_extraction_node": {},
        "display_node": {},
        "media_source_node": {"webcam": 1},
    }
    assert rest == ["--ros-args", "--params-file", str(together.settings)]
    assert together.respawns and KEEP not in together.own_arguments


def test_without_nodes_it_says_what_was_expected(capsys: pytest.CaptureFixture[str]) -> None:
    assert one_process.main(["--ros-args"]) == 2
    assert capsys.readouterr().err == "error: expected --node EXECUTABLE JSON_PARAMETERS, got --ros-args\n"


class Sender:
    """The middleware's publisher, with as many subscriptions as a test wants."""

    def __init__(self, durability: DurabilityPolicy = DurabilityPolicy.VOLATILE) -> None:
        self.qos_profile, self.elsewhere = QoSProfile(depth=1, durability=durability), 0
        self.sent: list[object] = []
        self.publish = self.sent.append

    def get_subscription_count(self) -> int:
        return self.elsewhere


def test_a_message_is_handed_over_as_it_is_and_sent_only_where_somebody_listens_elsewhere() -> None:
    handover, sender, heard, message = Handover(), Sender(), [], String(data="x")
    publisher = HandingPublisher(sender, "/topic", handover)
    leave = handover.listen("/topic", heard.append)
    publisher.publish(message)
    assert heard == [message] and heard[0] is message and sender.sent == []

    sender.elsewhere = 2
    assert publisher.get_subscription_count() == 3
    leave()
    publisher.publish(message)
    assert len(heard) == 1 and sender.sent == [message]


def test_who_comes_late_gets_what_is_latched() -> None:
    handover, heard = Handover(), []
    latched, fleeting = Sender(DurabilityPolicy.TRANSIENT_LOCAL), Sender()
    HandingPublisher(latched, "/state", handover).publish(String(data="state"))
    HandingPublisher(fleeting, "/other", handover).publish(String(data="other"))
    handover.listen("/state", heard.append)
    handover.listen("/other", heard.append)

    assert [message.data for message in heard] == ["state"]
    assert len(latched.sent) == 1, "who listens elsewhere may come late, too"


def test_the_middleware_leaves_the_process_out_where_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DISTRO", "humble")
    assert apart_from_itself() == {}
    monkeypatch.setenv("ROS_DISTRO", "kilted")
    (profile,) = apart_from_itself().values()
    assert "fastdds.ignore_local_endpoints" in Path(profile).read_text()


def test_from_outside_it_is_the_same_graph(tmp_path: Path) -> None:
    """The demo's nodes, seen from this process: every stamp once, made from handed-over motion, and filmed."""
    film = tmp_path / "film.mp4"
    nodes = graph.demo(graph.AvatarChoice(), recorded_conversation(), str(film))
    (together,) = graph.one_process(nodes)
    *parts, source = together.parts
    with TestGraph() as test:
        infos: list[FrameInfo] = []
        pictures: list[Image] = []
        motion: list[MotionLatents] = []
        for kind, topic, heard in (
            (FrameInfo, "avatar/frame_info", infos),
            (Image, "avatar/image_raw", pictures),
            (MotionLatents, "user_motion", motion),
        ):
            test.node.create_subscription(kind, topic, heard.append, QoSProfile(depth=100))
        short = graph.replace(source, parameters={**source.parameters, "duration_s": 8.0})
        # on a busy machine the face is read late; what is checked is that its motion arrives, not when
        patient = [
            graph.replace(part, parameters={**part.parameters, "avatar.reorder_ms": 480})
            if part.executable == "generator_node"
            else part
            for part in parts
        ]
        together = graph.replace(together, parts=(*patient, short))
        process = subprocess.Popen(
            [sys.executable, "-m", together.module, *together.ros_arguments()],
            env=os.environ | graph.PROCESS_ENVIRONMENT,
            stderr=subprocess.PIPE,
            text=True,
        )
        test.spin_until(lambda: len(infos) > 5 or process.poll() is not None)
        topics = {name for name, _ in test.node.get_topic_names_and_types()}
        test.spin_until(lambda: process.poll() is not None)
        assert process.wait() == 0, process.communicate()[1]
    stamps = [stamp_ns(info.header.stamp) for info in infos]
    assert len(stamps) > 20 and len(set(stamps)) == len(stamps)
    assert any(stamp_ns(info.user_motion_until) for info in infos) and motion and pictures
    outputs = {"frame_info", "image_raw", "motion", "blendshapes", "speech", "playback", "state"}
    inputs = {"/camera/image_raw", "/user_audio", "/speech", "/speech/interrupt", "/user_motion", "/diagnostics"}
    assert inputs | {f"/avatar/{name}" for name in outputs} <= topics
    deadline = time.monotonic() + 5
    while not film.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert sum(1 for _ in read_video(film)) > 20
