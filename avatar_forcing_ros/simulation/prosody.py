# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Loudness of speech. People speak some phrases louder than others and trail off; speech engines hardly do."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.interpolate import CubicSpline

from avatar_forcing_ros.simulation.phrases import SAMPLE_RATE, Phrase


@dataclass(frozen=True)
class LoudnessStatistics:
    """How the level varies, in decibels relative to the speaker's own level.

    Attributes:
        phrase_db: standard deviation from phrase to phrase.
        within_db: standard deviation within a phrase, at points `spacing_s` apart.
        spacing_s: distance of those points, about the length of a word.
        decline_db: least and greatest fall from the beginning of a phrase to its end. Source: Strik and Boves, 1995
            (intensity declines with pressure over an utterance).
    """

    phrase_db: float = 6.0
    within_db: float = 4.0
    spacing_s: float = 0.35
    decline_db: tuple[float, float] = (0.0, 10.0)


def with_loudness(rng: np.random.Generator, phrase: Phrase, statistics: LoudnessStatistics) -> Phrase:
    """The phrase with a level that varies as a living speaker's does."""
    count = max(2, round(phrase.duration_s / statistics.spacing_s) + 1)
    points = np.linspace(0, 1, count)
    level = rng.normal(0, statistics.phrase_db) + rng.normal(0, statistics.within_db, count)
    level -= rng.uniform(*statistics.decline_db) * points
    moments = np.arange(len(phrase.samples)) / (phrase.duration_s * SAMPLE_RATE)
    curve = CubicSpline(points, level, bc_type="natural")(moments)
    return replace(phrase, samples=(phrase.samples * 10 ** (curve / 20)).astype(np.float32))
