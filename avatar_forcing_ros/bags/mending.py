# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Files of bags whose recorder was killed or whose disk was full: makes a copy that can be read as far as they go.

Source: https://mcap.dev/spec (records are an opcode, a length of eight bytes and that many bytes), and
https://www.sqlite.org/fileformat2.html (page size and number of pages at bytes 16 and 28).
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import struct
import sys
import tempfile
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import IO, BinaryIO

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd  # comes with rosbags

_MCAP_MAGIC, _SQLITE_MAGIC = b"\x89MCAP0\r\n", b"SQLite format 3\x00"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_FOOTER, _CHUNK, _DATA_END = 0x02, 0x06, 0x0F
_RECORD = struct.Struct("<BQ")
_CHUNK_HEAD = struct.Struct("<QQQI")
_PIECE = 1 << 24
_UNPACKED_PIECE = 1 << 20


@dataclass(frozen=True)
class BagLimits:
    """How large a compressed bag may become when it is unpacked; a small file may hold terabytes.

    Attributes:
        bytes: largest size of a bag file that was compressed as a whole; it is unpacked into the temporary folder.
        message_bytes: largest size of a message that was compressed by itself.
    """

    bytes: int = field(default=64 * 2**30, metadata={"range": (2**20, 2**50)})
    message_bytes: int = field(default=256 * 2**20, metadata={"range": (2**10, 2**40)})


class UnpacksTooMuchError(ValueError):
    """Something compressed exceeds the limits when it is unpacked."""


def mend(file: Path, stack: ExitStack, limits: BagLimits) -> Path:
    """A copy of a bag's file that ends properly; it is deleted when the stack is closed.

    Raises:
        ValueError: it is not such a file, nothing in it can be read, or it is too large.
    """
    with file.open("rb") as source:
        magic = source.read(16)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    if magic.startswith(_ZSTD_MAGIC):
        file = _unpacked(file, folder, limits)
        with file.open("rb") as source:
            magic = source.read(16)
    copy = folder / f"mended_{file.name}"
    if magic.startswith(_MCAP_MAGIC):
        _mend_mcap(file, copy)
    elif magic == _SQLITE_MAGIC:
        _mend_sqlite(file, copy)
    else:
        raise ValueError(f"{file.name} is neither mcap nor sqlite3")
    return copy


def has_journal(file: Path) -> bool:
    """Whether the newest messages of a sqlite3 file are in a journal beside it, as after a recorder that was killed."""
    journal = _journal(file)
    return file.suffix == ".db3" and journal.is_file() and journal.stat().st_size > 0


def with_journal(file: Path, stack: ExitStack) -> Path:
    """A copy of a sqlite3 file with what its journal holds; rosbags reads the file alone.

    Raises:
        DatabaseError: nothing can be read of it.
    """
    copy = Path(stack.enter_context(tempfile.TemporaryDirectory())) / file.name
    shutil.copyfile(file, copy)
    shutil.copyfile(_journal(file), _journal(copy))
    with closing(sqlite3.connect(copy)) as opened:
        opened.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        opened.execute("PRAGMA journal_mode = DELETE")
    return copy


def _journal(file: Path) -> Path:
    return file.with_name(f"{file.name}-wal")


def weigh(file: Path, limits: BagLimits) -> None:
    """Check that a file that was compressed as a whole is not too large, without keeping its content.

    Raises:
        UnpacksTooMuchError: it is too large.
    """
    with zstd.open(file, "rb") as source, Path(os.devnull).open("wb") as target, suppress(zstd.ZstdError, EOFError):
        _copy(source, target, file.name, limits)


def unpack(file: Path, stack: ExitStack, limits: BagLimits) -> Path:
    """The content of a file that was compressed as a whole; it is deleted when the stack is closed.

    Raises:
        ValueError: it is not compressed, is truncated, or is too large.
    """
    with file.open("rb") as source:
        if not source.read(16).startswith(_ZSTD_MAGIC):
            raise ValueError(f"{file.name} is not compressed")
    unpacked = Path(stack.enter_context(tempfile.TemporaryDirectory())) / file.stem
    try:
        with zstd.open(file, "rb") as source, unpacked.open("wb") as target:
            _copy(source, target, file.name, limits)
    except (zstd.ZstdError, EOFError):
        raise ValueError(f"{file.name} was cut") from None
    return unpacked


