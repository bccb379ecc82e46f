# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The published weights of the auto-encoder: their names, shapes and constant buffers, and how they become ours.

Names and shapes are facts about the published file. Folding is exact in real arithmetic and done in float64: constant
factors move into weights, five linear layers without activation become one, directions become orthonormal once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from avatar_forcing_ros.compute.weights import WeightsError, check_published
from avatar_forcing_ros.motion.autoencoder.config import COARSEST, AutoencoderConfig
from avatar_forcing_ros.motion.autoencoder.model import MotionAutoencoder
from avatar_forcing_ros.motion.autoencoder.modulated import ACTIVATION_GAIN
from avatar_forcing_ros.motion.autoencoder.resampling import smoothing_kernel

PREFIX = "motion_autoencoder."
HEAD_LAYERS = 5
DIRECTION_OFFSET = 1e-8
"""Added to the direction matrix before its QR decomposition."""

Shape = tuple[int, ...]


class CheckedAutoencoder(NamedTuple):
    """Sizes and parameters of a published auto-encoder, checked."""

    config: AutoencoderConfig
    state: dict[str, Tensor]


def _activated(name: str, weight: str, bias: str, inputs: int, outputs: int, kernel: int) -> dict[str, Shape]:
    return {f"{name}.{weight}": (outputs, inputs, kernel, kernel), f"{name}.{bias}": (1, outputs, 1, 1)}


