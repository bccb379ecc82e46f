# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""ros2 launch avatar_forcing_ros hall.launch.py namespaces:=kiosk_1,kiosk_2: several avatars on one model and one card.

Displays, cameras and microphones are on other computers, each in its avatar's namespace (docs/gpu.md).
"""

from dataclasses import replace

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import OpaqueFunction

from avatar_forcing_ros.graph import settings as graph
from avatar_forcing_ros.nodes.launching import (
    argument,
    environment,
    node_actions,
    standard,
    standard_arguments,
    value,
)


def generate_launch_description() -> LaunchDescription:
    """Arguments, environment and the server."""
    return LaunchDescription(
        [
            argument("namespaces", None, "namespaces of the avatars, separated by commas"),
            argument("model", "", "name of a shipped model or folder of a model bundle; empty takes the default"),
            *standard_arguments(),
            *environment(far=True),
            OpaqueFunction(function=_nodes),
        ]
    )


def _nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    common = standard(context)
    above = f"{common.namespace.strip('/')}/" if common.namespace.strip("/") else ""
    names = [above + name.strip().strip("/") for name in value(context, "namespaces").split(",")]
    (server,) = graph.hall(value(context, "model"), names)
    return node_actions(server, replace(common, namespace=""))  # one for the process would replace the avatars' own
