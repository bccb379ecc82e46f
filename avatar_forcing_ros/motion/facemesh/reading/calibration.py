# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Learns a person's neutral face while watching it: fast in the first second, then slowly and without end.

A short look cannot tell a broad mouth from a smile. Each measure therefore has a prior: its mean over people, how much
people differ in it (`spread`), and how much one person's expression moves it (`wander`). The ratio of the two says how
much an observation counts, and it counts more as different looks add up: a smile held through the first second is
learnt only by a third.

What an expression moves to one side only is learnt from that side: whoever's mouth is straighter than was thought to be
neutral does not frown, but has a straighter mouth, unless the face is well known by then.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.reading.measures import MEASURES


@dataclass(frozen=True)
class Prior:
    """What is known about a measure before the person is seen.

    Attributes:
        mean: mean over people with neutral faces.
        spread: standard deviation over people with neutral faces.
        wander: standard deviation within one person, from expression, gaze and head motion.
        quantile: where neutral lies in a person's range; low for what only opens, high for what only closes.
        below: mean deviation of what lies below neutral, where that is rare and mostly noise; `wander` is then the mean
            deviation of what lies above it, and `quantile` does not count. 0 for all other measures.
    """

    mean: float
    spread: float
    wander: float
    quantile: float = 0.5
    below: float = 0.0


PRIORS: dict[str, Prior] = {
    "yaw": Prior(0.0, 0.15, 0.12),
    "pitch": Prior(0.05, 0.12, 0.10),
    "roll": Prior(0.0, 0.06, 0.07),
    "x": Prior(0.0, 1e4, 10.0),
    "y": Prior(0.0, 1e4, 10.0),
    "log_scale": Prior(4.0, 3.0, 0.03),
    "lip_gap": Prior(0.01, 0.03, 0.08, 0.1),
    "mouth_width": Prior(0.425, 0.03, 0.04),
    "corner_lift": Prior(-0.42, 0.04, 0.06, 0.4),
    "lip_lift": Prior(-0.37, 0.03, 0.025),
    "lip_height": Prior(0.26, 0.035, 0.03),
    "brow_height": Prior(0.31, 0.04, 0.03, 0.35),
    "brow_distance": Prior(0.46, 0.025, 0.015),
    "aperture_right": Prior(0.27, 0.035, 0.03, 0.75),
    "aperture_left": Prior(0.27, 0.035, 0.03, 0.75),
    "iris_x": Prior(0.0, 0.01, 0.04),
    "iris_y": Prior(0.005, 0.015, 0.025),
    "smile_shape": Prior(0.56, 0.25, 0.6, below=0.12),
}
"""Means are from the canonical face and a handful of photographed and filmed people; the spreads are estimates."""


@dataclass(frozen=True)
class CalibrationConfig:
    """Pace of learning.

    Attributes:
        first_s: for this long, every frame counts as a look; after it, one in each `look_s`.
        look_s: time between later looks.
        looks: how many looks are remembered; 120 of half a second make a minute.
        independent_s: time after which a look counts as a new opinion on what is neutral.
        most_opinions: number of opinions beyond which the past fades, so that a person who moves the chair is learnt
            again.
        settle_s: time constant of later corrections, so that nothing jumps.
        known_after: opinions after which what rarely lies below neutral may do so; with two less, it is neutral itself.
        widest_turn: looks with a larger turn of the head, in radians, do not count.
    """

    first_s: float = 1.0
    look_s: float = 0.5
    looks: int = 120
    independent_s: float = 10.0
    most_opinions: float = 8.0
    settle_s: float = 2.0
    known_after: float = 3.0
    widest_turn: float = 0.45


class NeutralFace:
    """The neutral measures of one person, as far as known."""

    def __init__(self, config: CalibrationConfig | None = None) -> None:
        self.config = config or CalibrationConfig()
        priors = [PRIORS[name] for name in MEASURES]
        self._mean = np.array([prior.mean for prior in priors])
        self._variance_ratio = np.array([(prior.spread / prior.wander) ** 2 for prior in priors])
        self._quantile = np.array([prior.quantile for prior in priors])
        self._one_sided = np.array([i for i, prior in enumerate(priors) if prior.below])
        self.reset()

    def reset(self) -> None:
        """Start with a new person, about whom only the priors are known."""
        self._looks: deque[NDArray[np.float64]] = deque(maxlen=self.config.looks)
        self._seen_s = 0.0
        self._next_look_s = 0.0
        self._target = self._mean.copy()
        self._neutral = self._mean.copy()

    def observe(self, measures: NDArray[np.float64], elapsed_s: float) -> NDArray[np.float64]:
        """Learn from measures (18,), `elapsed_s` after the last ones, and return the neutral measures (18,)."""
        self._seen_s += elapsed_s
        if self._seen_s >= self._next_look_s and abs(measures[0]) < self.config.widest_turn:
            self._look(measures)
        share = 1.0 if self._seen_s <= self.config.first_s else 1 - np.exp(-elapsed_s / self.config.settle_s)
        self._neutral = self._neutral + share * (self._target - self._neutral)
        neutral, rare = self._neutral.copy(), self._one_sided
        doubt = np.clip((self.config.known_after - self._opinions()) / 2, 0.0, 1.0)
        neutral[rare] += doubt * np.minimum(0.0, measures[rare] - neutral[rare])
        return neutral

    def _look(self, measures: NDArray[np.float64]) -> None:
        self._looks.append(measures)
        if self._seen_s > self.config.first_s:
            self._next_look_s = self._seen_s + self.config.look_s
        looks = np.sort(np.stack(self._looks), axis=0)
        trust = self._variance_ratio * self._opinions()
        self._target = self._mean + trust / (1 + trust) * (self._typical(looks) - self._mean)
        for column in self._one_sided:
            self._target[column] = _likeliest(PRIORS[MEASURES[column]], looks[:, column], self._opinions())

    def _opinions(self) -> float:
        """How many independent looks the time so far amounts to; 1 at the end of the first second."""
        config = self.config
        later = max(0.0, self._seen_s - config.first_s) / config.independent_s
        return min(config.most_opinions, min(1.0, (self._seen_s + 0.04) / config.first_s) + later)

    def _typical(self, looks: NDArray[np.float64]) -> NDArray[np.float64]:
        """(18,) the quantile of each measure over the remembered looks (N, 18), which are sorted."""
        rank = self._quantile * (len(looks) - 1)
        below = rank.astype(int)
        above = np.minimum(below + 1, len(looks) - 1)
        columns = np.arange(looks.shape[1])
        return looks[below, columns] + (rank - below) * (looks[above, columns] - looks[below, columns])


def _likeliest(prior: Prior, looks: NDArray[np.float64], opinions: float) -> float:
    """The neutral value that is most probable after sorted looks (N,) that count as so many opinions.

    Known beforehand is a normal distribution; given neutral, what lies above and below it has exponential ones. Between
    two looks, the slope of the log probability is linear, so its zero is the last of these, or a look.
    """
    below = np.arange(len(looks) + 1) / len(looks)  # share of looks below, before the first and after each
    zeros = prior.mean + prior.spread**2 * opinions * ((1 - below) / prior.wander - below / prior.below)
    return float(np.minimum(zeros, np.append(looks, np.inf)).max())
