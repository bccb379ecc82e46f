# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Blocks are smoothed within and across their border, number by number."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from avatar_forcing_ros.generator.block_generator import BlockGenerator
from avatar_forcing_ros.generator.sampler import SamplerConfig
from avatar_forcing_ros.generator.smoothing import BlockSmoother, smoothing_matrix
from avatar_forcing_ros.network.conditions import Conditions
from avatar_forcing_ros.network.config import NetworkConfig
from avatar_forcing_ros.network.model import AvatarForcingNetwork

TINY = NetworkConfig(motion_size=3, audio_feature_size=4, condition_size=8, hidden_size=16, heads=2, depth=1)


def noisy(frames: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(2, frames, 3, generator=torch.Generator().manual_seed(seed))


def null(frames: int) -> Conditions:
    return Conditions(*(torch.zeros(1, frames, size) for size in (8, 8, 3)))


def test_what_goes_on_straight_stays() -> None:
    line = torch.arange(6.0)[None, :, None] * torch.tensor([1.0, -2.0, 0.5]) + 7
    torch.testing.assert_close(BlockSmoother((1.0, 3.0, 30.0), 4)(line[:, :2], line[:, 2:]), line[:, 2:])


def test_a_number_without_strength_keeps_every_bit() -> None:
    past, block = noisy(2), noisy(4, seed=1)
    smooth = BlockSmoother((0.0, 3.0, 0.0), 4)(past, block)
    assert torch.equal(smooth[..., [0, 2]], block[..., [0, 2]]) and not torch.equal(smooth[..., 1], block[..., 1])


def test_the_block_is_the_one_that_the_formula_asks_for() -> None:
    rng, strength = np.random.default_rng(0), 2.5
    past, block = rng.normal(size=2), rng.normal(size=4)

    def cost(x: np.ndarray) -> float:
        return float(((block - x) ** 2).sum() + strength * (np.diff(np.concatenate([past, x]), n=2) ** 2).sum())

    best = smoothing_matrix(strength, 4) @ np.concatenate([past, block])
    assert all(cost(best) < cost(best + 0.01 * rng.normal(size=4)) for _ in range(100))


def test_borders_and_insides_become_smoother_with_strength() -> None:
    past, block = noisy(2), noisy(4, seed=1)
    rough = [
        torch.cat((past, BlockSmoother((s, s, s), 4)(past, block)), dim=1).diff(n=2, dim=1).abs().mean(dim=(0, 2))
        for s in (0.0, 1.0, 10.0)
    ]
    assert (rough[0] > rough[1]).all() and (rough[1] > rough[2]).all()


def test_the_past_takes_up_what_was_smoothed() -> None:
    """A stream that is smoothed is not the smoothed stream: each block goes on from smooth ones."""
    torch.manual_seed(0)
    network = AvatarForcingNetwork(replace(TINY, clip_frames=16, block_frames=4))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    made = []
    for smoothing in ((), (3.0, 3.0, 3.0)):
        generator = BlockGenerator(network.eval(), SamplerConfig(steps=2, joint=True, smoothing=smoothing))
        state = generator.prime(torch.zeros(1, 16, 3), null(16), torch.zeros(1, 3))
        window = null(TINY.lookahead_frames + 4)
        blocks = [generator.generate(state, window, noisy(4, seed)[:1]) for seed in range(3)]
        torch.testing.assert_close(state.tail, blocks[-1][:, -2:])
        made.append(blocks)
    plain, smooth = made
    alone = BlockSmoother((3.0, 3.0, 3.0), 4)
    torch.testing.assert_close(smooth[0], alone(torch.zeros(1, 2, 3), plain[0]))
    assert not torch.allclose(smooth[1], alone(smooth[0][:, -2:], plain[1]))


def test_settings_that_do_not_fit_are_refused() -> None:
    network = AvatarForcingNetwork(TINY)
    with pytest.raises(ValueError, match="smoothing must have 3 numbers or none, got 2"):
        BlockGenerator(network, SamplerConfig(smoothing=(1.0, 1.0)))
    with pytest.raises(ValueError, match="smoothing must not be negative, got -1"):
        SamplerConfig(smoothing=(1.0, -1.0))
    short = AvatarForcingNetwork(replace(TINY, lookahead_frames=1))
    with pytest.raises(ValueError, match="look-ahead of at least 2 frames, got 1"):
        BlockGenerator(short, SamplerConfig(smoothing=(1.0, 1.0, 1.0)))
