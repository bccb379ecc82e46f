# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Making and reading messages without knowing their classes, which are rclpy's or come from the definitions in a bag.

Conversions are written once, against the names of fields. The fields of a message are given as keywords, and sequences
of numbers as arrays. Whoever has the classes provides a `Make`: `nodes.ros_messages.make` and
`bags.bag_types.BagTypes.make`.
"""

from __future__ import annotations

from typing import Any, Protocol

from avatar_forcing_ros.signals import NANOSECONDS


class Make(Protocol):
    """Makes a message of a kind, `package/Name`; fields that are not given have their default."""

    def __call__(self, kind: str, **fields: Any) -> Any:
        """The message."""
        ...


def stamp_ns(stamp: Any) -> int:
    """A Time message as nanoseconds; 0 is an unset stamp."""
    return stamp.sec * NANOSECONDS + stamp.nanosec


def time(make: Make, time_ns: int | None) -> Any:
    """Nanoseconds as a Time message; None is the unset stamp."""
    sec, nanosec = divmod(time_ns or 0, NANOSECONDS)
    return make("builtin_interfaces/Time", sec=sec, nanosec=nanosec)


def duration(make: Make, duration_ns: int) -> Any:
    """Nanoseconds as a Duration message."""
    sec, nanosec = divmod(duration_ns, NANOSECONDS)
    return make("builtin_interfaces/Duration", sec=sec, nanosec=nanosec)


def header(make: Make, time_ns: int | None, frame_id: str = "") -> Any:
    """A Header message."""
    return make("std_msgs/Header", stamp=time(make, time_ns), frame_id=frame_id)
