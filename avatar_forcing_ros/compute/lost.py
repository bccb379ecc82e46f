# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Why there is no GPU, or why one failed: it is out of memory, or it is lost.

A GPU that fell off the bus, was reset, or has met an error from which CUDA cannot recover no longer responds in this
process: not even its memory can be read.
"""

from __future__ import annotations

import torch


def why_not(error: Exception) -> str:
    """Why a GPU failed, in a few words; empty if the error is of another kind."""
    if isinstance(error, torch.OutOfMemoryError):
        return "the GPU is out of memory"
    first = str(error).splitlines()[0] if str(error) else ""
    if isinstance(error, RuntimeError) and "CUDA error" in first:
        return f"the GPU is lost ({first[first.index('CUDA error') :]})"
    return ""


def why_none() -> str:
    """Why torch finds no GPU, in parentheses after a space; empty if this torch was built without GPU support."""
    if torch.version.cuda is None:
        return ""
    try:
        torch.cuda.init()
    except Exception as error:  # the driver is too old or absent; torch's own words say which version it needs
        first = str(error).splitlines()[0].split(" Please ")[0].rstrip(".")
        return f" ({first})"
    return ""
