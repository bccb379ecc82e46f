# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""cv_bridge, for encodings that `messages.images` does not read; most machines never need it.

A cv_bridge built against another NumPy does not raise an error: it kills the process. So it is tried once in a process
of its own, and only when a picture in such an encoding arrives.
"""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
from functools import cache
from typing import Any

_TRIAL = """
import array
from cv_bridge import CvBridge
from sensor_msgs.msg import Image
message = Image(height=1, width=1, encoding="bgr8", step=3, data=array.array("B", [1, 2, 3]))
assert CvBridge().imgmsg_to_cv2(message, "rgb8").tolist() == [[[3, 2, 1]]]
"""
_PATIENCE_S = 30.0


@cache
def cv_bridge() -> Any | None:
    """A working CvBridge, or None if there is none."""
    if importlib.util.find_spec("cv_bridge") is None:
        return None
    try:
        subprocess.run([sys.executable, "-c", _TRIAL], capture_output=True, timeout=_PATIENCE_S, check=True)
    except subprocess.SubprocessError:
        return None
    return importlib.import_module("cv_bridge").CvBridge()
