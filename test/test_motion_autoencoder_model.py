# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The auto-encoder as a whole: published names and sizes, folding, batches, types of number."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import Tensor

from avatar_forcing_ros.compute.weights import WeightsError
from avatar_forcing_ros.motion.autoencoder.config import AutoencoderConfig
from avatar_forcing_ros.motion.autoencoder.encoder import Encoding
from avatar_forcing_ros.motion.autoencoder.model import MotionAutoencoder
from avatar_forcing_ros.motion.autoencoder.published import (
    build_autoencoder,
    check_autoencoder,
    published_buffers,
    published_shapes,
)
from avatar_forcing_ros.motion.autoencoder.warping import feature_tables
from avatar_forcing_ros.published.parity import LIMIT, Fixture
from avatar_forcing_ros.published.parity_autoencoder import AUTOENCODER_STAGE

SHARED = Path(__file__).resolve().parents[2] / "shared"
TINY = AutoencoderConfig(image_size=64, latent_size=24, coefficients=5, widest=32)
PUBLISHED_PARAMETERS = 45_239_560


def tiny_state(seed: int = 0) -> dict[str, Tensor]:
    """Weights under published names, on the scale of an untrained network."""
    random = torch.Generator().manual_seed(seed)
    state = {key: torch.randn(shape, generator=random) for key, shape in published_shapes(TINY).items()}
    return {
        key: 1 + 0.1 * x if "modulation.bias" in key else 0.1 * x if "bias" in key else x for key, x in state.items()
    }


def pictures(count: int, dtype: torch.dtype = torch.float32) -> Tensor:
    random = torch.Generator().manual_seed(7)
    return torch.rand(count, 3, 64, 64, generator=random, dtype=dtype) * 2 - 1


@pytest.fixture(scope="module")
def model() -> MotionAutoencoder:
    return build_autoencoder(tiny_state(), TINY)


@pytest.fixture(scope="module")
def exact() -> MotionAutoencoder:
    return build_autoencoder(tiny_state(), TINY, torch.float64)


def decode(model: MotionAutoencoder, portrait: Encoding, motion: Tensor) -> Tensor:
    with torch.inference_mode():
        return model.decode(portrait.identity, feature_tables(portrait.features), motion)


def test_published_size_has_the_published_number_of_parameters() -> None:
    shapes = published_shapes(AutoencoderConfig()).values()
    assert sum(torch.Size(shape).numel() for shape in shapes) == PUBLISHED_PARAMETERS


def test_every_published_parameter_ends_up_in_the_model() -> None:
    """What is ours counts the same, but for five linear layers folded into one and what is never used."""
    config = AutoencoderConfig()
    with torch.device("meta"):
        ours = sum(parameter.numel() for parameter in MotionAutoencoder(config).parameters())
    m, u = config.latent_size, config.coefficients
    folded = 4 * (m * m + m)
    unused = 15 + (3 * 512 + 3 + 3)  # noise strengths of 15 styled convolutions, to_rgb1
    assert ours == PUBLISHED_PARAMETERS - folded - unused - m * u  # directions are a buffer


@pytest.mark.shared
def test_names_and_shapes_are_those_of_the_published_file() -> None:
    text = (SHARED / "reference" / "avatar_forcing_keys.txt").read_text()
    rows = re.findall(r"^(motion_autoencoder\.\S+) \(([\d, ]*)\)(.*)$", text, re.MULTILINE)
    shapes = {key: tuple(int(n) for n in shape.split(",") if n.strip()) for key, shape, _ in rows}
    buffers = {key for key, _, rest in rows if "buffer" in rest}
    config = AutoencoderConfig()
    assert published_shapes(config) == {key: shape for key, shape in shapes.items() if key not in buffers}
    assert {key: tuple(x.shape) for key, x in published_buffers(config).items()} == {
        key: shapes[key] for key in buffers
    }


@pytest.mark.shared
@pytest.mark.slow
def test_reference_values_are_met() -> None:
    fixture = Fixture.load(SHARED / "parity" / "small_seed7.npz")
    assert AUTOENCODER_STAGE.error(fixture) <= LIMIT / 4


