# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""ROS time in nanoseconds, and waiting for it, on the wall clock and the simulated clock alike."""

from __future__ import annotations

import threading

from builtin_interfaces.msg import Duration as DurationMessage
from builtin_interfaces.msg import Time as TimeMessage
from rclpy.clock import JumpThreshold, ROSClock, TimeJump
from rclpy.duration import Duration

from avatar_forcing_ros.messages.making import stamp_ns
from avatar_forcing_ros.signals import NANOSECONDS

__all__ = ["ClockWaiter", "stamp_ns", "to_duration", "to_stamp"]

_LONGEST_WAIT_S = 0.5  # the system clock may be set back or forward during the wait


def to_stamp(time_ns: int | None) -> TimeMessage:
    """Nanoseconds as a stamp; None gives the unset stamp, zero."""
    sec, nanosec = divmod(time_ns or 0, NANOSECONDS)
    return TimeMessage(sec=sec, nanosec=nanosec)


def to_duration(duration_ns: int) -> DurationMessage:
    """Nanoseconds as a duration."""
    sec, nanosec = divmod(duration_ns, NANOSECONDS)
    return DurationMessage(sec=sec, nanosec=nanosec)


class ClockWaiter:
    """Lets one thread wait until a node's clock reaches a time.

    With `use_sim_time`, only messages on /clock end the wait: while the clock stands still, the caller waits. The
    machine's clock tells nobody that it was set, so each wait also looks whether it has gone back.
    """

    def __init__(self, clock: ROSClock) -> None:
        self._clock = clock
        self._condition = threading.Condition()
        self._woken = False
        self._closed = False
        self._seen_ns = 0
        threshold = JumpThreshold(min_forward=Duration(nanoseconds=1), min_backward=Duration(nanoseconds=-1))
        self._jumps = clock.create_jump_callback(threshold, post_callback=self._moved)

    def now_ns(self) -> int:
        """The clock's time."""
        return self._clock.now().nanoseconds

    def wait_until(self, time_ns: int | None) -> bool:
        """Wait until the clock has reached `time_ns`; None waits for `wake`.

        Returns:
            True if that time has come; False if `wake`, `close` or a clock set back ended the wait first.
        """
        with self._condition:
            while not (self._woken or self._closed):
                now_ns, before_ns = self.now_ns(), self._seen_ns
                self._seen_ns = now_ns
                if now_ns < before_ns:
                    return False
                if time_ns is not None and now_ns >= time_ns:
                    return True
                self._condition.wait(self._timeout_s(time_ns, now_ns))
            self._woken = False
            return False

    def wake(self) -> None:
        """End the wait in progress, or else the next one."""
        with self._condition:
            self._woken = True
            self._condition.notify_all()

    def close(self) -> None:
        """Release all waiting threads and unregister from the clock."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
        self._jumps.unregister()

    def _timeout_s(self, time_ns: int | None, now_ns: int) -> float | None:
        if time_ns is None or self._clock.ros_time_is_active:
            return None  # only a message on /clock or `wake` can change anything
        return min((time_ns - now_ns) / NANOSECONDS, _LONGEST_WAIT_S)

    def _moved(self, jump: TimeJump) -> None:
        with self._condition:
            self._woken = self._woken or jump.delta.nanoseconds < 0
            self._condition.notify_all()
