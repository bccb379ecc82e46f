"""An mcap file whose recorder was killed has no end; with one, it can be read up to there.

Source: https://mcap.dev/spec, records are an opcode, a length of eight bytes and that many bytes.
"""

from __future__ import annotations

import struct
import tempfile
from contextlib import ExitStack
from pathlib import Path

MAGIC = b"\x89MCAP0\r\n"
_DATA_END, _FOOTER = 0x0F, 0x02
_LENGTH = struct.Struct("<BQ")
_PIECE = 1 << 24


def mend(file: Path, stack: ExitStack) -> Path:
    """A copy of an mcap file up to its last whole record, with an end; it goes when the stack is closed.

    Raises:
        ValueError: it is no mcap file.
    """
    end = _whole_records(file)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    mended = folder / file.name
    with file.open("rb") as source, mended.open("wb") as target:
        while piece := source.read(min(_PIECE, end - source.tell())):
            target.write(piece)
        target.write(_LENGTH.pack(_DATA_END, 4) + bytes(4))
        target.write(_LENGTH.pack(_FOOTER, 20) + bytes(20) + MAGIC)
    return mended


def _whole_records(file: Path) -> int:
    """Where the last whole record of data ends."""
    size = file.stat().st_size
    with file.open("rb") as source:
        if source.read(len(MAGIC)) != MAGIC:
            raise ValueError(f"{file.name} is no mcap file")
        while head := source.read(_LENGTH.size):
            begin = source.tell() - len(head)
            if len(head) < _LENGTH.size:
                return begin
            opcode, length = _LENGTH.unpack(head)
            if opcode in (_DATA_END, _FOOTER) or begin + _LENGTH.size + length > size:
                return begin
            source.seek(length, 1)
        return source.tell()
