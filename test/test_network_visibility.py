# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The visibility rules, against their written forms, and rotations that only know differences of positions."""

import pytest
import torch

from avatar_forcing_ros.network.config import NetworkConfig
from avatar_forcing_ros.network.rotary import Rotary
from avatar_forcing_ros.network.visibility import aligned, visible

PUBLISHED = NetworkConfig()
FRAMES = torch.arange(50)


def grid(frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return frames[:, None], frames[None, :]


def test_the_published_rule_is_framewise_with_two_frames_of_look_ahead() -> None:
    query, key = grid(FRAMES)
    rule = visible(FRAMES, FRAMES, PUBLISHED)
    assert torch.equal(rule, key <= query + 2)
    assert rule[0, :14].int().tolist() == [1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    assert rule[9, :14].int().tolist() == [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0]


def test_the_blockwise_rule_shows_the_whole_block_and_the_look_ahead() -> None:
    query, key = grid(FRAMES)
    rule = visible(FRAMES, FRAMES, NetworkConfig(visibility="blockwise"))
    assert torch.equal(rule, key < (query // 10 + 1) * 10 + 2)


@pytest.mark.parametrize("visibility", ["framewise", "blockwise"])
def test_the_rule_knows_positions_only_up_to_whole_blocks(visibility: str) -> None:
    config = NetworkConfig(visibility=visibility)
    past = torch.arange(-40, 10)
    assert torch.equal(visible(past, past, config), visible(past + 40, past + 40, config))


def test_conditions_reach_two_frames_to_each_side() -> None:
    query, key = grid(FRAMES)
    assert torch.equal(aligned(FRAMES, FRAMES, PUBLISHED), (key - query).abs() <= 2)


def test_an_unknown_rule_is_named() -> None:
    with pytest.raises(ValueError, match="framewise, blockwise, got 'all'"):
        NetworkConfig(visibility="all")


def test_attention_feels_only_differences_of_positions() -> None:
    queries, keys = torch.randn(2, 6, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def products(start: int) -> torch.Tensor:
        rotary = Rotary.at(torch.arange(start, start + 6), 16, torch.float64)
        return rotary.turn(queries) @ rotary.turn(keys).T

    for start in (-44, 7, 100_000):
        torch.testing.assert_close(products(start), products(0), rtol=0, atol=1e-9)


def test_neighbouring_numbers_turn_as_a_pair() -> None:
    x = torch.tensor([[1.0, 0.0, 0.0, 1.0]], dtype=torch.float64)
    turned = Rotary.at(torch.tensor([3]), 4, torch.float64).turn(x)[0]
    slow = torch.tensor(3 * 10_000**-0.5, dtype=torch.float64)
    fast = torch.tensor(3.0, dtype=torch.float64)
    torch.testing.assert_close(turned, torch.stack((fast.cos(), fast.sin(), -slow.sin(), slow.cos())))
