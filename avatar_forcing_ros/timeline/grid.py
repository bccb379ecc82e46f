# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The frame grid: frame g is presented at g/25 s of ROS time. All input is placed on it by its stamp."""

from __future__ import annotations

from avatar_forcing_ros.signals import FPS, NANOSECONDS

FRAME_NS = NANOSECONDS // FPS
"""Exact, so no grid point is ever rounded."""
SAMPLE_RATE = 16_000
FRAME_SAMPLES = SAMPLE_RATE // FPS

SENSED_AHEAD_NS = 2 * NANOSECONDS
"""A stamp of the user's sound or motion that is further beyond what has been decided comes from a wrong clock."""
PLANNED_AHEAD_NS = 600 * NANOSECONDS
"""Nobody plans speech or directions for later than this: such a stamp comes from another clock."""


def stamp_of(frame: int) -> int:
    """Presentation time of a grid frame in nanoseconds."""
    return frame * FRAME_NS


def first_frame_from(stamp_ns: int) -> int:
    """First grid frame presented at or after a stamp."""
    return -(-stamp_ns // FRAME_NS)


def sample_of(stamp_ns: int) -> int:
    """Sample, at 16 kHz and counted from time zero, that is nearest to a stamp."""
    return (stamp_ns * SAMPLE_RATE + NANOSECONDS // 2) // NANOSECONDS
