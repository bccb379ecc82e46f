# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Makes rclpy's messages for the conversions in `messages`."""

from __future__ import annotations

import array
import importlib
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray


def make(kind: str, **fields: Any) -> Any:
    """A message of the kind `package/Name`, with these fields.

    rclpy copies an `array.array` as a whole and anything else element by element: 0.06 ms against 43 ms for a picture.
    A message's constructor copies it again, and so do setters that do not check types; those that check do not copy.
    """
    sequences = {name: value for name, value in fields.items() if isinstance(value, np.ndarray)}
    message = message_type(kind)(**{name: value for name, value in fields.items() if name not in sequences})
    if sequences and hasattr(message, "_check_fields"):  # not in Humble, where every setter checks
        message._check_fields = True
    for name, value in sequences.items():
        setattr(message, name, _field(value))
    return message


def bytes_field(values: NDArray) -> array.array:
    """An array's bytes, as a `uint8[]` field."""
    field = array.array("B")
    field.frombytes(np.ascontiguousarray(values).data.cast("B"))
    return field


@cache
def message_type(kind: str) -> type:
    """The class of the kind `package/Name`.

    Raises:
        ValueError: if its package is not installed, or has no such message.
    """
    package, _, name = kind.partition("/")
    try:
        return getattr(importlib.import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError):
        raise ValueError(f"the message {kind} is not installed") from None


def _field(value: NDArray) -> array.array:
    field = array.array(value.dtype.char)
    field.frombytes(value.data.cast("B"))
    return field
