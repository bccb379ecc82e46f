# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whoever stands before the avatar sees that they are recorded, and no longer than they are."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("rclpy")
from rclpy.node import Node
from sensor_msgs.msg import Image

from avatar_forcing_ros.nodes.conversions import to_rgb
from avatar_forcing_ros.nodes.display_node import DisplayNode
from avatar_forcing_ros.nodes.generator_node import GeneratorNode
from avatar_forcing_ros.nodes.testing import TestGraph
from avatar_forcing_ros.nodes.understudy_node import UnderstudyNode
from avatar_forcing_ros.testing import tiny_bundle

pytestmark = pytest.mark.ros
SIDE = 128


@pytest.fixture
def graph():
    with TestGraph() as graph:
        yield graph


def is_marked(image: Image) -> bool:
    """Whether there is a red plate at the top on the right."""
    corner = to_rgb(image)[: SIDE // 4, SIDE // 2 :].astype(int)
    return int(((corner[..., 0] > 90) & (corner[..., 1] < 80) & (corner[..., 2] < 80)).sum()) > 200


def generator(graph: TestGraph) -> list[Image]:
    arguments = {"open_model": lambda *_: tiny_bundle()}
    graph.add(GeneratorNode, arguments, avatar__image_size=SIDE, user_audio__kind="AudioChunk")
    images = graph.listen(Image, "avatar/image_raw")
    graph.spin_until(lambda: images)
    assert not is_marked(images[-1])
    return images


def test_pictures_say_so_while_our_display_records(graph: TestGraph, tmp_path: Path) -> None:
    images = generator(graph)
    display = graph.add(
        DisplayNode, output=str(tmp_path / "talk.mp4"), window="no", recording__side=64, user_audio__kind="AudioChunk"
    )
    graph.spin_until(lambda: is_marked(images[-1]))
    display.on_deactivate(None)
    assert (tmp_path / "talk.mp4").is_file()
    graph.spin_until(lambda: not is_marked(images[-1]))


def test_a_recording_that_is_not_to_be_announced_is_not(graph: TestGraph, tmp_path: Path) -> None:
    images = generator(graph)
    graph.add(
        DisplayNode, output=str(tmp_path / "talk.mp4"), window="no", announce=False, user_audio__kind="AudioChunk"
    )
    graph.spin(2.5)
    assert not is_marked(images[-1])


def test_the_understudy_says_so_too_and_knows_rosbag2(
    graph: TestGraph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    graph.add(UnderstudyNode, image_size=SIDE)
    images = graph.listen(Image, "avatar/image_raw")
    graph.spin_until(lambda: images)
    graph.spin_node(Node("rosbag2_recorder", context=graph.context))
    graph.spin_until(lambda: is_marked(images[-1]))
