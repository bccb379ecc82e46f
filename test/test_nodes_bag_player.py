# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The bag player as a process sees it: it ends when it is told to, whatever it waits for."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
from avatar_forcing_ros.nodes.bag_player_node import STEP_PATIENCE_S, BagPlayerNode
from avatar_forcing_ros.nodes.generator_node import GeneratorNode
from avatar_forcing_ros.nodes.motion_extraction_node import MotionExtractionNode
from avatar_forcing_ros.nodes.testing import TestGraph
from avatar_forcing_ros.testing import BarsSpace, tiny_bundle
from avatar_forcing_ros.testing.bags import camera, write_bag

pytestmark = pytest.mark.ros


def test_a_player_that_waits_for_a_picture_nobody_can_read_ends_at_once(tmp_path: Path) -> None:
    pictures = list(camera(1.0))
    for sent in pictures:
        sent.message.encoding = "nv99"
    bag = write_bag(tmp_path / "in", pictures)
    with TestGraph() as graph:
        space = {"open_motion_space": lambda _name: BarsSpace()}
        reader = graph.add(MotionExtractionNode, space, use_sim_time=True)
        model = {"open_model": lambda *_: tiny_bundle()}
        graph.add(GeneratorNode, model, use_sim_time=True, avatar__image_size=64, user_audio__kind="AudioChunk")
        graph.add(BagPlayerNode, bag=str(bag))
        graph.spin_until(lambda: reader.faults.count)
        began_s = time.monotonic()

    assert time.monotonic() - began_s < STEP_PATIENCE_S / 2
