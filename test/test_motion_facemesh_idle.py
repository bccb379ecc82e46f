# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A face that idles blinks, looks about and never jumps; its motion follows from the frame's number alone."""

from __future__ import annotations

import numpy as np

from avatar_forcing_ros.motion.facemesh.channels import CHANNELS, INDEX
from avatar_forcing_ros.motion.facemesh.idle import IdleMotion

MINUTES = 5
MOTION = np.stack([IdleMotion(seed=1).at(frame) for frame in range(25 * 60 * MINUTES)])


def test_it_stays_within_what_a_portrait_can_show() -> None:
    for i, channel in enumerate(CHANNELS):
        assert channel.low <= MOTION[:, i].min() <= MOTION[:, i].max() <= channel.high, channel.name


def test_it_follows_from_the_frame_alone() -> None:
    assert np.array_equal(IdleMotion(seed=1).at(4321), MOTION[4321])
    other = IdleMotion(seed=2)
    assert any(not np.array_equal(other.at(frame), MOTION[frame]) for frame in range(500))


def test_it_blinks_as_people_do() -> None:
    closed = MOTION[:, INDEX["blink_left"]] > 0.95
    blinks = int((np.diff(closed.astype(int)) == 1).sum())
    assert 12 <= blinks / MINUTES <= 22


def test_the_head_moves_and_never_jumps() -> None:
    head = MOTION[:, [INDEX[name] for name in ("yaw", "pitch", "roll")]]
    assert head.std(0).min() > 0.003
    assert np.abs(np.diff(head, axis=0)).max() < 0.02  # half a radian a second
