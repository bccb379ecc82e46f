# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The solver removes noise: with the true velocity it lands on the clean motion, and its table is the published one."""

import numpy as np
import pytest
import torch

from avatar_forcing_ros.flow.noise_levels import sample_block_times
from avatar_forcing_ros.flow.path import target_velocity
from avatar_forcing_ros.flow.solver import euler_steps, solver_times, table_sigma


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 8, 50, 999])
def test_the_true_velocity_lands_on_the_clean_motion(steps: int) -> None:
    clean, noise = torch.randn(2, 1, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(steps))
    x_t = noise
    for step in euler_steps(steps):
        x_t = step.apply(x_t, target_velocity(clean, noise))
    torch.testing.assert_close(x_t, clean)


def test_a_straight_ordinary_differential_equation_has_its_closed_form() -> None:
    """dx/dsigma = x has x(0) = x(1) (1 - 1/n)^n under n equal Euler steps."""
    steps = 999  # every table entry once, so that all steps are equal
    x_t = torch.ones(1, dtype=torch.float64)
    for step in euler_steps(steps):
        x_t = step.apply(x_t, x_t)
    assert x_t.item() == pytest.approx((1 - 1 / steps) ** steps, rel=1e-12)


def test_the_published_sampler_has_the_published_times_and_noise_shares() -> None:
    assert solver_times(8) == (1000, 875, 750, 625, 500, 375, 250, 125, 0)
    sigmas = [table_sigma(t) for t in solver_times(8)]
    entries = [0, 125, 250, 375, 499, 624, 749, 874, 999]
    np.testing.assert_allclose(sigmas, (999 - np.array(entries)) / 999, rtol=1e-15)


@pytest.mark.parametrize("t", [0.0, 1.0, 333.3, 499.9, 500.1, 874.9, 999.6, 1000.0])
def test_the_lookup_is_the_nearest_entry(t: float) -> None:
    table = np.linspace(1, 0, 1000)
    assert table_sigma(t) == pytest.approx(table[np.abs(1000 * table - t).argmin()], abs=1e-15)


def test_a_tie_goes_to_the_noisier_entry() -> None:
    times = 1000 * np.linspace(1, 0, 1000)
    assert abs(times[499] - 500) == pytest.approx(abs(times[500] - 500), abs=1e-12)
    assert table_sigma(500) == pytest.approx(500 / 999)


def test_block_times_are_shared_within_a_block_and_independent_between_blocks() -> None:
    t = sample_block_times(4000, 12, 4, torch.Generator().manual_seed(0))
    blocks = t.view(4000, 3, 4)
    assert t.shape == (4000, 12)
    assert torch.equal(blocks.amin(2), blocks.amax(2))
    assert (t.min(), t.max()) == (0, 1000)
    assert t.mean().item() == pytest.approx(500, abs=10)
    assert t.std().item() == pytest.approx(1000 / 12**0.5, abs=10)
    assert torch.corrcoef(blocks[:, :, 0].T).fill_diagonal_(0).abs().max() < 0.06


def test_a_block_of_one_frame_gives_each_frame_its_own_time() -> None:
    t = sample_block_times(1, 100, 1, torch.Generator().manual_seed(0))
    assert len(t.unique()) > 80


def test_impossible_requests_are_named() -> None:
    with pytest.raises(ValueError, match="at least 1, got 0"):
        solver_times(0)
    with pytest.raises(ValueError, match="0 and 1000, got -1"):
        table_sigma(-1)
    with pytest.raises(ValueError, match="10 and 4"):
        sample_block_times(1, 10, 4)
    with pytest.raises(ValueError, match="10 and 0"):
        sample_block_times(1, 10, 0)
