# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The networks that find and read faces, from files in models/face.

They are Google's, converted from TFLite to ONNX by `tools/make_face_models.py`, which documents inputs and outputs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.compute.onnx_models import open_model

SHA256 = {
    "landmarks": "317fd6b2b4c228f660570b029d4c5d5ee93d8d6149f968283eba0d05feaa2fe3",
    "detector_near": "8e5614130b5877062fd1d145cb3fdc7e29f04fbc34dbb767ac04d7763b3ab11f",
    "detector_far": "68b5aef8567ae1a23655a412023b9886a70e6b410840176d9aae4db3eca4ea6c",
    "person": "ba97a2603328d5a596ed0c221658bfa197cf44e98f659e6775e1ef9522599f9a",
}
"""Checksum of each file."""


def run(name: str, picture: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    """Run the network `name` on a picture (side, side, 3) uint8 RGB, and return its outputs.

    Raises:
        ModelFileError: the network's file is missing or damaged.
    """
    return open_model("face", name, SHA256[name]).run(None, {"picture": picture[None]})
