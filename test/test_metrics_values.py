# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Metrics against closed forms, and against signals whose answer is known by construction."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_forcing_ros.metrics.correlation import best_lag, pearson, residual_pearson
from avatar_forcing_ros.metrics.distance import frechet_distance
from avatar_forcing_ros.metrics.eyelids import blinks
from avatar_forcing_ros.metrics.interval import bootstrap
from avatar_forcing_ros.metrics.richness import entropy_bits, shannon_index, variance
from avatar_forcing_ros.metrics.smoothness import border_jerk, border_jerk_ratio, tremble

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


def test_frechet_distance_of_turned_normals_is_that_of_their_roots() -> None:
    # Axes 2 and 1 against axes 1 and 2, uncorrelated: 1 + 1 on the two axes; the roots commute.
    sample = np.array([[2.0, 1.0], [2.0, -1.0], [-2.0, 1.0], [-2.0, -1.0]]) * np.sqrt(3 / 4)
    assert frechet_distance(sample, sample[:, ::-1]) == pytest.approx(2)


def test_frechet_distance_does_not_mind_channels_that_never_move_nor_more_channels_than_frames() -> None:
    still = np.concatenate([RNG.normal(size=(300, 3)), np.zeros((300, 2))], axis=1)
    assert frechet_distance(still, still) == pytest.approx(0, abs=1e-6)
    basis = np.linalg.qr(RNG.normal(size=(128, 5)))[0]
    latents = RNG.normal(size=(50, 5)) @ basis.T  # as in the published space: 512 numbers, of which 20 directions move
    assert frechet_distance(latents, latents) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(latents + 3 * basis[:, 0], latents) == pytest.approx(9, rel=1e-6)


def test_shannon_index_counts_how_many_states_are_used() -> None:
    states = np.repeat(np.eye(4) * 10, 25, axis=0)
    assert shannon_index(states, states, clusters=4) == pytest.approx(2, abs=1e-6)
    assert shannon_index(states[:25], states, clusters=4) == pytest.approx(0, abs=1e-6)


def test_shannon_index_takes_motion_in_its_own_units() -> None:
    # Two states far apart in the first number; what the second does is too small to make states of.
    motion = np.stack([np.repeat([0.0, 10.0], 50), 1e-3 * RNG.normal(size=100)], axis=1)
    assert shannon_index(motion, motion, clusters=2) == pytest.approx(1)


def test_entropy_of_equal_shares_is_their_logarithm() -> None:
    assert entropy_bits(np.full(40, 7)) == pytest.approx(np.log2(40))
    assert entropy_bits(np.array([9, 0, 0])) == 0


def test_variance_is_along_time_only() -> None:
    motion = np.stack([np.full(10, 5.0), np.arange(10.0)], axis=1)
    assert variance(motion) == pytest.approx(np.arange(10.0).var() / 2)


def test_blinks_counts_and_tells_half_ones() -> None:
    closure = np.zeros(1500)
    closure[[100, 101, 500, 900]] = 1, 1, 1, 0.5
    found = blinks(closure)
    assert found.per_minute == 3 and found.complete_share == pytest.approx(2 / 3)


def test_smooth_motion_has_no_borders_and_steps_do() -> None:
    frames = np.arange(400)
    smooth = np.sin(frames / 9 + 0.3)[:, None]
    assert border_jerk_ratio(border_jerk(smooth, 4)) == pytest.approx(1, abs=0.05)
    steps = (frames // 4 % 2).astype(float)[:, None] + 0.05 * RNG.normal(size=(400, 1))
    assert border_jerk_ratio(border_jerk(steps, 4)) > 1.5


def test_tremble_is_the_noise_of_a_moving_curve_and_knows_no_nods() -> None:
    frames = np.arange(2000)
    noise = RNG.normal(0, 0.002, 2000)
    nodding = 0.1 * np.sin(frames / 12) + 0.2 * np.exp(-(((frames % 400) - 200) ** 2) / 18)
    assert tremble(noise) == pytest.approx(0.002, rel=0.1)
    assert tremble(nodding + noise) == pytest.approx(0.002, rel=0.2)
    assert tremble(nodding) < 0.0005
    with pytest.raises(ValueError, match="at least 3 frames, got 2"):
        tremble(noise[:2])


@pytest.mark.parametrize("block", [4, 5])
@pytest.mark.parametrize("after", [1, 2, 3])
def test_border_jerk_is_that_where_the_border_shows_most(block: int, after: int) -> None:
    jerk = np.ones(99 * block)
    jerk[block - after :: block] = 3  # the border after so many of the four frames
    motion = np.concatenate([np.zeros(3), (-1.0) ** np.arange(len(jerk)) * jerk])[:, None]
    for _ in range(3):  # so that these are its third differences
        motion = np.cumsum(motion, axis=0) - np.mean(np.cumsum(motion, axis=0))
    found = border_jerk(motion, block) * motion.std()
    np.testing.assert_allclose(found[:, 0], [1, *(3 if place == after else 1 for place in (1, 2, 3))])
    assert border_jerk_ratio(found) == pytest.approx(3)


def test_border_jerk_needs_a_block_that_has_an_inside() -> None:
    with pytest.raises(ValueError, match="at least 4, got 3"):
        border_jerk(np.zeros((40, 1)), 3)


def test_bootstrap_interval_of_a_mean_is_as_wide_as_its_standard_error() -> None:
    items = list(RNG.normal(3, 2, 400))
    found = bootstrap(lambda drawn: float(np.mean(drawn)), items, resamples=600)
    assert found.value == pytest.approx(np.mean(items))
    assert found.high - found.low == pytest.approx(2 * 1.645 * 2 / 20, rel=0.15)
    assert bootstrap(lambda drawn: float(np.mean(drawn)), [2.0] * 5).low == 2


def test_bootstrap_of_what_cannot_be_told_is_nan() -> None:
    found = bootstrap(lambda drawn: float("nan"), [1, 2])
    assert np.isnan([found.value, found.low, found.high]).all()
