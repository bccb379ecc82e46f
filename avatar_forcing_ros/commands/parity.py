"""`avatar-forcing parity`: a table of errors against recorded values of the published network, last line JSON."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from avatar_forcing_ros.parity import LIMIT, SIZES, run as compare


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("fixture", type=Path, help=".npz of recorded inputs and outputs")
    parser.add_argument("--seed", type=int, help="of the weights (default: the number after 'seed' in the file's name)")
    parser.add_argument("--size", choices=sorted(SIZES), help="of the network (default: told by the arrays)")
    parser.set_defaults(json=True)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Compare every stage; `ok` only when the worst error is within the limit."""
    report = compare(args.fixture, args.seed, args.size, tell=lambda name, error: print(f"{name:16} {error:.2e}"))
    print(f"{'worst':16} {report.worst:.2e}  (limit {LIMIT:.0e})")
    return {"ok": report.passed, **report.errors, "worst": report.worst}
