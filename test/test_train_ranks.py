# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Two processes that torchrun starts take the steps of one with the same batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from avatar_forcing_ros.train.ranks import Ranks

STEPS = """
import importlib.util, json, sys
from pathlib import Path

spec = importlib.util.spec_from_file_location("loop", sys.argv[1])
loop = importlib.util.module_from_spec(spec)
spec.loader.exec_module(loop)
from avatar_forcing_ros.train.journal import Journal
from avatar_forcing_ros.train.ranks import joined

with joined("cpu") as (ranks, device):
    trainer = loop.trainer()
    trainer.ranks = ranks
    folder = Path(sys.argv[2])
    trainer.run(folder, Journal(folder) if ranks.first else None)
    if ranks.first:
        norm = sum(float(p.double().norm()) for p in trainer.average.parameters())
        print(json.dumps({"norm": norm, "journal": (folder / "metrics.csv").read_text().splitlines()}))
"""


def trained(tmp_path: Path, repository: Path, processes: int) -> dict:
    script, folder = tmp_path / "steps.py", tmp_path / str(processes)
    script.write_text(STEPS)
    folder.mkdir()
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"] if processes > 1 else []
    command = [sys.executable, *launcher, str(script), str(repository / "test" / "test_train_loop.py"), str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=170, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))


@pytest.mark.slow
def test_two_processes_lose_what_one_loses(tmp_path: Path, repository: Path) -> None:
    one, two = (trained(tmp_path, repository, count) for count in (1, 2))
    assert one["journal"][0] == two["journal"][0]
    assert len(one["journal"]) == len(two["journal"]) == 5
    for line, other in zip(one["journal"][1:], two["journal"][1:], strict=True):
        assert [float(x) for x in other.split(",")] == pytest.approx([float(x) for x in line.split(",")], rel=1e-4)
    assert two["norm"] == pytest.approx(one["norm"], rel=1e-5)


def test_a_batch_that_leaves_a_process_idle_is_refused() -> None:
    Ranks(1, 4).check_batch(4)
    with pytest.raises(ValueError, match="got 3 clips for 4"):
        Ranks(1, 4).check_batch(3)
