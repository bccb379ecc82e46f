# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a dialogue manager wants from the face, in messages: hri_msgs/Expression or our own, and PointStamped."""

from __future__ import annotations

from typing import Any

from avatar_forcing_ros.messages.making import stamp_ns
from avatar_forcing_ros.signals import Expression, LookAt

EXPRESSION, LOOK_AT = "robot_face/expression", "robot_face/look_at"
"""Topics of them."""


def to_expression(message: Any) -> Expression:
    """An expression.

    Raises:
        ValueError: valence, arousal or confidence is out of its range.
    """
    return Expression(
        stamp_ns(message.header.stamp) or None,
        message.expression.strip().lower(),
        message.valence,
        message.arousal,
        message.confidence,
    )


def to_look_at(message: Any, face_frame: str) -> LookAt:
    """Where to look; an empty frame returns the look to the user.

    Raises:
        ValueError: the point is in another frame than the face's.
    """
    time_ns, point = stamp_ns(message.header.stamp) or None, message.point
    if not frame_of(message):
        return LookAt(time_ns)
    if frame_of(message) != face_frame:
        raise ValueError(f"robot_face/look_at must be in the face's frame {face_frame!r}, got {frame_of(message)!r}")
    return LookAt(time_ns, (point.x, point.y, point.z))


def frame_of(message: Any) -> str:
    """Name of a message's frame, without the leading slash of ROS 1."""
    return message.header.frame_id.lstrip("/")
