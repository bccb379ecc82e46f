# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The auto-encoder's smoothing filter: outer product of [1, 3, 3, 1], before halving and after doubling.

Source: arXiv 1912.04958 (StyleGAN2), appendix B; paddings as in the published network.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

DOUBLING_GAIN = 4.0
"""Compensates the zeros after each sample in both directions, which leave a quarter of the mean."""


def smoothing_kernel(gain: float = 1.0, device: torch.device | None = None) -> Tensor:
    """(4, 4) float32 kernel that sums to `gain`; exact, because every entry is a multiple of 1/64."""
    i = torch.arange(4, dtype=torch.float32, device=device)  # made on the device: a copy from the host would wait
    taps = 1 + i * (3 - i)
    return torch.outer(taps, taps) * (gain / 64)


def _per_channel(x: Tensor, gain: float) -> Tensor:
    """The kernel for each channel of x (B, C, H, W): (C, 1, 4, 4), in the type and on the device of x."""
    return smoothing_kernel(gain, x.device).to(x).expand(x.shape[1], 1, 4, 4).contiguous()


def smooth(x: Tensor, padding: int, stride: int = 1, gain: float = 1.0, bias: Tensor | None = None) -> Tensor:
    """Zero-pad x (B, C, H, W), filter it, keep every `stride`-th value and add `bias` (C,)."""
    return functional.conv2d(x, _per_channel(x, gain), bias, stride, padding, groups=x.shape[1])


def double(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, C, 2H, 2W): a zero after each sample, then the filter."""
    kernel = _per_channel(x, DOUBLING_GAIN)
    return functional.conv_transpose2d(x, kernel, stride=2, padding=1, groups=x.shape[1])
