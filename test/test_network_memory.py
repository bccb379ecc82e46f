# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the network remembers of the user beside the present."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from avatar_forcing_ros.network.conditions import recalled
from avatar_forcing_ros.network.config import NetworkConfig


@pytest.mark.parametrize("spans", [(2, 6), (1, 3, 6)])
@pytest.mark.parametrize("frames", [1, 3, 64, 65, 200])
def test_memory_is_the_means_of_the_past_span_by_span(frames: int, spans: tuple[int, ...]) -> None:
    signal = torch.randn(2, 5 + frames, 4, generator=torch.Generator().manual_seed(0))
    now, *means = recalled(signal, spans).split(4, dim=-1)
    torch.testing.assert_close(now, signal[:, 5:])
    assert len(means) == len(spans)
    for mean, (start, end) in zip(means, pairwise((0, *spans)), strict=True):
        assert mean.shape == (2, frames, 4)
        for frame in range(frames):
            past = signal[:, frame + 6 - end : frame + 6 - start]
            torch.testing.assert_close(mean[:, frame], past.mean(dim=1))


def test_what_was_recalled_while_generating_can_be_trained_with() -> None:
    signal = torch.randn(1, 16, 4, requires_grad=True)
    with torch.inference_mode():
        recalled(signal, (2, 7))
    (recalled(signal, (2, 7)) ** 2).sum().backward()
    assert signal.grad is not None and signal.grad.abs().sum() > 0


def test_an_hour_is_recalled_in_little_memory() -> None:
    hour = torch.zeros(1, 90_000, 2)
    assert recalled(hour, (3, 75)).shape == (1, 90_000 - 74, 6)


def test_no_spans_no_memory() -> None:
    signal = torch.randn(1, 3, 4)
    assert recalled(signal, ()) is signal
    config = NetworkConfig()
    assert (config.recalled_frames, config.user_audio_size, config.user_motion_size) == (0, 512, 512)


def test_an_absent_user_leaves_no_memory() -> None:
    assert not recalled(torch.zeros(1, 9, 4), (2, 6)).any()


def test_sizes_follow_the_spans() -> None:
    config = NetworkConfig(motion_size=18, condition_size=16, memory_frames=(3, 9, 25))
    assert (config.recalled_frames, config.user_audio_size, config.user_motion_size) == (24, 64, 72)


@pytest.mark.parametrize("spans", [(0, 3), (3, 3), (9, 3), (-1,)])
def test_spans_must_ascend(spans: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="memory_frames must be positive and ascending"):
        NetworkConfig(memory_frames=spans)


def test_the_shortest_memory_and_the_shortest_clip_are_accepted() -> None:
    assert NetworkConfig(memory_frames=(1, 3), condition_radius=0).recalled_frames == 2
    smallest = NetworkConfig(block_frames=10, lookahead_frames=2, clip_frames=22)
    assert smallest.cache_frames == smallest.block_frames
    with pytest.raises(ValueError, match="at least 2\\*block_frames"):
        NetworkConfig(block_frames=10, lookahead_frames=2, clip_frames=21)
