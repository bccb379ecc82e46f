"""MotionLatents messages <-> the core's values."""

from __future__ import annotations

import array
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.msg import MotionLatents
from avatar_forcing_ros.nodes.ros_time import stamp_ns, to_stamp
from avatar_forcing_ros.signals import AvatarFrame, MotionSample


def from_sample(sample: MotionSample, space: str, names: Sequence[str]) -> MotionLatents:
    """What the user's face does, as a message."""
    message = _message(sample.stamp_ns, sample.latent, space, names)
    message.confidence, message.valid = float(sample.confidence), bool(sample.valid)
    return message


def from_frame(frame: AvatarFrame, space: str, names: Sequence[str]) -> MotionLatents:
    """What the avatar's face does, as a message."""
    message = _message(frame.stamp_ns, frame.latent, space, names)
    message.confidence, message.valid, message.epoch = 1.0, True, frame.epoch
    return message


def to_sample(message: MotionLatents, space: str) -> MotionSample:
    """What the user's face does, from a message.

    Raises:
        ValueError: the message is of another motion space, or its numbers are not finite.
    """
    if message.motion_space != space:
        raise ValueError(f"user_motion must be of motion space {space!r}, got {message.motion_space!r}")
    latent = np.array(message.latent, np.float32)
    return MotionSample(stamp_ns(message.header.stamp), latent, message.confidence, message.valid)


def _message(time_ns: int, latent: NDArray[np.float32], space: str, names: Sequence[str]) -> MotionLatents:
    message = MotionLatents(motion_space=space, names=list(names), latent=array.array("f", latent.tobytes()))
    message.header.stamp = to_stamp(time_ns)
    return message
