# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The bench of the published network runs where there is a card and little else, and a part that fails is said."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ABSENT = ("av", "cv2", "mediapipe", "onnxruntime", "rclpy", "rosbags", "scipy", "transformers", "yaml")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A folder for PYTHONPATH with which nothing can be imported that a GPU machine does not have."""
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nsys.modules.update(dict.fromkeys({ABSENT!r}))\n")
    return tmp_path


def run(bare: Path, repository: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, repository / "bench" / "published_block.py", "--tiny", "--device", "cpu", *arguments]
    places = f"{bare}:{repository}"
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": places, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=bare, timeout=120)


def test_it_runs_from_a_checkout_with_torch_and_little_else(bare: Path, repository: Path) -> None:
    done = run(bare, repository, "--conversations", "2")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["failed"] == {}
    assert told["whole block ms"] > 0
    assert told["2 conversations, p99 ms"] >= told["2 conversations, median ms"] > 0
    assert told["calm flows: PSNR of ten together dB"] > 45


def test_a_part_that_fails_costs_its_own_figures_and_the_exit_status(bare: Path, repository: Path) -> None:
    done = run(bare, repository, "--conversations", "-1")
    assert done.returncode == 1
    told = json.loads(done.stdout.splitlines()[-1])
    assert list(told["failed"]) == ["-1 conversations"]
    assert told["whole block ms"] > 0
    assert "FAILED -1 conversations" in done.stdout
