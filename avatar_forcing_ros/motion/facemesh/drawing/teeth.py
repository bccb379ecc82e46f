# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Draws a row of teeth, tooth by tooth, as a small picture from which frames sample."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

SPRITE_SCALE = 240
"""Pixels per interocular distance of the tooth pictures."""
SPRITE_HALF_WIDTH = 0.48
SPRITE_HEIGHT = 0.30
SPRITE_EDGE = 0.28
"""Distance of the incisors' edge from the root end of a tooth picture; beyond it, the picture is empty."""
UPPER_WIDTHS = (0.135, 0.105, 0.105, 0.075, 0.055)
LOWER_WIDTHS = (0.085, 0.085, 0.090, 0.075, 0.060)
UPPER_LENGTHS = (1.0, 0.91, 0.98, 0.88, 0.82)
LOWER_LENGTHS = (1.0, 1.0, 1.03, 0.96, 0.90)


def tooth_row(
    widths: tuple[float, ...], lengths: tuple[float, ...], enamel: NDArray, arch: float, rounding: float
) -> NDArray[np.float32]:
    """(h, w, 4) a row of teeth with their edges down, built from the middle outwards on both sides."""
    oversample = 3
    scale = SPRITE_SCALE * oversample
    u = (np.arange(round(2 * SPRITE_HALF_WIDTH * scale)) + 0.5) / scale - SPRITE_HALF_WIDTH
    v = (np.arange(round(SPRITE_HEIGHT * scale)) + 0.5)[:, None] / scale
    row = np.zeros((len(v), len(u), 4), np.float32)
    row[..., :3] = enamel * 0.5
    start = 0.0
    for width, length in zip(widths, lengths, strict=True):
        across = (np.abs(u) - start - width / 2) / (width / 2)
        columns = np.flatnonzero(np.abs(across) < 0.99)
        across, beside = across[columns], u[columns]
        edge = SPRITE_EDGE - arch * beside**2 - (1 - length) * 0.12 - rounding * np.abs(across) ** 5
        colour = _tooth_shade(across, (edge - v) / 0.15, start + width / 2, enamel)
        row[:, columns] = np.where((v < edge)[..., None], np.dstack([colour, np.ones_like(edge - v)]), row[:, columns])
        start += width
    row[..., 3] *= np.clip((start - np.abs(u)) / 0.03, 0, 1)
    return cv2.resize(row, None, fx=1 / oversample, fy=1 / oversample, interpolation=cv2.INTER_AREA)


def _tooth_shade(across: NDArray, height: NDArray, place: float, enamel: NDArray) -> NDArray[np.float64]:
    """(h, w, 3) one tooth: rounded from side to side, clearer at its edge, warmer at the gum, darker further back."""
    round_shade = 1.0 - 0.10 * across**2 - 0.22 * np.clip((np.abs(across) - 0.82) / 0.18, 0, 1) ** 2
    edge_shade = 1.0 - 0.08 * np.exp(-((height / 0.12) ** 2))
    gum_warmth = np.clip(height - 0.7, 0, 1)[..., None] * np.array([0.02, 0.12, 0.16])
    back_shade = 1.0 - 0.55 * np.clip(place / 0.45, 0, 1) ** 1.6
    return enamel * (1 - gum_warmth) * (round_shade * edge_shade * back_shade)[..., None]
