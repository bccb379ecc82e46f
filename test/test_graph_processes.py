# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What nodes say is kept where there is room, and never a reason to end."""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from avatar_forcing_ros.graph import processes
from avatar_forcing_ros.graph.processes import ProcessGroup

POET: Any = SimpleNamespace(executable="poet", module="this", ros_arguments=list)
"""A process that says something and ends; the last words are "more of those!"."""


def until(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.01)


def test_a_folder_of_logs_that_was_cleared_away_is_made_again_when_a_node_is_restarted() -> None:
    said: list[str] = []
    with ProcessGroup([POET], {}) as group:
        until(lambda: group.ended("poet"))
        shutil.rmtree(group._logs["poet"].parent)
        group.tend(said.append)
        assert said == ["poet ended: it said nothing; restart 1 in 0 s"]
        group.tend(said.append)
        until(lambda: group.ended("poet"))
        assert group.last_lines("poet").endswith("more of those!")


def test_a_log_that_has_grown_long_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_LONG_LOG", 1000)
    with ProcessGroup([POET], {}) as group:
        for _ in range(2):
            until(lambda: group.ended("poet"))
            group.tend(lambda _line: None)
            group._due_s = dict.fromkeys(group._due_s, 0.0)
            group.tend(lambda _line: None)
        until(lambda: group.ended("poet"))
        assert group._logs["poet"].stat().st_size < 1000
        assert group.last_lines("poet").endswith("more of those!")


def test_without_room_for_logs_nodes_run_all_the_same(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def is_full(**_arguments: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(processes.tempfile, "TemporaryDirectory", is_full)
    with ProcessGroup([POET], {}) as group:
        until(lambda: group.ended("poet"))
        assert group.last_lines("poet") == "it said nothing"
    assert "more of those!" in capfd.readouterr().out