def _encoder_shapes(config: AutoencoderConfig) -> dict[str, Shape]:
    net = "enc.net_app.convs"
    sizes = (*reversed(config.level_sizes), COARSEST)
    shapes = _activated(f"{net}.0", "0.weight", "1.bias", 3, config.channels(sizes[0]), 1)
    for i, size in enumerate(sizes[:-1], start=1):
        inputs, outputs = config.channels(size), config.channels(size // 2)
        shapes |= _activated(f"{net}.{i}", "conv1.0.weight", "conv1.1.bias", inputs, inputs, 3)
        shapes |= _activated(f"{net}.{i}", "conv2.1.weight", "conv2.2.bias", inputs, outputs, 3)
        shapes[f"{net}.{i}.skip.1.weight"] = (outputs, inputs, 1, 1)
    m = config.latent_size
    shapes[f"{net}.{len(sizes)}.weight"] = (m, config.channels(COARSEST), COARSEST, COARSEST)
    for i in range(HEAD_LAYERS):
        outputs = m if i < HEAD_LAYERS - 1 else config.coefficients
        shapes |= {f"enc.fc.{i}.weight": (outputs, m), f"enc.fc.{i}.bias": (outputs,)}
    return shapes


def _styled_shapes(name: str, latent_size: int, inputs: int, outputs: int) -> dict[str, Shape]:
    return {
        f"{name}.conv.weight": (1, outputs, inputs, 3, 3),
        f"{name}.conv.modulation.weight": (inputs, latent_size),
        f"{name}.conv.modulation.bias": (inputs,),
        f"{name}.noise.weight": (1,),
        f"{name}.activate.bias": (1, outputs, 1, 1),
    }


def _paint_shapes(name: str, width: int) -> dict[str, Shape]:
    return {
        f"{name}.bias": (1, 3, 1, 1),
        f"{name}.conv.0.weight": (3, width, 1, 1),
        f"{name}.conv.1.bias": (1, 3, 1, 1),
    }


def _flow_shapes(name: str, latent_size: int, width: int) -> dict[str, Shape]:
    return {
        f"{name}.bias": (1, 3, 1, 1),
        f"{name}.conv.weight": (1, 3, width, 1, 1),
        f"{name}.conv.modulation.weight": (width, latent_size),
        f"{name}.conv.modulation.bias": (width,),
    }


def _decoder_shapes(config: AutoencoderConfig) -> dict[str, Shape]:
    m, coarsest = config.latent_size, config.channels(COARSEST)
    shapes: dict[str, Shape] = {"dec.direction.weight": (m, config.coefficients)}
    shapes["dec.input.input"] = (1, coarsest, COARSEST, COARSEST)
    shapes |= _styled_shapes("dec.conv1", m, coarsest, coarsest) | _paint_shapes("dec.to_rgb1", coarsest)
    for i, size in enumerate(config.level_sizes):
        width = config.channels(size)
        shapes |= _styled_shapes(f"dec.convs.{2 * i}", m, config.channels(size // 2), width)
        shapes |= _styled_shapes(f"dec.convs.{2 * i + 1}", m, width, width)
        shapes |= _paint_shapes(f"dec.to_rgbs.{i}", width) | _flow_shapes(f"dec.to_flows.{i}", m, width)
    return shapes


def published_shapes(config: AutoencoderConfig) -> dict[str, Shape]:
    """All parameters of the published file: full name -> shape."""
    return {PREFIX + key: shape for key, shape in (_encoder_shapes(config) | _decoder_shapes(config)).items()}


def published_buffers(config: AutoencoderConfig) -> dict[str, Tensor]:
    """The smoothing kernels: constant buffers that the file may hold, and that must then have these values."""
    plain, doubled = smoothing_kernel(), smoothing_kernel(4.0)
    buffers: dict[str, Tensor] = {}
    for i in range(config.levels):
        block = f"{PREFIX}enc.net_app.convs.{i + 1}"
        buffers |= {f"{block}.conv2.0.kernel": plain, f"{block}.skip.0.kernel": plain}
        buffers[f"{PREFIX}dec.convs.{2 * i}.conv.blur.kernel"] = doubled
        for name in ("to_rgbs", "to_flows"):
            buffers[f"{PREFIX}dec.{name}.{i}.upsample.kernel"] = doubled
    return buffers


def check_autoencoder(tensors: Mapping[str, Tensor]) -> CheckedAutoencoder:
    """Derive the sizes of an auto-encoder from its tensors, and check all of them.

    Raises:
        WeightsError: these are not the tensors of a published auto-encoder.
    """
    config = _config_of(tensors)
    return CheckedAutoencoder(config, check_published(tensors, published_shapes(config), published_buffers(config)))


def _config_of(tensors: Mapping[str, Tensor]) -> AutoencoderConfig:
    start, direction = (tensors.get(PREFIX + key) for key in ("dec.input.input", "dec.direction.weight"))
    if start is None or direction is None or start.ndim != 4 or direction.ndim != 2:
        got = f"{len(tensors)} other keys, first {min(tensors)}" if tensors else "no keys at all"
        raise WeightsError(f"expected keys of {PREFIX}*, got {got}")
    levels = sum(re.fullmatch(rf"{re.escape(PREFIX)}dec\.to_flows\.\d+\.bias", key) is not None for key in tensors)
    try:
        latent_size, coefficients = direction.shape
        return AutoencoderConfig(COARSEST << levels, latent_size, coefficients, widest=start.shape[1])
    except ValueError as error:
        raise WeightsError(str(error)) from None


class _Folder:
    """Reads published weights in float64 and collects ours."""

    def __init__(self, state: Mapping[str, Tensor], config: AutoencoderConfig) -> None:
        self.state, self.config = state, config
        self.ours: dict[str, Tensor] = {}

    def read(self, key: str) -> Tensor:
        return self.state[PREFIX + key].double()

    def scaled(self, key: str) -> Tensor:
        """A weight times its equalised learning rate, 1/sqrt(fan-in)."""
        weight = self.read(key)
        weight = weight[0] if weight.ndim == 5 else weight
        return weight / weight[0].numel() ** 0.5

    def activated(self, ours: str, weight: str, bias: str, gain: float) -> None:
        scaled = self.scaled(weight) * gain
        self.ours[f"{ours}.weight"] = scaled.flatten(1) if scaled.shape[2:] == (1, 1) else scaled
        self.ours[f"{ours}.bias"] = self.read(bias).flatten() * gain

    def encoder(self) -> None:
        """Fold the encoder. For `conv2`, the activation's gain sqrt(2) and the sum's 1/sqrt(2) cancel."""
        net = "enc.net_app.convs"
        self.activated("encoder.stem", f"{net}.0.0.weight", f"{net}.0.1.bias", ACTIVATION_GAIN)
        for i in range(self.config.levels):
            theirs, ours = f"{net}.{i + 1}", f"encoder.blocks.{i}"
            self.activated(f"{ours}.conv1", f"{theirs}.conv1.0.weight", f"{theirs}.conv1.1.bias", ACTIVATION_GAIN)
            self.activated(f"{ours}.conv2", f"{theirs}.conv2.1.weight", f"{theirs}.conv2.2.bias", 1.0)
            self.ours[f"{ours}.skip.weight"] = self.scaled(f"{theirs}.skip.1.weight").flatten(1) / 2**0.5
        self.ours["encoder.identity.weight"] = self.scaled(f"{net}.{self.config.levels + 1}.weight").flatten(1)
        self.head()

    def head(self) -> None:
        """Fold five affine maps into one."""
        weight, bias = self.scaled("enc.fc.0.weight"), self.read("enc.fc.0.bias")
        for i in range(1, HEAD_LAYERS):
            step = self.scaled(f"enc.fc.{i}.weight")
            weight, bias = step @ weight, step @ bias + self.read(f"enc.fc.{i}.bias")
        self.ours |= {"encoder.head.weight": weight, "encoder.head.bias": bias}

    def style(self, ours: str, theirs: str) -> None:
        self.ours[f"{ours}.style.weight"] = self.scaled(f"{theirs}.conv.modulation.weight")
        self.ours[f"{ours}.style.bias"] = self.read(f"{theirs}.conv.modulation.bias")

    def styled(self, ours: str, theirs: str) -> None:
        weight = self.scaled(f"{theirs}.conv.weight")
        self.ours[f"{ours}.weight"] = weight
        self.ours[f"{ours}.energy"] = (weight**2).sum((2, 3))
        self.ours[f"{ours}.bias"] = self.read(f"{theirs}.activate.bias").flatten() * ACTIVATION_GAIN
        self.style(ours, theirs)

    def decoder(self) -> None:
        self.ours["decoder.start"] = self.read("dec.input.input")
        self.styled("decoder.first", "dec.conv1")
        for i in range(self.config.levels):
            level = f"decoder.levels.{i}"
            self.styled(f"{level}.up", f"dec.convs.{2 * i}")
            self.styled(f"{level}.draw", f"dec.convs.{2 * i + 1}")
            self.flow(f"{level}.flow", f"dec.to_flows.{i}")
            self.paint(f"{level}.paint", f"dec.to_rgbs.{i}")

    def flow(self, ours: str, theirs: str) -> None:
        self.ours[f"{ours}.weight"] = self.scaled(f"{theirs}.conv.weight").flatten(1)
        self.ours[f"{ours}.bias"] = self.read(f"{theirs}.bias").flatten()
        self.style(ours, theirs)

    def paint(self, ours: str, theirs: str) -> None:
        self.activated(f"{ours}.color", f"{theirs}.conv.0.weight", f"{theirs}.conv.1.bias", ACTIVATION_GAIN)
        self.ours[f"{ours}.bias"] = self.read(f"{theirs}.bias").flatten()

    def directions(self) -> None:
        """Columns by Householder QR, with LAPACK's signs, because the coefficients were learnt with them."""
        self.ours["directions"] = torch.linalg.qr(self.read("dec.direction.weight") + DIRECTION_OFFSET).Q


def fold(state: Mapping[str, Tensor], config: AutoencoderConfig) -> dict[str, Tensor]:
    """Published weights, already checked against `published_shapes` -> state of `MotionAutoencoder`, in float64."""
    folder = _Folder(state, config)
    folder.encoder()
    folder.decoder()
    folder.directions()
    return folder.ours


_CONVOLUTIONS = re.compile(
    r"encoder\.(stem|blocks\.\d+\.\w+)\.(weight|bias)|decoder\.start"
    r"|decoder\.(first|levels\.\d+\.(up|draw|paint\.color))\.(weight|bias)"
)
"""Modules that may be bfloat16. Latents, styles, flows and the sum of all levels' pictures stay float32."""


def build_autoencoder(
    state: Mapping[str, Tensor], config: AutoencoderConfig, dtype: torch.dtype = torch.float32
) -> MotionAutoencoder:
    """Build the auto-encoder with published weights, for inference.

    Args:
        state: published parameters, already checked against `published_shapes`.
        config: sizes.
        dtype: type of the convolutions; float64 makes everything float64.
    """
    with torch.device("meta"):
        model = MotionAutoencoder(config)
    exact = torch.promote_types(dtype, torch.float32)
    folded = fold(state, config)
    typed = {key: tensor.to(dtype if _CONVOLUTIONS.fullmatch(key) else exact) for key, tensor in folded.items()}
    model.load_state_dict(typed, assign=True)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model.requires_grad_(False).eval()
