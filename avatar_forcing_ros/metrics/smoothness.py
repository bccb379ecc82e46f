# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether motion that is made in blocks shows their borders, and whether it trembles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def border_jerk(motion: NDArray, block_frames: int) -> NDArray[np.float64]:
    """(4, D) mean jerk of each channel: within blocks, then with the border after 1, 2 and 3 of its four frames.

    Args:
        motion: (T, D), block borders at multiples of `block_frames`.
        block_frames: at least 4, since jerk takes four frames.

    Jerk is the absolute third difference, in units of the channel's own standard deviation. Kinks of different kinds
    show at different places: what jumps has most where the border lies in the middle, what sets off at once after a
    smooth block has most where only the last frame is beyond it.
    Source: Flash and Hogan, 1985, for jerk as the measure of smoothness.
    """
    if block_frames < 4:
        raise ValueError(f"block_frames must be at least 4, got {block_frames}")
    jerk = np.abs(np.diff(np.asarray(motion, np.float64), n=3, axis=0)) / np.maximum(motion.std(axis=0), 1e-9)
    left = block_frames - np.arange(len(jerk)) % block_frames  # frames of the block from the first of the four on
    return np.stack([jerk[places].mean(axis=0) for places in (left >= 4, left == 1, left == 2, left == 3)])


def border_jerk_ratio(jerk: NDArray[np.float64]) -> float:
    """Of `border_jerk` (4, D): jerk where a border shows most in units of that within blocks; 1: it does not show."""
    within, *across = jerk.mean(axis=1)
    return float(max(across) / max(within, 1e-12))


def tremble(curve: NDArray) -> float:
    """Standard deviation of the random changes from frame to frame in a (T,) curve, in the curve's units.

    It is computed from second differences, in which motion hardly shows and white noise shows sqrt(6)-fold, by their
    median, which ignores a nod or a blink.
    """
    if len(curve) < 3:
        raise ValueError(f"curve must have at least 3 frames, got {len(curve)}")
    differences = np.abs(np.diff(np.asarray(curve, np.float64), n=2))
    return float(np.median(differences) / 0.6745 / np.sqrt(6))
