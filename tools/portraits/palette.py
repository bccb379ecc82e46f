# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The colours of one character, given as the sRGB hex codes that any paint program shows, used as linear RGB."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Colour = NDArray[np.float32]


def linear(code: str) -> Colour:
    """(3,) linear RGB of a code such as "#c68a5f"."""
    encoded = np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)], np.float32) / 255.0
    return to_linear(encoded)


def to_linear(encoded: NDArray[np.float32]) -> NDArray[np.float32]:
    """Linear light of sRGB values in 0..1. Source: IEC 61966-2-1."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4).astype(np.float32)


def to_encoded(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """SRGB values in 0..1 of linear light. Source: IEC 61966-2-1."""
    light = np.clip(light, 0.0, 1.0)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055).astype(np.float32)


@dataclass(frozen=True)
class Palette:
    """What is coloured how."""

    skin: str
    blush: str
    """Towards what cheeks, nose, ears and lids lean."""
    lips: str
    iris: str
    iris_light: str
    hair: str
    hair_light: str
    brows: str
    lashes: str
    cloth: str
    backdrop: str
    backdrop_light: str
    freckles: int = 0
    """How many."""
    blush_strength: float = 0.30
