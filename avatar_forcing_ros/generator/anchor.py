# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Pulls the avatar's motion toward the portrait's own, against a slow drift of identity.

The published generator works in all 512 numbers of a latent, although a face uses only a few of them; over minutes, the
mean wanders, and the picture with it. There are two independent remedies, both off by default: an anchor with a dead
band, which moves whole blocks back once their running mean has strayed, and a small constant pull on every frame. Both
work in the network's units, in any motion space.

Source: deployment notes of a public fork of the published code (apolinario/AvatarForcing), re-implemented.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from avatar_forcing_ros.generator.sampler import AnchorConfig


@dataclass(frozen=True)
class AnchoredBlock:
    """A block after the pull, (..., T, M), and the running mean of the motion, (..., M), for the next block."""

    motion: Tensor
    mean: Tensor


def anchor_block(motion: Tensor, reference: Tensor, mean: Tensor, config: AnchorConfig) -> AnchoredBlock:
    """Pull one block toward the reference. Apply it before the block enters the cache, so that the past agrees.

    Args:
        motion: (..., T, M) as the generator drew it.
        reference: (..., M) the portrait's own motion.
        mean: (..., M) running mean after the previous block; the reference at the beginning.
        config: strength of the pull.
    """
    mean = mean.lerp(motion.mean(-2), config.memory)
    shift = _correction(mean - reference, reference, config)
    pulled = (motion + shift[..., None, :]).lerp(reference[..., None, :], config.frame_pull)
    return AnchoredBlock(pulled, mean + shift)


def _correction(drift: Tensor, reference: Tensor, config: AnchorConfig) -> Tensor:
    """What to add to a block whose running mean has drifted this far from the reference."""
    unit = torch.linalg.vector_norm(reference, dim=-1, keepdim=True)
    length = torch.linalg.vector_norm(drift, dim=-1, keepdim=True)
    excess = (length - config.dead_band * unit).clamp(min=0)
    step = torch.minimum(config.gain * excess, config.largest_step * unit)
    return -drift * step / length.clamp(min=torch.finfo(length.dtype).tiny)
