# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Graphs as launch actions, for our launch files. Needs launch and launch_ros from a ROS installation."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeVar

from launch import LaunchContext, LaunchDescriptionEntity
from launch.actions import (
    DeclareLaunchArgument,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
    TimerAction,
)
from launch.event_handlers import OnProcessExit
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from avatar_forcing_ros.files.resources import PACKAGE
from avatar_forcing_ros.graph.environment import shared_memory_profile
from avatar_forcing_ros.graph.keeping import Restarts
from avatar_forcing_ros.graph.settings import PROCESS_ENVIRONMENT, AvatarChoice, NodeProcess, one_process
from avatar_forcing_ros.portraits.consent import open_first_portrait

Number = TypeVar("Number", int, float)
Word = TypeVar("Word", bound=str)
_OF_LAUNCH = ("launch-prefix", "launch-prefix-filter")
"""Arguments that `ros2 launch` adds itself."""
_declared: set[str] = set()
"""Names of all arguments that launch files of ours have, as far as they are loaded."""
_SEVERITIES = ("debug", "info", "warn", "error", "fatal")


@dataclass(frozen=True)
class Standard:
    """Values of the launch arguments that all our launch files have.

    Attributes:
        namespace: namespace of all nodes and topics; empty is the root.
        params_file: the integrator's parameters, which override ours; empty is none.
        use_sim_time: whether the nodes use /clock.
        log_level: lowest severity to log.
        autostart: whether nodes configure and activate themselves; otherwise a lifecycle manager does it.
        enclaves: folder of SROS2 enclaves, one for each node by name; empty is none.
    """

    namespace: str = ""
    params_file: str = ""
    use_sim_time: bool = False
    log_level: str = "info"
    autostart: bool = True
    enclaves: str = ""

    @property
    def parameters(self) -> dict[str, bool]:
        """Parameters of every node; values that equal the nodes' defaults are left to the parameter files."""
        differing = {"use_sim_time": self.use_sim_time, "autostart": self.autostart}
        return {name: value for name, value in differing.items() if value != (name == "autostart")}


def node_actions(node: NodeProcess, standard: Standard) -> list[LaunchDescriptionEntity]:
    """A node of a graph, and what happens when it ends: it is restarted, or everything ends if it failed.

    Launch's own `respawn` always waits for the same time.
    """
    if not node.respawns:
        action = node_action(node, standard)
        return [action, _on_exit(action, lambda event, context: _end_all(node, event, context))]
    return _kept_alive(node, standard, Restarts())


def _kept_alive(node: NodeProcess, standard: Standard, restarts: Restarts) -> list[LaunchDescriptionEntity]:
    def again(event: Any, context: LaunchContext) -> list[LaunchDescriptionEntity]:
        if context.is_shutdown:
            return []
        delay_s = restarts.ended(event.returncode)
        said = LogInfo(msg=f"{node.executable} {restarts.reason}; restart {restarts.count} in {delay_s:g} s")
        begin = OpaqueFunction(function=lambda _context: _kept_alive(node, standard, restarts))
        return [said, TimerAction(period=delay_s, actions=[begin])]

    action = node_action(node, standard, restarts)
    return [action, _on_exit(action, again)]


def _end_all(node: NodeProcess, event: Any, context: LaunchContext) -> None:
    """End everything when a node fails: a job such as a recording is not done then.

    Raises:
        RuntimeError: if the node failed, so that launch ends everything with a non-zero exit status.
    """
    if event.returncode and not context.is_shutdown:
        raise RuntimeError(f"{node.executable} ended with status {event.returncode}: the job is not done")


def _on_exit(action: Node, act: Callable[[Any, LaunchContext], Any]) -> RegisterEventHandler:
    return RegisterEventHandler(OnProcessExit(target_action=action, on_exit=act, handle_once=True))


def node_action(node: NodeProcess, standard: Standard, restarts: Restarts | None = None) -> Node:
    """A node of a graph as a launch action; its environment tells it of earlier processes that failed."""
    files = [
        str(node.settings),
        *map(str, node.more_settings),
        *([standard.params_file] if standard.params_file else []),
    ]
    enclave = f"{standard.enclaves.rstrip('/')}/{node.executable.removesuffix('_node')}"
    return Node(
        package=PACKAGE,
        executable=node.executable,
        namespace=standard.namespace,
        arguments=node.own_arguments,
        ros_arguments=["--log-level", standard.log_level, *(["--enclave", enclave] if standard.enclaves else [])],
        additional_env=(restarts or Restarts()).begin(),
        parameters=[*files, {**standard.parameters, **node.parameters}],  # the last one wins
        output="screen",
        sigterm_timeout="15",  # after Ctrl-C, a recording must be finished; the default is 5 s
    )


