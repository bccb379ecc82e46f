# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Bags of rosbag2, sqlite3 and mcap, without ROS: read as far as they can be read, written whole or not at all."""

from __future__ import annotations

import heapq
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.rosbag2.reader import DirectoryReader
from rosbags.rosbag2.storage_sqlite3 import Sqlite3Writer

from avatar_forcing_ros.bags.bag_types import BagTypes
from avatar_forcing_ros.bags.mending import (
    BagLimits,
    UnpacksTooMuchError,
    has_journal,
    mend,
    unpack,
    unpacked_message,
    weigh,
    with_journal,
)
from avatar_forcing_ros.files.outputs import making_folder

Storage = Literal["sqlite3", "mcap"]
_PIECES = {".db3", ".mcap"}
_CONVERT = "rosbags-convert --src BAG --dst FOLDER"
_LARGE_PAGES = ("PRAGMA page_size = 65536", "VACUUM")
"""With this page size a picture takes 13 writes of SQLite instead of 200, and half the time."""


class BagError(ValueError):
    """A bag cannot be read or written; the message says what was expected and what is there."""


@dataclass(frozen=True)
class BagMessage:
    """One message: its topic, the type's name, when the bag received it, and its bytes."""

    topic: str
    type_name: str
    time_ns: int
    data: bytes


class BagReader:
    """A bag, open for reading.

    Attributes:
        types: the classes of its messages.
        topics: topic -> type of what can be read.
        unknown: topic -> type of what cannot be read, because neither the bag nor we define the type.
        damage: what is lost of the bag, or empty; complete once its messages have been read.
        remark: what was repaired without a loss, or empty.
    """

    def __init__(self, path: Path, limits: BagLimits | None = None) -> None:
        """Open it.

        Raises:
            BagError: there is no bag, nothing of it can be read, or it exceeds the limits when unpacked.
        """
        self._limits = limits or BagLimits()
        path = path.parent if path.name == "metadata.yaml" else path
        self.path, self.types, self.damage, self.remark = path, BagTypes(), "", ""
        self._stack = ExitStack()
        self._readers = self._open()
        known = {id(c): self.types.knows(c) for reader in self._readers for c in reader.connections}
        self._connections = [[c for c in reader.connections if known[id(c)]] for reader in self._readers]
        self.topics = {c.topic: c.msgtype for connections in self._connections for c in connections}
        self.unknown = {c.topic: c.msgtype for r in self._readers for c in r.connections if c.topic not in self.topics}

    def __enter__(self) -> BagReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def counts(self) -> dict[str, int]:
        """Topic -> number of messages, for everything in the bag, according to the bag."""
        counts: dict[str, int] = {}
        for connection in (c for reader in self._readers for c in reader.connections):
            counts[connection.topic] = counts.get(connection.topic, 0) + connection.msgcount
        return counts

    def messages(self, topics: Collection[str]) -> Iterator[BagMessage]:
        """The messages of some topics in order of time; they end where the bag is damaged."""
        wanted = [[c for c in connections if c.topic in topics] for connections in self._connections]
        pieces = [self._read(reader, some) for reader, some in zip(self._readers, wanted, strict=True) if some]
        yield from heapq.merge(*pieces, key=lambda message: message.time_ns)

    def _read(self, reader: Reader, wanted: list[Connection]) -> Iterator[BagMessage]:
        messages = reader.messages(wanted)
        while True:
            try:
                connection, time_ns, data = next(messages)
                data = unpacked_message(data, self._limits)
            except StopIteration:
                return
            except Exception as error:  # rosbags lets through what its parts raise at a broken place
                self._lose(f"{reader.path.name} ends early: {_line(error)}")
                return
            yield BagMessage(connection.topic, connection.msgtype, time_ns, data)

    def _open(self) -> list[Reader]:
        if not self.path.exists():
            raise BagError(f"{self.path}: no such bag")
        self._weigh()
        if any(map(has_journal, self._files())):
            self.remark = "the recorder had not finished; what it last wrote was taken from its journal (-wal)"
            return self._open_files()
        try:
            return [_in_order(self._stack.enter_context(Reader(self.path)))]
        except Exception as error:  # rosbags lets through what its parts raise at a broken place
            self.damage = _line(error)
        if self.path.is_dir() and not (self.path / "metadata.yaml").exists():
            self.damage = ""
            self.remark = "metadata.yaml is missing (did the recorder crash?); its files were read in order of time"
        return self._open_files()

    def _weigh(self) -> None:
        """Check the limits, because rosbags unpacks files as a whole without any."""
        try:
            for file in sorted(self.path.glob("*.zstd")) if self.path.is_dir() else ():
                weigh(file, self._limits)
        except UnpacksTooMuchError as error:
            raise BagError(f"{self.path}: {error}") from None

    def _open_files(self) -> list[Reader]:
        """What can be read of a bag that its recorder did not finish: its files, without a table of contents."""
        files = self._files()
        readers = {file: reader for file in files if (reader := self._open_file(file))}
        if not readers:
            got = f"a bag of ROS 1: convert it with {_CONVERT}" if _is_ros_1(self.path) else self.damage or self.remark
            if self.path.is_dir() and not any(_PIECES & set(file.suffixes) for file in files):
                got = "a folder without a file that ends in .db3 or .mcap"
            raise BagError(f"{self.path}: expected a bag of rosbag2 (sqlite3 or mcap), got: {got}")
        lost = [file.name for file in files if file not in readers and _PIECES & set(file.suffixes)]
        if lost:
            self._lose(f"nothing can be read of {', '.join(lost)}")
        return sorted(readers.values(), key=lambda reader: reader.start_time)

    def _files(self) -> list[Path]:
        """The files of a bag, without hidden ones, as macOS leaves them beside each file on other disks."""
        files = sorted(self.path.iterdir()) if self.path.is_dir() else [self.path]
        return [file for file in files if not file.name.startswith(".")] or files

    def _open_file(self, file: Path) -> Reader | None:
        if has_journal(file) and (reader := self._attempt(lambda: with_journal(file, self._stack))):
            return reader
        if reader := self._attempt(lambda: file) or self._attempt(lambda: unpack(file, self._stack, self._limits)):
            return reader
        if reader := self._attempt(lambda: mend(file, self._stack, self._limits)):
            self._lose(f"{file.name} is truncated or was never finished")
        return reader

    def _lose(self, what: str) -> None:
        self.damage = f"{self.damage}; {what}" if self.damage else what

    def _attempt(self, openable: Callable[[], Path]) -> Reader | None:
        try:
            return self._stack.enter_context(Reader(openable()))
        except UnpacksTooMuchError as error:
            self._stack.close()
            raise BagError(f"{self.path}: {error}") from None
        except Exception:  # nothing of this file can be read
            return None


