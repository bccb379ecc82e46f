# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A thread that works on the newest items and never dies silently.

Callbacks put items into a `Mailbox` and return at once; a `Worker` takes them out. When work is slower than input, the
oldest items are dropped and counted, because real time needs the newest.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from avatar_forcing_ros.session.errors import describe, trace

Item = TypeVar("Item")
_KINDS = 8  # of errors that are counted apart; the oldest is forgotten


class ErrorLog(Protocol):
    """As much of a logger as a worker needs; rclpy's and Python's both have it."""

    def error(self, message: str) -> object:
        """Report one error."""
        ...

    def debug(self, message: str) -> object:
        """Log where in the program it arose."""
        ...


class Mailbox(Generic[Item]):
    """A bounded queue in which the newest wins.

    Attributes:
        dropped: items that were pushed out before they were taken.
    """

    def __init__(self, capacity: int = 1) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, got {capacity}")
        self._items: deque[Item] = deque(maxlen=capacity)
        self._condition = threading.Condition()
        self._closed = False
        self.dropped = 0

    def put(self, item: Item) -> None:
        """Add an item; if there is no room, the oldest one is dropped."""
        with self._condition:
            self.dropped += len(self._items) == self._items.maxlen
            self._items.append(item)
            self._condition.notify()

    def take(self) -> Item | None:
        """The oldest item, waiting for one; None once the mailbox is closed."""
        with self._condition:
            self._condition.wait_for(lambda: self._items or self._closed)
            return None if self._closed else self._items.popleft()

    def take_all(self) -> list[Item]:
        """All items, oldest first, without waiting."""
        with self._condition:
            items = list(self._items)
            self._items.clear()
            return items

    def close(self) -> None:
        """Release all waiting threads."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()


class Faults:
    """Counts errors, and logs them without flooding: each kind is logged the 1st, 10th, 100th ... time.

    Of one kind are those whose lines differ in nothing but numbers.

    Attributes:
        count: number of errors so far.
        repeats: how often those of the latest one's kind occurred, unless it was forgotten over others meanwhile.
        last: the latest one in one line, or empty.
    """

    def __init__(self, log: ErrorLog) -> None:
        self._log = log
        self._lock = threading.Lock()
        self.count = 0
        self.repeats = 0
        self.last = ""
        self._repeats: OrderedDict[str, int] = OrderedDict()

    def report(self, where: str, error: Exception) -> None:
        """Count one error and perhaps log it, in one line and, at debug level, with its traceback."""
        line = describe(error)
        with self._lock:
            self.count += 1
            repeats = self.repeats = self._count(f"{where}: {line}")
            self.last = line
        if str(repeats).strip("0") == "1":
            times = f" ({repeats} times)" if repeats > 1 else ""
            self._log.error(f"{where}: {line}{times}")
            self._log.debug(trace(error))

    def _count(self, line: str) -> int:
        """How often errors of this line's kind have occurred."""
        kind = re.sub(r"\d+", "0", line)
        self._repeats[kind] = self._repeats.get(kind, 0) + 1
        self._repeats.move_to_end(kind)
        while len(self._repeats) > _KINDS:
            self._repeats.popitem(last=False)
        return self._repeats[kind]


class Worker:
    """Calls `turn` again and again in a thread of its own, until stopped.

    If a turn raises, the error is reported and the next turn follows: one bad picture must not end the service.
    """

    def __init__(self, name: str, turn: Callable[[], None], faults: Faults, wake: Callable[[], None]) -> None:
        """Prepare the thread.

        Args:
            name: name of the thread, and of the worker in its messages.
            turn: one piece of work; it may wait if `wake` ends the wait.
            faults: receives the errors.
            wake: called once by `stop`, after which `turn` must return soon.
        """
        self._turn, self._faults, self._wake = turn, faults, wake
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def stopping(self) -> bool:
        """True once `stop` was called."""
        return self._stopping.is_set()

    def start(self) -> None:
        """Start working."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the turn in hand and end the thread."""
        self._stopping.set()
        self._wake()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while not self.stopping:
            self._attempt()

    def _attempt(self) -> None:
        try:
            self._turn()
        except Exception as error:  # whatever it is, the next turn follows
            self._faults.report(self._thread.name, error)
            if self._faults.repeats > 1:
                self._stopping.wait(0.02)  # a turn that fails at once must not take a whole core
