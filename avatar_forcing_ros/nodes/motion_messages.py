# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Converts between rclpy's MotionLatents messages and the core's values, with `messages.motion`."""

from __future__ import annotations

from collections.abc import Sequence

from avatar_forcing_ros.messages import motion
from avatar_forcing_ros.messages.motion import to_sample
from avatar_forcing_ros.msg import MotionLatents
from avatar_forcing_ros.nodes.ros_messages import make
from avatar_forcing_ros.signals import AvatarFrame, MotionSample

__all__ = ["from_frame", "from_sample", "to_sample"]


def from_sample(sample: MotionSample, space: str, names: Sequence[str]) -> MotionLatents:
    """The user's motion as a message."""
    return motion.from_sample(make, sample, space, names)


def from_frame(frame: AvatarFrame, space: str, names: Sequence[str]) -> MotionLatents:
    """The avatar's motion as a message."""
    return motion.from_frame(make, frame, space, names)
