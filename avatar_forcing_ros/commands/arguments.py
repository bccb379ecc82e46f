# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the options of several commands share."""

from __future__ import annotations

import argparse
import atexit
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import get_args

from avatar_forcing_ros.bundle import MANIFEST
from avatar_forcing_ros.disclosure.label import LabelConfig, Place
from avatar_forcing_ros.files.outputs import is_same, refuse_to_overwrite, typed_path
from avatar_forcing_ros.files.resources import default_portrait
from avatar_forcing_ros.portraits.consent import PortraitFile, open_portrait

MOST_PIPED = 8 << 30
"""Bytes: hours of video; /dev/zero has more."""


def input_file(text: str) -> Path:
    """A file to read, as an option names it, - for the standard input; what comes through a pipe is kept in a file.

    Raises:
        OSError: the pipe cannot be read, or there is no room for its content.
        ArgumentTypeError: it is no path, or the pipe has no end.
    """
    path = typed_path("/dev/stdin" if text == "-" else text)
    if not path.is_fifo() and not path.is_char_device():
        return path
    folder = tempfile.TemporaryDirectory(prefix="avatar-forcing-")
    atexit.register(folder.cleanup)
    kept = Path(folder.name) / path.name
    with path.open("rb") as pipe, kept.open("wb") as file:
        left = MOST_PIPED
        while left > 0 and (piece := pipe.read(min(left, 1 << 20))):
            left -= file.write(piece)
        if not left:
            raise argparse.ArgumentTypeError(f"{path}: expected at most {MOST_PIPED} bytes, got more; does it end?")
        if not file.tell():
            raise argparse.ArgumentTypeError(f"{path}: expected a file, got a pipe or a device that gave nothing")
    return kept


def portrait_file(path: Path | None) -> PortraitFile:
    """The portrait that an option names, or the project's own character; a private try needs no sidecar.

    Raises:
        MediaError: it is no picture that can be read.
        ConsentError: its sidecar is of another picture, or has ended.
    """
    chosen = open_portrait(path or default_portrait(), require_consent=False)
    if chosen.consent is None:
        print(f"{chosen.path.name}: no sidecar says that this face may be shown; `avatar-forcing consent` writes one")
    return chosen


def add_label_arguments(parser: argparse.ArgumentParser) -> None:
    """What the pictures say of themselves."""
    default, places = LabelConfig(), get_args(Place)
    parser.add_argument(
        "--label", default=default.text, help=f"text of the label on every picture (default: {default.text})"
    )
    parser.add_argument("--label-place", choices=places, default=default.place, help="where the label stands")
    parser.add_argument("--label-font", default=default.font, help="font file that contains the letters of --label")
    parser.add_argument("--no-label", action="store_true", help="no label; tell the people who see it in another way")


def label_config(args: argparse.Namespace) -> LabelConfig:
    """What those options say.

    Raises:
        ValueError: they contradict each other.
    """
    if args.no_label and args.label != LabelConfig().text:
        raise ValueError("--no-label and --label exclude each other, got both")
    return LabelConfig(shown=not args.no_label, text=args.label, place=args.label_place, font=args.label_font)


def check_output(path: Path, suffix: str, inputs: Iterable[Path | None]) -> None:
    """Refuse an output before any work is done for it.

    Args:
        path: of a file to write.
        suffix: that its name must have.
        inputs: files that are read, or written as well.

    Raises:
        ValueError: it is one of the inputs, through whatever link; it is no file; or its name ends otherwise.
    """
    if path.suffix.lower() != suffix:
        raise ValueError(f"{path}: expected an output whose name ends in {suffix}, got {path.suffix or 'no ending'!r}")
    if path.exists() and not path.is_file():
        raise ValueError(
            f"{path}: expected the name of a file to write, got a {'folder' if path.is_dir() else 'device'}"
        )
    refuse_to_overwrite(path, inputs)
    check_place(path)


def check_place(path: Path) -> None:
    """Refuse an output, a file or a folder, that cannot be made where its name says.

    Raises:
        ValueError: it is below a file, or in a folder in which nothing may be written.
    """
    place = next(folder for folder in path.absolute().parents if folder.exists() or folder.is_symlink())
    if not place.exists():
        raise ValueError(f"{path}: expected a name in a folder, but {place} is a link that leads nowhere")
    if not place.is_dir():
        raise ValueError(f"{path}: expected a name in a folder, but {place} is a file")
    if not os.access(place, os.W_OK):
        raise ValueError(f"{path}: no permission to write in {place}")


def check_folder(folder: Path, option: str) -> None:
    """Refuse a folder of results before any work is done for it.

    Args:
        folder: to write into; it is made where it is missing.
        option: that names it.

    Raises:
        ValueError: it is a file, or it cannot be made, or nothing may be written in it.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder}: expected {option} to be a folder, got a file, which is kept")
    check_place(folder / "file")


def check_bundle_output(folder: Path, inputs: Iterable[Path | None]) -> None:
    """Refuse the folder of a bundle before hours of work are done for it.

    Args:
        folder: of a bundle to write: one to replace, an empty one, or none yet.
        inputs: folders that are read or worked in.

    Raises:
        ValueError: it is a file, holds other things, or is one of the inputs or lies in one.
    """
    check_folder(folder, "--output")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST).is_file():
        raise ValueError(
            f"{folder}: expected a bundle to replace (with {MANIFEST}), an empty folder or none, got a folder of other "
            "things, which stay"
        )
    for source in inputs:
        if source is not None and is_same(folder, source):
            raise ValueError(f"{folder}: this is also {source}, which is read; give the output a folder of its own")
