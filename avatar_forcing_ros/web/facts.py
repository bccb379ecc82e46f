# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Figures for an engineer's page: rows by kind since the last refresh, and how busy this machine is."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from avatar_forcing_ros.files.pictures import fit_square

Row = Sequence[float | str | None]
_MOST_ROWS = 250  # ten seconds of pictures; older rows are dropped
_SIDE = 96
_QUALITY = 80  # JPEG quality of the portraits' thumbnails
_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


class Facts:
    """Collects rows until they are taken; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: dict[str, deque[Row]] = {}

    def add(self, kind: str, *row: float | str | None) -> None:
        """Add a row of a kind; a number that is not finite becomes None."""
        with self._lock:
            rows = self._rows.setdefault(kind, deque(maxlen=_MOST_ROWS))
            rows.append([None if isinstance(value, float) and not np.isfinite(value) else value for value in row])

    def take(self) -> dict[str, list[Row]]:
        """All rows since the last call, by kind."""
        with self._lock:
            rows, self._rows = self._rows, {}
        return {kind: list(found) for kind, found in rows.items()}


class Processor:
    """Measures how busy this machine and this process are between two calls."""

    def __init__(self) -> None:
        self._before = self._read()

    def shares(self) -> tuple[float, float]:
        """Load of the machine, in percent of all cores, and of this process, in percent of one core."""
        busy, total, own = self._read()
        busy_before, total_before, own_before = self._before
        self._before = busy, total, own
        ticks = max(total - total_before, 1)
        return 100 * (busy - busy_before) / ticks, 100 * (own - own_before) / ticks * (os.cpu_count() or 1)

    @staticmethod
    def _read() -> tuple[float, float, float]:
        """Clock ticks: busy ones of all cores, all ones of all cores, those of this process."""
        times = os.times()
        own = (times.user + times.system) * os.sysconf("SC_CLK_TCK")
        try:
            fields = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        except OSError:  # not Linux
            return 0.0, 0.0, own
        return sum(fields) - fields[3] - fields[4], sum(fields), own  # busy is all but idle and iowait


def level_db(samples: np.ndarray) -> float | None:
    """Level of a piece of sound in dBFS (root mean square); None for digital silence."""
    power = float(np.mean(np.square(samples, dtype=np.float64))) if samples.size else 0.0
    return None if power < 1e-12 else 10 * float(np.log10(power))


def thumbnails(folder: Path) -> dict[str, bytes]:
    """A small JPEG of each picture file in a folder, by name; files that cannot be read are left out."""
    found = {}
    for path in sorted(folder.iterdir()):
        image = cv2.imread(str(path)) if path.suffix.lower() in _SUFFIXES else None
        if image is not None:
            small = fit_square(np.asarray(image, np.uint8), _SIDE)
            found[path.name] = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()
    return found
