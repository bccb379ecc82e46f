# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Mouth against speech: opening and loudness, closures, and stillness while nothing is said."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.metrics.correlation import LaggedCorrelation, best_lag
from avatar_forcing_ros.signals import FPS


def log_energy(sound: NDArray[np.float32], frame_samples: int = 640) -> NDArray[np.float64]:
    """(T,) level of each video frame's samples in dB, floored 60 dB below the loudest frame."""
    frames = len(sound) // frame_samples
    power = (sound[: frames * frame_samples].reshape(frames, -1).astype(np.float64) ** 2).mean(axis=1)
    level = 10 * np.log10(power + 1e-12)
    return np.maximum(level, level.max() - 60)


def opening_against_energy(opening: NDArray, sound: NDArray[np.float32], most_lag: int = 5) -> LaggedCorrelation:
    """Correlation of mouth opening (T,) with the log energy of the speech, and the lag of the mouth in frames.

    Source: the bond of mouth opening and acoustic envelope in natural speech, Chandrasekaran et al., 2009.
    """
    energy = log_energy(sound)
    frames = min(len(opening), len(energy))
    return best_lag(energy[:frames], opening[:frames], range(-most_lag, most_lag + 1))


def reached_share(signal: NDArray, spans_s: Sequence[tuple[float, float]], level: float) -> float:
    """Share of spans of time in which a (T,) signal reaches `level`; NaN without spans.

    With the gap between the lips as the signal, this is the share of open vowels that are shown; with its negative,
    that of the closures of p, b and m. A frame belongs to every span that it overlaps.

    Source: bilabial closure as the visible sign of p, b and m, Fisher, 1968 (visemes).
    """
    pieces = [signal[int(begin * FPS) : int(np.ceil(end * FPS))] for begin, end in spans_s]
    reached = [piece.max() >= level for piece in pieces if len(piece)]
    return float(np.mean(reached)) if reached else float("nan")


def opening_range(opening: NDArray) -> float:
    """Range of a mouth opening (T,) while speaking, without its extreme 2 % on either side."""
    return float(np.percentile(opening, 98) - np.percentile(opening, 2))


def stillness(opening: NDArray, speaking: NDArray[np.bool_], margin_frames: int = 8) -> float:
    """Standard deviation of the mouth while nothing is said, as a share of its range while speaking; 0 is still.

    Args:
        opening: (T,) mouth opening.
        speaking: (T,) whether something is said.
        margin_frames: frames before and after speech that count for neither.

    Returns:
        NaN if there is no silence or speech that is long enough.
    """
    near = np.convolve(speaking, np.ones(2 * margin_frames + 1), mode="same") > 0.5
    silent, said = opening[~near], opening[speaking]
    if len(silent) < 2 or len(said) < 2:
        return float("nan")
    return float(silent.std() / max(opening_range(said), 1e-9))
