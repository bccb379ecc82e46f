# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The networks that find and read faces: files in models/face, run by ONNX Runtime on one core.

They are Google's, brought from TFLite to ONNX by `tools/make_face_models.py`, which says what goes in and comes out.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.resources import resource

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

SHA256 = {
    "landmarks": "317fd6b2b4c228f660570b029d4c5d5ee93d8d6149f968283eba0d05feaa2fe3",
    "detector_near": "8e5614130b5877062fd1d145cb3fdc7e29f04fbc34dbb767ac04d7763b3ab11f",
    "detector_far": "68b5aef8567ae1a23655a412023b9886a70e6b410840176d9aae4db3eca4ea6c",
    "person": "ba97a2603328d5a596ed0c221658bfa197cf44e98f659e6775e1ef9522599f9a",
}
"""What each file must be; a damaged network would read wrong faces without a word."""


class FaceModelError(ValueError):
    """A file in models/face is missing or damaged."""


def run(name: str, picture: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    """What the network `name` makes of a picture (side, side, 3) uint8 RGB."""
    return _load(name).run(None, {"picture": picture[None]})


@cache
def _load(name: str) -> InferenceSession:
    import onnxruntime

    mend = "bring it back with `git checkout models/face` in a checkout, or install the package again"
    try:
        path = resource("models", "face", f"{name}.onnx")
    except FileNotFoundError as error:
        raise FaceModelError(f"{error}: {mend}") from None
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != SHA256[name]:
        raise FaceModelError(f"{path} is damaged: expected sha256 {SHA256[name]}, got {digest}; {mend}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
