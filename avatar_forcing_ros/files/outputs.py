# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Files of the command line: the paths that people type, and files that appear when they are complete or not at all."""

from __future__ import annotations

import argparse
import errno
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def typed_path(text: str) -> Path:
    """A path as an option names it. Shells leave the ~ in --output=~/talk.mp4 and in quotes as it is.

    Raises:
        ArgumentTypeError: nothing, an address of the network, the home of a user who is not there, a name that no
            file can have, or one in a current folder that was deleted.
    """
    if not text:
        raise argparse.ArgumentTypeError("expected a path, got nothing: is a variable of the shell empty?")
    if "\0" in text:
        raise argparse.ArgumentTypeError(f"expected a path, got {text!r}, which no file can be called")
    if "://" in text:
        raise argparse.ArgumentTypeError(f"expected a path on this machine, got {text!r}; download it first")
    try:
        path = Path(text).expanduser()
    except RuntimeError:
        raise argparse.ArgumentTypeError(f"expected a path, got {text!r}: there is no such user") from None
    try:
        path.absolute()
    except FileNotFoundError:
        raise argparse.ArgumentTypeError(
            f"expected a path, got {text!r} in a folder that was deleted: cd to another"
        ) from None
    return path


def typed_or_empty(text: str) -> str:
    """`typed_path` as text; what is empty was not chosen, and stays empty (argparse converts defaults as well)."""
    return str(typed_path(text)) if text else ""


def is_same(one: Path, other: Path) -> bool:
    """Whether two names are of one file, through symbolic and hard links too."""
    if one.exists() and other.exists():
        return one.samefile(other)
    return os.path.realpath(one) == os.path.realpath(other)  # `Path.resolve` fails on links in a circle


def refuse_to_overwrite(path: Path, inputs: Iterable[Path | None]) -> None:
    """Refuse an output that is one of the inputs.

    Raises:
        ValueError: it is, through whatever link.
    """
    for source in inputs:
        if source is not None and is_same(path, source):
            raise ValueError(
                f"{path}: this is also {source}, which would be overwritten; give the output a name of its own"
            )


@contextmanager
def making_folder(folder: Path) -> Iterator[None]:
    """Make a folder and those above it; those that were not there go again when anything failed."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        with suppress(OSError):  # somebody else has put something there
            for path in missing:
                path.rmdir()
        raise


def _new_part(path: Path, suffix: str) -> Path:
    """An empty file beside one that is to be written.

    Raises:
        OSError: of the file to be written, as nobody knows the name of the part.
    """
    try:
        number, name = tempfile.mkstemp(f".part{suffix}", f".{path.stem[:40]}.", path.parent)
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error
    os.close(number)
    return Path(name)


@contextmanager
def replacing(path: Path, suffix: str = "") -> Iterator[Path]:
    """A file to write beside another one: it takes the other's name if all goes well, and is removed if anything fails.

    Every run has one of its own. A link stays, and what it leads to is replaced.

    Args:
        path: the name in the end; its folder is made.
        suffix: of the file until then, where it matters; otherwise that of the name.
    """
    path = Path(os.path.realpath(path))
    with making_folder(path.parent):
        part = _new_part(path, suffix or path.suffix)
        try:
            yield part
            mask = os.umask(0)
            os.umask(mask)
            part.chmod(0o666 & ~mask)
            part.replace(path)
        except OSError as error:  # nobody knows the name of the part
            if error.filename == os.fspath(part) or (error.filename is None and error.errno in _NO_ROOM):
                raise OSError(error.errno, error.strerror, os.fspath(path)) from error
            raise
        finally:
            part.unlink(missing_ok=True)
