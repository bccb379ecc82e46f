# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Draws a whole recording as the published code does: a cold start of N frames, then block after block."""

from __future__ import annotations

import torch
from torch import Tensor

from avatar_forcing_ros.generator.block_generator import BlockGenerator
from avatar_forcing_ros.network.conditions import Conditions


def roll_out(generator: BlockGenerator, conditions: Conditions, reference: Tensor, noise: Tensor) -> Tensor:
    """Motion latents for a whole recording.

    Args:
        generator: draws the motion.
        conditions: conditions of all T frames, T = N + k * block.
        reference: the portrait's own motion latent, (B, M).
        noise: standard normal, (B, T, M).

    Returns:
        Motion latents, (B, T, M).

    Raises:
        ValueError: T is no such number, or shapes disagree.
    """
    config = generator.network.config
    first, frames = config.clip_frames, noise.shape[1]
    if frames < first or (frames - first) % config.block_frames:
        raise ValueError(f"frames must be {first} and a multiple of {config.block_frames} more, got {frames}")
    beginning = generator.begin(conditions.slice(0, first), noise[:, :first], reference)
    parts = [beginning.motion]
    for start in range(first, frames, config.block_frames):
        stop = start + config.block_frames
        window = conditions.slice(start - config.lookahead_frames, stop)
        parts.append(generator.generate(beginning.state, window, noise[:, start:stop]))
    return torch.cat(parts, dim=1)
