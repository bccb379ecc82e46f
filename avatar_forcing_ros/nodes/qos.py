# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Quality of service of all topics, with the reasons."""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy, qos_profile_sensor_data

SENSOR = qos_profile_sensor_data
"""Cameras: best effort, because a lost picture is soon followed by the next one."""

MICROPHONE = QoSProfile(depth=50, reliability=ReliabilityPolicy.BEST_EFFORT)
"""Best effort matches both kinds of publisher; up to two seconds of chunks wait while the reader is busy."""

PICTURE = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
"""Pictures out: reliable serves both kinds of subscriber; a fifth of a second, because 20 MB/s must not pile up."""

SPEECH = QoSProfile(depth=2000, reliability=ReliabilityPolicy.RELIABLE)
"""Speech to be said: no chunk may be lost, and a long answer may arrive at once, in pieces of 20 ms."""

STREAM = QoSProfile(depth=50, reliability=ReliabilityPolicy.RELIABLE)
"""Small messages that accompany pictures: motion, frame info, speech out."""

EVENTS = QoSProfile(depth=500, reliability=ReliabilityPolicy.RELIABLE)
"""What became of speech: no ending may be missed, and one interrupt ends all waiting utterances at once."""

LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
"""State: a late subscriber gets the last message."""
