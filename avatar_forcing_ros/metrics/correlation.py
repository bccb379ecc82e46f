# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How two motions correlate: Pearson correlation, its residual against the truth, and the lag of the best match."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class LaggedCorrelation:
    """Best correlation over a range of lags; a positive lag means that the second signal comes later."""

    value: float
    lag_frames: int


def pearson(first: NDArray, second: NDArray) -> float:
    """Pearson correlation of all numbers in two arrays of the same shape; 0 if one of them is constant.

    Raises:
        ValueError: shapes disagree.
    """
    if first.shape != second.shape:
        raise ValueError(f"both signals must have one shape, got {first.shape} and {second.shape}")
    a, b = (np.asarray(x, np.float64).ravel() for x in (first, second))
    a, b = a - a.mean(), b - b.mean()
    norm = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / norm) if norm > 1e-12 else 0.0


def residual_pearson(user: NDArray, truth: NDArray, generated: NDArray) -> float:
    """rPCC: difference between the correlation of user and avatar and that of user and true avatar; 0 is best.

    Args:
        user: (T, D) motion of the user, clips one after the other.
        truth: (T, D) true motion of the avatar.
        generated: (T, D) generated motion.

    Source: arXiv 2601.00664, equation 16; reduction over all frames and dimensions at once as in the evaluation of
    Dyadic Interaction Modeling (arXiv 2403.09069).
    """
    return abs(pearson(user, truth) - pearson(user, generated))


def lagged_pearson(first: NDArray, second: NDArray, lags: range) -> NDArray[np.float64]:
    """(L,) correlation of two (T,) signals at each lag; a positive lag means that the second signal comes later.

    Raises:
        ValueError: the signals are shorter than the lags.
    """
    if len(first) <= max(abs(lag) for lag in lags) + 1:
        raise ValueError(f"signals of {len(first)} frames are too short for lags of {min(lags)} to {max(lags)}")
    return np.array([pearson(*_overlap(first, second, lag)) for lag in lags])


def best_lag(first: NDArray, second: NDArray, lags: range) -> LaggedCorrelation:
    """Correlation of two (T,) signals at the lag, among `lags`, where it is greatest.

    Raises:
        ValueError: the signals are shorter than the lags.
    """
    values = lagged_pearson(first, second, lags)
    best = int(values.argmax())
    return LaggedCorrelation(float(values[best]), lags[best])


def _overlap(first: NDArray, second: NDArray, lag: int) -> tuple[NDArray, NDArray]:
    """The parts of two signals that overlap when the second is moved `lag` frames earlier."""
    frames = len(first) - abs(lag)
    return first[max(0, -lag) :][:frames], second[max(0, lag) :][:frames]
