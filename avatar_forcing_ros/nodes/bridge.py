"""cv_bridge, where it is installed and works; `messages.images` gives the same pictures where it is not.

A cv_bridge that was built against another NumPy does not fail with an error: it ends the process. So it is tried once
in a process of its own.
"""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

ENCODINGS = frozenset(
    {"rgb8", "bgr8", "rgba8", "bgra8", "mono8", "mono16", "yuv422", "yuv422_yuy2"}
    | {f"bayer_{pattern}8" for pattern in ("rggb", "bggr", "gbrg", "grbg")}
)
"""What cv_bridge reads as we do. It refuses 8UC3 and its like as RGB, and has no name for nv12."""

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
    """A CvBridge that works, or None."""
    if importlib.util.find_spec("cv_bridge") is None or not _works():
        return None
    return importlib.import_module("cv_bridge").CvBridge()


def read(message: Any) -> NDArray[np.uint8] | None:
    """The picture of an Image message, (H, W, 3) uint8 RGB; None when cv_bridge is not here or does not read it."""
    bridge = cv_bridge() if message.encoding in ENCODINGS else None
    if bridge is None:
        return None
    try:
        return bridge.imgmsg_to_cv2(message, "rgb8")
    except Exception:  # whatever it makes of a bad message: ours says what is wrong with it
        return None


def _works() -> bool:
    try:
        trial = subprocess.run([sys.executable, "-c", _TRIAL], capture_output=True, timeout=_PATIENCE_S)
    except subprocess.TimeoutExpired:
        return False
    return trial.returncode == 0
