# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Two processes that torchrun starts take the steps of one with the same batch."""

from __future__ import annotations

import json
import os
import runpy
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


def told(lines: str) -> dict:
    return json.loads(next(line for line in lines.splitlines() if line.startswith("{")))


@pytest.mark.slow
def test_two_processes_lose_what_one_loses(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script, folders = tmp_path / "steps.py", [tmp_path / "one", tmp_path / "two"]
    script.write_text(STEPS)
    words = []
    for folder in folders:
        folder.mkdir()
        words.append([str(script), str(repository / "test" / "test_train_loop.py"), str(folder)])

    monkeypatch.setattr(sys, "argv", words[0])
    runpy.run_path(str(script))
    one = told(capsys.readouterr().out)
    launched = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *words[1]]
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    done = subprocess.run(launched, capture_output=True, text=True, timeout=600, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    two = told(done.stdout)
    assert one["journal"][0] == two["journal"][0]
    assert len(one["journal"]) == len(two["journal"]) == 5
    for line, other in zip(one["journal"][1:], two["journal"][1:], strict=True):
        assert [float(x) for x in other.split(",")] == pytest.approx([float(x) for x in line.split(",")], rel=1e-4)
    assert two["norm"] == pytest.approx(one["norm"], rel=1e-5)


def test_a_batch_that_leaves_a_process_idle_is_refused() -> None:
    Ranks(1, 4).check_batch(4)
    with pytest.raises(ValueError, match="got 3 clips for 4"):
        Ranks(1, 4).check_batch(3)
