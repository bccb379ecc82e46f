# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Quality of service of every topic, with its reason."""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy, qos_profile_sensor_data

SENSOR = qos_profile_sensor_data
"""Cameras: consumers of sensors take what comes; a lost picture is replaced by the next one."""

MICROPHONE = QoSProfile(depth=50, reliability=ReliabilityPolicy.BEST_EFFORT)
"""Best effort matches both kinds of publisher; two seconds of chunks wait while the reader is busy."""

PICTURE = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
"""Pictures out: a reliable offer serves both kinds of subscriber; a fifth of a second, for 20 MB/s must not pile up."""

SPEECH = QoSProfile(depth=200, reliability=ReliabilityPolicy.RELIABLE)
"""Speech to be said: no chunk may be lost, and a whole sentence may come at once."""

STREAM = QoSProfile(depth=50, reliability=ReliabilityPolicy.RELIABLE)
"""Small companions of pictures: motion, frame info, speech out, playback events."""

EVENTS = QoSProfile(depth=500, reliability=ReliabilityPolicy.RELIABLE)
"""What became of speech: nobody may miss an ending, and an interrupt ends all utterances that wait at once."""

LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
"""State: who comes late gets the last one."""
