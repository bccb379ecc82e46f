# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Nobody looks at a wall clock but those who must: what is shown depends on stamps and on the node's clock alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = REPOSITORY / "avatar_forcing_ros"

# Who may look at another clock than the one it is given, and why. Nothing that decides what is shown stands here.
MAY = {
    "commands/doctor.py": "measures how fast this machine is",
    "commands/render.py": "says how many times faster than real time it was",
    "commands/replay.py": "says how many times faster than real time it was",
    "portraits/consent.py": "a consent ends on a day of the calendar, whatever a bag's time is",
    "graph/keeping.py": "waits for processes, which do not live in ROS time",
    "graph/processes.py": "waits for processes, which do not live in ROS time",
    "nodes/bag_player_node.py": "makes the ROS time of a replay, at the asked share of real time",
    "nodes/demo.py": "waits for processes, which do not live in ROS time",
    "nodes/links.py": "sees that ROS time stands still",
    "portraits/process.py": "waits for another process, and lets it go when nothing more is asked",
    "session/session.py": "measures how long a block took, for diagnostics",
    "nodes/replay.py": "waits for processes, which do not live in ROS time",
    "nodes/understudy_node.py": "sees whether another process lives, also when ROS time stands still",
    "understudy/faces.py": "tries another process later, also when ROS time stands still",
    "understudy/painter.py": "waits for another process, no longer than a frame",
    "session/stage.py": "sees whether another process lives, also when ROS time stands still",
    "web/testing.py": "flashes and clicks in real time, for browsers",
    "nodes/testing.py": "a test must end, also when the clock that it moves stands still",
}
ROOMS_WITHOUT_TIME = ("simulation", "recordings", "train", "evaluation")  # no part of what runs

CLOCKS = {
    "time": {
        "time",
        "time_ns",
        "monotonic",
        "monotonic_ns",
        "perf_counter",
        "perf_counter_ns",
        "process_time",
        "sleep",
    },
    "datetime": {"now", "utcnow", "today"},
    "threading": {"Timer"},
    "rclpy.clock": {"Clock", "ClockType"},
    "clock": {"Clock"},
}


def looks(source: str) -> Iterator[tuple[int, str]]:
    """Every place of a source that looks at a clock of its own: line and what it says."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in CLOCKS:
            yield from (
                (node.lineno, f"from {node.module} import {a.name}")
                for a in node.names
                if a.name in CLOCKS[node.module]
            )
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
            owner = ast.unparse(node.value).rsplit(".", 1)[-1]
            if node.attr in CLOCKS.get(owner, ()) or node.attr in CLOCKS.get({"date": "datetime"}.get(owner, ""), ()):
                yield node.lineno, ast.unparse(node)


def files() -> dict[str, Path]:
    """The package's sources by their path in it."""
    found = {str(path.relative_to(PACKAGE)): path for path in sorted(PACKAGE.rglob("*.py"))}
    return {name: path for name, path in found.items() if not name.startswith(ROOMS_WITHOUT_TIME)}


def test_only_the_listed_files_look_at_a_clock_of_their_own() -> None:
    found = [
        f"{name}:{line}: {what}"
        for name, path in files().items()
        if name not in MAY
        for line, what in looks(path.read_text(encoding="utf-8"))
    ]

    assert found == []


def test_every_listed_file_is_there_and_does() -> None:
    idle = [name for name in MAY if not list(looks((PACKAGE / name).read_text(encoding="utf-8")))]

    assert idle == []


@pytest.mark.parametrize(
    "source",
    [
        "import time\nx = time.time()",
        "import time\ntime.sleep(1)",
        "import time\nx = time.monotonic_ns()",
        "from time import perf_counter",
        "import datetime\nx = datetime.datetime.now()",
        "from datetime import datetime\nx = datetime.utcnow()",
        "from datetime import date\nx = date.today()",
        "import threading\nthreading.Timer(1, print)",
        "from rclpy.clock import Clock",
        "import rclpy\nx = rclpy.clock.Clock()",
    ],
)
def test_every_way_to_look_is_seen(source: str) -> None:
    assert list(looks(source))


@pytest.mark.parametrize(
    "source",
    ["now = node.get_clock().now()", "x = info.time", "from rclpy.clock import ROSClock", "done.wait(0.5)", "time = 3"],
)
def test_the_nodes_clock_and_waiting_for_others_are_no_offence(source: str) -> None:
    assert not list(looks(source))


def test_every_timer_of_a_node_names_its_clock() -> None:
    """By default it is the node's, and on a clock that NTP sets back by an hour, a timer pauses for that hour."""
    calls = [
        (path.name, node)
        for path in sorted((PACKAGE / "nodes").glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "create_timer"
    ]
    assert len(calls) > 3
    assert [(name, call.lineno) for name, call in calls if "clock" not in {word.arg for word in call.keywords}] == []
