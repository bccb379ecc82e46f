# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Avatar Forcing for ROS 2: a face that listens while it talks."""

# A source checkout does not hold the generated messages; this finds `avatar_forcing_ros.msg` where colcon put it.
__path__ = __import__("pkgutil").extend_path(__path__, __name__)
