# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Our kernels against the layers they stand in for: on a GPU, or interpreted on a CPU where Triton is there."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")  # read when Triton is imported
pytest.importorskip("triton", reason="Triton is not here: it comes with the CUDA builds of torch")

from avatar_forcing_ros.compute.capture import Program
from avatar_forcing_ros.motion.autoencoder import captured, kernels
from avatar_forcing_ros.motion.autoencoder.config import AutoencoderConfig
from avatar_forcing_ros.motion.autoencoder.encoder import Encoding
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
"""Of a relative difference from float64; on a GPU, where libraries choose how to add, twice what the layers have."""
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
    return float((found.to(wanted) - wanted).norm() / wanted.norm())


def exactly(pixels: torch.Tensor) -> Encoding:
    """What the same weights read in float64 on a CPU."""
    torch.manual_seed(0)
    model = build_autoencoder({key: x.double() for key, x in tiny_state().items()}, TINY, torch.float64).double()
    return model.encode(pixels.cpu().movedim(-1, 1).double() / 127.5 - 1)


def numbers(encoding: Encoding) -> list[torch.Tensor]:
    return [encoding.coefficients, encoding.identity, *encoding.features]


@torch.inference_mode()
@pytest.mark.parametrize("many", [1, 1 << 21])
def test_pictures_are_read_and_drawn_as_by_the_layers(monkeypatch: pytest.MonkeyPatch, many: int) -> None:
    """Two portraits in one batch of three pictures: each reads its own features. Rows are filtered by fours, or not."""
    monkeypatch.setattr(kernels, "_MANY", many)
    torch.manual_seed(0)
    model = build_autoencoder(tiny_state(), TINY).to(DEVICE)
    pixels = torch.randint(0, 256, (2, TINY.image_size, TINY.image_size, 3), dtype=torch.uint8, device=DEVICE)
    wanted = model.encode(pixels.movedim(-1, 1).float() / 127.5 - 1)
    exact = exactly(pixels)
    found = FusedEncoder(model.encoder)(pixels)
    errors = [
        (error(ours, one), error(layers, one))
        for ours, layers, one in zip(numbers(found), numbers(wanted), numbers(exact), strict=True)
    ]
    assert all(ours < max(LIMIT, 2 * layers) for ours, layers in errors), errors
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


def wait() -> None:
    """For the card, where there is one."""
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()


class Steps:
    """Stands in for a `Recorder`: a replay does the steps again."""

    stream = SimpleNamespace(synchronize=wait)

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def record(self, job: Callable[[], torch.Tensor]) -> Program[torch.Tensor]:
        outputs = job()
        return Program(SimpleNamespace(replay=lambda: outputs.copy_(job())), outputs)


def test_pictures_of_several_go_through_programs_of_other_sizes_and_come_back_to_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Thirteen pictures through programs of one, three and five: 5 + 5 + 3, split otherwise for those who asked."""
    monkeypatch.setattr(captured, "Recorder", Steps)
    monkeypatch.setattr(torch.cuda, "Event", lambda: SimpleNamespace(synchronize=wait, record=lambda stream: None))
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    side, rows = 4, 13
    reads = lambda _: lambda pixels: SimpleNamespace(coefficients=pixels.flatten(1).float()[:, :6])  # noqa: E731
    draws = lambda _: lambda x, y: (x[:, 0] + y[0]).byte()[:, None, None, None].repeat(1, side, side, 3)  # noqa: E731
    monkeypatch.setattr(captured, "FusedEncoder", reads)
    monkeypatch.setattr(captured, "FusedDecoder", draws)
    model = SimpleNamespace(
        config=SimpleNamespace(image_size=side), directions=torch.zeros(1, device=DEVICE), encoder=None, decoder=None
    )
    programs = captured.CapturedAutoencoder(model, (1, 3, 5))  # type: ignore[arg-type]
    random = np.random.default_rng(0)
    for _ in range(2):
        pictures = random.integers(0, 256, (rows, side, side, 3), np.uint8)
        read = programs.read([pictures[:1], pictures[1:6], pictures[6:]])
        assert np.array_equal(read, pictures.reshape(rows, -1)[:, :6])
        latents = random.integers(0, 100, (rows, 2)).astype(np.float32)
        portraits = random.integers(0, 100, (rows, 3))
        drawn = programs.draw(latents, portraits, [1, 9, 3])
        assert [pictures.shape for pictures in drawn] == [(n, side, side, 3) for n in (1, 9, 3)]
        assert np.array_equal(np.concatenate(drawn)[:, 2, 1, 0], latents[:, 0] + portraits[:, 0])
