# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Imports between rooms point one way: the table in CONTRIBUTING.md, held against every import that is written."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = "avatar_forcing_ros"
ROS_NAMES = r"rclpy|rcl_interfaces|launch|launch_ros|ament_index_python|cv_bridge|\w+_msgs|std_srvs|builtin_interfaces"


@dataclass(frozen=True)
class Import:
    """One import: the file it stands in, and the dotted name it asks for."""

    file: Path
    name: str

    @property
    def room(self) -> str:
        """The room that imports."""
        return room_of(self.file)

    @property
    def asked(self) -> str:
        """The room of ours that is imported; empty when it is somebody else's package."""
        first, _, rest = self.name.partition(".")
        return longest_room(rest.split(".")) if first == PACKAGE else ""

    def __str__(self) -> str:
        return f"{self.file.relative_to(REPOSITORY)} imports {self.name}"


def room_of(file: Path) -> str:
    """The innermost room of the table in which a file lies, or its own name."""
    return longest_room(file.relative_to(REPOSITORY / PACKAGE).with_suffix("").parts)


def longest_room(parts: Sequence[str]) -> str:
    """The innermost room of a path; its first part where the table names none."""
    paths = ["/".join(parts[:length]) for length in range(len(parts), 0, -1)]
    return next((path for path in paths if path in ALLOWED), parts[0])


def room_names(text: str) -> set[str]:
    """The names in backticks, as rooms."""
    return {name.removesuffix("/").removesuffix(".py") for name in re.findall(r"`([^`]+)`", text)}


def read_table(text: str) -> dict[str, set[str]]:
    """Room -> rooms it may import, from the table under `## Rooms`. Rooms of one row may import each other."""
    allowed: dict[str, set[str]] = {}
    for row in re.findall(r"^\| `.*\|$", text.split("## Rooms")[1].split("\n## ")[0], re.MULTILINE):
        names, _, rule = [cell.strip() for cell in row.strip("|").split("|")]
        more, _, less = rule.split(";")[0].partition(" but ")
        above = set(allowed) if "all of the above" in more else set()
        rooms = room_names(names)
        allowed |= dict.fromkeys(rooms, (above | room_names(more) | rooms) - room_names(less))
    return allowed


def read_imports(file: Path) -> Iterator[Import]:
    """Every import of a file, those inside functions included."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (Import(file, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: expected absolute imports, found a relative one"
            longer = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (Import(file, name if is_ours(name) else str(node.module)) for name in longer)


def is_ours(name: str) -> bool:
    """Whether a dotted name is a file or a folder of the package, rather than something in one."""
    path = REPOSITORY / name.replace(".", "/")
    return name.startswith(f"{PACKAGE}.") and (path.is_dir() or path.with_suffix(".py").is_file())


ALLOWED = read_table((REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8"))
FILES = sorted((REPOSITORY / PACKAGE).rglob("*.py"))


@cache
def imports() -> list[Import]:
    """Of all files; parsing them takes a second, which every process of a run would spend if it were done on import."""
    return [found for file in FILES for found in read_imports(file)]


def test_the_table_reads_as_it_is_meant() -> None:
    assert ALLOWED["flow"] <= {"flow"}
    assert {"signals", "network"} <= ALLOWED["generator"]
    assert {"simulation", "recordings"} <= ALLOWED["train"]
    assert not {"simulation", "recordings", "train", "evaluation"} & ALLOWED["nodes"]
    assert "nodes" not in ALLOWED["commands"]
    assert "avatar" in ALLOWED["nodes"]
    assert "motion/facemesh/reading" not in ALLOWED["motion/facemesh/drawing"]


def test_every_file_is_in_a_room_of_the_table() -> None:
    assert {room_of(file) for file in FILES} - set(ALLOWED) - {"__init__", "__main__"} == set()


def test_rooms_import_only_what_the_table_allows() -> None:
    # Others' packages; our messages, which are generated and for `nodes` only: see below.
    anybody = {"", "action", "msg", "srv"}
    assert [str(found) for found in imports() if found.asked not in anybody | ALLOWED.get(found.room, set())] == []


def test_every_room_of_the_table_is_there() -> None:
    assert {room_of(file) for file in FILES} >= set(ALLOWED)


def test_no_files_import_each_other_in_a_circle() -> None:
    modules = {".".join(file.relative_to(REPOSITORY).with_suffix("").parts): file for file in FILES}
    below: dict[Path, set[Path]] = {file: set() for file in FILES}
    for found in imports():
        below[found.file] |= {modules[found.name]} if found.name in modules else set()
    assert list(TopologicalSorter(below).static_order())  # raises CycleError, which names the circle


def test_only_nodes_know_ros() -> None:
    ros = re.compile(rf"({ROS_NAMES}|{PACKAGE}\.(action|msg|srv))(\..*)?")
    assert [str(found) for found in imports() if ros.fullmatch(found.name) and found.room != "nodes"] == []
