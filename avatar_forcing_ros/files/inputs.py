# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Files that people name to be read: plain ones with something in them, or refused in one line that says what came."""

from __future__ import annotations

import os
from pathlib import Path

# What people give in place of any kind of file, by its first bytes.
_INSTEAD = {
    b"version https://git-lfs": "a pointer of Git LFS: fetch the file with git lfs pull",
    b"<!doctype": "a web page: download the file itself",
    b"<html": "a web page: download the file itself",
}


def require_file(path: str | Path, expected: str, error: type[ValueError] = ValueError) -> Path:
    """A plain file with something in it, to be read.

    Args:
        path: of the file.
        expected: what it should be, with its article, as the message says it.
        error: raised when it is none.

    Returns:
        The path.

    Raises:
        ValueError: or `error`: it is missing, empty, a folder, a pipe or a device; in one line that names it.
    """
    path = Path(path)
    if not path.exists():
        led = "a link that leads nowhere" if path.is_symlink() else "no such file"
        raise error(f"{path}: {led}")
    if path.is_dir():
        raise error(f"{path}: expected {expected}, got a folder")
    if not path.is_file():
        raise error(f"{path}: expected {expected}, got a pipe or a device")
    if not path.stat().st_size:
        raise error(f"{path}: expected {expected}, got an empty file")
    return path


def name_for_ffmpeg(path: str | Path) -> str:
    """A file's name for FFmpeg: absolute, since FFmpeg takes the text before a colon (12:30.mp4) for a protocol."""
    return os.path.abspath(path)  # noqa: PTH100 (what links lead to stays theirs)


def instead(begin: bytes) -> str:
    """What came in place of a file, by its first hundred bytes, where it is something common; otherwise empty."""
    begin = begin.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return next((name for head, name in _INSTEAD.items() if begin.startswith(head)), "")
