# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The clock that a session is given: it tells the time and waits for it, be it a node's, a bag's or a test's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """Time in nanoseconds, and waiting for it; each waiting thread has a clock object of its own."""

    def now_ns(self) -> int:
        """The current time."""
        ...

    def wait_until(self, time_ns: int | None) -> bool:
        """Wait until a time, or for `wake` if None; False if something else ended the wait."""
        ...

    def wake(self) -> None:
        """End the wait in progress, or else the next one."""
        ...


class VirtualClock:
    """A clock without waiting threads: the code that moves the time calls what would have waited.

    Args:
        now_ns: returns the current time.

    Attributes:
        woken: whether `wake` was called since the last wait, so that there is something to do at once.
    """

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self.now_ns = now_ns
        self.woken = False

    def wait_until(self, time_ns: int | None) -> bool:
        """Whether a time has come; returns at once."""
        self.woken = False
        return time_ns is not None and time_ns <= self.now_ns()

    def wake(self) -> None:
        """Ask to be called at once."""
        self.woken = True
