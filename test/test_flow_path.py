# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The path runs from clean motion (t = 0) to noise (t = 1000), and the velocity points towards noise."""

import pytest
import torch

from avatar_forcing_ros.flow.path import interpolate, target_velocity

CLEAN = torch.randn(2, 6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
NOISE = torch.randn(2, 6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def times(value: float) -> torch.Tensor:
    return torch.full((2, 6), value, dtype=torch.float64)


def test_the_ends_of_the_path_are_clean_motion_and_noise() -> None:
    torch.testing.assert_close(interpolate(CLEAN, NOISE, times(0)), CLEAN, rtol=0, atol=0)
    torch.testing.assert_close(interpolate(CLEAN, NOISE, times(1000)), NOISE, rtol=0, atol=0)


def test_the_velocity_is_the_derivative_of_the_path_by_the_noise_share() -> None:
    slope = (interpolate(CLEAN, NOISE, times(600)) - interpolate(CLEAN, NOISE, times(400))) / 0.2
    torch.testing.assert_close(target_velocity(CLEAN, NOISE), slope)


def test_more_time_means_more_noise_and_the_velocity_points_there() -> None:
    towards_noise = target_velocity(CLEAN, NOISE)
    x_t = interpolate(CLEAN, NOISE, times(300))
    assert torch.dist(x_t + 0.1 * towards_noise, NOISE) < torch.dist(x_t, NOISE)
    assert torch.dist(x_t - 0.1 * towards_noise, CLEAN) < torch.dist(x_t, CLEAN)


def test_the_true_velocity_leads_back_to_the_clean_motion_from_anywhere() -> None:
    t = torch.linspace(0, 1000, 12, dtype=torch.float64).view(2, 6)
    x_t = interpolate(CLEAN, NOISE, t)
    back = x_t - t[..., None] / 1000 * target_velocity(CLEAN, NOISE)
    torch.testing.assert_close(back, CLEAN)


def test_shapes_that_disagree_are_named() -> None:
    with pytest.raises(ValueError, match=r"\(2, 6\).*\(2, 5\)"):
        interpolate(CLEAN, NOISE, times(0)[:, :5])
    with pytest.raises(ValueError, match=r"\(2, 6, 3\).*\(2, 5, 3\)"):
        target_velocity(CLEAN, NOISE[:, :5])
