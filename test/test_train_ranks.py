# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Two processes that train together, as torchrun starts them, take the steps of one with the same batch."""

from __future__ import annotations

import json
import os
import runpy
import socket
import subprocess
import sys
from datetime import timedelta
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


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.mark.slow
def test_two_processes_lose_what_one_loses(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first rank is this process: torchrun itself and a third process would only import torch twice more."""
    script = tmp_path / "steps.py"
    script.write_text(STEPS)

    def words(name: str) -> list[str]:
        (tmp_path / name).mkdir(exist_ok=True)
        return [str(script), str(repository / "test" / "test_train_loop.py"), str(tmp_path / name)]

    def told_here(name: str) -> dict:
        monkeypatch.setattr(sys, "argv", words(name))
        runpy.run_path(str(script))
        return json.loads(next(line for line in capsys.readouterr().out.splitlines() if line.startswith("{")))

    one = told_here("one")
    monkeypatch.setattr("avatar_forcing_ros.train.ranks._PATIENCE", timedelta(minutes=10))  # if the second dies
    group = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    second = os.environ | group | {"RANK": "1", "LOCAL_RANK": "1", "PYTHONPATH": str(repository)}
    with subprocess.Popen([sys.executable, *words("two")], stderr=subprocess.PIPE, text=True, env=second) as process:
        try:
            for name, value in {**group, "RANK": "0", "LOCAL_RANK": "0"}.items():
                monkeypatch.setenv(name, value)
            two = told_here("two")
            said = process.communicate(timeout=60)[1]
        finally:
            process.kill()
    assert process.returncode == 0, said[-2000:]
    assert one["journal"][0] == two["journal"][0]
    assert len(one["journal"]) == len(two["journal"]) == 5
    for line, other in zip(one["journal"][1:], two["journal"][1:], strict=True):
        assert [float(x) for x in other.split(",")] == pytest.approx([float(x) for x in line.split(",")], rel=1e-4)
    assert two["norm"] == pytest.approx(one["norm"], rel=1e-5)


def test_a_batch_that_leaves_a_process_idle_is_refused() -> None:
    Ranks(1, 4).check_batch(4)
    with pytest.raises(ValueError, match="got 3 clips for 4"):
        Ranks(1, 4).check_batch(3)
