# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""tools/far_apart.py: a link that delays and loses, and two commands that have nothing else in common."""

from __future__ import annotations

import importlib.util
import json
import random
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

TOOL = Path(__file__).parents[1] / "tools" / "far_apart.py"
ANSWER = """
import socket
here = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
here.bind(("", 7000))
while True:
    _, asked = here.recvfrom(100)
    here.sendto(socket.gethostname().encode(), asked)
"""
ASK = """
import os, socket, time
here = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
here.settimeout(0.3)
while True:
    began = time.monotonic()
    here.sendto(b"?", ("10.77.0.2", 7000))
    try:
        said = here.recvfrom(100)[0].decode()
    except TimeoutError:
        continue  # the other one has yet to come
    if time.monotonic() - began < 0.3:
        break
print(socket.gethostname(), said, time.monotonic() - began, os.listdir("/dev/shm"))
"""


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("far_apart", TOOL)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "far_apart", module)
    spec.loader.exec_module(module)
    return module


def test_frames_arrive_late_in_order_and_some_never(tool: ModuleType) -> None:
    way = tool.Way(tool.Link(0.020, 0.005, 0.1), random.Random(0))
    late: list[float] = []
    order: list[int] = []
    for ms in range(10_100):
        if ms < 10_000:
            way.take(ms.to_bytes(4, "big"), ms / 1e3)
        for frame in way.arrived(ms / 1e3):
            order.append(int.from_bytes(frame, "big"))
            late.append(ms / 1e3 - order[-1] / 1e3)
    assert order == sorted(order)
    assert len(order) + way.lost == way.frames == 10_000
    assert way.lost == pytest.approx(1000, abs=100)
    assert min(late) >= 0.015
    assert max(late) <= 0.026


def test_a_narrow_link_makes_frames_wait_and_drops_what_does_not_fit(tool: ModuleType) -> None:
    way = tool.Way(tool.Link(0.0, 0.0, 0.0, rate=1e6), random.Random(0))
    for _ in range(300):
        way.take(bytes(1200), 0.0)  # 9.6 ms each
    assert way.lost == 280
    assert len(way.arrived(0.0965)) == 10


def test_two_commands_have_only_the_link_in_common() -> None:
    commands = [f"exec {sys.executable} -c '{program}'" for program in (ASK, ANSWER)]
    far = ["--delay-ms", "30", "--jitter-ms", "0", "--loss", "0"]
    done = subprocess.run([sys.executable, TOOL, *far, *commands], capture_output=True, text=True, timeout=120)
    if "no second computer could be made" in done.stderr:
        pytest.skip(f"not allowed here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    said, told = done.stdout.splitlines()
    first, second, seconds, shared = said.split(maxsplit=3)
    assert (first, second, shared) == ("computer-1", "computer-2", "[]")
    assert 0.06 <= float(seconds) < 0.3
    assert json.loads(told)["from_first"]["lost"] == 0
