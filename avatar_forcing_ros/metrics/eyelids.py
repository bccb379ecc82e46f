# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Blinks: how many and how complete."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.signals import FPS


@dataclass(frozen=True)
class Blinks:
    """`per_minute` of them, and the share that shuts the eye."""

    per_minute: float
    complete_share: float


def blinks(closure: NDArray, frame_rate: float = FPS, begun: float = 0.35, shut: float = 0.8) -> Blinks:
    """Count the times a (T,) closure rises above `begun`; a complete one also passes `shut`.

    Source: blink rates of Bentivoglio et al., 1997 (17 a minute at rest, 26 in conversation).
    """
    above = np.concatenate([[False], closure > begun, [False]])
    starts, ends = np.flatnonzero(~above[:-1] & above[1:]), np.flatnonzero(above[:-1] & ~above[1:])
    peaks = np.array([closure[a:b].max() for a, b in zip(starts, ends, strict=True)])
    per_minute = 60 * frame_rate * len(peaks) / len(closure)
    return Blinks(per_minute, float((peaks >= shut).mean()) if len(peaks) else float("nan"))
