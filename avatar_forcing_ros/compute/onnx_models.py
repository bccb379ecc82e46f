# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Other people's networks that we ship as ONNX files: checked, then run by ONNX Runtime on one core."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING

from avatar_forcing_ros.files.resources import resource

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


class ModelFileError(ValueError):
    """A network's file is missing or damaged; the message names it and says how to restore it."""


def mending(folder: str) -> str:
    """How to restore a damaged file of the shipped `models/<folder>`."""
    return f"bring it back with `git checkout models/{folder}` in a checkout, or install the package again"


@cache
def open_model(folder: str, name: str, sha256: str) -> InferenceSession:
    """The network in `models/<folder>/<name>.onnx`, opened once in a process; any number of streams may run it.

    Args:
        folder: folder in models/.
        name: name of the file, without its ending.
        sha256: SHA-256 of the file; a damaged network would silently compute nonsense.

    Raises:
        ModelFileError: the file is missing or does not match its SHA-256.
    """
    import onnxruntime

    mend = mending(folder)
    try:
        path = resource("models", folder, f"{name}.onnx")
    except FileNotFoundError as error:
        raise ModelFileError(f"{error}: {mend}") from None
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256:
        raise ModelFileError(f"{path} is damaged: expected sha256 {sha256}, got {digest}; {mend}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
