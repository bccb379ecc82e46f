# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`avatar-forcing parity`: a table of errors against recorded values of the published network, last line JSON."""

from __future__ import annotations

import argparse
from typing import Any

from avatar_forcing_ros.files.outputs import typed_path
from avatar_forcing_ros.published.parity import LIMIT, SIZES, STAGES
from avatar_forcing_ros.published.parity import run as compare
from avatar_forcing_ros.published.parity_audio import AUDIO_STAGE
from avatar_forcing_ros.published.parity_autoencoder import AUTOENCODER_STAGE, FRAMES_STAGE

ALL_STAGES = (*STAGES, AUTOENCODER_STAGE, AUDIO_STAGE, FRAMES_STAGE)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("fixture", type=typed_path, help="npz file of recorded inputs and outputs")
    parser.add_argument(
        "--seed", type=int, help="seed of the weights (default: the number after 'seed' in the file name)"
    )
    parser.add_argument("--size", choices=sorted(SIZES), help="size of the network (default: taken from the arrays)")
    parser.set_defaults(json=True)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Compare every stage; `ok` only when the worst error is within the limit."""
    report = compare(args.fixture, args.seed, args.size, ALL_STAGES, _tell)
    print(f"{'worst':16} {report.worst:.2e}  (limit {LIMIT:.0e})")
    return {"ok": report.passed, **report.errors, "worst": report.worst}


def _tell(name: str, error: float) -> None:
    print(f"{name:16} {error:.2e}")
