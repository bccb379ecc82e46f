# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Identity plus motion -> picture: a styled network predicts flows that warp the portrait's features.

Flow fields and sampling grids stay in float32 or better, whatever the type of the network: at 512 px, bfloat16 would
round coordinates to whole pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from avatar_forcing_ros.motion.autoencoder.config import COARSEST, AutoencoderConfig
from avatar_forcing_ros.motion.autoencoder.encoder import SLOPE, PixelLinear
from avatar_forcing_ros.motion.autoencoder.modulated import StyledConv
from avatar_forcing_ros.motion.autoencoder.resampling import double
from avatar_forcing_ros.motion.autoencoder.warping import FeatureTable, warp


class Flow(nn.Module):
    """Features, styled by a latent -> two offsets and a mask per pixel, before tanh and sigmoid."""

    def __init__(self, latent_size: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(3, width))
        self.bias = nn.Parameter(torch.empty(3))
        self.style = nn.Linear(latent_size, width)

    def forward(self, x: Tensor, latent: Tensor, coarser: Tensor | None) -> Tensor:
        """(B, C, s, s) -> (B, 3, s, s) in float32 or better; `coarser` is the result of the level before."""
        exact = torch.promote_types(x.dtype, torch.float32)
        weight = (self.style(latent)[:, None, :] * self.weight).to(exact)
        pixels = x.to(exact).movedim(1, -1).flatten(1, 2)
        flow = torch.baddbmm(self.bias.to(exact), pixels, weight.mT).unflatten(1, x.shape[2:]).movedim(-1, 1)
        return flow if coarser is None else flow + double(coarser)


class Paint(nn.Module):
    """Masked warped features -> what this level adds to the picture."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.color = PixelLinear(width, 3)
        self.bias = nn.Parameter(torch.empty(3))

    def forward(self, warped: Tensor, coarser: Tensor | None) -> Tensor:
        """(B, C, s, s) -> (B, 3, s, s); `coarser` is the picture so far."""
        picture = functional.leaky_relu_(self.color(warped), SLOPE).to(self.bias.dtype) + self.bias[:, None, None]
        return picture if coarser is None else picture + double(coarser)


class Level(nn.Module):
    """One size of the decoder: double the size, predict what to take from the portrait and from where, and paint it."""

    def __init__(self, config: AutoencoderConfig, size: int) -> None:
        super().__init__()
        latent_size, width = config.latent_size, config.channels(size)
        self.up = StyledConv(latent_size, config.channels(size // 2), width, doubling=True)
        self.draw = StyledConv(latent_size, width, width, doubling=False)
        self.flow = Flow(latent_size, width)
        self.paint = Paint(width)


class Decoder(nn.Module):
    """The published flow-warping decoder."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        coarsest = config.channels(COARSEST)
        self.start = nn.Parameter(torch.empty(1, coarsest, COARSEST, COARSEST))
        self.first = StyledConv(config.latent_size, coarsest, coarsest, doubling=False)
        self.levels = nn.ModuleList(Level(config, size) for size in config.level_sizes)

    def forward(self, latent: Tensor, features: Sequence[FeatureTable]) -> Tensor:
        """Draw (B, 3, S, S), about [-1, 1] and not clamped.

        Args:
            latent: (B, M) identity plus motion.
            features: the portrait's skip features, coarse to fine.
        """
        x = self.first(self.start.expand(len(latent), -1, -1, -1), latent)
        flow: Tensor | None = None
        picture: Tensor | None = None
        for level, feature in zip(self.levels, features, strict=True):
            assert isinstance(level, Level)
            x = level.draw(level.up(x, latent), latent)
            flow = level.flow(x, latent, flow)
            warped = warp(feature, flow).to(x.dtype)
            picture = level.paint(warped, picture)
            x = x.mul_(torch.sigmoid(-flow[:, 2:]).to(x.dtype)).add_(warped)
        assert picture is not None
        return picture
