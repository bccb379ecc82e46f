# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Launch files under ROS's own launch, where a distribution brings it: what `test_nodes_launching` stands in for."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("launch_ros", reason="launch has no wheels: it comes with a ROS distribution", exc_type=ImportError)

from launch import LaunchContext, LaunchDescription, LaunchService
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.utilities import perform_substitutions
from launch_ros.actions import Node

from avatar_forcing_ros.bags.bag import BagReader
from avatar_forcing_ros.testing.bags import conversation, write_bag

pytestmark = pytest.mark.ros
FILES = ("avatar", "demo", "hall", "kiosk", "replay")


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Launch files set variables of this process."""
    monkeypatch.setattr(os, "environ", os.environ.copy())


def described(repository: Path, name: str) -> LaunchDescription:
    spec = importlib.util.spec_from_file_location(name, repository / "launch" / f"{name}.launch.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.generate_launch_description()


def entities(description: LaunchDescription, given: dict[str, str]) -> list[Any]:
    """What launch would carry out for these arguments."""
    context = LaunchContext()
    context.launch_configurations.update(given)
    made: list[Any] = []
    for entity in description.entities:
        found = entity.visit(context)
        made += found or [] if isinstance(entity, OpaqueFunction) else []
    return made


@pytest.mark.parametrize("name", FILES)
def test_launch_finds_the_program_of_every_node(repository: Path, tmp_path: Path, name: str) -> None:
    bag = str(write_bag(tmp_path / "in", conversation()))
    given = {"replay": {"bag": bag}, "hall": {"namespaces": "left,right"}}.get(name, {})
    description = described(repository, name)
    declared = {entity.name for entity in description.entities if isinstance(entity, DeclareLaunchArgument)}
    assert {"namespace", "params_file", "use_sim_time", "log_level", "autostart"} <= declared

    nodes = [entity for entity in entities(description, given) if isinstance(entity, Node)]
    assert nodes
    for node in nodes:
        program = Path(perform_substitutions(LaunchContext(), node.cmd[0]))
        assert program.is_file() and os.access(program, os.X_OK)


def test_a_replay_runs_under_launch_and_ends_it(repository: Path, tmp_path: Path) -> None:
    bag, output = write_bag(tmp_path / "in", conversation()), tmp_path / "out"
    source = PythonLaunchDescriptionSource(str(repository / "launch" / "replay.launch.py"))
    arguments = {"bag": str(bag), "record": str(output), "show": "false", "log_level": "warn"}
    service = LaunchService(noninteractive=True)
    service.include_launch_description(IncludeLaunchDescription(source, launch_arguments=arguments.items()))

    assert service.run() == 0
    with BagReader(output) as made:
        assert any(topic.endswith("avatar/frame_info") for topic in made.topics)
