# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Pages for operators: words that the program really says, files that are there, commands of doctor."""

from __future__ import annotations

import argparse
import ast
import configparser
import re
import subprocess
from pathlib import Path

import pytest

from avatar_forcing_ros.commands import doctor

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = REPOSITORY / "docs" / "troubleshooting.md"


def rows() -> list[list[str]]:
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [row for row in cells if row[0] != "symptom"]


def said() -> list[str]:
    """Every piece of text of the program; \0 stands in f-strings for what is put in."""
    texts = [(REPOSITORY / "deploy" / "start.sh").read_text(encoding="utf-8")]
    for path in (REPOSITORY / "avatar_forcing_ros").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                texts.append("".join(v.value if isinstance(v, ast.Constant) else "\0" for v in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return texts


def is_said(words: str, texts: list[str]) -> bool:
    """Whether they stand in the program, or are what an f-string of it gives."""
    long = [text for text in texts if "\0" in text and len(text.replace("\0", "")) >= 10]
    return any(words in text for text in texts) or any(
        re.search(re.escape(text).replace("\0", ".+"), words) for text in long
    )


def test_the_words_of_the_troubleshooting_page_are_those_of_the_program() -> None:
    texts = said()
    words = [word for row in rows() for word in re.findall(r"`([^`]+)`", row[1])]
    assert len(words) > 20
    assert [word for word in words if not is_said(word, texts)] == []
    assert not is_said("the camera is on strike", texts)


def test_every_symptom_has_a_cause_and_something_to_do() -> None:
    for symptom, _, cause, command in rows():
        assert symptom and cause and command


def test_doctor_names_the_command_that_mends_each_fault(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> str:
        raise RuntimeError("broken")

    looks = [name for name in vars(doctor) if name in ("_gpu", "_ros", "_messages", "_sound_devices", "_cameras")]
    for name in [*looks, "_imported", "_shared_memory", "_cache", "_encoding", "_speed", "load_bundle"]:
        monkeypatch.setattr(doctor, name, broken)
    result = doctor.run(argparse.Namespace(model="facemesh", quick=True))
    printed = capsys.readouterr().out

    assert not result["ok"]
    faults = [finding for finding in result["findings"] if not finding["ok"]]
    assert len(faults) >= 10
    for finding in faults:
        if finding["name"] != "GPU":  # nobody has to have one
            assert finding["mend"] and f"-> {finding['mend']}" in printed


def test_a_disk_of_shared_memory_that_is_too_small_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: argparse.Namespace(free=64 * 2**20))
    with pytest.raises(RuntimeError, match=r"64 MB free in /dev/shm: .* expected 200 MB"):
        doctor._shared_memory()


def test_the_unit_starts_a_file_that_is_there_and_reads_what_the_page_says() -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str
    unit.read(REPOSITORY / "deploy" / "avatar-forcing-kiosk.service")
    start = unit["Service"]["ExecStart"]
    assert (REPOSITORY / Path(start).relative_to("/opt/avatar_forcing_ros")).is_file()
    assert unit["Service"]["EnvironmentFile"] == "-/etc/avatar_forcing_ros.conf"
    script = (REPOSITORY / "deploy" / "start.sh").read_text(encoding="utf-8")
    for name in re.findall(r"^AVATAR_(\w+)=", (REPOSITORY / "docs" / "deployment.md").read_text(), re.MULTILINE):
        assert f"AVATAR_{name}" in script


def test_start_says_what_it_expected_where_nothing_is_set_up(tmp_path: Path) -> None:
    (tmp_path / "deploy").mkdir()
    script = tmp_path / "deploy" / "start.sh"
    script.write_bytes((REPOSITORY / "deploy" / "start.sh").read_bytes())
    done = subprocess.run(["bash", script], capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"})
    assert done.returncode == 1
    assert (
        done.stderr
        == f"Expected {tmp_path}/.venv (make setup) or AVATAR_WORKSPACE (a colcon workspace), found neither\n"
    )


def test_start_hands_on_what_is_set(tmp_path: Path) -> None:
    for folder in ("deploy", ".venv/bin"):
        (tmp_path / folder).mkdir(parents=True)
    script, python = tmp_path / "deploy" / "start.sh", tmp_path / ".venv" / "bin" / "python"
    script.write_bytes((REPOSITORY / "deploy" / "start.sh").read_bytes())
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    python.chmod(0o755)
    environment = {"PATH": "/usr/bin:/bin", "AVATAR_VOICE_AGENT": "none", "AVATAR_PORTRAIT": "/a face.png"}
    done = subprocess.run(["bash", script], capture_output=True, text=True, env=environment)
    assert done.stdout.splitlines() == [
        *("-m", "avatar_forcing_ros.nodes.kiosk", "--portrait", "/a face.png", "--voice-agent", "none")
    ]
