"""rclpy's messages for the conversions in `messages`."""

from __future__ import annotations

import array
import importlib
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray


def make(kind: str, **fields: Any) -> Any:
    """A message of a kind, `package/Name`.

    rclpy copies an `array.array` at once and anything else element by element: 0.06 ms against 43 ms for one picture.
    """
    return message_type(kind)(**{name: _field(value) for name, value in fields.items()})


def bytes_field(values: NDArray) -> array.array:
    """A `uint8[]` field from an array's bytes."""
    field = array.array("B")
    field.frombytes(np.ascontiguousarray(values).data.cast("B"))
    return field


@cache
def message_type(kind: str) -> type:
    """The class of a kind.

    Raises:
        ValueError: its package is not installed, or has no such message.
    """
    package, _, name = kind.partition("/")
    try:
        return getattr(importlib.import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError):
        raise ValueError(f"the message {kind} is not installed") from None


def _field(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    field = array.array(value.dtype.char)
    field.frombytes(value.data.cast("B"))
    return field
