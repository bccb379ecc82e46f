# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Samples feature maps where a flow field points: bilinear, zero outside, masked; for frames of one portrait.

Each result is a weighted sum of four pixels, and a pixel is a row of channels. This is the same task as looking up bags
of words, for which torch has a fast kernel. Each map becomes a table once per portrait. The result equals that of
`grid_sample` with align_corners=False, times the mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class FeatureTable:
    """One feature map with a border of zeros, pixel by pixel.

    Attributes:
        rows: ((s + 2)^2, C), float32 or better, so that the weights of neighbouring pixels are not rounded.
        side: s.
    """

    rows: Tensor
    side: int

    def to(self, device: torch.device) -> FeatureTable:
        """The same on another device."""
        return FeatureTable(self.rows.to(device), self.side)


def feature_tables(features: Sequence[Tensor]) -> tuple[FeatureTable, ...]:
    """Feature maps of one portrait, each (1, C, s, s), as tables."""
    return tuple(_table(feature) for feature in features)


def _table(feature: Tensor) -> FeatureTable:
    if len(feature) != 1:
        raise ValueError(f"features must be those of one portrait, got {len(feature)}")
    bordered = functional.pad(feature[0].movedim(0, -1), (0, 0, 1, 1, 1, 1))
    exact = torch.promote_types(feature.dtype, torch.float32)
    return FeatureTable(bordered.flatten(0, 1).contiguous().to(exact), feature.shape[-1])


def base_grid(size: int, like: Tensor) -> Tensor:
    """(2, size, size) sampling positions of an unmoved picture, x before y, both ends included.

    They are spaced in float64 and rounded to float32, like the reference, whatever the type of `like`. They are read as
    if -1 and 1 were the outer edges of the picture, which widens it by 1/size; the weights were trained with that.
    """
    line = torch.linspace(-1, 1, size, dtype=torch.float64, device=like.device).float().to(like.dtype)
    return torch.stack((line.expand(size, size), line[:, None].expand(size, size)))


def warp(table: FeatureTable, flow: Tensor) -> Tensor:
    """Sample the map at the resting grid plus tanh(flow[:, :2]), and multiply by sigmoid(flow[:, 2]).

    Args:
        table: C channels of side s.
        flow: (B, 3, s, s), float32 or better.

    Returns:
        (B, C, s, s) in the type of the table, channels last.
    """
    side = table.side
    grid = base_grid(side, flow) + torch.tanh(flow[:, :2])
    position = (((grid + 1) * side - 1) / 2).clamp(-1, side)  # in pixels; like the border, everything beyond it is zero
    corner = position.floor().clamp(max=side - 1)
    x, y = (position - corner).unbind(1)
    shares = torch.stack(((1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y), -1) * torch.sigmoid(
        flow[:, 2, ..., None]
    )
    column, row = (corner.int() + 1).unbind(1)
    first = row * (side + 2) + column
    pixels = torch.stack((first, first + 1, first + side + 2, first + side + 3), -1)
    rows = functional.embedding_bag(pixels.view(-1, 4), table.rows, mode="sum", per_sample_weights=shares.view(-1, 4))
    return rows.view(len(flow), side, side, -1).movedim(-1, 1)
