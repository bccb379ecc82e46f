# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Folds of the skin that come with a smile or a furrow and that a bent photograph lacks: at mouth, eyes and brows.

They are painted into the texture, as light and shade, before it is bent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros import _drawing


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
        """Paint the fold into `texture` (S, S, 4); a strength of 0 restores the picture."""
        height, width = self.shade.shape
        _drawing.shade_fold(texture, len(texture), self.left, self.top, self.skin, self.shade, height, width, strength)


@dataclass(frozen=True)
class Folds:
    """All folds of a portrait."""

    smile: FoldPatch
    furrow: FoldPatch
    eyes: tuple[FoldPatch, FoldPatch]
