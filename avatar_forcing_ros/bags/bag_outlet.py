# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Draws and records what an avatar presents in a separate thread, while the next block is generated."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Literal

from avatar_forcing_ros.bags.bag import BagWriter
from avatar_forcing_ros.bags.digest import ImageDigest
from avatar_forcing_ros.messages.outlet import COMPRESSED, IMAGE, KINDS_OF_PICTURES, OUTPUTS, MessageOutlet
from avatar_forcing_ros.motion.space import MotionSpace
from avatar_forcing_ros.session.outlet import OutputConfig

Pictures = Literal["raw", "compressed", "none"]
_PICTURES: dict[Pictures, tuple[str, ...]] = {"raw": (IMAGE,), "compressed": (COMPRESSED,), "none": ()}
_AHEAD = 64


class BagOutlet(MessageOutlet):
    """Draws what is presented and writes it into a bag, in order, in a thread.

    Args:
        writer: writes the bag; the thread opens and closes it.
        now_ns: gives the time.
        space: motion space of what is presented.
        pictures: how pictures are written; the digest always covers the raw ones.

    Attributes:
        digest: digest of the pictures so far; read it when the outlet is closed.
    """

    def __init__(
        self, writer: BagWriter, now_ns: Callable[[], int], space: MotionSpace, pictures: Pictures = "raw"
    ) -> None:
        config = OutputConfig(raw=True, compressed=pictures == "compressed")
        super().__init__(writer.types.make, self._emit_later, now_ns, space.name, space.names, config)
        self._writer = writer
        self._topics = OUTPUTS | {topic: KINDS_OF_PICTURES[topic] for topic in _PICTURES[pictures]}
        self._thread = ThreadPoolExecutor(1, "drawing")  # SQLite wants all its calls from one
        self._pending: deque[Future[None]] = deque()
        self.digest = ImageDigest()

    def __enter__(self) -> BagOutlet:
        self._thread.submit(self._open).result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        closing = self._thread.submit(self._close, kind)
        self._thread.shutdown()
        closing.result()

    def add_topic(self, topic: str, kind: str) -> None:
        """Add another topic to the bag; call this before entering the outlet."""
        self._topics = {**self._topics, topic: kind}

    def copy(self, topic: str, time_ns: int, data: bytes) -> None:
        """Write the bytes of a message."""
        self._do(lambda: self._writer.write_bytes(f"/{topic}", time_ns, data))

    def _do(self, job: Callable[[], None]) -> None:
        """Give the thread a job; only a few may wait. Raises the error of an earlier job, if one failed."""
        self._pending.append(self._thread.submit(job))
        while self._pending and (self._pending[0].done() or len(self._pending) > _AHEAD):
            self._pending.popleft().result()

    def _open(self) -> None:
        self._writer.__enter__()
        for topic, kind in self._topics.items():
            self._writer.add_topic(f"/{topic}", kind)

    def _close(self, kind: type[BaseException] | None) -> None:
        """End after all jobs; if one of them failed, there is no bag."""
        failure = next((error for job in self._pending if (error := job.exception())), None)
        self._writer.__exit__(kind or (type(failure) if failure else None), failure, None)
        if failure is not None and kind is None:
            raise failure

    def _emit_later(self, topic: str, stamp_ns: int, build: Callable[[], Any]) -> None:
        self._do(lambda: self._write(topic, stamp_ns, build()))

    def _write(self, topic: str, stamp_ns: int, message: Any) -> None:
        if topic == IMAGE:
            self.digest.add(message)
        if topic in self._topics:
            self._writer.write(f"/{topic}", stamp_ns, message)
