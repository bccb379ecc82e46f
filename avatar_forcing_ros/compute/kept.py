# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Keeps kernels that were compiled for a GPU on disk beside the model, so that the second start takes seconds."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = "compiled"
_VARIABLES = {"TRITON_CACHE_DIR": "triton", "TORCHINDUCTOR_CACHE_DIR": "inductor"}


def keep_compiled(model: Path) -> Path | None:
    """Make compilers keep their results in a folder of the model, unless the environment names another one.

    Args:
        model: folder of a bundle.

    Returns:
        The folder; None if it is not writable, and then they use their default folder.
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
