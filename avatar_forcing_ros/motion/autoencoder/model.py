# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Encoder, motion directions and decoder in one module: the motion latent auto-encoder.

Source: arXiv 2601.00664, equation 3; the architecture is that of LIA (arXiv 2203.09043) at 512 px.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from avatar_forcing_ros.motion.autoencoder.config import AutoencoderConfig
from avatar_forcing_ros.motion.autoencoder.decoder import Decoder
from avatar_forcing_ros.motion.autoencoder.encoder import Encoder, Encoding
from avatar_forcing_ros.motion.autoencoder.warping import FeatureTable


class MotionAutoencoder(nn.Module):
    """Pictures to identity, features and coefficients; identity, features and motion to pictures.

    Attributes:
        directions: (M, U) orthonormal columns, the Q of the paper.
    """

    directions: Tensor

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.register_buffer("directions", torch.empty(config.latent_size, config.coefficients))

    def encode(self, images: Tensor) -> Encoding:
        """Read pictures, (B, 3, S, S) in [-1, 1]."""
        side = self.config.image_size
        if images.ndim != 4 or images.shape[1:] != (3, side, side):
            raise ValueError(f"images must be (B, 3, {side}, {side}), got {tuple(images.shape)}")
        return self.encoder(images.contiguous(memory_format=torch.channels_last))

    def motion(self, coefficients: Tensor) -> Tensor:
        """(..., U) coefficients -> (..., M) motion latents."""
        return coefficients @ self.directions.T

    def decode(self, identity: Tensor, features: Sequence[FeatureTable], motion: Tensor) -> Tensor:
        """Draw the portrait with `identity` (1, M) and `features` in `motion` (B, M): (B, 3, S, S), not clamped."""
        return self.decoder(identity + motion, features)
