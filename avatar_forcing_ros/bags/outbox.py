"""What the avatar will present, until its time comes: the pacer of the live nodes, without their clock and threads."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, order=True)
class _Item:
    due_ns: int
    number: int  # equal times keep the order in which they were put
    stamp_ns: int = field(compare=False)
    act: Callable[[], None] = field(compare=False)


class Outbox:
    """A queue of actions, each with the time when it is due and the presentation time that it belongs to."""

    def __init__(self) -> None:
        self._items: list[_Item] = []
        self._number = 0

    def put(self, due_ns: int, stamp_ns: int, act: Callable[[], None]) -> None:
        """Have `act` called when `release` reaches `due_ns`."""
        self._number += 1
        heapq.heappush(self._items, _Item(due_ns, self._number, stamp_ns, act))

    def cut(self, stamp_ns: int) -> None:
        """Forget what belongs to presentation times from `stamp_ns` on."""
        self._items = [item for item in self._items if item.stamp_ns < stamp_ns]
        heapq.heapify(self._items)

    def release(self, now_ns: int) -> None:
        """Do what is due by now."""
        while self._items and self._items[0].due_ns <= now_ns:
            heapq.heappop(self._items).act()
