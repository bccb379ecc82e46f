# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`avatar-forcing prepare`: recordings of pairs of people -> a folder that `train --data` takes."""

from __future__ import annotations

import argparse
import logging
import math
from typing import Any

from avatar_forcing_ros.bundle import DEFAULT_BUNDLE
from avatar_forcing_ros.commands.arguments import check_folder
from avatar_forcing_ros.files.outputs import refuse_to_overwrite, typed_path
from avatar_forcing_ros.network.config import NetworkConfig
from avatar_forcing_ros.recordings.clip import ClipRules
from avatar_forcing_ros.recordings.prepare import Share, prepare
from avatar_forcing_ros.recordings.shards import MANIFEST, Dataset
from avatar_forcing_ros.signals import FPS
from avatar_forcing_ros.train.recipe import clips_for

_SHOWN = 20
"""Skipped clips that are named at the end; all are in the manifest."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    rules = ClipRules()
    parser.add_argument(
        "recordings", type=typed_path, help="list of recordings, csv, yaml or jsonl (docs/training_on_your_videos.md)"
    )
    parser.add_argument(
        "--output",
        type=typed_path,
        required=True,
        metavar="FOLDER",
        help="folder of the shards; an interrupted run continues there",
    )
    parser.add_argument("--model", default=DEFAULT_BUNDLE, help="bundle whose motion space and audio features to use")
    parser.add_argument("--workers", type=int, default=1, help="number of processes")
    parser.add_argument(
        "--shard",
        type=_share,
        metavar="I/N",
        help="read only part I of N, into a folder below --output; when all are done, run once without --shard",
    )
    parser.add_argument(
        "--longest", type=float, default=rules.longest_s, metavar="S", help="longest clip (default: %(default)g s)"
    )
    parser.add_argument(
        "--least-face",
        type=float,
        default=rules.least_face_px,
        metavar="PX",
        help="narrowest face to accept (default: %(default)g px)",
    )
    parser.add_argument(
        "--piece",
        type=float,
        default=rules.piece_frames / FPS,
        metavar="S",
        help="length of the pieces to train on (default: %(default)g s)",
    )


def _share(text: str) -> Share:
    number, slash, count = text.partition("/")
    try:
        if not (slash and number.isdecimal() and count.isdecimal()):
            raise ValueError(f"expected a part such as 1/4, got {text}")
        return Share(int(number), int(count))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def least_piece_frames(network: NetworkConfig) -> int:
    """The shortest piece that training can draw a clip from."""
    return clips_for(network).least_frames


def _check_numbers(args: argparse.Namespace) -> None:
    for name in ("piece", "longest", "least_face"):
        value = getattr(args, name)
        if not 0 <= value < math.inf:
            raise ValueError(f"expected --{name.replace('_', '-')} of at least 0, got {value:g}")
    if args.workers < 1:
        raise ValueError(f"expected --workers of at least 1, got {args.workers}")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Prepare; returns the counts."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    _check_numbers(args)
    check_folder(args.output, "--output")
    for name in (MANIFEST, "dataset.json"):
        refuse_to_overwrite(args.output / name, (args.recordings,))
    rules = ClipRules(longest_s=args.longest, piece_frames=round(args.piece * FPS), least_face_px=args.least_face)
    counts = prepare(args.recordings, args.output, args.model, rules, least_piece_frames, args.workers, args.shard)
    folder = args.output if args.shard is None else args.shard.folder(args.output)
    skipped = [entry for entry in Dataset(folder).entries().values() if not entry.is_kept]
    for entry in skipped[:_SHOWN]:
        print(f"skipped {entry.clip} (line {entry.line}): {entry.reason}")
    if len(skipped) > _SHOWN:
        print(f"and {len(skipped) - _SHOWN} more")
    print(
        f"{counts['kept']} of {counts['clips']} clips, {counts['hours']:.2f} h of two people, "
        f"{counts['training_hours']:.2f} h to train on; {folder / MANIFEST} has a line about each clip"
    )
    return {**counts, "output": str(folder), "ok": counts["kept"] > 0}
