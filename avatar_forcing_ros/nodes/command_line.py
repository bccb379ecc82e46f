# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The command line of a node: its help, and what does not belong there.

rclpy ignores whatever stands outside `--ros-args`, so a node would otherwise start without the portrait that
`--portrait me.png` asks for.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from itertools import pairwise

from avatar_forcing_ros.files.resources import PACKAGE
from avatar_forcing_ros.graph.keeping import AFTER, KEEP

DEBUG = "--debug"
_FLAGS = {KEEP: 1, DEBUG: 1, AFTER: 2}
"""Our own words, with the number of words that each takes."""
_HELP = """usage: ros2 run {package} {name} {usage}[{debug}] [--ros-args ...]

{about}

  --ros-args -p NAME:=VALUE        set a parameter
  --ros-args --params-file FILE    set parameters from a YAML file
  --ros-args -r NAME:=NEW_NAME     use another topic, service or node name
  {debug}                          show the traceback of an error

docs/parameters.md lists all parameters; `ros2 param list` and `ros2 param describe` show those of a running node."""


def asks_for_help(words: Sequence[str]) -> bool:
    """Whether -h or --help is among the words outside the arguments of ROS."""
    return bool({"-h", "--help"} & set(_outside_ros(words)))


def help_text(module: str, usage: str = "") -> str:
    """What a node is and how to set it up, from its module's docstring.

    Args:
        module: the node module's __name__.
        usage: options of its own, for the first line.
    """
    running = sys.modules[module]
    about = inspect.cleandoc(running.__doc__ or "")
    name = (running.__spec__.name if running.__spec__ else module).rpartition(".")[2]  # not __main__, under python -m
    return _HELP.format(package=PACKAGE, name=name, usage=usage, debug=DEBUG, about=about)


def refuse_strays(words: Sequence[str]) -> None:
    """Refuse words that neither ROS nor our nodes know.

    Args:
        words: command line, with or without the program.

    Raises:
        ValueError: there are such words.
    """
    if "--ros-args" not in words and any(flag in ("-p", "-r") and ":=" in value for flag, value in pairwise(words)):
        raise ValueError("expected --ros-args before -p and -r, got none, without which they do nothing")
    strays = _outside_ros(words)
    if strays and not strays[0].startswith("-"):
        del strays[0]  # the program
    for flag, length in _FLAGS.items():
        while flag in strays:
            at = strays.index(flag)
            del strays[at : at + length]
    if strays:
        raise ValueError(f"expected parameters as --ros-args -p name:=value, got {' '.join(strays)}; --help says more")


def _outside_ros(words: Sequence[str]) -> list[str]:
    outside, ros = [], False
    for word in words:
        if word in ("--ros-args", "--"):
            ros = word == "--ros-args"
        elif not ros:
            outside.append(word)
    return outside
