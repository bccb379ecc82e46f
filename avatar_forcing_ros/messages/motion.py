# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""MotionLatents messages <-> the core's values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.messages.making import Make, header, stamp_ns
from avatar_forcing_ros.motion.facemesh.arkit import ARKIT, ARKIT_NAMES, to_arkit
from avatar_forcing_ros.signals import AvatarFrame, MotionSample


def from_sample(make: Make, sample: MotionSample, space: str, names: Sequence[str]) -> Any:
    """The motion of the user's face, as a message."""
    said = {"confidence": float(sample.confidence), "valid": bool(sample.valid)}
    return _message(make, sample.stamp_ns, sample.latent, space, names, **said)


def from_frame(make: Make, frame: AvatarFrame, space: str, names: Sequence[str]) -> Any:
    """The motion of the avatar's face, as a message."""
    said = {"confidence": 1.0, "valid": True, "epoch": frame.epoch}
    return _message(make, frame.stamp_ns, frame.latent, space, names, **said)


def blendshapes(make: Make, frame: AvatarFrame) -> Any:
    """The same under the names of ARKit, for a frame of the facemesh channels."""
    return from_frame(make, replace(frame, latent=to_arkit(frame.latent)), ARKIT, ARKIT_NAMES)


def to_sample(message: Any, space: str) -> MotionSample:
    """The motion of the user's face, from a message.

    Raises:
        ValueError: the message is of another motion space, has no stamp, or its numbers are not finite.
    """
    if message.motion_space != space:
        raise ValueError(f"user_motion must be of motion space {space!r}, got {message.motion_space!r}")
    if not stamp_ns(message.header.stamp):
        raise ValueError("user_motion needs the stamp of its picture, got none")
    latent = np.array(message.latent, np.float32)
    return MotionSample(stamp_ns(message.header.stamp), latent, message.confidence, message.valid)


def _message(
    make: Make, time_ns: int, latent: NDArray[np.float32], space: str, names: Sequence[str], **said: Any
) -> Any:
    fields = {"motion_space": space, "names": list(names), "latent": latent.astype(np.float32)}
    return make("avatar_forcing_ros/MotionLatents", header=header(make, time_ns), **fields, **said)
