"""What the options of several commands share."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path


def input_file(text: str) -> Path:
    """A file to read, as an option names it. A pipe can be read once and only forwards, so its content is kept first.

    Raises:
        OSError: the pipe cannot be read, or there is no room for its content.
    """
    path = Path(text).expanduser()
    if not path.is_fifo() and not path.is_char_device():
        return path
    folder = tempfile.TemporaryDirectory(prefix="avatar-forcing-")
    atexit.register(folder.cleanup)
    kept = Path(folder.name) / path.name
    with path.open("rb") as pipe, kept.open("wb") as file:
        shutil.copyfileobj(pipe, file)
    return kept
