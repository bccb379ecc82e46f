# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How old the user's face and voice are at a place of the network's input: said once, read by all.

    frame presented   n
    user's face       n - motion_frames, the sample at that moment
    user's voice      n - audio_frames, the feature frame

A network with `newest_face` sees, in all frames of a block, the face of the block's last position.

Live (`senses`), clips for training (`train/clips`), whole conversations (`train/streaming`, so `evaluate` too) and
prepared recordings take their ages from here. The live rule is the only one: training follows it.
"""

from __future__ import annotations

from dataclasses import dataclass

from avatar_forcing_ros.behaviour.config import AvatarConfig

AUDIO_AGE_FRAMES = 2
"""The user's voice stands two frames behind the user's face: features of frame j need it whole, up to j + 1, and a
microphone's newest chunk ends where it likes."""


@dataclass(frozen=True)
class Alignment:
    """Ages in frames, of the position that presents frame n.

    Attributes:
        motion_frames: the user's motion is that of n - motion_frames.
        audio_frames: the user's feature frame is n - audio_frames.
    """

    motion_frames: int
    audio_frames: int

    @classmethod
    def of(cls, config: AvatarConfig, block_frames: int) -> Alignment:
        """What a live avatar of this configuration has."""
        motion = config.user_delay_frames(block_frames)
        return cls(motion, motion + AUDIO_AGE_FRAMES)
