# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the understudy knows of the processes beside it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from avatar_forcing_ros.understudy.painter import PaintedFace, PainterGoneError
from avatar_forcing_ros.understudy.processes import Life, Stopped, with_stopped_parent

FAMILY = """import os, sys, time
if os.fork():
    print("there", flush=True)
time.sleep(60)
"""
"""A keeper and its child; the word that follows on their command line makes them ours."""
WATCHER = """import sys, time
from avatar_forcing_ros.understudy.painter import PaintedFace, PainterGoneError
from avatar_forcing_ros.understudy.processes import Stopped
stopped = Stopped()
for line in sys.stdin:
    print(*stopped.overdue(float(line), 3.0), flush=True)
"""


@pytest.fixture
def family() -> Iterator[subprocess.Popen[str]]:
    keeper = subprocess.Popen(
        [sys.executable, "-c", FAMILY, "avatar_forcing_ros", "generator_node", "--keep"],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert keeper.stdout is not None and keeper.stdout.readline() == "there\n"
    yield keeper
    os.killpg(keeper.pid, signal.SIGKILL)
    keeper.wait()


def child_of(keeper: subprocess.Popen[str]) -> int:
    return int(Path(f"/proc/{keeper.pid}/task/{keeper.pid}/children").read_text())


def stop(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)
    end_s = time.monotonic() + 10
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "T" and time.monotonic() < end_s:
        pass


def test_who_stays_stopped_beside_the_understudy_is_found_also_if_it_never_said_a_word(
    family: subprocess.Popen[str],
) -> None:
    child = child_of(family)
    with subprocess.Popen(
        [sys.executable, "-c", WATCHER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as watcher:

        def overdue(now_s: float) -> list[int]:
            assert watcher.stdin is not None and watcher.stdout is not None
            print(now_s, file=watcher.stdin, flush=True)
            return [int(pid) for pid in watcher.stdout.readline().split()]

        assert overdue(0.0) == []
        stop(child)
        assert overdue(10.0) == [] and overdue(12.9) == []
        assert overdue(13.1) == [child]
        os.kill(child, signal.SIGCONT)
        assert overdue(14.0) == []
        stop(child)
        stop(family.pid)
        assert overdue(20.0) == []
        assert sorted(overdue(24.0)) == sorted([family.pid, child])
        watcher.stdin.close()  # type: ignore[union-attr]


def test_a_restarted_understudy_listens_for_long_only_to_a_generator_that_may_be_at_work(
    family: subprocess.Popen[str],
) -> None:
    ask = (
        "from avatar_forcing_ros.understudy import processes; processes._YOUNG_TICKS = {young}; "
        "print(processes.has_just_begun({program!r}))"
    )

    def has_just_begun(program: str, young: int = 100_000) -> bool:
        asking = [sys.executable, "-c", ask.format(program=program, young=young)]
        return subprocess.run(asking, capture_output=True, text=True, check=True).stdout == "True\n"

    assert has_just_begun("generator_node")
    assert not has_just_begun("generator_node", young=0)  # it began before us
    assert not has_just_begun("another_node")  # on another computer, perhaps
    os.kill(child_of(family), signal.SIGKILL)
    assert has_just_begun("generator_node", young=0)  # its keeper is about to start another one


def test_a_keeper_that_is_stopped_goes_with_its_child_and_one_that_runs_stays(family: subprocess.Popen[str]) -> None:
    child = child_of(family)
    assert with_stopped_parent(child) == [child]
    stop(family.pid)
    assert with_stopped_parent(child) == [child, family.pid]


def test_a_process_is_told_apart_from_one_that_has_ended(family: subprocess.Popen[str]) -> None:
    life = Life.of(family.pid)
    assert life.goes_on()
    family.kill()
    family.wait()
    assert not life.goes_on() and not Life.of(family.pid).goes_on()


def test_the_parent_is_not_touched_by_who_has_no_relatives() -> None:
    assert Stopped().overdue(0.0, 0.0) == []


def test_an_understudy_that_was_stopped_itself_does_not_take_its_painter_for_one_that_hangs() -> None:
    reads, writes = os.pipe()
    now_s = time.monotonic()
    face: Any = PaintedFace.__new__(PaintedFace)
    face._process = SimpleNamespace(kill=lambda: None, wait=lambda: None, stdin=None, stdout=None)
    face._answers, face._answer, face._filled = reads, bytearray(8), 0
    face.picture = np.zeros((2, 2, 3), np.uint8)
    face._waiting_since_s = face._rendered_s = now_s - 30  # what it had asked for when all were stopped
    assert face.render(np.zeros(18, np.float32), 0) is not None
    face._waiting_since_s = now_s - 30  # and now it has drawn all the time
    with pytest.raises(PainterGoneError):
        face.render(np.zeros(18, np.float32), 1)
    os.close(reads)
    os.close(writes)
