# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""From linear light to the picture's bytes."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from portraits.palette import to_encoded

WHITE = 2.6
"""Light that becomes white."""


def develop(light: NDArray[np.float32], side: int, exposure: float = 1.0, seed: int = 0) -> NDArray[np.uint8]:
    """(side, side, 3) uint8 RGB: scaled down in linear light, highlights rolled off, dithered against banding.

    Source: the roll-off is Reinhard et al., Photographic Tone Reproduction, 2002, equation 4.
    """
    light = _roll_off(light * exposure)
    small = cv2.resize(light, (side, side), interpolation=cv2.INTER_AREA)
    noise = np.random.default_rng(seed).random((side, side, 1), np.float32) - 0.5
    return np.clip(to_encoded(small) * 255.0 + 0.5 + 0.9 * noise, 0, 255).astype(np.uint8)


def _roll_off(light: NDArray[np.float32]) -> NDArray[np.float32]:
    luminance = (light @ np.array([0.2126, 0.7152, 0.0722], np.float32))[..., None]
    scale = (1.0 + luminance / WHITE**2) / (1.0 + luminance)
    return light * scale


def light_for(shown: NDArray[np.float32]) -> NDArray[np.float32]:
    """The light that `develop` shows as these linear values; the inverse of its roll-off."""
    luminance = (shown @ np.array([0.2126, 0.7152, 0.0722], np.float32))[..., None]
    half = 0.5 * WHITE**2 * (1.0 - luminance)
    light = np.sqrt(half**2 + luminance * WHITE**2) - half
    return shown * light / np.maximum(luminance, 1e-6)
