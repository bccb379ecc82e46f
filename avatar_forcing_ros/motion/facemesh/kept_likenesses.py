# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Keeps our own characters prepared on this machine, so that later starts load nothing that reads faces.

Only the pictures that ship with the package are kept, never one of a person: whoever withdraws a picture must not have
to look for copies. A kept likeness is used only with the code and libraries that made it, so that equal versions draw
equal pixels.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import typing
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.preparing.report import Likeness

_OURS = frozenset(
    {
        "36cfe6c618deac6589eba462ef5f135504da5afe03729d11bd9daa410f2de54f",
        "aca02fe07b9947df5bfc8273ba878023101eac1b1f576fc10c3f64d9e80ff261",
    }
)
"""SHA-256 of the pixels of models/portraits."""


def find(image: NDArray[np.uint8], size: int) -> Likeness | None:
    """The likeness kept for a picture at this size, or None. A file that cannot be read is ignored."""
    path = _path(image, size)
    if path is None or not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return from_arrays(arrays)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def keep(image: NDArray[np.uint8], size: int, likeness: Likeness) -> None:
    """Keep a likeness if the picture is ours. If the cache is not writable, keep nothing."""
    path = _path(image, size)
    if path is None:
        return
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as part:
            np.savez(part, **to_arrays(likeness))  # type: ignore[arg-type]
        Path(part.name).replace(path)


def to_arrays(likeness: Likeness) -> dict[str, NDArray[Any]]:
    """Every array and number of a likeness, by the path of its field, without those that are None."""
    return {name: np.asarray(value) for name, value in _parts(likeness, "").items()}


def from_arrays(arrays: Mapping[str, NDArray[Any]]) -> Likeness:
    """The inverse of `to_arrays`.

    Raises:
        KeyError: something is missing.
    """
    likeness: Likeness = _joined(Likeness, "", arrays)
    return likeness


def _path(image: NDArray[np.uint8], size: int) -> Path | None:
    pixels = hashlib.sha256(np.ascontiguousarray(image).data).hexdigest()
    if pixels not in _OURS:
        return None
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "avatar_forcing_ros"
    return folder / f"{pixels[:16]}-{size}-{_makers()}.npz"


@cache
def _makers() -> str:
    """A name for the code and the libraries that make a likeness."""
    names = hashlib.sha256(f"{np.__version__} {cv2.__version__}".encode())
    for file in sorted(Path(__file__).parent.rglob("*.py")):
        names.update(file.read_bytes())
    return names.hexdigest()[:16]


def _parts(value: Any, name: str) -> dict[str, Any]:
    if is_dataclass(value):
        return {k: v for f in fields(value) for k, v in _parts(getattr(value, f.name), f"{name}.{f.name}").items()}
    if isinstance(value, tuple):
        return {k: v for i, part in enumerate(value) for k, v in _parts(part, f"{name}.{i}").items()}
    return {} if value is None else {name: value}


def _joined(kind: Any, name: str, arrays: Any) -> Any:
    if is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        make: Any = kind
        return make(**{f.name: _joined(hints[f.name], f"{name}.{f.name}", arrays) for f in fields(kind)})
    if typing.get_origin(kind) is tuple:
        return tuple(_joined(part, f"{name}.{i}", arrays) for i, part in enumerate(typing.get_args(kind)))
    if type(None) in typing.get_args(kind) and name not in arrays:
        return None
    value = arrays[name]
    return value.item() if value.ndim == 0 else value
