# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What caused a motion: the user, the avatar's own speech, or neither.

Guidance asks the network for several guesses. The difference between a guess that sees the user and one that does not,
all else being equal, is the user's effect on the velocity; multiplied by the guidance scale and summed over the
solver's steps, it is how far the user moved the block. The same goes for the avatar's speech. Guesses are compared at
the same noisy motion and with the same past, so a smile that merely lasts is attributed to neither.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.generator.sampler import SamplerConfig


@dataclass(frozen=True)
class Causes:
    """Shares in a block's distance from the portrait's own motion, 0 to 1; NaN is unknown. The rest is due to neither.

    Attributes:
        user: share of the user's voice and face.
        speech: share of the avatar's speech.
    """

    user: float = math.nan
    speech: float = math.nan


def contributions(sampler: SamplerConfig) -> NDArray[np.float32]:
    """(2, G) weights of each branch's guess in the user's part and in that of the avatar's speech.

    NaN where no two guesses differ in this alone, as with joint guidance of scale 1.
    """
    branches = sampler.branches
    user = _contribution([(b.sees_avatar, b.sees_user) for b in branches], sampler.guidance_user)
    speech = _contribution([(b.sees_user, b.sees_avatar) for b in branches], sampler.guidance_avatar)
    return np.array([user, speech], np.float32)


def _contribution(sights: list[tuple[bool, bool]], scale: float) -> list[float]:
    """Weight of each guess; `sights` says whether it sees (the other condition, this one)."""
    parts = [0.0 if scale == 0 else math.nan] * len(sights)
    for other in (True, False):
        if scale != 0 and {(other, True), (other, False)} <= set(sights):
            parts = [0.0] * len(sights)
            parts[sights.index((other, True))], parts[sights.index((other, False))] = scale, -scale
    return parts


def causes_of(moved: NDArray[np.float32], block: NDArray[np.float32], rest: NDArray[np.float32]) -> Causes:
    """The shares of user and speech, by the lengths of their movements and of what remains.

    Args:
        moved: (2, B, M) how far the user and the avatar's speech moved a block; NaN is unknown.
        block: (B, M) the block as it was drawn.
        rest: (M,) the portrait's own motion.
    """
    left = block - rest - np.nan_to_num(moved).sum(0)
    lengths = [float(np.linalg.norm(part)) for part in (*moved, left)]
    whole = max(math.fsum(length for length in lengths if not math.isnan(length)), 1e-9)
    return Causes(lengths[0] / whole, lengths[1] / whole)
