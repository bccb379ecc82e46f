"""ros2 launch avatar_forcing_ros replay.launch.py bag:=FOLDER: the avatar on a bag's time.

A bag with user_motion needs no camera pictures: the privacy profile. With camera:=true the pictures are read again.
"""

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import ExecuteProcess, OpaqueFunction, RegisterEventHandler, Shutdown, TimerAction
from launch.event_handlers import OnProcessExit

from avatar_forcing_ros.nodes import graph
from avatar_forcing_ros.nodes.launching import (
    argument,
    avatar_arguments,
    avatar_choice,
    environment,
    node_action,
    value,
)


def generate_launch_description() -> LaunchDescription:
    """Arguments, environment, nodes and the player."""
    return LaunchDescription(
        [
            *avatar_arguments(),
            argument("bag", None, "folder of the bag"),
            argument("camera", "false", "the bag holds camera pictures instead of user_motion"),
            argument("output", "", "mp4 file to record to; empty shows a window where there is a screen"),
            argument("delay_s", "15.0", "how long the nodes have to load their models before the bag is played"),
            *environment(),
            OpaqueFunction(function=_nodes),
        ]
    )


def _nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    with_camera = value(context, "camera") == "true"
    nodes = graph.replay(avatar_choice(context), value(context, "output"), with_camera)
    player = ExecuteProcess(cmd=["ros2", "bag", "play", value(context, "bag"), "--clock", "100"], output="screen")
    return [
        *(node_action(node) for node in nodes),
        TimerAction(period=float(value(context, "delay_s")), actions=[player]),
        RegisterEventHandler(OnProcessExit(target_action=player, on_exit=[Shutdown()])),
    ]