def unpacked_message(data: bytes, limits: BagLimits) -> bytes:
    """The bytes of a message that was compressed by itself; other messages are returned as they are.

    Raises:
        ValueError: it is compressed, and damaged or too large.
    """
    if bytes(data[: len(_ZSTD_MAGIC)]) != _ZSTD_MAGIC:
        return data
    message = b""
    try:
        while data:  # one frame after the other
            frame = zstd.ZstdDecompressor()
            message += frame.decompress(data, limits.message_bytes + 1 - len(message))
            if len(message) > limits.message_bytes:
                most = limits.message_bytes
                raise UnpacksTooMuchError(f"expected messages of at most {most} bytes unpacked, got a larger one")
            if not frame.eof:
                raise ValueError("a compressed message is truncated")
            data = frame.unused_data
    except zstd.ZstdError as error:
        raise ValueError(f"a compressed message cannot be read: {error}") from None
    return message


def _unpacked(file: Path, folder: Path, limits: BagLimits) -> Path:
    """The content of a file that was compressed as a whole, up to where it ends."""
    unpacked = folder / file.stem
    with zstd.open(file, "rb") as source, unpacked.open("wb") as target, suppress(zstd.ZstdError, EOFError):
        _copy(source, target, file.name, limits)
    return unpacked


def _copy(source: zstd.ZstdFile, target: IO[bytes], name: str, limits: BagLimits) -> None:
    left = limits.bytes
    while piece := source.read(_UNPACKED_PIECE):
        left -= len(piece)
        if left < 0:
            raise UnpacksTooMuchError(f"{name}: expected a file of at most {limits.bytes} bytes unpacked, got more")
        target.write(piece)


def _mend_mcap(file: Path, copy: Path) -> None:
    """Copy the complete records, then those of a truncated chunk, then an end without a table of contents."""
    with file.open("rb") as source, copy.open("wb") as target:
        end = _whole_records(source, len(_MCAP_MAGIC), file.stat().st_size)
        source.seek(0)
        while piece := source.read(min(_PIECE, end - source.tell())):
            target.write(piece)
        target.write(_part_of_a_chunk(source.read()))
        target.write(_RECORD.pack(_DATA_END, 4) + bytes(4))
        target.write(_RECORD.pack(_FOOTER, 20) + bytes(20) + _MCAP_MAGIC)


def _whole_records(source: BinaryIO, begin: int, size: int) -> int:
    """Where the last complete record of data ends."""
    source.seek(begin)
    while len(head := source.read(_RECORD.size)) == _RECORD.size:
        opcode, length = _RECORD.unpack(head)
        if opcode in (_DATA_END, _FOOTER) or begin + _RECORD.size + length > size:
            break
        begin = source.seek(length, 1)
    return begin


def _part_of_a_chunk(data: bytes) -> bytes:
    """The complete records of a truncated chunk as a chunk; nothing if it is compressed."""
    begin = _RECORD.size + _CHUNK_HEAD.size
    if len(data) < begin + 12 or data[0] != _CHUNK or data[begin : begin + 4] != bytes(4):
        return b""
    first_ns, last_ns, _, _ = _CHUNK_HEAD.unpack_from(data, _RECORD.size)
    begin += 12
    records = data[begin : _whole_records(BytesIO(data), begin, len(data))]
    head = _CHUNK_HEAD.pack(first_ns, last_ns, len(records), 0) + bytes(4) + struct.pack("<Q", len(records))
    return _RECORD.pack(_CHUNK, len(head) + len(records)) + head + records


def _mend_sqlite(file: Path, copy: Path) -> None:
    """Copy the complete rows. Missing pages read as zeros, and the rows end where they begin."""
    padded = copy.with_suffix(".padded")
    shutil.copyfile(file, padded)
    with padded.open("r+b") as pages:
        head = pages.read(100)
        page_size = int.from_bytes(head[16:18], "big")
        whole = int.from_bytes(head[28:32], "big") * (65_536 if page_size == 1 else page_size)
        pages.truncate(max(whole, file.stat().st_size))
    with closing(sqlite3.connect(padded)) as source, closing(sqlite3.connect(copy)) as target:
        tables = source.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        for name, sql in tables.fetchall():
            target.execute(sql)
            _copy_rows(source, target, name)
        target.commit()


def _copy_rows(source: sqlite3.Connection, target: sqlite3.Connection, table: str) -> None:
    with suppress(sqlite3.DatabaseError):
        for row in source.execute(f'SELECT * FROM "{table}" NOT INDEXED ORDER BY rowid'):
            target.execute(f'INSERT INTO "{table}" VALUES ({", ".join("?" * len(row))})', row)
