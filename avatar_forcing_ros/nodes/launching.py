# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What our launch files share: graphs as launch actions. Needs launch and launch_ros of a ROS installation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from launch import LaunchContext
from launch.actions import DeclareLaunchArgument, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from avatar_forcing_ros.graph.environment import shared_memory_profile
from avatar_forcing_ros.graph.settings import PROCESS_ENVIRONMENT, AvatarChoice, NodeProcess
from avatar_forcing_ros.resources import PACKAGE

Number = TypeVar("Number", int, float)


def node_action(node: NodeProcess) -> Node:
    """A node of a graph as a launch action."""
    return Node(
        package=PACKAGE,
        executable=node.executable,
        arguments=node.own_arguments,
        respawn=node.respawns,
        respawn_delay=2.0,
        parameters=[str(node.settings), dict(node.parameters)],
        remappings=list(node.remappings.items()),
        output="screen",
        sigterm_timeout="15",  # after Ctrl-C a recording is finished first; the default is 5 s
    )


def environment() -> list[SetEnvironmentVariable]:
    """The variables that every process of a graph needs."""
    variables = shared_memory_profile() | PROCESS_ENVIRONMENT
    return [SetEnvironmentVariable(name, text) for name, text in variables.items()]


def argument(name: str, default: str | None, description: str) -> DeclareLaunchArgument:
    """A launch argument; without a default it must be given."""
    return DeclareLaunchArgument(name, default_value=default, description=description)


def avatar_arguments() -> list[DeclareLaunchArgument]:
    """The arguments that say whose face and which model."""
    return [
        argument("model", "", "name of a shipped model or folder of a model bundle; empty takes the default"),
        argument("portrait", "", "picture of the face to animate; empty is the project's own character"),
    ]


def avatar_choice(context: LaunchContext) -> AvatarChoice:
    """What those arguments say."""
    return AvatarChoice(value(context, "model"), value(context, "portrait"))


def value(context: LaunchContext, name: str) -> str:
    """What a launch argument says."""
    return LaunchConfiguration(name).perform(context)


def flag(context: LaunchContext, name: str) -> bool:
    """What a launch argument says that is true or false.

    Raises:
        ValueError: it says something else.
    """
    text = value(context, name).lower()
    if text not in ("true", "false"):
        raise ValueError(f"{name} must be true or false, got {text!r}")
    return text == "true"


def number(context: LaunchContext, name: str, kind: Callable[[str], Number]) -> Number:
    """What a launch argument says that is a number.

    Raises:
        ValueError: it says something else.
    """
    text = value(context, name)
    try:
        return kind(text)
    except ValueError:
        raise ValueError(f"{name} must be a number ({kind.__name__}), got {text!r}") from None
