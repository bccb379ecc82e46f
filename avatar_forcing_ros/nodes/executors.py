# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The executor that spins our nodes. Which ones were tried, and what they cost: docs/performance.md."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.task import Task


class QuietExecutor(SingleThreadedExecutor):
    """rclpy's executor of one thread, which does not wake itself.

    After each callback rclpy's executors wake themselves, since another thread may now do what had to wait for it. Here
    there is none, but the executor would begin to wait in vain, and before each wait it goes through all services,
    topics and timers of its nodes: half of what a message costs. It is woken as ever for whatever is new.
    """

    def __init__(self, context: Context) -> None:
        super().__init__(context=context)
        self._thread = 0
        self._wake = self._guard.trigger
        self._guard.trigger = lambda: None if threading.get_ident() == self._thread else self._wake()

    def spin_once(self, timeout_sec: float | None = None) -> None:
        """Wait for one thing to do, and do it."""
        self._thread = threading.get_ident()
        super().spin_once(timeout_sec)

    def create_task(self, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> Task:
        """Have something done soon, in the thread that spins."""
        task = super().create_task(callback, *args, **kwargs)
        self.wake()
        return task

    def wake(self) -> None:
        """Look at the nodes anew: something was added or taken away."""
        if self._guard:  # until it is shut down
            self._wake()
