# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`avatar-forcing bench`: runs the programs in bench/, one after the other, and puts their figures together.

Each of them prints a table for people and, as its last line, one JSON object; each runs on its own:
`python bench/renderer.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from avatar_forcing_ros.files.resources import resource


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("only", nargs="*", metavar="NAME", help="benchmarks to run, such as renderer (default: all)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Figures by program; `ok` only when every program did its work."""
    programs = {path.stem: path for path in sorted(resource("bench").glob("*.py"))}
    unknown = sorted(set(args.only) - set(programs))
    if unknown:
        raise ValueError(f"no program {', '.join(unknown)}; there are {', '.join(programs)}")
    lacking = [name for name in ("torch", "playwright") if find_spec(name) is None]
    if lacking and not args.only:
        raise ValueError(f"expected {' and '.join(lacking)}, not installed here: use make bench, which installs them")
    figures = {name: _figures(name, programs[name]) for name in dict.fromkeys(args.only) or programs}
    return {"ok": all(figure is not None for figure in figures.values()), "machine": _machine(), **figures}


def _figures(name: str, program: Path) -> Any:
    """Run one program, show what it prints, and read its last line; None when it failed."""
    print(f"--- {name}", flush=True)
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}  # as in the nodes
    done = subprocess.run([sys.executable, str(program)], stdout=subprocess.PIPE, text=True, env=one_thread)
    lines = done.stdout.splitlines()
    print("\n".join(lines[:-1]), flush=True)
    try:
        return json.loads(lines[-1]) if done.returncode == 0 and lines else None
    except json.JSONDecodeError:
        return None


def _machine() -> str:
    """Processor and number of cores, to be read with the figures."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return f"{model}, {os.cpu_count()} cores"
