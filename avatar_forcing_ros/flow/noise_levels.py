# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Noise levels for training by diffusion forcing: every block of a clip gets one of its own.

Source: Chen et al. 2024 (arXiv 2407.01392) for independent levels; one level per block, uniform over the scheduler
table, as in Avatar Forcing (arXiv 2601.00664) and its published code.
"""

from __future__ import annotations

import torch
from torch import Tensor

from avatar_forcing_ros.flow.path import NOISE_TIME
from avatar_forcing_ros.flow.solver import TABLE_SIZE


def sample_block_times(batch: int, frames: int, block_frames: int, generator: torch.Generator | None = None) -> Tensor:
    """Flow times for training, the same within a block and independent between blocks.

    Args:
        batch: B, number of clips.
        frames: T, frames of a clip; a multiple of `block_frames`.
        block_frames: frames that share a noise level.
        generator: source of randomness; None takes torch's global one.

    Returns:
        (B, T) float32, each one of the table's 1000 times: 1000 is noise, 0 is clean, both occur.

    Raises:
        ValueError: the clip does not divide into blocks.
    """
    if block_frames < 1 or frames % block_frames:
        raise ValueError(f"frames must be a multiple of block_frames, got {frames} and {block_frames}")
    device = None if generator is None else generator.device
    left = torch.randint(TABLE_SIZE, (batch, frames // block_frames), generator=generator, device=device)
    return (NOISE_TIME / (TABLE_SIZE - 1) * left.float()).repeat_interleave(block_frames, dim=1)
