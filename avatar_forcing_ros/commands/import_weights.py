# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`avatar-forcing import-weights`: the authors' weight files -> a model bundle that every command and node can run."""

from __future__ import annotations

import argparse
from typing import Any

from avatar_forcing_ros.commands.arguments import check_place
from avatar_forcing_ros.files.outputs import typed_path
from avatar_forcing_ros.published.importing import LICENCE, Sources, import_weights


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "--flow-transformer", type=typed_path, required=True, metavar="PTH", help="the file flow_transformer.pth"
    )
    parser.add_argument(
        "--motion-autoencoder", type=typed_path, required=True, metavar="PTH", help="the file motion_autoencoder.pth"
    )
    parser.add_argument(
        "--wav2vec2", type=typed_path, required=True, metavar="FOLDER", help="the folder of wav2vec2-base-960h"
    )
    parser.add_argument(
        "--output", type=typed_path, required=True, metavar="FOLDER", help="folder of the bundle to write"
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Import, and say where the bundle is and what its licence allows."""
    check_place(args.output)
    sources = Sources(args.flow_transformer, args.motion_autoencoder, args.wav2vec2)
    folder = import_weights(sources, args.output)
    print(f"wrote {folder}; its weights are {LICENCE}: not for commercial use")
    return {"bundle": str(folder), "licence": LICENCE}
