# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Avatar Forcing for ROS 2: a face that listens while it talks."""

import os

# Before anybody imports it: ONNX Runtime's releases for Linux tell their makers of each process, and keep a number of
# the machine in ~/.cache/Microsoft, unless one of these is set (microsoft/onnxruntime, pull requests 27379 and 29843).
os.environ.update(ORT_DISABLE_TELEMETRY="1", ORT_TELEMETRY_DISABLED="1")

# A source checkout does not hold the generated messages; this finds `avatar_forcing_ros.msg` where colcon put it.
__path__ = __import__("pkgutil").extend_path(__path__, __name__)