class BagWriter:
    """A new bag, which appears under its name when it is complete.

    Args:
        path: folder of the bag.
        storage: "sqlite3" or "mcap".
        replace: whether it may replace an older bag of that name.

    Raises:
        BagError: something else is there already.
    """

    def __init__(self, path: Path, storage: Storage = "sqlite3", replace: bool = False) -> None:
        self.types = BagTypes()
        self._path, self._replace = Path(path).resolve(), replace
        self._plugin = StoragePlugin.MCAP if storage == "mcap" else StoragePlugin.SQLITE3
        if path.exists() and not (replace and (path / "metadata.yaml").is_file()):
            hint = "not a bag, and is kept" if replace else "give --force to replace it"
            raise BagError(f"{path} exists already: {hint}")
        self._connections: dict[str, Connection] = {}

    def __enter__(self) -> BagWriter:
        with ExitStack() as stack:
            stack.enter_context(making_folder(self._path.parent))
            # a folder of its own: another run may be writing a bag of the same name
            folder = Path(tempfile.mkdtemp(".part", f".{self._path.name[:80]}.", self._path.parent))
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            self._part = folder / self._path.name
            self._writer = Writer(self._part, version=9, storage_plugin=self._plugin)
            with self._worded():
                self._open()
            self._undo = stack.pop_all()
        return self

    def _open(self) -> None:
        self._writer.open()
        if isinstance(self._writer.storage, Sqlite3Writer):
            for statement in _LARGE_PAGES:
                self._writer.storage.conn.execute(statement)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            with self._undo, self._worded():
                self._finish()
            return
        with suppress(Exception):  # only the first failure is reported
            self._writer.close()
        self._undo.__exit__(kind, error, trace)

    def _finish(self) -> None:
        self._writer.close()
        if self._path.exists():
            if not self._replace:
                raise BagError(f"{self._path} was created by another program in the meantime, and is kept")
            shutil.rmtree(self._path)
        self._part.rename(self._path)

    @contextmanager
    def _worded(self) -> Iterator[None]:
        """What SQLite says of a full disk is no OSError."""
        try:
            yield
        except sqlite3.Error as failure:
            raise BagError(f"{self._path}: cannot be written: {failure}") from None

    def add_topic(self, topic: str, kind: str) -> None:
        """Add a topic of a kind `package/Name` to the bag, even if nothing will be written to it."""
        name = kind.replace("/", "/msg/")
        self.types.make(kind)  # defines the type
        with self._worded():
            self._connections[topic] = self._writer.add_connection(topic, name, typestore=self.types.store)

    def write(self, topic: str, time_ns: int, message: Any) -> None:
        """Write a message of `types`."""
        self.write_bytes(topic, time_ns, self.types.write(message))

    def write_bytes(self, topic: str, time_ns: int, data: bytes | memoryview) -> None:
        """Write the bytes of a message."""
        with self._worded():
            self._writer.write(self._connections[topic], time_ns, data)


def _is_ros_1(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(8) == b"#ROSBAG "


def _in_order(bag: Reader) -> Reader:
    """A table of contents that was made again may list the tenth piece before the second."""
    if isinstance(bag.storage, DirectoryReader):
        metadata = bag.storage.metadata
        if metadata.compression_mode == "message":  # they are unpacked here, where there is a limit
            bag.storage.metadata = metadata._replace(compression_mode=None)
        bag.storage.storages.sort(key=lambda piece: piece.metadata.start_time)
    return bag


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
