# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Laughs in a face that makes no sound, and smiles that last as long as the other's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from avatar_forcing_ros.signals import FPS


@dataclass(frozen=True)
class LaughConfig:
    """What counts as a laugh.

    Attributes:
        smile: the smile is above this,
        jaw: and the jaw, averaged over its calls, is open by more than this,
        least_s: for at least this long.
        even_s: time over which the jaw is averaged.
    """

    smile: float = 0.35
    jaw: float = 0.12
    least_s: float = 0.4
    even_s: float = 0.24


def laughs(smile: NDArray, jaw: NDArray, speaking: NDArray[np.bool_], config: LaughConfig | None = None) -> NDArray:
    """Onsets, in seconds, of the laughs in (T,) curves, in order; an open mouth while `speaking` is not a laugh."""
    config = config or LaughConfig()
    even = uniform_filter1d(np.asarray(jaw, np.float64), max(1, round(config.even_s * FPS)))
    laughing = (np.asarray(smile) > config.smile) & (even > config.jaw) & ~speaking
    edges = np.diff(np.concatenate([[0], laughing.astype(int), [0]]))
    begins, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return begins[ends - begins >= config.least_s * FPS] / FPS


def held_share(
    user: NDArray, avatar: NDArray, seen: NDArray[np.bool_], clear: float = 0.3, shown: float = 0.15
) -> float:
    """Of the time after the first second of the user's clear smiles, the share in which the avatar smiles.

    Args:
        user: (T,) smile of the user.
        avatar: (T,) smile of the avatar.
        seen: (T,) whether the user is seen.
        clear: least size of a clear smile of the user.
        shown: least size of a smile of the avatar.

    Returns:
        NaN if the user never smiles for so long.
    """
    second = FPS
    smiling = ((np.asarray(user) > clear) & seen).astype(int)
    lately = np.convolve(smiling, np.ones(second + 1, int))[: len(smiling)]
    held = lately == second + 1
    return float((np.asarray(avatar)[held] > shown).mean()) if held.any() else float("nan")