def test_directions_are_orthonormal_with_the_signs_of_lapack(model: MotionAutoencoder) -> None:
    q = model.directions
    torch.testing.assert_close(q.T @ q, torch.eye(5), atol=1e-6, rtol=0)
    weight = tiny_state()["motion_autoencoder.dec.direction.weight"]
    torch.testing.assert_close(q, torch.linalg.qr(weight + 1e-8).Q, atol=1e-6, rtol=0)


def test_head_is_the_five_published_layers(exact: MotionAutoencoder) -> None:
    with torch.inference_mode():
        encoding = exact.encode(pictures(2, torch.float64))
    state = {key: x.double() for key, x in tiny_state().items()}
    x = encoding.identity
    for i in range(5):
        weight, bias = (state[f"motion_autoencoder.enc.fc.{i}.{kind}"] for kind in ("weight", "bias"))
        x = x @ (weight / weight.shape[1] ** 0.5).T + bias
    torch.testing.assert_close(encoding.coefficients, x)


def test_a_batch_decodes_as_its_frames_one_by_one(exact: MotionAutoencoder) -> None:
    with torch.inference_mode():
        portrait = exact.encode(pictures(1, torch.float64))
        motion = exact.motion(exact.encode(pictures(3, torch.float64)).coefficients)
    together = decode(exact, portrait, motion)
    apart = torch.cat([decode(exact, portrait, m[None]) for m in motion])
    assert ((together - apart).norm() / apart.norm()) < 1e-9


def test_float32_agrees_with_float64(model: MotionAutoencoder, exact: MotionAutoencoder) -> None:
    with torch.inference_mode():
        ours, reference = model.encode(pictures(2)), exact.encode(pictures(2).double())
    for found, expected in ((ours.identity, reference.identity), (ours.coefficients, reference.coefficients)):
        assert ((found - expected).norm() / expected.norm()) < 5e-6


def test_bfloat16_stays_close_and_keeps_flows_and_latents_exact() -> None:
    half = build_autoencoder(tiny_state(), TINY, torch.bfloat16)
    wide = {name for name, parameter in half.named_parameters() if parameter.dtype == torch.float32}
    assert {name for name in half.state_dict() if ".flow." in name or ".style." in name} <= wide
    assert {"encoder.identity.weight", "encoder.head.weight"} <= wide
    with torch.inference_mode():
        found, expected = (m.encode(pictures(1)) for m in (half, build_autoencoder(tiny_state(), TINY)))
        picture = decode(half, found, half.motion(found.coefficients))
    assert ((found.coefficients - expected.coefficients).norm() / expected.coefficients.norm()) < 2e-2
    assert picture.dtype == torch.float32


def test_pictures_of_another_size_are_refused(model: MotionAutoencoder) -> None:
    with pytest.raises(ValueError, match=r"\(B, 3, 64, 64\), got \(1, 3, 32, 32\)"):
        model.encode(torch.zeros(1, 3, 32, 32))


@pytest.mark.parametrize("sizes", [{"image_size": 48}, {"image_size": 4}, {"coefficients": 600}, {"widest": 8}])
def test_impossible_sizes_are_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="got"):
        AutoencoderConfig(**sizes)


def test_sizes_are_told_from_the_tensors() -> None:
    assert check_autoencoder(tiny_state()).config == TINY


def test_buffers_may_be_there_and_must_agree() -> None:
    buffers = published_buffers(TINY)
    assert check_autoencoder(tiny_state() | buffers).state.keys() == published_shapes(TINY).keys()
    key = "motion_autoencoder.dec.to_rgbs.1.upsample.kernel"
    with pytest.raises(WeightsError, match=re.escape(key)):
        check_autoencoder(tiny_state() | buffers | {key: buffers[key] / 4})


def test_everything_is_computed_where_the_weights_are() -> None:
    """The device "meta" has no numbers, but refuses to mix with another as a GPU does."""
    elsewhere = build_autoencoder(tiny_state(), TINY, torch.bfloat16).to("meta")
    with torch.inference_mode():
        portrait = elsewhere.encode(pictures(1).to("meta"))
        picture = decode(elsewhere, portrait, elsewhere.motion(portrait.coefficients).repeat(3, 1))
    assert (picture.device.type, picture.shape) == ("meta", (3, 3, 64, 64))
