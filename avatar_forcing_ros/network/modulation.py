# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How flow time enters the generator: an embedding per frame becomes shifts, scales and gates for its layers.

All layers share one modulation (as in PixArt-alpha, but without a table per layer). It depends only on the time, so a
sampler computes it once per block for all its steps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from avatar_forcing_ros.network.config import NetworkConfig

_FREQUENCIES = 128
_MAX_PERIOD = 10_000.0


@dataclass(frozen=True)
class Modulation:
    """Shifts, scales and gates of a flow time, each (..., T, hidden), ready to broadcast over a batch.

    Scales are stored as 1 + scale.
    """

    attention_shift: Tensor
    attention_scale: Tensor
    attention_gate: Tensor
    mlp_shift: Tensor
    mlp_scale: Tensor
    mlp_gate: Tensor
    final_shift: Tensor
    final_scale: Tensor

    @classmethod
    def unpack(cls, packed: Tensor) -> Modulation:
        """Split (..., T, 8 * hidden), in the order of the published weights: attention, feed-forward, output."""
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m, shift_f, scale_f = packed.chunk(8, dim=-1)
        return cls(shift_a, 1 + scale_a, gate_a, shift_m, 1 + scale_m, gate_m, shift_f, 1 + scale_f)


class TimeModulation(nn.Module):
    """Flow time -> modulation of all layers and of the output."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        hidden = config.hidden_size
        self.embedding_in = nn.Linear(2 * _FREQUENCIES, hidden)
        self.embedding_out = nn.Linear(hidden, hidden)
        self.layers = nn.Linear(hidden, 6 * hidden)
        self.final = nn.Linear(hidden, 2 * hidden)

    def forward(self, t: Tensor) -> Modulation:
        """Args: t: flow times in [0, 1000], (..., T)."""
        return Modulation.unpack(self.packed(t))

    def packed(self, t: Tensor) -> Tensor:
        """Flow times (...) -> (..., 8 * hidden) for `Modulation.unpack`, so that rows can be selected first."""
        waves = sinusoid(t).to(self.embedding_in.weight.dtype)
        embedding = functional.silu(self.embedding_out(functional.silu(self.embedding_in(waves))))
        return torch.cat((self.layers(embedding), self.final(embedding)), dim=-1)


def sinusoid(t: Tensor) -> Tensor:
    """Cosines, then sines of a flow time at 128 frequencies, (...) -> (..., 256) float32.

    Exponents, frequencies and angles are rounded to float32, because the published weights were trained with that
    rounding. In between, exponentials and waves are computed in float64, so that all machines round alike.

    Source: Vaswani et al. 2017 (arXiv 1706.03762), as used by DiT (arXiv 2212.09748).
    """
    steps = torch.arange(_FREQUENCIES, dtype=torch.float32, device=t.device)
    frequencies = (-math.log(_MAX_PERIOD) * steps / _FREQUENCIES).double().exp().float()
    angles = (t.float().unsqueeze(-1) * frequencies).double()
    return torch.cat((angles.cos(), angles.sin()), dim=-1).float()
