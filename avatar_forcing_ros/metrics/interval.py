# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How sure a figure is: a bootstrap interval over conversations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

T = TypeVar("T")


@dataclass(frozen=True)
class Estimate:
    """A figure and the ends of its interval; NaN if there is nothing to measure."""

    value: float
    low: float
    high: float


def bootstrap(
    statistic: Callable[[Sequence[T]], float],
    items: Sequence[T],
    resamples: int = 200,
    coverage: float = 0.9,
    seed: int = 0,
) -> Estimate:
    """A statistic of independent items, with the interval that it takes over resamples of them.

    Args:
        statistic: computes the figure from any number of items; NaN if they do not determine it.
        items: independent items such as conversations; frames are not independent.
        resamples: how many sets of as many items are drawn, with replacement.
        coverage: share of the resamples within the interval.
        seed: seed of the drawing.

    Source: the percentile interval of Efron and Tibshirani, 1993.
    """
    rng = np.random.default_rng(seed)
    draws = rng.integers(0, len(items), (resamples, len(items)))
    values = np.array([statistic([items[i] for i in draw]) for draw in draws])
    known = values[np.isfinite(values)]
    if not len(known):
        return Estimate(statistic(items), float("nan"), float("nan"))
    low, high = np.quantile(known, [(1 - coverage) / 2, (1 + coverage) / 2])
    return Estimate(statistic(items), float(low), float(high))
