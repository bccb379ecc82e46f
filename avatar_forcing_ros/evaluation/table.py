# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The columns of a comparison as a table for people, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from avatar_forcing_ros.evaluation.comparison import Column
from avatar_forcing_ros.evaluation.measures import ROWS, Row
from avatar_forcing_ros.metrics.interval import Estimate


def format_table(columns: Sequence[Column]) -> str:
    """One row per measure, with its figure in each column and half the width of the interval over conversations."""
    cells = [["", *(column.name for column in columns)]]
    for row in ROWS:
        title = f"{row.goal} {row.label}" + (f", {row.unit}" if row.unit else "")
        cells.append([title, *(_cell(row, column.figures.get(row.key)) for column in columns)])
    widths = [max(map(len, texts)) for texts in zip(*cells, strict=True)]
    return "\n".join(_line(texts, widths) for texts in cells)


def _line(texts: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        text.rjust(width) if number else text.ljust(width)
        for number, (text, width) in enumerate(zip(texts, widths, strict=True))
    )
    return "  ".join([first, *others])


def _cell(row: Row, figure: Estimate | None) -> str:
    """A figure and half the width of its interval; a dash if there is none."""
    if figure is None or not np.isfinite(figure.value):
        return "-"
    factor = 100 if row.unit == "%" else 1
    value, half = factor * figure.value, factor * (figure.high - figure.low) / 2
    digits = _digits(max(abs(value), half) if half > 0 else abs(value))
    width = f"{half:.{digits}f}"
    return _plain(f"{value:.{digits}f}") + (f" ±{width}" if half > 0 and float(width) else "")


def _plain(number: str) -> str:
    """A number, or "0" if all its digits are zeros."""
    return number if float(number) else "0"


def _digits(size: float) -> int:
    """Number of decimals that leaves two or three digits of a number of this size."""
    return next((digits for digits, least in ((0, 10), (1, 5), (2, 0.5), (3, 0.01)) if size >= least), 4) if size else 0


def as_json(columns: Sequence[Column]) -> dict[str, dict[str, list[float | None]]]:
    """Column -> key of the measure -> [value, low, high]; None if a figure is not finite."""
    return {
        column.name: {
            key: [round(x, 6) if np.isfinite(x) else None for x in (figure.value, figure.low, figure.high)]
            for key, figure in column.figures.items()
        }
        for column in columns
    }
