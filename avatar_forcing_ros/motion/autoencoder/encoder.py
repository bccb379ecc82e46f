# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Picture -> identity latent, skip features and motion coefficients.

`published` folds all constant factors of the published layers (equalised learning rate, sqrt(2) after activations,
1/sqrt(2) after sums) and its five linear layers without activation into the weights, so the layers here are plain.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from avatar_forcing_ros.motion.autoencoder.config import COARSEST, AutoencoderConfig
from avatar_forcing_ros.motion.autoencoder.resampling import smooth

SLOPE = 0.2
"""Negative slope of every activation."""


@dataclass(frozen=True)
class Encoding:
    """What the encoder reads from pictures.

    Attributes:
        identity: (B, M) whose face it is, the z_S of the paper.
        coefficients: (B, U) pose and expression of the face.
        features: skip features for each decoder level, coarse to fine, (B, C, s, s).
    """

    identity: Tensor
    coefficients: Tensor
    features: tuple[Tensor, ...]


class PixelLinear(nn.Linear):
    """A linear map of every pixel's channels, (B, C_in, H, W) -> (B, C_out, H, W): one matrix product."""

    def forward(self, x: Tensor) -> Tensor:
        """Map every pixel."""
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class HalvingBlock(nn.Module):
    """Residual block, (B, C_in, s, s) -> (B, C_out, s/2, s/2)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, inputs, 3, padding=1)
        self.conv2 = nn.Conv2d(inputs, outputs, 3, stride=2)  # the smoothing before it adds the padding
        self.skip = PixelLinear(inputs, outputs, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Halve once. The shortcut is smoothed only at the positions that are kept."""
        y = functional.leaky_relu_(self.conv1(x), SLOPE)
        y = functional.leaky_relu_(self.conv2(smooth(y, padding=2)), SLOPE)
        return y.add_(self.skip(smooth(x, padding=1, stride=2)))


class Encoder(nn.Module):
    """The published image encoder with its linear head. Convolutions may use a narrower type than the last two maps."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        sizes = (*reversed(config.level_sizes), COARSEST)
        self.stem = PixelLinear(3, config.channels(sizes[0]))
        self.blocks = nn.ModuleList(
            HalvingBlock(config.channels(size), config.channels(half)) for size, half in pairwise(sizes)
        )
        self.identity = nn.Linear(config.channels(COARSEST) * COARSEST**2, config.latent_size, bias=False)
        self.head = nn.Linear(config.latent_size, config.coefficients)

    def forward(self, image: Tensor) -> Encoding:
        """Read pictures, (B, 3, S, S) in [-1, 1]."""
        x = functional.leaky_relu_(self.stem(image.to(self.stem.weight.dtype)), SLOPE)
        features = [x]
        for block in self.blocks:
            x = block(x)
            features.append(x)
        identity = self.identity(features.pop().flatten(1).to(self.identity.weight.dtype))
        return Encoding(identity, self.head(identity), tuple(reversed(features)))
