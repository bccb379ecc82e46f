"""Metrics against closed forms, and against signals whose answer is known by construction."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_forcing_ros.metrics.correlation import best_lag, pearson, residual_pearson
from avatar_forcing_ros.metrics.distance import frechet_distance
from avatar_forcing_ros.metrics.eyelids import blinks
from avatar_forcing_ros.metrics.reaction import ReactionConfig, onsets, reaction
from avatar_forcing_ros.metrics.richness import shannon_index, variance
from avatar_forcing_ros.metrics.smoothness import border_jerk_ratio
from avatar_forcing_ros.metrics.speech_motion import opening_against_energy, stillness

RNG = np.random.default_rng(0)


def test_pearson_ignores_gain_and_offset_and_knows_the_sign() -> None:
    signal = RNG.normal(size=(50, 3))
    assert pearson(signal, 5 * signal - 2) == pytest.approx(1)
    assert pearson(signal, -signal) == pytest.approx(-1)
    assert pearson(signal, np.ones_like(signal)) == 0


def test_pearson_refuses_signals_of_two_lengths() -> None:
    with pytest.raises(ValueError, match=r"one shape, got \(3,\) and \(4,\)"):
        pearson(np.zeros(3), np.zeros(4))


def test_residual_pearson_is_zero_for_the_truth_and_the_whole_bond_for_silence() -> None:
    user = RNG.normal(size=(400, 2))
    truth = 0.6 * user + 0.8 * RNG.normal(size=(400, 2))
    assert residual_pearson(user, truth, truth) == 0
    assert residual_pearson(user, truth, np.zeros_like(truth)) == pytest.approx(pearson(user, truth))


@pytest.mark.parametrize("lag", [-7, 0, 4])
def test_best_lag_finds_how_much_later_a_copy_comes(lag: int) -> None:
    signal = RNG.normal(size=300)
    found = best_lag(signal, np.roll(signal, lag), range(-10, 11))
    assert found.lag_frames == lag and found.value == pytest.approx(1)


def test_frechet_distance_of_shifted_and_scaled_normals() -> None:
    sample = RNG.normal(size=(4000, 2))
    assert frechet_distance(sample, sample) == pytest.approx(0, abs=1e-5)
    assert frechet_distance(sample + np.array([3, 4]), sample) == pytest.approx(25, rel=1e-3)
    # Standard deviations 2 and 1 on two axes: 2 * (2 - 1)^2.
    assert frechet_distance(2 * sample, sample) == pytest.approx(2, rel=0.05)


def test_shannon_index_counts_how_many_states_are_used() -> None:
    states = np.repeat(np.eye(4) * 10, 25, axis=0)
    assert shannon_index(states, states, clusters=4) == pytest.approx(2, abs=1e-6)
    assert shannon_index(states[:25], states, clusters=4) == pytest.approx(0, abs=1e-6)


def test_variance_is_along_time_only() -> None:
    motion = np.stack([np.full(10, 5.0), np.arange(10.0)], axis=1)
    assert variance(motion) == pytest.approx(np.arange(10.0).var() / 2)


def test_opening_that_follows_loudness_scores_one_at_its_lag() -> None:
    level = np.repeat(RNG.uniform(-40, 0, 100), 2)
    sound = (RNG.choice((-1, 1), (200, 640)) * 10 ** (level[:, None] / 20)).astype(np.float32).ravel()
    found = opening_against_energy(np.roll(level, 2), sound)
    assert found.lag_frames == 2 and found.value > 0.95


def test_stillness_compares_silence_with_speech() -> None:
    speaking = np.arange(400) >= 200
    opening = np.where(speaking, np.arange(400) % 2, 0.0)
    assert stillness(opening, speaking) == 0
    trembling = np.where(speaking, opening, 0.1 * (np.arange(400) % 2))
    assert stillness(trembling, speaking) == pytest.approx(0.05, rel=0.02)
    assert np.isnan(stillness(opening, np.ones(400, bool)))


def test_blinks_counts_and_tells_half_ones() -> None:
    closure = np.zeros(1500)
    closure[[100, 101, 500, 900]] = 1, 1, 1, 0.5
    found = blinks(closure)
    assert found.per_minute == 3 and found.complete_share == pytest.approx(2 / 3)


def test_reaction_matches_each_answer_once() -> None:
    found = reaction(np.array([1.0, 5.0, 9.0]), np.array([1.5, 5.7, 20.0]), duration_s=60)
    assert found.rate == pytest.approx(2 / 3)
    assert found.median_delay_s == pytest.approx(0.6)
    assert found.false_per_minute == 1
    assert reaction(np.array([1.0, 1.1]), np.array([1.4]), 60).rate == 0.5


def test_onsets_sees_one_rise_once_and_no_tremble() -> None:
    signal = 0.02 * np.sin(np.arange(200))
    signal[80:] += np.clip(np.arange(120) / 12, 0, 1) * 0.5
    found = onsets(signal, ReactionConfig())
    assert len(found) == 1 and found[0] == pytest.approx(80 / 25, abs=0.2)


def test_smooth_motion_has_no_borders_and_steps_do() -> None:
    frames = np.arange(400)
    smooth = np.sin(frames / 9 + 0.3)[:, None]
    assert border_jerk_ratio(smooth, 4) == pytest.approx(1, abs=0.05)
    steps = (frames // 4 % 2).astype(float)[:, None] + 0.05 * RNG.normal(size=(400, 1))
    assert border_jerk_ratio(steps, 4) > 1.5
