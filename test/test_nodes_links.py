# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Nodes beside others: two avatars on one domain, other people's names and qualities of service, no clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

rclpy = pytest.importorskip("rclpy")
from avatar_forcing_ros.msg import AudioChunk, FrameInfo, PlaybackEvent
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.context import Context
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from std_msgs.msg import Empty, String

from avatar_forcing_ros import signals
from avatar_forcing_ros.nodes import links, qos
from avatar_forcing_ros.nodes.audio_messages import from_chunk
from avatar_forcing_ros.nodes.generator_node import GeneratorNode
from avatar_forcing_ros.nodes.motion_extraction_node import MotionExtractionNode
from avatar_forcing_ros.nodes.testing import TestGraph
from avatar_forcing_ros.signals import NANOSECONDS
from avatar_forcing_ros.testing import speech_like, tiny_bundle

pytestmark = pytest.mark.ros


@pytest.fixture
def graph() -> Iterator[TestGraph]:
    with TestGraph() as graph:
        yield graph


def avatar(graph: TestGraph, namespace: str = "", **parameters: Any) -> GeneratorNode:
    arguments = {"open_model": lambda *_: tiny_bundle(), "namespace": namespace}
    return graph.add(GeneratorNode, arguments, avatar__image_size=64, user_audio__kind="AudioChunk", **parameters)


def newest(reports: list[DiagnosticArray], name: str) -> DiagnosticStatus | None:
    """The last status of a name."""
    found = [status for report in reports for status in report.status if status.name == name]
    return found[-1] if found else None


def becomes(
    graph: TestGraph, reports: list[DiagnosticArray], name: str, level: bytes
) -> Callable[[], DiagnosticStatus | None]:
    """Whether the newest status of a name has a level."""
    return lambda: (status := newest(reports, name)) is not None and status.level == level


def test_two_avatars_on_one_domain_do_not_hear_each_other(graph: TestGraph) -> None:
    for name in ("left", "right"):
        avatar(graph, name)
    infos = {name: graph.listen(FrameInfo, f"/{name}/avatar/frame_info") for name in ("left", "right")}
    events = {name: graph.listen(PlaybackEvent, f"/{name}/avatar/playback") for name in ("left", "right")}
    reports = graph.listen(DiagnosticArray, "/diagnostics")
    graph.spin_until(lambda: all(infos.values()))
    speech = signals.AudioChunk(None, speech_like(1.0), 16_000, "hello", 0, True)
    graph.send(AudioChunk, "/left/speech", from_chunk(speech))
    graph.spin_until(lambda: any(info.utterance_id == "hello" for info in infos["left"]))
    graph.send(Empty, "/right/speech/interrupt", Empty())  # no business of the left one
    graph.spin_until(lambda: any(event.event == PlaybackEvent.FINISHED for event in events["left"]))

    assert {info.utterance_id for info in infos["right"]} == {""}
    assert events["right"] == []
    statuses = [status for report in reports for status in report.status if status.name.endswith("health")]
    assert {(status.name, status.hardware_id) for status in statuses} == {
        ("left/generator: health", "/left/generator"),
        ("right/generator: health", "/right/generator"),
    }


def test_a_quality_of_service_is_changed_for_one_topic_only(graph: TestGraph) -> None:
    node = avatar(graph, **{"qos_overrides./speech.subscription.depth": 7})
    depths = {topic: node.get_subscriptions_info_by_topic(topic) for topic in ("speech", "user_motion")}

    assert node.get_parameter("qos_overrides./speech.subscription.depth").value == 7
    assert [end.qos_profile.reliability for ends in depths.values() for end in ends] == [ReliabilityPolicy.RELIABLE] * 2
    assert {subscription.topic_name: subscription.qos_profile.depth for subscription in node.subscriptions}[
        "/speech"
    ] == 7
    assert qos.SPEECH.depth == 2000


def test_a_publisher_that_does_not_fit_is_named_with_both_policies_until_it_goes(graph: TestGraph) -> None:
    node = avatar(graph)
    reports = graph.listen(DiagnosticArray, "/diagnostics")
    graph.spin_until(becomes(graph, reports, "generator: qos", DiagnosticStatus.OK))
    careless = graph.node.create_publisher(
        AudioChunk, "speech", QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
    )
    graph.spin_until(becomes(graph, reports, "generator: qos", DiagnosticStatus.WARN))
    line = newest(reports, "generator: qos").message

    assert line.startswith("/speech does not come from /tester: ")
    assert "best effort publisher and reliable subscription" in line.lower()
    assert "qos_overrides./speech.subscription" in line
    assert line in newest(reports, "generator: health").message  # a loaded machine says more

    graph.node.destroy_publisher(careless)
    graph.spin_until(becomes(graph, reports, "generator: qos", DiagnosticStatus.OK))
    assert node.faults.count == 0


