# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Time of one rendered frame and of setting a portrait up: `python bench/renderer.py [--portrait P] [--frames N]`.

One core; the table gives CPU time, which other work on the machine disturbs less than the clock. Last line JSON.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.channels import CHANNELS
from avatar_forcing_ros.motion.facemesh.portrait import FaceMeshPortrait, load_portrait, plain_portrait

SIZES = (256, 512)
DEFAULT_PORTRAIT = Path(__file__).parents[1] / "models/portraits/aria.png"


@dataclass(frozen=True)
class Row:
    """Figures of one size: milliseconds of CPU per frame and seconds of set-up."""

    size: int
    set_up_s: float
    least_ms: float
    median_ms: float
    p95_ms: float


def talking_head(frames: int) -> NDArray[np.float32]:
    """(frames, 18) every channel moves within half of its limits, each at its own pace."""
    low, high = (np.array([getattr(c, side) for c in CHANNELS]) for side in ("low", "high"))
    phase = np.arange(frames)[:, None] * (0.11 + 0.031 * np.arange(len(CHANNELS)))
    return (0.5 * ((low + high) / 2 + (high - low) / 2 * np.sin(phase))).astype(np.float32)


def load(path: Path | None, size: int) -> FaceMeshPortrait:
    """The portrait at `path`, the plain one without it."""
    if path is None:
        return plain_portrait(size)
    image = cv2.imread(str(path))
    if image is None:
        raise SystemExit(f"expected a picture, cannot read {path}")
    return load_portrait(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), size)


def measure(path: Path | None, size: int, frames: int) -> Row:
    """Set a portrait up and render `frames` frames."""
    start = time.process_time()
    portrait = load(path, size)
    set_up = time.process_time() - start
    spent = []
    for index, latent in enumerate(talking_head(frames)):
        start = time.process_time_ns()
        portrait.render(latent, index)
        spent.append((time.process_time_ns() - start) / 1e6)
    return Row(size, round(set_up, 2), *(round(float(np.percentile(spent, p)), 2) for p in (0, 50, 95)))


def main() -> None:
    """Print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--portrait", type=Path, default=DEFAULT_PORTRAIT if DEFAULT_PORTRAIT.exists() else None)
    parser.add_argument("--frames", type=int, default=300)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    load(arguments.portrait, SIZES[0])  # imports and models, paid once per process
    rows = [measure(arguments.portrait, size, arguments.frames) for size in SIZES]
    print("size  set-up s  least ms  median ms  p95 ms")
    for row in rows:
        print(f"{row.size:4d}  {row.set_up_s:8.2f}  {row.least_ms:8.2f}  {row.median_ms:9.2f}  {row.p95_ms:6.2f}")
    machine = platform.processor() or platform.machine()
    print(json.dumps({"bench": "renderer", "machine": machine, "rows": [asdict(row) for row in rows]}))


if __name__ == "__main__":
    main()
