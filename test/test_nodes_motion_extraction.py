# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""camera/image_raw in -> user_motion out, with real messages between two nodes."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy")
from avatar_forcing_ros.msg import MotionLatents
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.srv import ChangeState
from sensor_msgs.msg import CompressedImage, Image

from avatar_forcing_ros.nodes.conversions import compressed_from_rgb, from_rgb
from avatar_forcing_ros.nodes.motion_extraction_node import MotionExtractionNode
from avatar_forcing_ros.nodes.ros_time import stamp_ns, to_stamp
from avatar_forcing_ros.nodes.testing import TestGraph
from avatar_forcing_ros.testing import BarsSpace

pytestmark = pytest.mark.ros

BARS = {"open_motion_space": lambda _model: BarsSpace()}
GREY = np.full((48, 64, 3), 51, np.uint8)  # the bars space says 0.2 to it


@pytest.fixture
def graph():
    with TestGraph() as graph:
        yield graph


def test_a_picture_becomes_the_motion_of_its_moment(graph: TestGraph) -> None:
    graph.add(MotionExtractionNode, BARS)
    heard = graph.listen(MotionLatents, "user_motion")

    graph.send(Image, "camera/image_raw", from_rgb(GREY, to_stamp(123_456_789_012)))
    graph.spin_until(lambda: heard)

    assert stamp_ns(heard[0].header.stamp) == 123_456_789_012
    assert heard[0].motion_space == "bars"
    assert heard[0].valid
    np.testing.assert_allclose(heard[0].latent, 0.2, atol=1e-6)


def test_compressed_pictures_are_read_when_asked_for(graph: TestGraph) -> None:
    graph.add(MotionExtractionNode, BARS, compressed=True)
    heard = graph.listen(MotionLatents, "user_motion")

    graph.send(CompressedImage, "camera/image_raw/compressed", compressed_from_rgb(GREY, to_stamp(5)))
    graph.spin_until(lambda: heard)

    np.testing.assert_allclose(heard[0].latent, 0.2, atol=0.01)


def test_a_picture_without_a_face_is_said_to_have_none(graph: TestGraph) -> None:
    graph.add(MotionExtractionNode, BARS)
    heard = graph.listen(MotionLatents, "user_motion")

    graph.send(Image, "camera/image_raw", from_rgb(np.zeros_like(GREY), to_stamp(5)))
    graph.spin_until(lambda: heard)

    assert not heard[0].valid
    assert heard[0].confidence == 0


def test_a_bad_encoding_is_counted_and_the_next_picture_comes_through(graph: TestGraph) -> None:
    node = graph.add(MotionExtractionNode, BARS)
    heard = graph.listen(MotionLatents, "user_motion")
    bad = from_rgb(GREY, to_stamp(1))
    bad.encoding = "nv99"

    graph.send(Image, "camera/image_raw", bad)
    graph.spin_until(lambda: node.faults.count)
    assert node.faults.last.startswith("image encoding must be one of rgb8")
    graph.send(Image, "camera/image_raw", from_rgb(GREY, to_stamp(0)))
    graph.spin_until(lambda: node.faults.count == 2)
    assert "empty header.stamp: set it" in node.faults.last
    graph.send(Image, "camera/image_raw", from_rgb(GREY, to_stamp(2)))
    graph.spin_until(lambda: heard)

    assert [stamp_ns(message.header.stamp) for message in heard] == [2]


def test_a_recording_that_begins_anew_is_read_anew(graph: TestGraph) -> None:
    class Watched(BarsSpace):
        def make_encoder(self):
            encoder = super().make_encoder()
            encoder.reset = lambda: resets.append(1)
            return encoder

    resets: list[int] = []
    graph.add(MotionExtractionNode, {"open_motion_space": lambda _model: Watched()})
    heard = graph.listen(MotionLatents, "user_motion")
    for n, time_ns in enumerate((10, 20, 5, 15), start=1):
        graph.send(Image, "camera/image_raw", from_rgb(GREY, to_stamp(time_ns)))
        graph.spin_until(lambda n=n: len(heard) == n)

    assert len(resets) == 1


def test_a_camera_that_is_not_there_is_said_on_diagnostics(graph: TestGraph) -> None:
    graph.add(MotionExtractionNode, BARS)
    heard = graph.listen(DiagnosticArray, "/diagnostics")

    graph.spin_until(lambda: heard)

    status = heard[0].status[0]
    assert (status.level, status.message) == (DiagnosticStatus.WARN, "no picture from the camera yet")
    assert status.name == "motion_extraction: health"

    graph.node.create_publisher(CompressedImage, "camera/image_raw/compressed", 1)
    graph.spin_until(lambda: "compressed:=true" in heard[-1].status[0].message)


def test_a_deactivated_node_is_silent_and_an_activated_one_speaks_again(graph: TestGraph) -> None:
    graph.add(MotionExtractionNode, BARS)
    heard = graph.listen(MotionLatents, "user_motion")
    deactivate, activate = ChangeState.Request(), ChangeState.Request()
    deactivate.transition.label, activate.transition.label = "deactivate", "activate"

    assert graph.call(ChangeState, "motion_extraction/change_state", deactivate).success
    assert graph.node.count_subscribers("camera/image_raw") == 0
    assert graph.call(ChangeState, "motion_extraction/change_state", activate).success
    graph.send(Image, "camera/image_raw", from_rgb(GREY, to_stamp(7)))
    graph.spin_until(lambda: heard)

    assert len(heard) == 1


def test_a_model_that_is_not_there_refuses_the_start(graph: TestGraph) -> None:
    with pytest.raises(AssertionError, match="motion_extraction did not start"):
        graph.add(MotionExtractionNode, model="/no/such/model")
