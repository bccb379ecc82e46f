# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""ros2 launch avatar_forcing_ros kiosk.launch.py: the avatar in a browser, whose camera and microphone are the user's.

On this machine only: http://localhost:8070. For browsers elsewhere: host:=0.0.0.0 token:=... certificate:=... key:=...
"""

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import OpaqueFunction

from avatar_forcing_ros.graph import settings as graph
from avatar_forcing_ros.nodes.launching import (
    argument,
    avatar_arguments,
    avatar_choice,
    environment,
    node_actions,
    number,
    standard,
    standard_arguments,
    together,
    together_argument,
    value,
)

_TEXTS = ("host", "token", "certificate", "key", "names", "voice_agent")


def generate_launch_description() -> LaunchDescription:
    """Arguments, environment and nodes."""
    return LaunchDescription(
        [
            *avatar_arguments(),
            *standard_arguments(),
            argument("host", "", "address to listen on; empty: this machine only; all others need a token"),
            argument("port", "0", "port to listen on; 0: 8070"),
            argument("token", "", "secret that browsers elsewhere need, at least 16 characters"),
            argument(
                "certificate", "", "PEM file of the TLS certificate; browsers elsewhere need one to open the camera"
            ),
            argument("key", "", "PEM file of its private key"),
            argument("names", "", "other names of this machine, separated by commas, such as robot.local"),
            together_argument(),
            argument("voice_agent", "offline", "who answers: offline, none, or a parameter file of the voice agent"),
            *environment(),
            OpaqueFunction(function=_nodes),
        ]
    )


def _nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    access = {name: value(context, name) for name in _TEXTS}
    nodes = graph.kiosk(avatar_choice(context), port=number(context, "port", int), **access)
    common = standard(context)
    return [action for node in together(context, nodes) for action in node_actions(node, common)]
