# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The bench of the published network runs where there is a card and little else, and a part that fails is said."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ABSENT = ("av", "cv2", "mediapipe", "onnxruntime", "rclpy", "rosbags", "scipy", "transformers", "yaml")


def test_it_runs_with_torch_and_little_else_and_a_part_that_fails_costs_its_own_figures(
    repository: Path, tmp_path: Path
) -> None:
    """Nothing can be imported that a GPU machine does not have; one start serves both, since it takes six seconds."""
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nsys.modules.update(dict.fromkeys({ABSENT!r}))\n")
    command = [sys.executable, repository / "bench" / "published_block.py", "--tiny", "--device", "cpu"]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{tmp_path}:{repository}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, "--conversations", "-1", "2"],
        capture_output=True,
        text=True,
        env=environment | {"CUDA_VISIBLE_DEVICES": ""},
        cwd=tmp_path,
        timeout=120,
    )
    assert done.returncode == 1, done.stderr
    assert "FAILED -1 conversations" in done.stdout
    told = json.loads(done.stdout.splitlines()[-1])
    assert list(told["failed"]) == ["-1 conversations"]
    assert told["whole block ms"] > 0
    assert told["2 conversations, p99 ms"] >= told["2 conversations, median ms"] > 0
    assert told["calm flows: PSNR of ten together dB"] > 45
