# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Convolution whose input channels are scaled by a style and whose output channels are scaled back to unit variance.

    y_o = d_o * sum_i W_oi * (s_i x_i),   d_o = 1 / sqrt(sum_i s_i^2 |W_oi|^2 + eps)

The scales may be applied anywhere. Applied to the feature maps, all frames of a batch share one weight W. A single
frame whose map is larger than the weight is cheaper with d_o W_oi s_i. Neither needs a convolution per frame.

Source: arXiv 1912.04958 (StyleGAN2), section 2.2.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from avatar_forcing_ros.motion.autoencoder.encoder import SLOPE
from avatar_forcing_ros.motion.autoencoder.resampling import DOUBLING_GAIN, smooth

DEMODULATION_EPS = 1e-8
ACTIVATION_GAIN = 2**0.5


class StyledConv(nn.Module):
    """Modulated 3x3 convolution, bias, leaky ReLU; (B, C_in, s, s) -> (B, C_out, s, s), or 2s when `doubling`.

    `weight`, `bias` and x share one type; styles and their scales are float32 or better.

    Attributes:
        weight: (C_out, C_in, 3, 3), with the equalised learning rate folded in.
        energy: (C_out, C_in), sum of squares of `weight` over its taps.
        bias: (C_out,), with the gain of the activation folded in.
        style: latent -> (B, C_in), scale of the input channels.
    """

    energy: Tensor

    def __init__(self, latent_size: int, inputs: int, outputs: int, doubling: bool) -> None:
        super().__init__()
        self.doubling = doubling
        self.weight = nn.Parameter(torch.empty(outputs, inputs, 3, 3))
        self.register_buffer("energy", torch.empty(outputs, inputs))
        self.bias = nn.Parameter(torch.empty(outputs))
        self.style = nn.Linear(latent_size, inputs)

    def forward(self, x: Tensor, latent: Tensor) -> Tensor:
        """Convolve x in the style of `latent` (B, M)."""
        style = self.style(latent)
        scale = ACTIVATION_GAIN * torch.rsqrt(functional.linear(style**2, self.energy) + DEMODULATION_EPS)
        if len(latent) == 1 and self.weight.numel() < x.numel():
            weight = self.weight * style[:, :, None, None] * scale.T[:, :, None, None]
            y = self._convolve(x, weight.to(x.dtype), self.bias)
        else:
            y = self._convolve(x * style[:, :, None, None].to(x.dtype), self.weight, None)
            y = y.mul_(scale[:, :, None, None].to(y.dtype)).add_(self.bias[:, None, None])
        return functional.leaky_relu_(y, SLOPE)

    def _convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if not self.doubling:
            return functional.conv2d(x, weight, bias, padding=1)
        y = functional.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
        return smooth(y, padding=1, gain=DOUBLING_GAIN, bias=bias)
