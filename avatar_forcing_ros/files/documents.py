# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Small YAML and JSON files of people whom we do not know: read as data, which cannot execute code, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from avatar_forcing_ros.files.inputs import require_file

MOST_BYTES = 1_000_000


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
        values = yaml.safe_load(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise ValueError(f"{path}: expected text in UTF-8") from None
    except RecursionError:
        raise ValueError(f"{path}: expected keys with values, got brackets within brackets without end") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise ValueError(f"{path}: expected YAML or JSON: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise ValueError(f"{path}: expected keys with values, got {type(values).__name__}")
    return values
