# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Holds what the avatar will present until it is due. When a new epoch begins, whatever is older is dropped."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from avatar_forcing_ros.session.clock import Clock


@dataclass(frozen=True, order=True)
class Epoch:
    """An epoch of the conversation; a newer one compares as greater.

    Attributes:
        asked: how many epochs had been requested from outside, by interrupts and resets, when it began.
        number: the avatar's own count, which also goes up when the user barges in or time is lost.
    """

    asked: int = 0
    number: int = 0


@dataclass(frozen=True, order=True)
class _Item:
    due_ns: int
    order: int  # equal times keep the order in which they were put
    stamp_ns: int = field(compare=False)
    epoch: Epoch = field(compare=False)
    act: Callable[[], None] = field(compare=False)


@dataclass(frozen=True)
class _Beginning:
    """From a presentation time on, nothing of an older epoch is presented."""

    epoch: Epoch
    from_ns: int

    def drops(self, stamp_ns: int, epoch: Epoch) -> bool:
        return epoch < self.epoch and stamp_ns >= self.from_ns


class Outbox:
    """A queue of actions, each with its due time, presentation time and epoch.

    Any thread may put an action or begin an epoch; one thread acts.

    Args:
        clock: clock of the thread that acts.

    Attributes:
        lock: while it is held, no other thread can put an action, begin an epoch or take an action out.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.lock = threading.RLock()
        self._done = threading.Condition(self.lock)
        self._acting = False
        self._items: list[_Item] = []
        self._put = 0
        self._beginnings: list[_Beginning] = []

    @property
    def next_due_ns(self) -> int | None:
        """When the next action is due; None when there is none."""
        with self.lock:
            return self._items[0].due_ns if self._items else None

    def takes(self, stamp_ns: int, epoch: Epoch) -> bool:
        """Whether something of an epoch may still be presented at a time."""
        with self.lock:
            return not any(beginning.drops(stamp_ns, epoch) for beginning in self._beginnings)

    def put(self, due_ns: int, stamp_ns: int, epoch: Epoch, act: Callable[[], None]) -> None:
        """Call `act` when the clock reaches `due_ns`, unless a newer epoch that drops it begins before."""
        with self.lock:
            if not self.takes(stamp_ns, epoch):
                return
            self._put += 1
            item = _Item(due_ns, self._put, stamp_ns, epoch, act)
            heapq.heappush(self._items, item)
            is_next = self._items[0] is item
        if is_next:  # otherwise the acting thread is waiting for an earlier action already
            self._clock.wake()

    def begin(self, epoch: Epoch, from_ns: int) -> int:
        """From a presentation time on, drop what belongs to an older epoch, both waiting and yet to be put.

        Returns:
            The number of actions dropped.
        """
        with self.lock:
            beginning, before = _Beginning(epoch, from_ns), len(self._items)
            self._beginnings = [*(b for b in self._beginnings if b.epoch > epoch or b.from_ns < from_ns), beginning]
            self._items = [item for item in self._items if not beginning.drops(item.stamp_ns, item.epoch)]
            heapq.heapify(self._items)
            self._done.notify_all()
            return before - len(self._items)

    def forget_before(self, epoch: Epoch) -> None:
        """Forget beginnings that no longer matter, since nothing older than an epoch will be put."""
        with self.lock:
            self._beginnings = [beginning for beginning in self._beginnings if beginning.epoch > epoch]

    def turn(self) -> None:
        """Wait for the next action and carry it out; returns without one if the clock was woken."""
        if self._clock.wait_until(self.next_due_ns):
            self.act()

    def act(self) -> None:
        """Carry out the next action if it is due."""
        with self.lock:
            self._acting = self._is_due(self._clock.now_ns())  # it may have been dropped during the wait
            if not self._acting:
                return
            item = heapq.heappop(self._items)
        try:
            item.act()
        finally:
            with self._done:
                self._acting = False
                self._done.notify_all()

    def wait_until_done(self, until_ns: int, patience_s: float) -> bool:
        """Wait until everything due by `until_ns` is done; False if that takes longer than `patience_s`."""
        with self._done:
            return self._done.wait_for(lambda: not self._acting and not self._is_due(until_ns), patience_s)

    def _is_due(self, now_ns: int) -> bool:
        return bool(self._items) and self._items[0].due_ns <= now_ns
