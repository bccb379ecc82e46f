# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Mean and standard deviation of each channel, the units in which the network sees latents."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEAST_SHARE_OF_RANGE = 0.05
"""The smallest unit of a channel, as a share of its range. Channels that hardly move in the data get it, so that the
values stay moderate when a user does move them."""


@dataclass(frozen=True)
class LatentScale:
    """`mean` and `std` of the channels, (M,) float32, in units of the motion space."""

    mean: NDArray[np.float32]
    std: NDArray[np.float32]

    @staticmethod
    def of(motion: NDArray[np.float32], ranges: NDArray[np.float64]) -> LatentScale:
        """Statistics of motion (..., M) whose channels have these ranges, (M,)."""
        rows = motion.reshape(-1, motion.shape[-1]).astype(np.float64)
        std = np.maximum(rows.std(axis=0), LEAST_SHARE_OF_RANGE * ranges)
        return LatentScale(rows.mean(axis=0).astype(np.float32), std.astype(np.float32))

    def normalize(self, latents: NDArray[np.float32]) -> NDArray[np.float32]:
        """Convert (..., M) to network units."""
        return (latents - self.mean) / self.std

    def denormalize(self, latents: NDArray[np.float32]) -> NDArray[np.float32]:
        """Convert (..., M) back to units of the motion space."""
        return latents * self.std + self.mean
