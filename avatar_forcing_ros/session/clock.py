# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The clock that a session lives on: it asks for the time and waits for it, and never knows whose time it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """Time in nanoseconds, and waiting for it; one object for each thread that waits."""

    def now_ns(self) -> int:
        """The time."""
        ...

    def wait_until(self, time_ns: int | None) -> bool:
        """Wait until a time has come, None waits for `wake`; False when something else ended the wait."""
        ...

    def wake(self) -> None:
        """End the wait in progress, or else the next one."""
        ...


class VirtualClock:
    """A clock on which no thread waits: the code that moves the time calls those that would.

    Args:
        now_ns: the time.

    Attributes:
        woken: somebody has something to do before its time comes.
    """

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self.now_ns = now_ns
        self.woken = False

    def wait_until(self, time_ns: int | None) -> bool:
        """Whether a time has come; does not wait."""
        self.woken = False
        return time_ns is not None and time_ns <= self.now_ns()

    def wake(self) -> None:
        """Ask to be called before the time has come."""
        self.woken = True
