# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Real processes are killed while the avatar speaks: the face stays, the speech ends once, and it speaks again.

`bench/never_off.py` and `tools/chaos.py` measure the same for longer; here bounds are wide, for machines that are busy.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy")

REPOSITORY = Path(__file__).resolve().parents[1]
MOST_LOAD = 3.0
"""Processes that want a core, for each: beyond it no time means anything."""
pytestmark = [pytest.mark.ros, pytest.mark.slow]


def test_a_generator_that_is_killed_leaves_no_gap_and_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    if os.getloadavg()[0] > MOST_LOAD * (os.cpu_count() or 1):
        pytest.skip(f"{os.getloadavg()[0]:.0f} processes share {os.cpu_count()} cores: pictures come when they can")
    monkeypatch.syspath_prepend(str(REPOSITORY / "bench"))
    import never_off
    from never_off import Audience, Trial, child_of

    from avatar_forcing_ros.graph import settings
    from avatar_forcing_ros.graph.processes import ProcessGroup

    monkeypatch.setattr(never_off, "LIVES_S", 0.0)  # a first failure is mended at once
    nodes = [node for node in settings.live(settings.AvatarChoice()) if node.executable != "display_node"]
    audience = Audience()
    with ProcessGroup(nodes, settings.PROCESS_ENVIRONMENT) as processes:
        trial = Trial(processes, audience, seed=0)
        assert trial._until(lambda: any(who == 0 for *_, who in audience.seen.frames), 120), "the generator never led"
        assert audience.seen.frames[0][2] == 1, "the understudy was not first"
        outcome = trial.fault("kill -9", lambda: child_of(processes.pid("generator_node")), signal.SIGKILL)
        pictures = np.array(audience.seen.pictures)
    audience.close()

    assert len(pictures) > 50
    assert outcome.gap_ms < 600  # 2 s and more without an understudy
    assert outcome.wrong == 0  # ended once, at the position that was heard, and nothing came after it
    assert outcome.speaks_ms < 30_000
    assert outcome.doubles <= 2  # a process that is held up between looking and showing may be late by a frame


def test_two_virtual_hours_end_every_utterance_once_and_miss_no_frame() -> None:
    command = [sys.executable, REPOSITORY / "bench" / "virtual_day.py", "--hours", "2", "--lived", "0.1"]
    day = subprocess.run(command, capture_output=True, text=True)
    assert day.returncode == 0, day.stdout + day.stderr
