# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The numbers of a run, in a CSV file and, if it is installed, in TensorBoard."""

from __future__ import annotations

import csv
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_log = logging.getLogger(__name__)


@contextmanager
def timed(part: str) -> Iterator[None]:
    """Log what a part of a run took: seconds by the clock, and of processor time with all child processes."""
    began = os.times()
    yield
    ended = os.times()
    _log.info("%s took %.0f s, %.0f s of processor", part, ended.elapsed - began.elapsed, _spent(ended) - _spent(began))


def _spent(times: os.times_result) -> float:
    return times.user + times.system + times.children_user + times.children_system


class Journal:
    """Writes one line of numbers per entry to metrics.csv in a folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "metrics.csv"
        self._board = _tensorboard(folder)

    def add(self, step: int, numbers: dict[str, float]) -> None:
        """Append a line. The first call also writes the header."""
        new = not self.path.exists()
        with self.path.open("a", newline="") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(["step", *numbers])
            writer.writerow([step, *(f"{value:.6g}" for value in numbers.values())])
        if self._board is not None:
            for name, value in numbers.items():
                self._board.add_scalar(name, value, step)

    def rewind(self, step: int) -> None:
        """Drop the lines after a step; a continued run will write them again."""
        if self.path.exists():
            header, *lines = self.path.read_text().splitlines()
            kept = [line for line in lines if int(line.split(",")[0]) <= step]
            self.path.write_text("\n".join([header, *kept]) + "\n")


def _tensorboard(folder: Path) -> Any:
    """A writer, or None if TensorBoard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(folder)
