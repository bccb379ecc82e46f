# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A dial turned while the avatar runs reaches it within a block; one out of range is refused with the reason."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy")
from avatar_forcing_ros.msg import MotionLatents
from rclpy.parameter import Parameter

from avatar_forcing_ros.motion.facemesh.channels import INDEX, POSE
from avatar_forcing_ros.nodes.testing import AvatarStage, TestGraph

pytestmark = [pytest.mark.ros, pytest.mark.simulated_time]
_STILL = [INDEX[name] for name in (*POSE, "smile", "jaw_open")]


def test_a_dial_takes_effect_while_the_avatar_runs_and_a_bad_value_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    portrait = tmp_path / "portrait.png"
    cv2.imwrite(str(portrait), np.full((64, 64, 3), 90, np.uint8))
    with TestGraph() as graph:
        stage = AvatarStage(graph, portrait=str(portrait))
        motion: list[MotionLatents] = graph.listen(MotionLatents, "avatar/motion")
        stage.play(20)
        graph.spin_until(lambda: len(motion) > 8)
        moved = np.array([message.latent for message in motion])[:, _STILL]
        assert np.ptp(moved, axis=0).max() > 1e-3, "it should move before it is held still"
        names = [f"avatar.expressiveness.{part}" for part in ("pose", "face", "mouth")]
        assert all(r.successful for r in stage.node.set_parameters([Parameter(name, value=0.0) for name in names]))
        refused = stage.node.set_parameters([Parameter(names[0], value=3.0)])[0]
        assert not refused.successful and refused.reason
        before = len(motion)
        stage.play(24)
        graph.spin_until(lambda: len(motion) >= before + 16)
        held = np.array([message.latent for message in motion])[-8:, _STILL]
        assert np.ptp(held, axis=0).max() < 1e-6

        told: list[str] = []
        monkeypatch.setattr(stage.node, "get_logger", lambda: SimpleNamespace(warning=told.append))
        stage.node.set_parameters([Parameter(names[0], value=1.0), Parameter("avatar.seed", value=3)])
        waiting = [line for line in told if "ros2 lifecycle set /generator deactivate" in line]
        assert [line.partition(":")[0] for line in waiting] == ["avatar.seed"]
