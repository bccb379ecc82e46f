# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Small YAML and JSON files of people whom we do not know: read as data, which cannot execute code, or refused."""

from __future__ import annotations

import types
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import yaml

from avatar_forcing_ros.files.inputs import require_file

MOST_BYTES = 1_000_000
_LARGEST = 1e300  # number


def repeated(names: Sequence[str]) -> str | None:
    """The first name that stands there a second time; None if each stands there once."""
    return next((name for number, name in enumerate(names) if name in names[:number]), None)


class OnceEach(yaml.SafeLoader):
    """YAML in which a key may stand only once: the last one would win in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """See `yaml.SafeLoader`; raises ConstructorError for a key that stands there twice."""
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"]
        if (twice := repeated(keys)) is not None:
            raise yaml.constructor.ConstructorError(None, None, f"the key {twice!r} stands there twice")
        return super().construct_mapping(node, deep)


def read_mapping(path: Path, most_bytes: int = MOST_BYTES) -> dict[str, Any]:
    """Keys and values of a YAML or JSON file; YAML's tags make nothing but plain values.

    Raises:
        ValueError: the file is missing, larger than that, or holds something else; the message names it, in one line.
    """
    try:
        with require_file(path, "keys with values in YAML or JSON").open("rb") as file:
            content = file.read(most_bytes + 1)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from None
    if len(content) > most_bytes:
        raise ValueError(f"{path}: expected at most {most_bytes} bytes, got more")
    try:
        values = yaml.load(content.decode("utf-8-sig"), Loader=OnceEach)
    except UnicodeDecodeError:
        raise ValueError(f"{path}: expected text in UTF-8") from None
    except RecursionError:
        raise ValueError(f"{path}: expected keys with values, got brackets within brackets without end") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise ValueError(f"{path}: expected YAML or JSON: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise ValueError(f"{path}: expected keys with values, got {type(values).__name__}")
    return values


_EXPECTED = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    tuple: "a list",
    Mapping: "keys with values",
}


def as_type(name: str, value: Any, wanted: Any) -> Any:
    """A value of a file as the type of the field that it is for; nothing is guessed.

    Args:
        name: of the field.
        value: as YAML or JSON gave it.
        wanted: bool, int, float, str, tuple[X, ...], a mapping, or one of these or None.

    Returns:
        The value; numbers for floats are floats, whole ones for ints are ints, lists for tuples are tuples.

    Raises:
        ValueError: it is something else, or a number that is not finite.
    """
    origin = get_origin(wanted)
    if origin in (Union, types.UnionType):
        kinds = [kind for kind in get_args(wanted) if kind is not type(None)]
        return None if value is None and len(kinds) < len(get_args(wanted)) else as_type(name, value, kinds[0])
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(as_type(name, one, get_args(wanted)[0]) for one in value)
    if origin is Mapping and isinstance(value, Mapping):
        return {str(key): as_type(f"{name}.{key}", one, get_args(wanted)[1]) for key, one in value.items()}
    if wanted is Any or (wanted in (bool, str) and isinstance(value, wanted)):
        return value
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST  # and no NaN
    if is_number and (wanted is float or (wanted is int and value == int(value))):
        return wanted(value)
    expected = _EXPECTED.get(wanted) or _EXPECTED[origin]
    quoted = "; YAML's numbers have no quotes, and a point before an exponent (1.0e-3)" if _is_number(value) else ""
    hint = quoted if wanted in (int, float) and isinstance(value, str) else ""
    raise ValueError(f"{name} must be {expected}, got {value!r}{hint}")


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
