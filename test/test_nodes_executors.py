# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The executor waits once for each message, and whatever comes from its own thread or another one is done at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

pytest.importorskip("rclpy")
import rclpy
from rclpy.context import Context
from rclpy.node import Node
from std_srvs.srv import Trigger

from avatar_forcing_ros.nodes.executors import QuietExecutor

pytestmark = pytest.mark.ros
PATIENCE_S = 60.0


class Spun:
    """A node that is spun in a thread, without a timeout that would hide a missing wake."""

    def __init__(self) -> None:
        self.context = Context()
        rclpy.init(context=self.context)
        self.node = Node("spun", context=self.context)
        self.executor = QuietExecutor(self.context)
        self.executor.add_node(self.node)
        self.passes = 0
        gather = self.executor.get_nodes

        def counted() -> list[Node]:
            self.passes += 1
            return gather()

        self.executor.get_nodes = counted
        self.thread = threading.Thread(target=self.executor.spin, daemon=True)
        self.thread.start()

    def run(self, act: Callable[[], None]) -> None:
        """Have something done in the executor's thread."""
        self.executor.create_task(act)

    def close(self) -> None:
        self.executor.shutdown()
        self.thread.join()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)


@pytest.fixture
def spun() -> Iterator[Spun]:
    spun = Spun()
    yield spun
    spun.close()


def test_what_another_thread_or_a_callback_gives_it_is_done(spun: Spun) -> None:
    first, second = threading.Event(), threading.Event()

    def act() -> None:
        first.set()
        spun.run(second.set)

    spun.run(act)
    assert first.wait(PATIENCE_S) and second.wait(PATIENCE_S)


def test_a_service_that_a_callback_makes_answers(spun: Spun) -> None:
    made, asked = threading.Event(), threading.Event()

    def serve() -> None:
        spun.node.create_service(Trigger, "late", lambda _request, response: asked.set() or response)
        made.set()

    spun.run(serve)
    assert made.wait(PATIENCE_S)
    client = spun.node.create_client(Trigger, "late")
    assert client.wait_for_service(PATIENCE_S)
    client.call_async(Trigger.Request())
    assert asked.wait(PATIENCE_S)


def test_it_goes_through_its_nodes_once_for_each_callback(spun: Spun) -> None:
    calls = 0

    def tick() -> None:
        nonlocal calls
        calls += 1

    spun.node.create_timer(0.01, tick)
    end = time.monotonic() + PATIENCE_S
    while calls < 5 and time.monotonic() < end:
        time.sleep(0.01)
    calls_before, passes_before = calls, spun.passes
    while calls < calls_before + 40 and time.monotonic() < end:
        time.sleep(0.01)
    assert spun.passes - passes_before <= 1.2 * (calls - calls_before) + 2  # rclpy's own: twice for each
