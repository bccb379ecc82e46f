# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Our kernels against the layers they stand in for: on a GPU, or interpreted on a CPU where Triton is there."""

from __future__ import annotations

import os

import pytest
import torch

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")  # read when Triton is imported
pytest.importorskip("triton", reason="Triton is not here: it comes with the CUDA builds of torch")

from avatar_forcing_ros.motion.autoencoder import kernels
from avatar_forcing_ros.motion.autoencoder.config import AutoencoderConfig
from avatar_forcing_ros.motion.autoencoder.fused import FusedDecoder, FusedEncoder
from avatar_forcing_ros.motion.autoencoder.published import build_autoencoder, published_shapes
from avatar_forcing_ros.motion.autoencoder.warping import feature_tables
from avatar_forcing_ros.network.cache import KeysValues, KVCache
from avatar_forcing_ros.network.config import NetworkConfig
from avatar_forcing_ros.network.fused import FusedTransformer
from avatar_forcing_ros.network.model import AvatarForcingNetwork
from avatar_forcing_ros.network.modulation import Modulation

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
LIMIT = 1e-5
TINY = AutoencoderConfig(image_size=64, latent_size=24, coefficients=5, widest=32)


def tiny_state() -> dict[str, torch.Tensor]:
    """Weights under published names, on the scale of an untrained network."""
    state = {key: torch.randn(shape) for key, shape in published_shapes(TINY).items()}
    return {key: 0.1 * x + ("modulation" in key) if key.endswith("bias") else x for key, x in state.items()}


@pytest.fixture(autouse=True)
def exact():
    """On a GPU convolutions would be rounded to ten bits."""
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield


def error(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found - wanted).norm() / wanted.norm())


@torch.inference_mode()
@pytest.mark.parametrize("many", [1, 1 << 21])
def test_pictures_are_read_and_drawn_as_by_the_layers(monkeypatch: pytest.MonkeyPatch, many: int) -> None:
    """Two portraits in one batch of three pictures: each reads its own features. Rows are filtered by fours, or not."""
    monkeypatch.setattr(kernels, "_MANY", many)
    torch.manual_seed(0)
    model = build_autoencoder(tiny_state(), TINY).to(DEVICE)
    pixels = torch.randint(0, 256, (2, TINY.image_size, TINY.image_size, 3), dtype=torch.uint8, device=DEVICE)
    wanted = model.encode(pixels.movedim(-1, 1).float() / 127.5 - 1)
    found = FusedEncoder(model.encoder)(pixels)
    assert error(found.coefficients, wanted.coefficients) < LIMIT
    assert all(error(a, b) < LIMIT for a, b in zip(found.features, wanted.features, strict=True))
    who, motion = [0, 1, 1], model.motion(wanted.coefficients)[[0, 1, 0]]
    maps = [feature.movedim(1, -1).contiguous() for feature in wanted.features]
    addresses = torch.tensor([[map_[i].data_ptr() for i in who] for map_ in maps], device=DEVICE)
    drawn = FusedDecoder(model.decoder)(wanted.identity[who] + motion, addresses)
    for n, i in enumerate(who):
        tables = feature_tables([feature[i : i + 1] for feature in wanted.features])
        picture = model.decode(wanted.identity[i : i + 1], tables, motion[n : n + 1])[0].movedim(0, -1)
        levels = ((picture.clamp(-1, 1) + 1) * 127.5).round()
        assert levels.std() > 20
        assert (drawn[n] - levels).abs().max() <= 1


@torch.inference_mode()
def test_passes_give_what_those_of_the_layers_give() -> None:
    """Two conversations in three branches, with a past; the pass that fills the cache, too."""
    torch.manual_seed(0)
    config = NetworkConfig(hidden_size=64, heads=2, depth=2, motion_size=6)
    transformer = AvatarForcingNetwork(config).eval().transformer.to(DEVICE)
    for parameter in transformer.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    past = (6, config.heads, config.cache_frames, 32)
    layers = [KeysValues(torch.randn(past, device=DEVICE), torch.randn(past, device=DEVICE)) for _ in range(2)]
    cache = KVCache(layers, torch.randn(6, config.condition_radius, 64, device=DEVICE))
    conditions = torch.randn(6, config.window_frames, 64, device=DEVICE)
    x, reference = torch.randn(2, config.window_frames, 6, device=DEVICE), torch.randn(2, 6, device=DEVICE)
    times = torch.cat((torch.zeros(config.lookahead_frames), torch.full((config.block_frames,), 500.0))).to(DEVICE)
    noisy, clean = (
        Modulation(*(part.contiguous() for part in vars(transformer.modulation(t)).values()))
        for t in (times, torch.zeros_like(times))
    )
    fused = FusedTransformer(transformer)
    window, fused_window = transformer.open_window(conditions, cache, fold=True), fused.open_window(conditions, cache)
    assert error(fused(x, reference, noisy, fused_window), transformer(x, reference, noisy, window)) < LIMIT
    found, wanted = fused.remember(x, reference, clean, fused_window), transformer.remember(x, reference, clean, window)
    for a, b in zip(found, wanted, strict=True):
        assert error(a.keys, b.keys) < LIMIT
        assert error(a.values, b.values) < LIMIT
