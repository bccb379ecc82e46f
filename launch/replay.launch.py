# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""ros2 launch avatar_forcing_ros replay.launch.py bag:=FOLDER record:=FOLDER: the avatar on a bag's time.

The clock waits for the nodes, so the pictures are those of `avatar-forcing replay`. A bag with user_motion needs no
camera pictures (the privacy profile). player:=rosbag2 plays with `ros2 bag play --clock` and records nothing.
"""

from pathlib import Path

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import ExecuteProcess, OpaqueFunction, RegisterEventHandler, Shutdown, TimerAction
from launch.event_handlers import OnProcessExit

from avatar_forcing_ros.bags.bag import BagReader
from avatar_forcing_ros.bags.inputs import survey
from avatar_forcing_ros.graph import settings as graph
from avatar_forcing_ros.nodes.launching import (
    argument,
    avatar_arguments,
    avatar_choice,
    environment,
    flag,
    node_actions,
    number,
    standard,
    standard_arguments,
    value,
)


def generate_launch_description() -> LaunchDescription:
    """Arguments, environment, nodes and the player."""
    return LaunchDescription(
        [
            *avatar_arguments(),
            *standard_arguments("true"),
            argument("bag", None, "folder of the bag"),
            argument("record", "", "folder for a bag of what the avatar presents; empty: none"),
            argument("rate", "1.0", "seconds of the bag per second, at most"),
            argument("camera", "false", "read pictures again even when the bag has user_motion"),
            argument("show", "true", "show the avatar in a window, or record it to output"),
            argument("output", "", "mp4 file to record to; empty: a window, if there is a screen"),
            argument("player", "ours", "ours, or rosbag2 for `ros2 bag play --clock`"),
            argument("delay_s", "15.0", "seconds to wait for the nodes to load their models before rosbag2 plays"),
            *environment(),
            OpaqueFunction(function=_nodes),
        ]
    )


def _nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    common = standard(context)
    if not common.use_sim_time:
        raise ValueError("use_sim_time must be true, because a replay runs on the bag's time, got false")
    played = graph.PlayedBag(
        value(context, "bag"),
        value(context, "record"),
        number(context, "rate", float),
        camera=flag(context, "camera"),
    )
    with BagReader(Path(played.bag)) as bag:
        types = survey(bag, camera=played.camera).types
    video = value(context, "output") if flag(context, "show") else None
    nodes = graph.replay(avatar_choice(context), played, types, video)
    player = value(context, "player")
    if player not in ("ours", "rosbag2"):
        raise ValueError(f"player must be ours or rosbag2, got {player!r}")
    if player == "rosbag2" and common.namespace:
        raise ValueError(f"player must be ours in a namespace, because rosbag2 plays into the root, got {player!r}")
    if player == "ours":
        by_node = {node.executable: node_actions(node, common) for node in nodes}
        actions = [action for of_node in by_node.values() for action in of_node]
        return [*actions, _end_with(by_node["bag_player_node"][0])]
    play = ["ros2", "bag", "play", played.bag, "--clock", "100", "--rate", str(played.rate)]
    playing = ExecuteProcess(cmd=play, output="screen")
    others = [action for node in nodes if node.executable != "bag_player_node" for action in node_actions(node, common)]
    return [*others, TimerAction(period=number(context, "delay_s", float), actions=[playing]), _end_with(playing)]


def _end_with(action: ExecuteProcess) -> RegisterEventHandler:
    """Everything ends with the player."""
    return RegisterEventHandler(OnProcessExit(target_action=action, on_exit=[Shutdown()]))
