# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""/humans -> whose face is read, with the real messages of ROS4HRI: where a workspace with hri_msgs is sourced."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

pytest.importorskip("rclpy")
from avatar_forcing_ros.msg import MotionLatents
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import Image
from std_msgs.msg import String

from avatar_forcing_ros.messages.people import FACES_TRACKED, PERSONS_TRACKED, engagement_of, face_of, roi_of
from avatar_forcing_ros.motion.space import MotionEncoder
from avatar_forcing_ros.nodes import qos
from avatar_forcing_ros.nodes.conversions import from_rgb
from avatar_forcing_ros.nodes.motion_extraction_node import MotionExtractionNode
from avatar_forcing_ros.nodes.ros_time import to_stamp
from avatar_forcing_ros.nodes.testing import TestGraph
from avatar_forcing_ros.signals import FacePlace
from avatar_forcing_ros.testing import BarsSpace

pytestmark = pytest.mark.ros
GREY = np.full((48, 64, 3), 51, np.uint8)
installed = importlib.util.find_spec("hri_msgs") is not None


class Shown(BarsSpace):
    """A motion space whose reader keeps which faces it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.places: list[FacePlace | None] = []

    def make_encoder(self) -> MotionEncoder:
        encoder = super().make_encoder()
        encoder.attend = self.places.append  # type: ignore[attr-defined]
        return encoder


@pytest.mark.skipif(not installed, reason="hri_msgs is no wheel, and no workspace with it is sourced")
def test_the_engaged_person_is_read_and_said_on_diagnostics() -> None:
    from hri_msgs.msg import EngagementLevel, IdsList, NormalizedRegionOfInterest2D

    space = Shown()
    with TestGraph() as graph:
        graph.add(MotionExtractionNode, {"open_motion_space": lambda _model: space}, user="humans")
        motion = graph.listen(MotionLatents, "user_motion")
        health = graph.listen(DiagnosticArray, "/diagnostics")

        def shown() -> FacePlace | None:
            count = len(motion)
            graph.send(Image, "camera/image_raw", from_rgb(GREY, to_stamp(1_000_000 * (count + 1))))
            graph.spin_until(lambda: len(motion) > count)
            return space.places[-1]

        def says(words: str) -> None:
            graph.spin_until(lambda: health and words in health[-1].status[0].message)

        assert shown() is None
        says("no face on /humans: the nearest is read")
        names = graph.node.create_publisher(String, face_of("p1"), qos.LATCHED)
        names.publish(String(data="near"))
        graph.send(IdsList, FACES_TRACKED, IdsList(ids=["far", "near"]))
        graph.send(IdsList, PERSONS_TRACKED, IdsList(ids=["p1"]))

        def place() -> None:
            for name, left, right in (("far", 0.1, 0.2), ("near", 0.5, 0.9)):
                region = NormalizedRegionOfInterest2D(xmin=left, ymin=0.25, xmax=right, ymax=0.75)
                graph.send(NormalizedRegionOfInterest2D, roi_of(name), region)

        def comes_to_be(name: str) -> FacePlace:
            def is_shown() -> bool:
                place()
                found = shown()
                return found is not None and found.name == name

            graph.spin_until(is_shown)
            found = space.places[-1]
            assert found is not None
            return found

        assert comes_to_be("near").low == pytest.approx((0.5, 0.25))
        graph.send(EngagementLevel, engagement_of("p1"), EngagementLevel(level=EngagementLevel.DISENGAGED))
        comes_to_be("far")
        graph.send(EngagementLevel, engagement_of("p1"), EngagementLevel(level=EngagementLevel.ENGAGED))
        comes_to_be("near")
        # one who has left is not listened to any more
        graph.send(IdsList, FACES_TRACKED, IdsList(ids=["far"]))
        graph.spin_until(lambda: graph.node.count_subscribers(roi_of("near")) == 0)


@pytest.mark.skipif(installed, reason="hri_msgs is installed")
def test_without_the_messages_the_start_is_refused_in_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    with TestGraph() as graph, pytest.raises(AssertionError, match="motion_extraction did not start"):
        graph.add(MotionExtractionNode, {"open_motion_space": lambda _model: Shown()}, user="humans")
    assert "hri_msgs is not installed: apt install ros-$ROS_DISTRO-hri-msgs" in capfd.readouterr().err
