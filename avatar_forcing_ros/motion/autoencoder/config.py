# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Sizes of the motion latent auto-encoder: the number of levels and the width of each."""

from __future__ import annotations

from dataclasses import dataclass

COARSEST = 4
"""Side of the feature map at which the encoder ends and the decoder begins."""


@dataclass(frozen=True)
class AutoencoderConfig:
    """Sizes of encoder and decoder. The defaults are the published ones.

    Attributes:
        image_size: S, side of the square pictures; a power of two, at least 8.
        latent_size: M, length of identity and motion latents; also the width of the style input.
        coefficients: U, number of motion directions.
        widest: channels of every level up to 32 px; above, each doubling of the side halves them.
    """

    image_size: int = 512
    latent_size: int = 512
    coefficients: int = 20
    widest: int = 512

    def __post_init__(self) -> None:
        if self.image_size < 2 * COARSEST or self.image_size & (self.image_size - 1):
            raise ValueError(f"image_size must be a power of two from {2 * COARSEST}, got {self.image_size}")
        if not 0 < self.coefficients <= self.latent_size:
            raise ValueError(f"coefficients must be within 1 and {self.latent_size}, got {self.coefficients}")
        if self.channels(self.image_size) < 1:
            raise ValueError(f"widest must leave channels at {self.image_size} px, got {self.widest}")

    @property
    def levels(self) -> int:
        """How often the picture is halved until it is `COARSEST` px."""
        return (self.image_size // COARSEST).bit_length() - 1

    @property
    def level_sizes(self) -> tuple[int, ...]:
        """Sides of the decoder's levels, 8 to S; the order of the skip features."""
        return tuple(2 * COARSEST << i for i in range(self.levels))

    def channels(self, size: int) -> int:
        """Channels of the feature map whose side is `size`."""
        return min(self.widest, self.widest * 32 // size)
