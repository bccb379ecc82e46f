# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Runs several of our nodes in one process that passes messages as objects: less memory, fewer copies.

    one_process --node generator_node '{"portrait": "me.png"}' --node display_node '{}' --ros-args ...

ROS arguments apply to all nodes; the parameters of one node follow its name, as JSON. The price: a fault that kills the
process ends all nodes, and there is no understudy to step in.
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable, Sequence
from functools import partial

from rclpy.parameter import Parameter
from rclpy.utilities import get_rmw_implementation_identifier

from avatar_forcing_ros.files.resources import PACKAGE
from avatar_forcing_ros.graph.environment import apart_from_itself
from avatar_forcing_ros.graph.settings import NODE, Value
from avatar_forcing_ros.nodes.handover import Handover
from avatar_forcing_ros.nodes.managed_node import ManagedNode
from avatar_forcing_ros.nodes.running import run_together, run_with_options


def main(args: list[str] | None = None) -> int:
    """Run the nodes that the command line names."""
    return run_with_options(__name__, f"{NODE} EXECUTABLE JSON_PARAMETERS ... ", _split, _run, args)


def _run(chosen: Sequence[tuple[str, dict[str, Value]]], rest: list[str]) -> int:
    variables = apart_from_itself() if get_rmw_implementation_identifier().startswith("rmw_fastrtps") else {}
    os.environ |= variables
    return run_together(
        [partial(_make, executable, parameters) for executable, parameters in chosen],
        rest,
        Handover() if variables else None,
    )


def _split(said: Sequence[str]) -> tuple[list[tuple[str, dict[str, Value]]], list[str]]:
    """The nodes with their parameters, and the rest of the command line.

    Raises:
        ValueError: if there are none, or one lacks its parameters.
    """
    chosen, rest = [], list(said)
    try:
        while NODE in rest:
            at = rest.index(NODE)
            _, executable, parameters = rest[at : at + 3]
            chosen.append((executable, dict(json.loads(parameters))))
            del rest[at : at + 3]
    except (ValueError, TypeError):  # too few words, or not a JSON object
        chosen = []
    if not chosen:
        raise ValueError(f"expected {NODE} EXECUTABLE JSON_PARAMETERS, got {' '.join(said) or 'nothing'}")
    return chosen, rest


def _make(executable: str, parameters: dict[str, Value]) -> ManagedNode:
    module = importlib.import_module(f"{PACKAGE}.nodes.{executable}")
    node_type: Callable[..., ManagedNode] = getattr(module, executable.title().replace("_", ""))
    return node_type(parameter_overrides=[Parameter(name, value=value) for name, value in parameters.items()])


if __name__ == "__main__":
    raise SystemExit(main())