def test_a_topic_that_has_another_type_elsewhere_is_named_with_both(graph: TestGraph) -> None:
    """Nothing comes then, and nothing said so."""
    node = avatar(graph)
    elsewhere = Context()  # the middleware allows one type of a topic in a process
    rclpy.init(context=elsewhere)
    stranger = Node("stranger", context=elsewhere)
    stranger.create_publisher(String, "speech", 1)
    stranger.create_subscription(String, "avatar/state", lambda _message: None, 1)
    there = "it is std_msgs/msg/String there and"
    expected = {
        f"/speech does not come from /stranger: {there} avatar_forcing_ros/msg/AudioChunk here",
        f"/stranger does not get /avatar/state: {there} avatar_forcing_ros/msg/AvatarState here",
    }
    # the topics of a node are known a little before its name
    graph.spin_until(lambda: set(node.links.complaints()["qos"].split("; ")) == expected)
    stranger.destroy_node()
    rclpy.shutdown(context=elsewhere)
    line = links._of_another_type("avatar_forcing_ros/msg/AudioChunk", "audio_common_msgs/msg/AudioData")
    assert line.endswith("set the parameter of this input that ends in .kind to AudioData")


def test_the_advice_mends_it(graph: TestGraph) -> None:
    node = avatar(graph, **{"qos_overrides./speech.subscription.reliability": "best_effort"})
    careless = graph.node.create_publisher(
        AudioChunk, "speech", QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
    )
    graph.spin_until(lambda: careless.get_subscription_count() > 0)
    graph.spin(0.3)
    careless.publish(from_chunk(signals.AudioChunk(None, speech_like(0.5), 16_000, "hello", 0, True)))
    graph.spin_until(lambda: node.inputs["speech"].count == 1)


def test_a_node_on_simulated_time_without_a_clock_says_so_until_there_is_one(graph: TestGraph) -> None:
    graph.add(MotionExtractionNode, use_sim_time=True)
    reports = graph.listen(DiagnosticArray, "/diagnostics")
    graph.spin_until(lambda: reports)
    expected = "use_sim_time is true, but nobody publishes /clock, so time stands still here"

    assert newest(reports, "motion_extraction: clock").message == expected
    health = newest(reports, "motion_extraction: health")
    assert (health.level, health.message) == (DiagnosticStatus.WARN, expected)

    for n in range(1, 40):
        graph.set_clock(n * 100_000_000)
        graph.spin(0.05)
    graph.spin_until(becomes(graph, reports, "motion_extraction: clock", DiagnosticStatus.OK))


def test_a_topic_is_remapped_with_its_quality_of_service(graph: TestGraph) -> None:
    arguments = {"cli_args": ["--ros-args", "-r", "camera/image_raw:=/head/rgb/image"]}
    node = graph.add(MotionExtractionNode, arguments)

    readers = lambda topic: graph.node.get_subscriptions_info_by_topic(topic)  # noqa: E731
    graph.spin_until(lambda: [end.node_name for end in readers("/head/rgb/image")] == ["motion_extraction"])
    assert not readers("/camera/image_raw")
    assert node.has_parameter("qos_overrides./head/rgb/image.subscription.reliability")


def test_a_clock_that_is_set_is_named_once_and_reports_go_on(graph: TestGraph) -> None:
    node = graph.add(MotionExtractionNode)
    reports = graph.listen(DiagnosticArray, "/diagnostics")
    graph.spin_until(lambda: reports)
    off = [0]
    clock, now = node.get_clock(), node.get_clock().now
    clock.now = lambda: now() + Duration(nanoseconds=off[0])
    off[0] = -3600 * NANOSECONDS
    graph.spin_until(becomes(graph, reports, "motion_extraction: clock", DiagnosticStatus.WARN))
    assert newest(reports, "motion_extraction: clock").message == "the clock was set back by 3600.00 s"
    graph.spin_until(becomes(graph, reports, "motion_extraction: clock", DiagnosticStatus.OK))
