# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How much of an avatar's motion is shown: factors on named channels, around the portrait's own face."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.behaviour.config import Expressiveness
from avatar_forcing_ros.motion.facemesh.channels import HIGH, LOW, NAMES, POSE

_FACE = ("smile", "brow_raise", "brow_furrow")
_MOUTH = ("jaw_open", "stretch", "pucker", "upper_lip")


class Dials:
    """Scales motion.

    Args:
        names: names of the numbers of a latent; empty if they have none.
        wanted: how much of the motion to show.
        gains: the model's own factors, by name: how much more of a number is shown than the network gives.

    Raises:
        ValueError: something is to be scaled, but the numbers have no names, or unknown ones.
    """

    def __init__(self, names: Sequence[str], wanted: Expressiveness, gains: Mapping[str, float] | None = None) -> None:
        self._gains: NDArray[np.float32] | None = None
        if wanted == Expressiveness() and not gains:
            return
        if tuple(names) != NAMES:
            raise ValueError(
                "expressiveness needs a model with named channels (facemesh): leave it at 1 for this model"
            )
        share = dict.fromkeys(NAMES, 1.0)
        for channels, value in ((POSE, wanted.pose), (_FACE, wanted.face), (_MOUTH, wanted.mouth)):
            share |= dict.fromkeys(channels, value)
        shown = gains or {}
        self._gains = np.array([share[name] * shown.get(name, 1.0) for name in NAMES], np.float32)

    def show(self, latents: NDArray[np.float32], rest: NDArray[np.float32]) -> NDArray[np.float32]:
        """Motion (B, M) as generated, and the portrait's own (M,) -> (B, M) as shown."""
        if self._gains is None:
            return latents
        return np.clip(rest + self._gains * (latents - rest), LOW, HIGH).astype(np.float32)
