# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The live nodes make of a bag what the replay without ROS makes of it, at any rate: same pictures, same stamps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from avatar_forcing_ros.testing.bags import conversation, shuffled, write_bag

pytest.importorskip("rclpy")
from avatar_forcing_ros.avatar import Avatar, AvatarConfig
from avatar_forcing_ros.bags.bag import BagReader, BagWriter
from avatar_forcing_ros.bags.inputs import survey
from avatar_forcing_ros.bags.offline import Replayed, replay
from avatar_forcing_ros.files.pictures import sha256_of_pixels
from avatar_forcing_ros.nodes.bag_player_node import BagPlayerNode
from avatar_forcing_ros.nodes.generator_node import GeneratorNode
from avatar_forcing_ros.nodes.motion_extraction_node import MotionExtractionNode
from avatar_forcing_ros.nodes.replay import _parser
from avatar_forcing_ros.nodes.testing import TestGraph
from avatar_forcing_ros.testing import BarsSpace, tiny_bundle

pytestmark = [pytest.mark.ros, pytest.mark.simulated_time]

SIDE = 64
PORTRAIT = np.full((SIDE, SIDE, 3), 90, np.uint8)
WALL_CLOCK = {"camera_received", "compute_start", "compute_end", "published", "lateness_ms"}
"""Fields of FrameInfo that say what a clock on the wall said."""


def offline(bag: Path, output: Path) -> Replayed:
    with BagReader(bag) as source:
        avatar = Avatar(tiny_bundle(), PORTRAIT, AvatarConfig(image_size=SIDE))
        return replay(source, survey(source), BagWriter(output), avatar, sha256_of_pixels(PORTRAIT))


def live(bag: Path, output: Path, folder: Path, with_camera: bool = False, **player: Any) -> str:
    """SHA-256 of what the nodes show, recorded into `output`."""
    portrait = folder / "portrait.png"
    cv2.imwrite(str(portrait), PORTRAIT)
    with TestGraph() as graph:
        if with_camera:
            graph.add(MotionExtractionNode, {"open_motion_space": lambda _name: BarsSpace()}, use_sim_time=True)
        graph.add(
            GeneratorNode,
            {"open_model": lambda *_: tiny_bundle()},
            use_sim_time=True,
            portrait=str(portrait),
            require_consent=False,
            avatar__image_size=SIDE,
            user_audio__kind="AudioChunk",
        )
        node = graph.add(BagPlayerNode, bag=str(bag), output=str(output), **player)
        graph.spin_until(node.finished.done, patience_s=600)  # steps on a machine that does much else
        assert node.finished.result() == 0
        return node.recorder.digest.hexdigest()


def contents(bag: Path) -> dict[str, list[Any]]:
    """Topic -> its messages as (time, plain values), without what only a clock on the wall knows."""
    with BagReader(bag) as reader:
        told: dict[str, list[Any]] = {topic: [] for topic in reader.topics}
        for message in reader.messages(reader.topics):
            told[message.topic].append((message.time_ns, plain(reader.types.read(message.data, message.type_name))))
    return told


def plain(value: Any) -> Any:
    if hasattr(value, "__msgtype__"):
        return {name: plain(field) for name, field in vars(value).items() if name not in WALL_CLOCK}
    return value.tobytes() if isinstance(value, np.ndarray) else value


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> str:
    """SHA-256 of the conversation without ROS."""
    folder = tmp_path_factory.mktemp("reference")
    return offline(write_bag(folder / "in", conversation()), folder / "out").sha256


@pytest.mark.parametrize(("with_camera", "rate"), [(False, 2.0), (True, 1.0)])
def test_live_nodes_and_replay_without_ros_record_the_same(tmp_path: Path, with_camera: bool, rate: float) -> None:
    bag = write_bag(tmp_path / "in", conversation(with_camera))
    without_ros = offline(bag, tmp_path / "offline")

    shown = live(bag, tmp_path / "live", tmp_path, with_camera, rate=rate)

    assert shown == without_ros.sha256
    expected, found = contents(tmp_path / "offline"), contents(tmp_path / "live")
    assert {topic: len(messages) for topic, messages in found.items()} == {t: len(m) for t, m in expected.items()}
    assert found == expected
    assert len(expected["/avatar/image_raw"]) > 90
    assert len(expected["/avatar/playback"]) == 6


@pytest.mark.parametrize("rate", [4.0, 50.0])
def test_the_rate_changes_nothing(reference: str, tmp_path: Path, rate: float) -> None:
    bag = write_bag(tmp_path / "in", conversation())
    assert live(bag, tmp_path / "live", tmp_path, rate=rate) == reference


def test_live_nodes_do_not_care_about_arrivals_within_the_window(reference: str, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "in", shuffled(conversation(), seed=1))
    assert live(bag, tmp_path / "live", tmp_path, rate=50.0) == reference


def test_a_player_without_a_bag_or_with_an_output_that_is_there_says_so(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "in", conversation()[:10])
    with TestGraph() as graph:
        silent = BagPlayerNode(context=graph.context)
        assert not silent.start()
        silent.close()
        node = graph.add(BagPlayerNode, bag=str(bag), output=str(bag))
        graph.spin_until(node.finished.done)
        assert node.finished.result() == 1


def test_a_replay_without_a_portrait_shows_our_own_character(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert _parser().parse_args(["in", "out"]).portrait == ""
    assert _parser().parse_args(["in", "out", "--portrait=~/ada.png"]).portrait == "/home/ada/ada.png"
