# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Folds of the skin that a bent photograph lacks, with a smile and a furrow: beside the mouth, the eyes, the brows.

They are painted into the texture as light and shade before it is bent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.kernel import kernel, single


@dataclass(frozen=True)
class FoldPatch:
    """Shade of one fold at full strength.

    Attributes:
        left: first column in the texture.
        top: first row.
        skin: (H, W, 3) float32, the picture.
        shade: (H, W) float32, relative change of brightness.
    """

    left: int
    top: int
    skin: NDArray[np.float32]
    shade: NDArray[np.float32]

    def paint(self, texture: NDArray[np.uint8], strength: float) -> None:
        """Paint the fold into `texture` (S, S, 4), 0 restores the picture."""
        height, width = self.shade.shape
        target = texture[self.top : self.top + height, self.left : self.left + width]
        _shade(target, self.skin, self.shade, single(strength))


@dataclass(frozen=True)
class Folds:
    """All folds of a portrait."""

    smile: FoldPatch
    furrow: FoldPatch
    eyes: tuple[FoldPatch, FoldPatch]


@kernel
def _shade(target: NDArray, skin: NDArray, shade: NDArray, strength: float) -> None:
    height, width = shade.shape
    for row in range(height):
        for column in range(width):
            factor = np.float32(1.0) + strength * shade[row, column]
            for c in range(3):
                value = skin[row, column, c] * factor + np.float32(0.5)
                target[row, column, c] = np.uint8(min(np.float32(255.0), value))
