# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether motion that is made in blocks shows their borders, and whether it trembles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def border_jerk_ratio(motion: NDArray, block_frames: int) -> float:
    """Jerk across block borders in units of the jerk within blocks; 1 means that borders do not show.

    Args:
        motion: (T, D), block borders at multiples of `block_frames`.
        block_frames: at least 4, since jerk takes four frames.

    Jerk is the third difference. It counts as across when the border lies in the middle of its four frames, as within
    when none lies between them; each channel is measured in units of its own standard deviation.
    Source: Flash and Hogan, 1985, for jerk as the measure of smoothness.
    """
    across, within = border_jerk(motion, block_frames)
    return float(across.mean() / max(within.mean(), 1e-12))


def border_jerk(motion: NDArray, block_frames: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean jerk of each channel across borders and within blocks, both (D,); arguments as of `border_jerk_ratio`."""
    if block_frames < 4:
        raise ValueError(f"block_frames must be at least 4, got {block_frames}")
    jerk = np.abs(np.diff(np.asarray(motion, np.float64), n=3, axis=0)) / np.maximum(motion.std(axis=0), 1e-9)
    first = np.arange(len(jerk)) % block_frames  # place of the first of the four in its block
    across, within = first == block_frames - 2, first <= block_frames - 4
    return jerk[across].mean(axis=0), jerk[within].mean(axis=0)


def tremble(curve: NDArray) -> float:
    """Standard deviation of the random changes from frame to frame in a (T,) curve, in the curve's units.

    It is computed from second differences, in which motion hardly shows and white noise shows sqrt(6)-fold, by their
    median, which ignores a nod or a blink.
    """
    if len(curve) < 3:
        raise ValueError(f"curve must have at least 3 frames, got {len(curve)}")
    differences = np.abs(np.diff(np.asarray(curve, np.float64), n=2))
    return float(np.median(differences) / 0.6745 / np.sqrt(6))
