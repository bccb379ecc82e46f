# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Mouth against speech: signals whose loudness, closures and stillness are known by construction."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_forcing_ros.metrics.speech_motion import (
    log_energy,
    opening_against_energy,
    opening_range,
    reached_share,
    stillness,
)

RNG = np.random.default_rng(0)


def noise_of_levels(level_db: np.ndarray) -> np.ndarray:
    """Sound whose frames have exactly these levels."""
    return (RNG.choice((-1, 1), (len(level_db), 640)) * 10 ** (level_db[:, None] / 20)).astype(np.float32).ravel()


def test_log_energy_is_in_decibels_and_has_a_floor() -> None:
    assert log_energy(noise_of_levels(np.array([-10.0, -30.0, -90.0]))) == pytest.approx([-10, -30, -70], abs=1e-4)


def test_opening_that_follows_loudness_scores_one_at_its_lag() -> None:
    level = np.repeat(RNG.uniform(-40, 0, 100), 2)
    found = opening_against_energy(np.roll(level, 2), noise_of_levels(level))
    assert found.lag_frames == 2 and found.value > 0.95


def test_reached_share_counts_spans_and_not_frames() -> None:
    signal = np.zeros(50)
    signal[[10, 30]] = 1
    spans = [(0.36, 0.48), (1.0, 1.3), (1.4, 1.5)]
    assert reached_share(signal, spans, 0.5) == pytest.approx(2 / 3)
    assert np.isnan(reached_share(signal, [], 0.5))


def test_a_closure_is_shown_when_the_gap_falls_to_the_level_within_it() -> None:
    gap = np.full(50, 0.3)
    gap[20] = 0.04
    assert reached_share(-gap, [(0.8, 0.84)], -0.05) == 1
    assert reached_share(-gap, [(0.88, 0.96)], -0.05) == 0


def test_opening_range_ignores_a_single_spike() -> None:
    opening = np.append(np.linspace(0, 0.5, 1000), 9.0)
    assert opening_range(opening) == pytest.approx(0.48, abs=0.01)


def test_stillness_compares_silence_with_speech() -> None:
    speaking = np.arange(400) >= 200
    opening = np.where(speaking, np.arange(400) % 2, 0.0)
    assert stillness(opening, speaking) == 0
    trembling = np.where(speaking, opening, 0.1 * (np.arange(400) % 2))
    assert stillness(trembling, speaking) == pytest.approx(0.05, rel=0.02)
    assert np.isnan(stillness(opening, np.ones(400, bool)))
