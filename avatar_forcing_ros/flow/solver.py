# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Euler steps from noise to motion, on the published scheduler table.

The published scheduler keeps 1000 noise shares, linspace(1, 0, 1000), whose spacing is 1/999 and not 1/1000. The
network is asked at the plain solver time t, but the step is taken between the table's entries nearest to two times. The
difference is small (2e-4 of the motion) and all the same kept: weights were trained and are compared with it.

The last solver time, 0, needs no pass through the network: its step has size zero. The published code makes that pass,
and one to fill the cache, so that its "10 evaluations" are 8 steps here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from avatar_forcing_ros.flow.path import CLEAN_TIME, NOISE_TIME

Points = TypeVar("Points")
"""An array of NumPy or torch."""
TABLE_SIZE = 1000
_INTERVALS = TABLE_SIZE - 1


@dataclass(frozen=True)
class EulerStep:
    """One step of the solver.

    Attributes:
        t: flow time at which the network is asked.
        sigma_change: change of the noise share, negative while noise is being removed.
    """

    t: float
    sigma_change: float

    def apply(self, x_t: Points, velocity: Points) -> Points:
        """The point after this step: x_t + sigma_change * velocity."""
        return x_t + self.sigma_change * velocity  # type: ignore[operator, return-value]


def table_sigma(t: float) -> float:
    """Noise share of the table entry whose time is nearest to t; of two equally near ones the noisier.

    Raises:
        ValueError: t is outside [0, 1000].
    """
    if not CLEAN_TIME <= t <= NOISE_TIME:
        raise ValueError(f"flow time must be within {CLEAN_TIME:g} and {NOISE_TIME:g}, got {t}")
    place = (NOISE_TIME - t) * _INTERVALS / NOISE_TIME
    entry = math.ceil(place - 0.5)  # a tie goes to the smaller entry, as an argmin over the table does
    return (_INTERVALS - entry) / _INTERVALS


def solver_times(steps: int) -> tuple[float, ...]:
    """Flow times of `steps` equal steps from noise to clean, both ends included: steps + 1 numbers.

    Raises:
        ValueError: steps is less than one.
    """
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    return tuple(NOISE_TIME * (steps - i) / steps for i in range(steps + 1))


def euler_steps(steps: int) -> tuple[EulerStep, ...]:
    """The steps that lead from noise to clean motion; the published sampler is `euler_steps(8)`.

    Raises:
        ValueError: steps is less than one.
    """
    times = solver_times(steps)
    return tuple(EulerStep(t, table_sigma(after) - table_sigma(t)) for t, after in pairwise(times))
