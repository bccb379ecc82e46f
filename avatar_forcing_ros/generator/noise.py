# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Reproducible noise: keyed by seed, epoch and block, the same on every machine and in every replay."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def block_noise(seed: int, epoch: int, block: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Standard normal numbers of one block, float32.

    It comes from NumPy's RandomState, whose streams NumPy promises never to change.

    Args:
        seed: seed of the avatar, not negative.
        epoch: number of the epoch, not negative.
        block: number of the block within the epoch, not negative.
        shape: for example (1, block_frames, M).

    Raises:
        ValueError: a key is negative.
    """
    if min(seed, epoch, block) < 0:
        raise ValueError(f"seed, epoch and block must not be negative, got {seed}, {epoch} and {block}")
    bits = np.random.MT19937(np.random.SeedSequence((seed, epoch, block)))
    return np.random.RandomState(bits).standard_normal(shape).astype(np.float32)
