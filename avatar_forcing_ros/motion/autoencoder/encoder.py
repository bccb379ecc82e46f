"""Picture -> identity latent, skip features and motion coefficients.

All constant factors of the published layers (equalised learning rate, sqrt(2) after activations, 1/sqrt(2) after sums)
and its five linear layers without activation are folded into the weights by `published`; what runs here is plain.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from avatar_forcing_ros.motion.autoencoder.config import COARSEST, AutoencoderConfig, channels_at
from avatar_forcing_ros.motion.autoencoder.resampling import smooth

SLOPE = 0.2
"""Negative slope of every activation."""


@dataclass(frozen=True)
class Encoding:
    """What the encoder reads out of pictures.

    Attributes:
        identity: (B, M) who it is, the z_S of the paper.
        coefficients: (B, U) how the face is held.
        features: per decoder level, coarse to fine, (B, C, s, s).
    """

    identity: Tensor
    coefficients: Tensor
    features: tuple[Tensor, ...]


def plain_conv(inputs: int, outputs: int, kernel: int, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    """A convolution that keeps the size at stride 1; at stride 2 the smoothing before it has padded already."""
    return nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2 if stride == 1 else 0, bias=bias)


class HalvingBlock(nn.Module):
    """Residual block, (B, C_in, s, s) -> (B, C_out, s/2, s/2)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = plain_conv(inputs, inputs, 3)
        self.conv2 = plain_conv(inputs, outputs, 3, stride=2)
        self.skip = plain_conv(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """One halving. The shortcut is smoothed at the kept positions only."""
        y = functional.leaky_relu(self.conv1(x), SLOPE)
        y = functional.leaky_relu(self.conv2(smooth(y, padding=2)), SLOPE)
        return y + self.skip(smooth(x, padding=1, stride=2))


class Encoder(nn.Module):
    """The published image encoder with its linear head."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        sizes = (*reversed(config.level_sizes), COARSEST)
        self.stem = plain_conv(3, channels_at(sizes[0]), 1)
        self.blocks = nn.ModuleList(
            HalvingBlock(channels_at(size), channels_at(half)) for size, half in pairwise(sizes)
        )
        self.identity = nn.Linear(channels_at(COARSEST) * COARSEST**2, config.latent_size, bias=False)
        self.head = nn.Linear(config.latent_size, config.coefficients)

    def forward(self, image: Tensor) -> Encoding:
        """Read pictures, (B, 3, S, S) in [-1, 1]."""
        x = functional.leaky_relu(self.stem(image), SLOPE)
        features = [x]
        for block in self.blocks:
            x = block(x)
            features.append(x)
        identity = self.identity(features.pop().flatten(1))
        return Encoding(identity, self.head(identity), tuple(reversed(features)))


def image_to_tensor(image: Tensor) -> Tensor:
    """(..., H, W, 3) uint8 -> (..., 3, H, W) float32 in [-1, 1]."""
    return torch.movedim(image, -1, -3).float() / 127.5 - 1
