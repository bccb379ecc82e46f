# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The auto-encoder in as few kernels as possible: the library's convolutions, with one kernel of ours between them.

It computes the same numbers as `MotionAutoencoder`, whose weights it shares, and is made to be captured on a GPU. No
step creates a tensor on the host or reads a value.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from avatar_forcing_ros.motion.autoencoder import kernels
from avatar_forcing_ros.motion.autoencoder.config import COARSEST
from avatar_forcing_ros.motion.autoencoder.decoder import Decoder, Level
from avatar_forcing_ros.motion.autoencoder.encoder import Encoder, Encoding, HalvingBlock
from avatar_forcing_ros.motion.autoencoder.modulated import ACTIVATION_GAIN, DEMODULATION_EPS, StyledConv
from avatar_forcing_ros.motion.autoencoder.resampling import DOUBLING_GAIN


class FusedEncoder:
    """Reads pictures (B, S, S, 3) uint8."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    def __call__(self, pixels: Tensor) -> Encoding:
        """Like `Encoder.forward`, but features are channels last."""
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
    """Draws pictures (B, S, S, 3) uint8.

    The styles of all convolutions are one product, padded to the widest, and so are the scales that follow from them.
    The input of the first convolution's scale depends linearly on the latent, so it is one product, too.
    """

    def __init__(self, decoder: Decoder) -> None:
        levels = [level for level in decoder.levels if isinstance(level, Level)]
        self._levels = levels
        self._convs: list[StyledConv] = [decoder.first, *(conv for level in levels for conv in (level.up, level.draw))]
        styles = [conv.style for conv in self._convs] + [level.flow.style for level in levels]
        self._widest = widest = max(max(conv.energy.shape) for conv in self._convs)
        self._style_weight = torch.cat([_padded(style.weight, widest) for style in styles])
        self._style_bias = torch.cat([_padded(style.bias, widest) for style in styles])
        halved = [functional.pad(_padded(conv.energy, widest).T, (0, 0, 0, widest - conv.energy.shape[1]))
                  for conv in self._convs]  # fmt: skip
        self._energy = torch.stack(halved) / ACTIVATION_GAIN**2
        self._least = self._energy.new_full((1,), DEMODULATION_EPS / ACTIVATION_GAIN**2)
        self._kind = decoder.start.dtype
        self._begin_weight, self._begin_bias = _beginning(decoder)
        self._up_weights = [_channels_last(level.up.weight.transpose(0, 1)) for level in levels]
        self._paints = [
            kernels.LevelWeights(
                level.flow.weight,
                level.flow.bias,
                level.paint.color.weight.contiguous(),
                level.paint.color.bias,
                level.paint.bias,
            )
            for level in levels
        ]

    def __call__(self, latent: Tensor, portraits: Tensor) -> Tensor:
        """Draw (B, S, S, 3) uint8.

        Args:
            latent: (B, M) float32, identity plus motion.
            portraits: (levels, B) int64, addresses of the features (s, s, C) that each picture reads, coarse to fine.
        """
        count, convs, last = len(latent), len(self._convs), len(self._levels) - 1
        styles = functional.linear(latent, self._style_weight, self._style_bias).view(count, -1, self._widest)
        scales = torch.baddbmm(self._least, styles[:, :convs].square().transpose(0, 1), self._energy).rsqrt_()
        after = [
            kernels.Style(scales[i], conv.bias, styles[:, min(i + 1, convs - 1)]) for i, conv in enumerate(self._convs)
        ]
        x = functional.linear(latent, self._begin_weight, self._begin_bias).to(self._kind)
        x = kernels.styled(x.view(count, COARSEST, COARSEST, -1).movedim(-1, 1), after[0])
        drawn: kernels.Drawn | None = None
        for i, level in enumerate(self._levels):
            y = _channels_last(functional.conv_transpose2d(x, self._up_weights[i], stride=2))
            y = kernels.smooth(y, 1, gain=DOUBLING_GAIN, style=after[1 + 2 * i])
            y = _channels_last(functional.conv2d(y, level.draw.weight, padding=1))
            drawn = kernels.draw_level(
                y, after[2 + 2 * i], styles[:, convs + i], self._paints[i], portraits[i], drawn, last=i == last
            )
            x = drawn.x
        assert drawn is not None
        return drawn.pixels


def _padded(rows: Tensor, count: int) -> Tensor:
    """Add rows of zeros."""
    return torch.cat((rows, rows.new_zeros(count - len(rows), *rows.shape[1:])))


def _beginning(decoder: Decoder) -> tuple[Tensor, Tensor]:
    """Weight (16 C, M) and bias that map a latent to the first convolution's output, channels last."""
    conv = decoder.first
    exact = conv.energy.dtype
    start = decoder.start.to(exact).transpose(0, 1)  # (I, 1, s, s)
    taps = functional.unfold(start, 3, padding=1)  # (I, 9, s s)
    of_style = torch.einsum("oit,itp->poi", conv.weight.to(exact).flatten(2), taps).flatten(0, 1)
    return of_style @ conv.style.weight, of_style @ conv.style.bias


def _channels_last(x: Tensor) -> Tensor:
    """In the layout that our kernels read. This costs nothing if the library already used it, but it need not have."""
    return x.contiguous(memory_format=torch.channels_last)
