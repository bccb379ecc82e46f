# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A machine that is not supported is told so in one line, before anything is installed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).resolve().parents[1] / "requirements"


def program(folder: Path, name: str, says: str, status: int = 0) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\nexit {status}\n")
    path.chmod(0o755)


def refused(folder: Path, script: str, *words: str, **environment: str) -> str:
    """What a script says that fails, with the programs of `folder` in place of the system's."""
    set_ = {"PATH": f"{folder}:{os.environ['PATH']}", **environment}
    done = subprocess.run([REQUIREMENTS / script, *words], capture_output=True, text=True, timeout=60, env=set_)
    assert done.returncode == 1, done
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return line


@pytest.mark.parametrize(("script", "words"), [("system.sh", ("setup",)), ("robot.sh", ("python3",))])
def test_an_interpreter_that_is_too_old_is_named(tmp_path: Path, script: str, words: tuple[str, ...]) -> None:
    program(tmp_path, "uname", "x86_64")
    program(tmp_path, "python3", "Python 3.9.18", status=1)
    said = refused(tmp_path, script, *words)
    assert said.startswith("Expected Python 3.10 to 3.14, got Python 3.9.18: name another one, e.g. ")


def test_an_interpreter_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "got none called python9:" in refused(tmp_path, "robot.sh", "python9")
    program(tmp_path, "uname", "x86_64")
    program(tmp_path, "apt-get", "installed something else")
    assert "got none called python9:" in refused(tmp_path, "system.sh", "setup", PYTHON="python9")


def test_a_program_that_is_no_interpreter_is_named_in_one_line(tmp_path: Path) -> None:
    program(tmp_path, "uname", "x86_64")
    program(tmp_path, "python9", "Nine\nlives", status=1)
    assert "got Nine: name another one" in refused(tmp_path, "system.sh", "setup", PYTHON="python9")


def test_a_python_into_which_pip_may_not_install_is_named(tmp_path: Path) -> None:
    program(tmp_path, "uname", "x86_64")
    program(tmp_path, "python3", "")
    said = refused(tmp_path, "robot.sh", PIP_BREAK_SYSTEM_PACKAGES="")
    assert said.startswith("Expected a virtual environment, got the system's Python") and "venv" in said


def test_a_processor_without_packages_is_named(tmp_path: Path) -> None:
    program(tmp_path, "uname", "riscv64")
    assert refused(tmp_path, "robot.sh").startswith("Expected x86_64 or aarch64, got riscv64: ")
    program(tmp_path, "uname", "aarch64")  # a robot, where ROS is the system's
    said = refused(tmp_path, "system.sh", "setup")
    assert said.startswith("Expected x86_64, got aarch64: ") and "requirements/robot.sh" in said


def test_a_distribution_without_wheels_is_named(tmp_path: Path) -> None:
    program(tmp_path, "uname", "x86_64")
    said = refused(tmp_path, "system.sh", "setup", ROS="humble")
    assert said.startswith("Expected ROS=jazzy/kilted, got ROS=humble: ") and "colcon" in said
