# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Kernels that were compiled for a GPU, kept on disk beside the model: the second start takes seconds."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = "compiled"
_VARIABLES = {"TRITON_CACHE_DIR": "triton", "TORCHINDUCTOR_CACHE_DIR": "inductor"}


def keep_compiled(model: Path) -> Path | None:
    """Have compilers keep what they make in a folder of the model's, unless somebody has said where already.

    Args:
        model: folder of a bundle.

    Returns:
        The folder, or None where it cannot be written: then they keep it in the user's own, as they always do.
    """
    folder = model / FOLDER
    try:
        folder.mkdir(exist_ok=True)
    except OSError:
        return None
    if not os.access(folder, os.W_OK):
        return None
    for variable, name in _VARIABLES.items():
        os.environ.setdefault(variable, str(folder / name))
    return folder
