# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Nods: quick dips of the head, told from posture, which is slower, and from tremor, which is smaller and quicker."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import find_peaks

from avatar_forcing_ros.signals import FPS


@dataclass(frozen=True)
class NodConfig:
    """What counts as a nod.

    Attributes:
        least_depth: how far the head goes down and comes up again, radians.
        least_width_s: duration of the dip at half its depth; half a cycle of the rate of nodding. Source: Hadar et al.,
            1985 (ordinary nods 1.8 to 3.7 Hz).
        most_width_s: see `least_width_s`; wider dips are posture.
        reach_s: depth is measured against what the head does this long before and after.
        pause_s: dips that follow each other sooner belong to one nod.
    """

    least_depth: float = 0.03
    least_width_s: float = 0.10
    most_width_s: float = 0.32
    reach_s: float = 0.5
    pause_s: float = 0.8


def nods(pitch: NDArray, config: NodConfig | None = None) -> NDArray[np.float64]:
    """Times in seconds at which nods begin, one per nod, where the first dip is half as deep as it gets.

    Args:
        pitch: (T,) pitch of the head in radians, positive downwards.
        config: what counts as one.
    """
    config = config or NodConfig()
    _, found = find_peaks(
        np.asarray(pitch, np.float64),
        prominence=config.least_depth,
        width=(config.least_width_s * FPS, config.most_width_s * FPS),
        wlen=2 * round(config.reach_s * FPS) + 1,
    )
    begins, ends = found["left_ips"] / FPS, found["right_ips"] / FPS
    is_first = np.concatenate([[True], begins[1:] - ends[:-1] > config.pause_s])[: len(begins)]
    return begins[is_first]
