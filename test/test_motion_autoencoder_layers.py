# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Filters, modulated convolutions and warping of the auto-encoder, each against its definition."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from scipy.signal import convolve2d
from torch import Tensor
from torch.nn import functional

from avatar_forcing_ros.motion.autoencoder.encoder import HalvingBlock
from avatar_forcing_ros.motion.autoencoder.modulated import StyledConv
from avatar_forcing_ros.motion.autoencoder.resampling import DOUBLING_GAIN, double, smooth, smoothing_kernel
from avatar_forcing_ros.motion.autoencoder.warping import base_grid, feature_tables, warp

KERNEL = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64


@pytest.fixture
def random() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def normal(random: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=random, dtype=torch.float64)


def styled_conv(random: torch.Generator, inputs: int, outputs: int, doubling: bool) -> StyledConv:
    conv = StyledConv(8, inputs, outputs, doubling).double()
    weight = normal(random, outputs, inputs, 3, 3)
    conv.weight.data, conv.bias.data, conv.energy = weight, normal(random, outputs), (weight**2).sum((2, 3))
    return conv.requires_grad_(False)


@pytest.mark.parametrize(("padding", "stride", "gain"), [(2, 1, 1.0), (1, 2, 1.0), (1, 1, 4.0)])
def test_smoothing_is_convolution_with_the_binomial_kernel(
    random: torch.Generator, padding: int, stride: int, gain: float
) -> None:
    x = normal(random, 2, 3, 9, 7)
    padded = np.pad(x.numpy(), ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    expected = [[convolve2d(c, gain * KERNEL, mode="valid")[::stride, ::stride] for c in b] for b in padded]
    np.testing.assert_allclose(smooth(x, padding, stride, gain).numpy(), np.array(expected), atol=1e-14)


def test_doubling_puts_a_zero_after_each_sample_and_smooths(random: torch.Generator) -> None:
    x = normal(random, 1, 2, 5, 6)
    stuffed = torch.zeros(1, 2, 10, 12, dtype=torch.float64)
    stuffed[:, :, ::2, ::2] = x
    padded = np.pad(stuffed.numpy(), ((0, 0), (0, 0), (2, 1), (2, 1)))
    expected = [[convolve2d(c, 4 * KERNEL, mode="valid") for c in padded[0]]]
    np.testing.assert_allclose(double(x).numpy(), np.array(expected), atol=1e-14)


def test_doubling_keeps_a_flat_field_flat_inside() -> None:
    inside = double(torch.ones(1, 1, 8, 8))[..., 2:-2, 2:-2]
    torch.testing.assert_close(inside, torch.ones_like(inside))


def test_kernel_of_a_gain_sums_to_it() -> None:
    assert smoothing_kernel(4.0).sum() == 4


def naive_styled(conv: StyledConv, x: Tensor, latent: Tensor) -> Tensor:
    """One convolution per sample with its own modulated and demodulated weight, as the method is written down."""
    out = []
    for sample, style in zip(x, conv.style(latent), strict=True):
        weight = conv.weight * style[None, :, None, None]
        weight = weight * torch.rsqrt((weight**2).sum((1, 2, 3), keepdim=True) + 1e-8)
        if conv.doubling:
            y = functional.conv_transpose2d(sample[None], weight.transpose(0, 1), stride=2)
            y = smooth(y, padding=1, gain=DOUBLING_GAIN)
        else:
            y = functional.conv2d(sample[None], weight, padding=1)
        out.append(functional.leaky_relu(y * 2**0.5 + conv.bias[:, None, None], 0.2))  # the bias holds its gain already
    return torch.cat(out)


@pytest.mark.parametrize("doubling", [False, True])
@pytest.mark.parametrize(("batch", "side"), [(1, 4), (1, 32), (3, 8)], ids=["large-weight", "large-map", "batch"])
def test_shared_weight_equals_a_convolution_per_sample(
    random: torch.Generator, doubling: bool, batch: int, side: int
) -> None:
    conv = styled_conv(random, 6, 5, doubling)
    x, latent = normal(random, batch, 6, side, side), normal(random, batch, 8)
    torch.testing.assert_close(conv(x.clone(), latent), naive_styled(conv, x, latent), rtol=1e-11, atol=1e-11)


def test_styled_convolution_leaves_its_input_alone(random: torch.Generator) -> None:
    x, latent = normal(random, 1, 6, 8, 8), normal(random, 1, 8)
    before = x.clone()
    styled_conv(random, 6, 5, doubling=False)(x, latent)
    assert torch.equal(x, before)


def naive_halving(state: Mapping[str, Tensor], x: Tensor) -> Tensor:
    """The residual block from its parts; padding and striding as two steps."""
    y = functional.leaky_relu(functional.conv2d(x, state["conv1.weight"], state["conv1.bias"], padding=1), 0.2)
    y = functional.conv2d(smooth(y, padding=2), state["conv2.weight"], state["conv2.bias"])[:, :, ::2, ::2]
    skip = functional.conv2d(smooth(x, padding=1)[:, :, ::2, ::2], state["skip.weight"][:, :, None, None])
    return functional.leaky_relu(y, 0.2) + skip


def test_halving_block_equals_its_parts(random: torch.Generator) -> None:
    block = HalvingBlock(4, 6).double().requires_grad_(False)
    x = normal(random, 2, 4, 8, 8)
    torch.testing.assert_close(block(x), naive_halving(dict(block.state_dict()), x))


def test_warp_equals_grid_sample_times_mask(random: torch.Generator) -> None:
    feature, flow = normal(random, 1, 5, 16, 16), normal(random, 3, 3, 16, 16)
    grid = (base_grid(16, flow) + torch.tanh(flow[:, :2])).movedim(1, -1)
    expected = functional.grid_sample(feature.expand(3, -1, -1, -1), grid, align_corners=False)
    out = warp(feature_tables([feature])[0], flow)
    torch.testing.assert_close(out, expected * torch.sigmoid(flow[:, 2:]))


def test_warp_without_flow_reads_every_pixel_at_its_place() -> None:
    """The still grid reaches the outer pixels' middles but is read to their edges: k reads k*s/(s-1) - 1/2."""
    side = 16
    ramp = torch.arange(side, dtype=torch.float64).expand(1, 1, side, side)
    still = torch.zeros(1, 3, side, side, dtype=torch.float64)
    read = 2 * warp(feature_tables([ramp])[0], still)[0, 0]  # the mask of flow 0 is one half
    expected = torch.arange(side) * side / (side - 1) - 0.5
    torch.testing.assert_close(read[8, 1:-1], expected[1:-1].double(), rtol=1e-6, atol=1e-6)


def test_warp_reads_zero_beyond_the_picture() -> None:
    flow = torch.full((1, 3, 8, 8), 20.0)  # a whole half picture to the lower right
    out = warp(feature_tables([torch.ones(1, 2, 8, 8)])[0], flow)[0, 0]
    assert out[:3, :3].min() > 0.99
    assert out[5:, :].abs().max() == 0
    assert out[:, 5:].abs().max() == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_grid_is_spaced_in_float64_and_rounded_to_float32(dtype: torch.dtype) -> None:
    """Spaced in float32 it would differ in the last bit, and a chaotic flow makes 1e-4 of the picture out of that."""
    grid = base_grid(512, torch.zeros(1, dtype=dtype))
    line = np.linspace(-1, 1, 512).astype(np.float32)
    np.testing.assert_array_equal(grid[0, 7].numpy(), line)
    np.testing.assert_array_equal(grid[1, :, 7].numpy(), line)


def test_tables_are_of_one_portrait() -> None:
    with pytest.raises(ValueError, match="one portrait, got 2"):
        feature_tables([torch.zeros(2, 3, 8, 8)])
