# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Keepers and programs that are told to end at an awkward moment: they end, at once and in silence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PATIENCE_S = 30.0
BEGINNING = """
import os, signal, sys, time
from avatar_forcing_ros.graph.keeping import keep, leave_on_signals
"""


def end_of(program: str) -> tuple[int, str]:
    """Exit status of a Python program and what it said on its standard error."""
    done = subprocess.run(
        [sys.executable, "-c", BEGINNING + program], capture_output=True, text=True, timeout=PATIENCE_S
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_a_keeper_that_is_told_while_it_forks_tells_its_child(number: str) -> None:
    program = f"""
fork = os.fork
def told_meanwhile():
    child = fork()
    if child:
        os.kill(os.getpid(), signal.{number})
    return child
os.fork = told_meanwhile
sys.exit(keep(lambda: time.sleep(600) or 0))
"""
    assert end_of(program) == (0, "")


def test_a_child_that_dies_of_something_else_while_it_ends_is_a_failure() -> None:
    program = """
def play():
    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    os.kill(os.getppid(), signal.SIGTERM)
    time.sleep(600)
sys.exit(keep(play))
"""
    assert end_of(program)[0] == 1


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_a_program_that_still_loads_ends_without_a_traceback(number: str) -> None:
    assert end_of(f"leave_on_signals(); os.kill(os.getpid(), signal.{number}); time.sleep(600)") == (0, "")


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_a_program_that_ends_is_not_killed_by_a_second_signal(number: str) -> None:
    """At Ctrl-C, the terminal and launch send one each; the second came while Python shut down."""
    program = f"""
leave_on_signals()
signal.signal(signal.{number}, lambda *_: None)  # as a node does that finishes
class Late:
    def __del__(self, kill=os.kill, process=os.getpid(), number=signal.{number}):
        kill(process, number)
sys.late = Late()
"""
    assert end_of(program) == (0, "")


def test_every_nodes_program_can_be_ended_while_it_loads(repository: Path) -> None:
    for program in (repository / "scripts").iterdir():
        if program.name == "avatar-forcing":  # see test_cli
            continue
        text = program.read_text(encoding="utf-8")
        assert "leave_on_signals()" in text, program.name
        assert text.index("leave_on_signals()") < text.index("import main"), program.name
