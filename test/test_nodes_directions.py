# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""robot_face/expression and robot_face/look_at on the live node: seen soon, and what cannot be done is said."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy")
from avatar_forcing_ros.msg import MotionLatents
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PointStamped, TransformStamped

from avatar_forcing_ros.directing.gaze import eyes_of
from avatar_forcing_ros.motion.facemesh.arkit import ARKIT_NAMES
from avatar_forcing_ros.motion.facemesh.channels import INDEX
from avatar_forcing_ros.nodes.directions import Directions, expression_type, in_frame
from avatar_forcing_ros.nodes.testing import AvatarStage, TestGraph

pytestmark = [pytest.mark.ros, pytest.mark.simulated_time]
Expression = expression_type()


class Stage:
    """A generator whose motion is heard."""

    def __init__(self, graph: TestGraph, folder: Path) -> None:
        portrait = folder / "portrait.png"
        cv2.imwrite(str(portrait), np.full((64, 64, 3), 90, np.uint8))
        self.graph, self.avatar = graph, AvatarStage(graph, portrait=str(portrait))
        self.motion: list[MotionLatents] = graph.listen(MotionLatents, "avatar/motion")
        self.shapes: list[MotionLatents] = graph.listen(MotionLatents, "avatar/blendshapes")
        self.health: list[DiagnosticArray] = graph.listen(DiagnosticArray, "/diagnostics")

    def ask(self, topic: str, message: object, frames: int = 30) -> np.ndarray:
        """(18,) the motion some time after a message."""
        self.graph.send(type(message), topic, message)
        self.avatar.settle()
        before = len(self.motion)
        self.avatar.play(frames)
        self.graph.spin_until(lambda: len(self.motion) >= before + frames - 4)
        return np.array(self.motion[-1].latent)

    def says(self) -> tuple[str, dict[str, str]]:
        """The newest line and figures of the generator's health."""
        before = len(self.health)
        self.avatar.play(30)
        self.graph.spin_until(lambda: len(self.health) > before)
        status = self.health[-1].status[0]
        return status.message, {pair.key: pair.value for pair in status.values}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with TestGraph() as graph:
        yield Stage(graph, tmp_path_factory.mktemp("portrait"))


def point(frame: str, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> PointStamped:
    message = PointStamped()
    message.header.frame_id = frame
    message.point.x, message.point.y, message.point.z = x, y, z
    return message


def test_an_expression_is_shown_named_in_diagnostics_and_ended_by_neutral(stage: Stage) -> None:
    plain = stage.ask("robot_face/expression", Expression(expression="neutral"))
    happy = stage.ask("robot_face/expression", Expression(expression="happy"))
    assert happy[INDEX["smile"]] > plain[INDEX["smile"]] + 0.3
    assert stage.says()[1]["expression"] == "happy"
    felt = stage.ask("robot_face/expression", Expression(valence=-0.9, arousal=-0.5))
    assert felt[INDEX["smile"]] < -0.2 and stage.says()[1]["expression"] == "valence -0.90, arousal -0.50"
    faults = stage.avatar.node.faults.count
    stage.ask("robot_face/expression", Expression(expression="gleeful"), frames=8)
    assert stage.avatar.node.faults.count == faults + 1
    assert "must be one of neutral, angry" in stage.avatar.node.faults.last
    stage.ask("robot_face/expression", Expression(expression="neutral"))


def test_a_look_in_the_faces_frame_one_in_an_unknown_frame_and_back_to_the_user(stage: Stage) -> None:
    there = stage.ask("robot_face/look_at", point("avatar", 1.0, 0.4, -0.1))
    turned = there[[INDEX["yaw"], INDEX["pitch"]]] + eyes_of(there[[INDEX["gaze_x"], INDEX["gaze_y"]]])
    np.testing.assert_allclose(turned, [np.arctan2(0.4, 1), np.arctan2(0.1, np.hypot(1, 0.4))], atol=0.01)
    assert stage.says()[1]["look_at"] == "1.00 0.40 -0.10"
    stage.ask("robot_face/look_at", point("kitchen", 1.0, -5.0, 0.0), frames=8)
    line, figures = stage.says()
    assert "frame 'kitchen' is not known" in line and figures["look_at"] == "1.00 0.40 -0.10"
    stage.ask("robot_face/look_at", point(""))
    line, figures = stage.says()
    assert "kitchen" not in line and figures["look_at"] == "the user"


def test_blendshapes_carry_the_stamps_of_the_motion_and_its_meaning(stage: Stage) -> None:
    stage.ask("robot_face/expression", Expression(expression="happy"))
    stage.graph.spin_until(lambda: stage.shapes[-1].header.stamp == stage.motion[-1].header.stamp)
    count = min(len(stage.shapes), 30)
    assert [m.header.stamp for m in stage.shapes[-count:]] == [m.header.stamp for m in stage.motion[-count:]]
    last = stage.shapes[-1]
    assert last.motion_space == "arkit" and tuple(last.names) == ARKIT_NAMES and len(last.latent) == 52
    assert last.latent[ARKIT_NAMES.index("mouthSmileLeft")] > 0.5


class _Log:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def warning(self, line: str) -> None:
        self.lines.append(line)


class _Node:
    """As much of a node as listens: keeps who accepts what."""

    def __init__(self) -> None:
        self.log, self.accept = _Log(), {}

    def listen(self, _kind: type, topic: str, accept: object, _qos: object) -> None:
        self.accept[topic] = accept

    def get_logger(self) -> _Log:
        return self.log


def test_motion_without_names_says_once_that_it_takes_no_directions() -> None:
    class Unnamed:
        names = ()

    node = _Node()
    with ExitStack() as undo:
        directions = Directions(node, None, Unnamed(), "avatar", undo)  # type: ignore[arg-type]
        for _ in range(3):
            node.accept["robot_face/expression"](Expression(expression="happy"))
            node.accept["robot_face/look_at"](point("avatar", 1.0))
    assert len(node.log.lines) == 1 and "no named channels" in directions.complaint


def test_a_point_is_turned_and_moved_into_the_frame() -> None:
    transform = TransformStamped()
    transform.header.frame_id = "avatar"
    transform.transform.rotation.z = transform.transform.rotation.w = float(np.sqrt(0.5))  # a quarter to the left
    transform.transform.translation.x = 2.0
    there = in_frame(point("map", 1.0, 0.0, 3.0), transform)
    assert there.header.frame_id == "avatar"
    np.testing.assert_allclose([there.point.x, there.point.y, there.point.z], [2.0, 1.0, 3.0], atol=1e-9)