def standard_arguments(use_sim_time: str = "false") -> list[DeclareLaunchArgument]:
    """The arguments that all our launch files have."""
    return [
        argument("namespace", "", "namespace of all nodes and topics, for a second avatar on the same robot"),
        argument("params_file", "", "YAML file of parameters that override those of this package (docs/parameters.md)"),
        argument("use_sim_time", use_sim_time, "use /clock instead of this machine's clock"),
        argument("log_level", "info", "log level: debug, info, warn, error or fatal"),
        argument("enclaves", "", "folder of SROS2 enclaves, such as /avatar (SECURITY.md); empty is none"),
        argument("autostart", "true", "configure and activate the nodes; false leaves it to a lifecycle manager"),
    ]


def standard(context: LaunchContext) -> Standard:
    """The values of `standard_arguments`.

    Raises:
        ValueError: if one of them is invalid, or one was given that no launch file of ours has.
    """
    _refuse_unknown(context)
    log_level, params_file = value(context, "log_level"), value(context, "params_file")
    if log_level.lower() not in _SEVERITIES:
        raise ValueError(f"log_level must be one of {', '.join(_SEVERITIES)}, got {log_level!r}")
    if params_file and not Path(params_file).expanduser().is_file():
        raise ValueError(f"params_file must be a file, got {params_file!r}")
    return Standard(
        namespace=value(context, "namespace"),
        params_file=str(Path(params_file).expanduser()) if params_file else "",
        use_sim_time=flag(context, "use_sim_time"),
        log_level=log_level.lower(),
        autostart=flag(context, "autostart"),
        enclaves=value(context, "enclaves"),
    )


def _refuse_unknown(context: LaunchContext) -> None:
    """Launch itself passes over a misspelt argument in silence, and the camera stays off.

    Only where ours is the file that was typed: an argument may be meant for a launch file that includes ours.
    """
    file = Path(str(context.get_locals_as_dict().get("current_launch_file_path") or "."))
    if file.name not in {Path(word).name for word in sys.argv}:
        return
    known = _declared.union(_OF_LAUNCH)
    for name in [word.partition(":=")[0] for word in context.argv if ":=" in word]:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(_declared))}"
            raise ValueError(f"{file.name} has no argument {name}: {hint}")


def environment(far: bool = False) -> list[SetEnvironmentVariable]:
    """The environment variables that every process of a graph needs; `far` if nodes run on other computers, too."""
    variables = shared_memory_profile(far) | PROCESS_ENVIRONMENT
    return [SetEnvironmentVariable(name, text) for name, text in variables.items()]


def argument(name: str, default: str | None, description: str) -> DeclareLaunchArgument:
    """A launch argument; without a default it must be given."""
    _declared.add(name)
    return DeclareLaunchArgument(name, default_value=default, description=description)


def together_argument() -> DeclareLaunchArgument:
    """The argument that puts all nodes into one process."""
    return argument("one_process", "false", "run all nodes in one process, without an understudy: less memory and work")


def together(context: LaunchContext, nodes: Sequence[NodeProcess]) -> list[NodeProcess]:
    """The nodes, in one process if `together_argument` says so."""
    return one_process(nodes) if flag(context, "one_process") else list(nodes)


def avatar_arguments() -> list[DeclareLaunchArgument]:
    """The arguments that choose face and model."""
    return [
        argument("model", "", "name of a shipped model or folder of a model bundle; empty takes the default"),
        argument("portrait", "", "picture of the face to animate; empty is the project's own character"),
        argument("require_consent", "", "whether the portrait needs a sidecar; empty: as in the parameters, true"),
    ]


def avatar_choice(context: LaunchContext) -> AvatarChoice:
    """The values of `avatar_arguments`.

    Raises:
        MediaError: the portrait is no picture that can be read.
        ConsentError: it has no sidecar, or one of another picture.
    """
    required: bool | Literal[""] = flag(context, "require_consent") if value(context, "require_consent") else ""
    portrait = value(context, "portrait")
    if portrait:  # refused here, because nodes that refuse it would be restarted for ever
        open_first_portrait(portrait, not value(context, "params_file") if required == "" else required)
    return AvatarChoice(value(context, "model"), portrait, required)


def value(context: LaunchContext, name: str) -> str:
    """The value of a launch argument."""
    return LaunchConfiguration(name).perform(context)


def one_of(context: LaunchContext, name: str, choices: Sequence[Word]) -> Word:
    """The value of a launch argument that must be one of several words.

    Raises:
        ValueError: if it is none of them.
    """
    for choice in choices:
        if value(context, name) == choice:
            return choice
    raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value(context, name)!r}")


def flag(context: LaunchContext, name: str) -> bool:
    """The value of a launch argument that must be true or false.

    Raises:
        ValueError: if it is neither.
    """
    text = value(context, name).lower()
    if text not in ("true", "false"):
        raise ValueError(f"{name} must be true or false, got {text!r}")
    return text == "true"


def number(context: LaunchContext, name: str, kind: Callable[[str], Number]) -> Number:
    """The value of a launch argument that must be a number.

    Raises:
        ValueError: if it is not.
    """
    text = value(context, name)
    try:
        return kind(text)
    except ValueError:
        raise ValueError(f"{name} must be a number ({kind.__name__}), got {text!r}") from None
