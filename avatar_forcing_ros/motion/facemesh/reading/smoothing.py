# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Removes the jitter of a face at rest and lets real motion through: a filter whose gain grows with the deviation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class SmoothingConfig:
    """Strength of the filter.

    Attributes:
        rest_gain: share taken of a new value that lies within the noise, if frames are `frame_s` apart.
        surprise: deviation, in units of a channel's noise, at which the filter is half open.
        frame_s: time between frames for which `rest_gain` holds.
    """

    rest_gain: float = 0.2
    surprise: float = 3.0
    frame_s: float = 0.04

    def __post_init__(self) -> None:
        if not 0 < self.rest_gain <= 1:
            raise ValueError(f"rest_gain must be within (0, 1], got {self.rest_gain}")


class Smoother:
    """The filter's state: one value per channel.

    It resembles the One-Euro filter. That one opens with a low-passed speed, so the first frames of a blink come late.
    This one opens with the deviation itself, in the same frame, so whatever clearly exceeds the noise is less than half
    a frame late.

    Source: Casiez, Roussel, Vogel, "1 Euro filter", CHI 2012, for the idea of a gain that follows the motion.
    """

    def __init__(self, noise: NDArray[np.float64], config: SmoothingConfig | None = None) -> None:
        """Args: noise: (C,) standard deviation of each channel for a face at rest."""
        if noise.ndim != 1 or not (noise > 0).all():
            raise ValueError(f"noise must be (C,) and positive, got {noise}")
        self.config = config or SmoothingConfig()
        self._noise = noise
        self._value: NDArray[np.float64] | None = None

    def reset(self) -> None:
        """Take the next value as it is."""
        self._value = None

    def update(self, value: NDArray[np.float64], elapsed_s: float) -> NDArray[np.float64]:
        """A value (C,), measured `elapsed_s` after the last one -> the smoothed value (C,)."""
        if self._value is None:
            self._value = value.astype(np.float64)
        else:
            deviation = value - self._value
            self._value = self._value + self._gain(deviation, elapsed_s) * deviation
        return self._value.copy()

    def _gain(self, deviation: NDArray[np.float64], elapsed_s: float) -> NDArray[np.float64]:
        config = self.config
        square = (deviation / (config.surprise * self._noise)) ** 2
        gain = config.rest_gain + (1 - config.rest_gain) * square / (1 + square)
        return 1 - (1 - gain) ** (max(elapsed_s, 0.0) / config.frame_s)
