"""Does motion made in blocks betray their borders?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def border_jerk_ratio(motion: NDArray, block_frames: int) -> float:
    """Jerk across block borders in units of the jerk within blocks; 1 means that borders cannot be seen.

    Args:
        motion: (T, D), block borders at multiples of `block_frames`.
        block_frames: at least 2.

    Jerk is the third difference, of which four frames take part; it counts as across when the border lies in its
    middle. Source: Flash and Hogan, 1985, for jerk as the measure of smoothness.
    """
    if block_frames < 2:
        raise ValueError(f"block_frames must be at least 2, got {block_frames}")
    jerk = np.abs(np.diff(np.asarray(motion, np.float64), n=3, axis=0)) / np.maximum(motion.std(axis=0), 1e-9)
    middle = np.arange(len(jerk)) + 2  # the first frame of the second half of the four
    across = middle % block_frames == 0
    return float(jerk[across].mean() / max(jerk[~across].mean(), 1e-12))
