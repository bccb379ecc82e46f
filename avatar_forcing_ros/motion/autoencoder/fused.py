# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The auto-encoder as few kernels as can be: the library's convolutions, and one kernel of ours between two of them.

The same numbers as `MotionAutoencoder`, whose weights it shares; made for a GPU, where a program of it is captured. No
step makes a tensor on the host or looks at a value.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from avatar_forcing_ros.motion.autoencoder import kernels
from avatar_forcing_ros.motion.autoencoder.decoder import Decoder, Level
from avatar_forcing_ros.motion.autoencoder.encoder import Encoder, Encoding, HalvingBlock
from avatar_forcing_ros.motion.autoencoder.modulated import ACTIVATION_GAIN, DEMODULATION_EPS, StyledConv
from avatar_forcing_ros.motion.autoencoder.resampling import DOUBLING_GAIN


class FusedEncoder:
    """Reads pictures (B, S, S, 3) uint8."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    def __call__(self, pixels: Tensor) -> Encoding:
        """As `Encoder.forward`; features are channels last."""
        encoder = self._encoder
        x = kernels.stem(pixels, encoder.stem.weight, encoder.stem.bias)
        features = [x]
        for block in encoder.blocks:
            assert isinstance(block, HalvingBlock)
            x = _halve(block, x)
            features.append(x)
        identity = encoder.identity(features.pop().flatten(1).to(encoder.identity.weight.dtype))
        return Encoding(identity, encoder.head(identity), tuple(reversed(features)))


def _halve(block: HalvingBlock, x: Tensor) -> Tensor:
    y = _channels_last(functional.conv2d(x, block.conv1.weight, padding=1))
    y = functional.conv2d(kernels.smooth(y, 2, before=block.conv1.bias), block.conv2.weight, stride=2)
    shortcut = functional.linear(kernels.smooth(x, 1, stride=2).movedim(1, -1), block.skip.weight)
    assert block.conv2.bias is not None
    return kernels.join(_channels_last(y), block.conv2.bias, shortcut.movedim(-1, 1))


class FusedDecoder:
    """Draws pictures (B, S, S, 3) uint8."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        levels = [level for level in decoder.levels if isinstance(level, Level)]
        self._levels = levels
        self._convs: list[StyledConv] = [decoder.first, *(conv for level in levels for conv in (level.up, level.draw))]
        styles = [conv.style for conv in self._convs] + [level.flow.style for level in levels]
        self._sizes = [len(style.bias) for style in styles]
        self._style_weight = torch.cat([style.weight for style in styles])
        self._style_bias = torch.cat([style.bias for style in styles])
        self._up_weights = [_channels_last(level.up.weight.transpose(0, 1)) for level in levels]
        self._paints = [
            kernels.LevelWeights(
                level.flow.bias, level.paint.color.weight.contiguous(), level.paint.color.bias, level.paint.bias
            )
            for level in levels
        ]

    def __call__(self, latent: Tensor, portraits: Tensor) -> Tensor:
        """Draw (B, S, S, 3) uint8.

        Args:
            latent: (B, M) float32, identity plus motion.
            portraits: (levels, B) int64, addresses of the features (s, s, C) that each picture reads, coarse to fine.
        """
        styles = functional.linear(latent, self._style_weight, self._style_bias).split(self._sizes, 1)
        convs, last = len(self._convs), len(self._levels) - 1
        after = [self._style(i, styles) for i in range(convs)]
        x = self._decoder.start * styles[0][:, :, None, None].to(self._decoder.start.dtype)
        x = _channels_last(functional.conv2d(_channels_last(x), self._convs[0].weight, padding=1))
        x = kernels.styled(x, after[0])
        drawn: kernels.Drawn | None = None
        for i, level in enumerate(self._levels):
            y = _channels_last(functional.conv_transpose2d(x, self._up_weights[i], stride=2))
            y = kernels.smooth(y, 1, gain=DOUBLING_GAIN, style=after[1 + 2 * i])
            y = _channels_last(functional.conv2d(y, level.draw.weight, padding=1))
            flow_weight = styles[convs + i][:, None, :] * level.flow.weight
            drawn = kernels.draw_level(
                y, after[2 + 2 * i], flow_weight, self._paints[i], portraits[i], drawn, last=i == last
            )
            x = drawn.x
        assert drawn is not None
        return drawn.pixels

    def _style(self, i: int, styles: Sequence[Tensor]) -> kernels.Style:
        """What follows convolution i, and the style of the one after it."""
        conv = self._convs[i]
        scale = ACTIVATION_GAIN * torch.rsqrt(functional.linear(styles[i] ** 2, conv.energy) + DEMODULATION_EPS)
        after = styles[min(i + 1, len(self._convs) - 1)].contiguous()
        return kernels.Style(scale, conv.bias, after)


def _channels_last(x: Tensor) -> Tensor:
    """As our kernels read it; costs nothing where the library left it so, and it need not."""
    return x.contiguous(memory_format=torch.channels_last)
