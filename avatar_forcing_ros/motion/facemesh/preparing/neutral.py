# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Removes the expression from a photograph: where the vertices would be with a neutral, closed mouth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.basis import EXPRESSIONS, close_lips, expression_basis
from avatar_forcing_ros.motion.facemesh.gains import GAINS
from avatar_forcing_ros.motion.facemesh.landmarks import LOWER_LIP, MOUTH_CORNERS, UPPER_LIP, canonical_face

OPEN_GAP = 0.04
"""Distance between the inner lips from which a mouth counts as open, in interocular distances."""
MOST_SMILE_REMOVED = 0.75
"""The most smile that is removed: what the cheeks do in the picture cannot be undone."""


@dataclass(frozen=True)
class PhotographedMouth:
    """The mouth in the picture: `gap` between the lips in interocular distances, `smile` in units of the channel."""

    gap: float
    smile: float

    @property
    def is_open(self) -> bool:
        """Whether teeth or the inside of the mouth are visible."""
        return self.gap > OPEN_GAP


def read_mouth(points: NDArray) -> PhotographedMouth:
    """Measure the mouth of head-space vertices (V, 3)."""
    gap = float(np.linalg.norm(points[LOWER_LIP[3, 5]] - points[UPPER_LIP[3, 5]]))
    lift = _corner_lift(points) - _corner_lift(canonical_face().points)
    return PhotographedMouth(gap, float(np.clip(lift / GAINS.smile_up, -0.3, 1.0)))


def _corner_lift(points: NDArray) -> float:
    """How far the corners are above the middle of the lips."""
    return float(points[[UPPER_LIP[0, 5], LOWER_LIP[0, 5]], 1].mean() - points[MOUTH_CORNERS, 1].mean())


def neutral_points(points: NDArray, mouth: PhotographedMouth) -> NDArray[np.float64]:
    """(V, 3) vertices without the photographed smile and opening."""
    basis = expression_basis(points)
    jaw = 0.5 * mouth.gap / GAINS.jaw_gap
    smile = np.clip(mouth.smile, 0.0, MOST_SMILE_REMOVED)
    neutral = points - jaw * basis[EXPRESSIONS.index("jaw_open")] - smile * basis[EXPRESSIONS.index("smile")]
    close_lips(neutral, 1.0)
    return neutral


def lip_texture(pixels: NDArray, mouth: PhotographedMouth) -> NDArray[np.float64]:
    """(V, 2) where the vertices' colours are taken from. In an open mouth, inner edges take them from within the lips.

    Otherwise, closing the lips would show a rim of the teeth between them.
    """
    moved = pixels.copy()
    if mouth.is_open:
        for lip in (UPPER_LIP, LOWER_LIP):
            moved[lip[3]] += 0.45 * (pixels[lip[2]] - pixels[lip[3]])
    return moved
