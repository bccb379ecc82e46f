"""Does things when a node's clock reaches their time, in order of time, in one thread."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from avatar_forcing_ros.nodes.ros_time import ClockWaiter


@dataclass(frozen=True, order=True)
class _Item:
    due_ns: int
    number: int  # equal times keep the order in which they were put
    stamp_ns: int = field(compare=False)
    act: Callable[[], None] = field(compare=False)


class Pacer:
    """A queue of actions, each with the time when it is due and the presentation time that it belongs to."""

    def __init__(self, waiter: ClockWaiter) -> None:
        self._waiter = waiter
        self._lock = threading.RLock()
        self._done = threading.Condition(self._lock)
        self._acting = False
        self._items: list[_Item] = []
        self._number = 0

    @property
    def next_due_ns(self) -> int | None:
        """When the next action is due; None when there is none."""
        with self._lock:
            return self._items[0].due_ns if self._items else None

    def put(self, due_ns: int, stamp_ns: int, act: Callable[[], None]) -> None:
        """Have `act` called when the clock reaches `due_ns`, or at once when it has."""
        with self._lock:
            self._number += 1
            heapq.heappush(self._items, _Item(due_ns, self._number, stamp_ns, act))
        self._waiter.wake()

    def cut(self, stamp_ns: int) -> int:
        """Forget what belongs to presentation times from `stamp_ns` on.

        Returns:
            How many actions were forgotten.
        """
        with self._lock:
            before = len(self._items)
            self._items = [item for item in self._items if item.stamp_ns < stamp_ns]
            heapq.heapify(self._items)
            self._done.notify_all()
            return before - len(self._items)

    def wait_until_done(self, until_ns: int, patience_s: float) -> bool:
        """Wait until everything that is due by `until_ns` is done; False when that takes longer than the patience."""
        with self._done:
            return self._done.wait_for(lambda: not self._acting and not self._is_due(until_ns), patience_s)

    def turn(self) -> None:
        """Wait for the next action and do it; returns without one when the waiter was woken."""
        if not self._waiter.wait_until(self.next_due_ns):
            return
        item = self._pop(self._waiter.now_ns())
        if item is None:
            return
        try:
            item.act()
        finally:
            with self._done:
                self._acting = False
                self._done.notify_all()

    def _pop(self, now_ns: int) -> _Item | None:
        # cut() may have emptied the queue while we waited
        with self._lock:
            self._acting = self._is_due(now_ns)
            return heapq.heappop(self._items) if self._acting else None

    def _is_due(self, now_ns: int) -> bool:
        return bool(self._items) and self._items[0].due_ns <= now_ns
