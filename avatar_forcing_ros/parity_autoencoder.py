"""Holds the motion latent auto-encoder against recorded outputs of the published one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avatar_forcing_ros.motion.autoencoder.config import AutoencoderConfig
from avatar_forcing_ros.motion.autoencoder.model import MotionAutoencoder
from avatar_forcing_ros.motion.autoencoder.published import build_autoencoder, published_buffers, published_shapes
from avatar_forcing_ros.motion.autoencoder.warping import feature_tables
from avatar_forcing_ros.published_weights import check_published
from avatar_forcing_ros.reference_weights import reference_weights

Fixture = Mapping[str, NDArray[np.float32]]


def autoencoder_error(fixture: Fixture, seed: int) -> float:
    """Worst relative error of the encoder's vectors in float32 and of the pictures in float64.

    Pictures need float64: with drawn weights the flow field is chaotic, and float32 rounding alone moves them more than
    a wrong implementation might.
    """
    model, exact = (_model(fixture, seed, dtype) for dtype in (torch.float32, torch.float64))
    return max(*_vector_errors(model, fixture).values(), _picture_error(exact, fixture, "ae_frames_f64"))


def frames_float32_error(fixture: Fixture, seed: int) -> float:
    """Relative error of pictures decoded in float32; for information, see `autoencoder_error`."""
    return _picture_error(_model(fixture, seed, torch.float32), fixture, "ae_frames")


def _model(fixture: Fixture, seed: int, dtype: torch.dtype) -> MotionAutoencoder:
    """The auto-encoder in the size of the fixture with the weights drawn from `seed`."""
    config = AutoencoderConfig(
        image_size=fixture["ae_source"].shape[-1],
        latent_size=fixture["ae_identity"].shape[-1],
        coefficients=fixture["ae_source_lambda"].shape[-1],
    )
    shapes = published_shapes(config)
    state = check_published(reference_weights(seed, shapes), shapes, published_buffers(config))
    return build_autoencoder(state, config, dtype)


def _read(fixture: Fixture, name: str, model: MotionAutoencoder) -> Tensor:
    return torch.from_numpy(fixture[name]).to(model.directions.dtype)


@torch.inference_mode()
def _vector_errors(model: MotionAutoencoder, fixture: Fixture) -> dict[str, float]:
    source, driving = (model.encode(_read(fixture, name, model)) for name in ("ae_source", "ae_driving"))
    found = {
        "ae_identity": source.identity,
        "ae_source_lambda": source.coefficients,
        "ae_source_motion": model.motion(source.coefficients),
        "ae_driving_lambda": driving.coefficients,
        "ae_driving_motion": model.motion(driving.coefficients),
    }
    found |= {f"ae_feat_mean_{i}": feature.mean((0, 2, 3)) for i, feature in enumerate(source.features)}
    return {name: relative_error(tensor, fixture[name]) for name, tensor in found.items()}


@torch.inference_mode()
def _picture_error(model: MotionAutoencoder, fixture: Fixture, name: str) -> float:
    source = model.encode(_read(fixture, "ae_source", model))
    motion = model.motion(model.encode(_read(fixture, "ae_driving", model)).coefficients)
    return relative_error(model.decode(source.identity, feature_tables(source.features), motion), fixture[name])


def relative_error(found: Tensor, expected: NDArray[np.float32]) -> float:
    """norm(found - expected) / norm(expected), in float64."""
    reference = expected.astype(np.float64)
    if tuple(found.shape) != reference.shape:
        raise ValueError(f"expected a result of shape {reference.shape}, got {tuple(found.shape)}")
    return float(np.linalg.norm(found.double().numpy() - reference) / np.linalg.norm(reference))
