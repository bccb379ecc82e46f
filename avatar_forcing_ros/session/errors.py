# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Errors in one line: a user's mistake in its own words, anything else with the file that was being read."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

_DEBUG = "--debug"
MOST_LETTERS = 2000
_OPTIONAL = ("matplotlib", "onnx", "onnxscript", "torch", "transformers")
"""Packages that training, evaluation and the authors' weights need, but the nodes do not."""


def one_line(error: BaseException) -> str:
    """An error as one line; if it quotes a very long text, the middle is left out."""
    text = " ".join(str(error).split())
    if len(text) > MOST_LETTERS:
        text = f"{text[: MOST_LETTERS * 3 // 4]} … {text[-MOST_LETTERS // 5 :]}"
    return text or type(error).__name__


def describe(error: BaseException, expected: tuple[type[BaseException], ...] = (), debug: bool = False) -> str:
    """An error in one line; an unexpected one gives its type, the file being read and how to learn more.

    Args:
        error: a ValueError or an OSError is expected, and worded for the user.
        expected: further types that are.
        debug: whether the traceback is shown already.
    """
    if isinstance(error, (ValueError, OSError, *expected)):
        return one_line(error)
    if isinstance(error, ModuleNotFoundError) and (name := str(error.name).partition(".")[0]) in _OPTIONAL:
        how = f"make setup TORCH_BACKEND=cpu, or without a checkout: pip install {name}"
        return f"this needs {name}, which is not installed: {how}"
    file = file_at_work(error)
    where = f" at {file}" if file else ""
    hint = "" if debug else f" ({_DEBUG} shows where in the program)"
    return f"unexpected {type(error).__name__}{where}: {one_line(error)}{hint}"


def file_at_work(error: BaseException) -> Path | None:
    """The file that the program was working on: a local `Path` of the innermost function that has one, or None."""
    files = [
        value
        for frame, _ in traceback.walk_tb(error.__traceback__)
        for value in frame.f_locals.values()
        if isinstance(value, Path) and os.path.isfile(value)  # noqa: PTH113 (never raises)
    ]
    return files[-1] if files else None


def trace(error: BaseException) -> str:
    """The traceback of an error, in many lines."""
    return "".join(traceback.format_exception(error)).strip()
