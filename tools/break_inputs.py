# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Breaks good files and messages at random and reads them, for as long as it is told; ends with status 1 at a fault.

    python tools/break_inputs.py [--inputs 20000] [--seed 0]

Prints for each kind how many were read and how many refused; a fault names the seed that shows it again.
"""

from __future__ import annotations

import argparse
import logging
import resource
import tempfile
import time
from collections import Counter
from pathlib import Path

from avatar_forcing_ros.testing.inputs import MESSAGES, readers, try_message, try_one

SHARES = {"picture": 0.1, "sound": 0.05, "video": 0.02, "bag": 0.02, "sidecar": 0.05, "model": 0.02}
"""Of all inputs; the rest are messages, of every kind as many."""


def main() -> int:
    """Break and read."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    logging.disable(logging.WARNING)  # what is said of damaged packets
    faults: list[str] = []
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "good").mkdir()
        (Path(folder) / "broken").mkdir()
        every = readers(Path(folder) / "good")
        counts = {kind: round(share * args.inputs) for kind, share in SHARES.items()}
        messages = args.inputs - sum(counts.values())
        counts |= {f"{kind} message": messages // len(MESSAGES) for kind in MESSAGES}
        for kind, count in counts.items():
            came: Counter[str] = Counter()
            for number in range(count):
                seed = args.seed * args.inputs + number
                try:
                    broken = Path(folder) / "broken"
                    message = kind.removesuffix(" message")
                    what = try_one(every[kind], broken, seed) if kind in every else try_message(message, seed)
                    came[what] += 1
                except AssertionError as fault:
                    came["fault"] += 1
                    faults.append(f"{kind}: {fault}")
            print(f"{kind:<25}" + ", ".join(f"{count} {what}" for what, count in sorted(came.items())), flush=True)
    took_s, memory_mb = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{args.inputs} inputs in {took_s:.0f} s, {len(faults)} faults, at most {memory_mb:.0f} MB of memory")
    print("\n".join(faults[:50]))
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
