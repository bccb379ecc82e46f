# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Waiting on a node's clock, and doing things when it reaches their time."""

from __future__ import annotations

import threading

import pytest

pytest.importorskip("rclpy")
from rclpy.clock import ROSClock
from rclpy.time import Time

from avatar_forcing_ros.nodes.ros_time import ClockWaiter, stamp_ns, to_duration, to_stamp


@pytest.fixture
def clock() -> ROSClock:
    """A simulated clock that stands at 1 s."""
    clock = ROSClock()
    clock._set_ros_time_is_active(True)
    set_to(clock, 1_000_000_000)
    return clock


def set_to(clock: ROSClock, time_ns: int) -> None:
    clock.set_ros_time_override(Time(nanoseconds=time_ns, clock_type=clock.clock_type))


def in_thread(act) -> tuple[threading.Thread, list]:
    results: list = []
    thread = threading.Thread(target=lambda: results.append(act()), daemon=True)
    thread.start()
    return thread, results


@pytest.mark.parametrize("time_ns", [0, 1, 999_999_999, 1_000_000_000, 1_795_358_055_239_978_710])
def test_stamps_keep_every_nanosecond(time_ns: int) -> None:
    assert stamp_ns(to_stamp(time_ns)) == time_ns
    assert stamp_ns(to_duration(time_ns)) == time_ns


def test_no_time_is_the_unset_stamp() -> None:
    assert stamp_ns(to_stamp(None)) == 0


def test_a_time_that_has_come_is_not_waited_for(clock: ROSClock) -> None:
    assert ClockWaiter(clock).wait_until(1_000_000_000)


def test_a_standing_clock_holds_the_caller_and_a_moving_one_lets_it_go(clock: ROSClock) -> None:
    waiter = ClockWaiter(clock)
    thread, results = in_thread(lambda: waiter.wait_until(2_000_000_000))

    set_to(clock, 1_999_999_999)
    thread.join(0.2)
    assert not results
    set_to(clock, 2_000_000_000)
    thread.join(10)
    assert results == [True]


def test_waking_ends_the_wait_in_progress_or_the_next_one(clock: ROSClock) -> None:
    waiter = ClockWaiter(clock)
    thread, results = in_thread(lambda: waiter.wait_until(None))

    waiter.wake()
    thread.join(10)
    waiter.wake()

    assert results == [False]
    assert not waiter.wait_until(2_000_000_000)


def test_a_clock_that_is_set_back_ends_the_wait(clock: ROSClock) -> None:
    waiter = ClockWaiter(clock)
    thread, results = in_thread(lambda: waiter.wait_until(2_000_000_000))

    set_to(clock, 500_000_000)
    thread.join(10)

    assert results == [False]


class MachineClock:
    """The machine's clock, which tells nobody that it was set."""

    ros_time_is_active, offset_ns = False, 0

    def __init__(self) -> None:
        self._clock = ROSClock()
        self.create_jump_callback = self._clock.create_jump_callback

    def now(self) -> Time:
        return Time(nanoseconds=self._clock.now().nanoseconds + self.offset_ns, clock_type=self._clock.clock_type)


def test_a_machines_clock_that_is_set_back_during_a_wait_ends_it() -> None:
    clock = MachineClock()
    waiter = ClockWaiter(clock)
    due_ns = waiter.now_ns() + 100_000_000
    thread, results = in_thread(lambda: waiter.wait_until(due_ns))
    while not waiter._seen_ns:
        pass
    clock.offset_ns = -3600 * 1_000_000_000
    thread.join(10)

    assert results == [False]
    assert waiter.wait_until(clock.now().nanoseconds + 1)


def test_a_machines_clock_that_was_set_back_between_two_waits_ends_the_second() -> None:
    clock = MachineClock()
    waiter = ClockWaiter(clock)
    due_ns = waiter.now_ns() + 1
    assert waiter.wait_until(due_ns)

    clock.offset_ns = -5 * 1_000_000_000

    assert not waiter.wait_until(due_ns)


def test_nobody_waits_after_closing(clock: ROSClock) -> None:
    waiter = ClockWaiter(clock)
    waiter.close()

    assert not waiter.wait_until(2_000_000_000)
