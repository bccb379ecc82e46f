# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Compiling of numba kernels: cached on disk where some place can be written to, in memory otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba
import numpy as np

Function = TypeVar("Function", bound=Callable)


def kernel(function: Function) -> Function:
    """Compile `function` when it is first called. While it runs other threads of Python run too.

    numba caches in NUMBA_CACHE_DIR, beside the source or in the user's cache folder, whichever it can write to. On a
    read-only system none may be writable; numba then refuses to cache, and the kernel is compiled anew in each process.
    """
    options = {"fastmath": True, "error_model": "numpy", "nogil": True}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:
        return numba.njit(**options)(function)


def single(value: float) -> float:
    """The number in single precision, as kernels take it: other types would compile further versions of them."""
    return cast(float, np.float32(value))
