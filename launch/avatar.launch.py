# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""ros2 launch avatar_forcing_ros avatar.launch.py: the live avatar.

The robot's drivers publish camera and microphone on topics (camera/image_raw, user_audio); with webcam:=0
microphone:=true, this machine's own devices do.
"""

from typing import get_args

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import OpaqueFunction

from avatar_forcing_ros.graph import settings as graph
from avatar_forcing_ros.nodes.launching import (
    argument,
    avatar_arguments,
    avatar_choice,
    environment,
    flag,
    node_actions,
    number,
    one_of,
    standard,
    standard_arguments,
    together,
    together_argument,
    value,
)


def generate_launch_description() -> LaunchDescription:
    """Arguments, environment and nodes."""
    return LaunchDescription(
        [
            *avatar_arguments(),
            *standard_arguments(),
            argument("webcam", "-1", "number of a camera device to open; negative leaves the camera to a driver"),
            argument("camera", "", "path of a camera device to open instead, such as /dev/avatar_camera"),
            argument("microphone", "false", "open this machine's microphone"),
            argument("speaker", "false", "play the avatar's voice on this machine"),
            argument("barge_in", "false", "let the user's voice interrupt the avatar"),
            argument("side", "both", "robot or card, if the GPU is in another computer (docs/gpu.md)"),
            together_argument(),
            *environment(),
            OpaqueFunction(function=_nodes),
        ]
    )


def _nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    side = one_of(context, "side", get_args(graph.Side))
    nodes = graph.live(
        avatar_choice(context),
        webcam=number(context, "webcam", int),
        camera=value(context, "camera"),
        microphone=flag(context, "microphone"),
        speaker=flag(context, "speaker"),
        barge_in=flag(context, "barge_in"),
        side=side,
    )
    common = standard(context)
    actions = [action for node in together(context, nodes) for action in node_actions(node, common)]
    return actions if side == "both" else [*environment(far=True), *actions]
