# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Stages of `parity` that hold the motion latent auto-encoder against the published one."""

from __future__ import annotations

import torch
from torch import Tensor

from avatar_forcing_ros.motion.autoencoder.config import AutoencoderConfig
from avatar_forcing_ros.motion.autoencoder.model import MotionAutoencoder
from avatar_forcing_ros.motion.autoencoder.published import (
    CheckedAutoencoder,
    build_autoencoder,
    check_autoencoder,
    published_shapes,
)
from avatar_forcing_ros.motion.autoencoder.warping import feature_tables
from avatar_forcing_ros.published.parity import Fixture, Stage, relative_error


def autoencoder_error(fixture: Fixture) -> float:
    """Worst error of the encoder's vectors in float32 and of the pictures in float64.

    Pictures need float64: with drawn weights the flow field is chaotic, and float32 rounding alone moves them more than
    a wrong implementation might.
    """
    checked = _weights(fixture)
    model, exact = (build_autoencoder(checked.state, checked.config, dtype) for dtype in (torch.float32, torch.float64))
    return max(*_vector_errors(model, fixture), _picture_error(exact, fixture, "ae_frames_f64"))


def frames_float32_error(fixture: Fixture) -> float:
    """Error of pictures decoded in float32; for information, see `autoencoder_error`."""
    checked = _weights(fixture)
    return _picture_error(build_autoencoder(checked.state, checked.config), fixture, "ae_frames")


def _weights(fixture: Fixture) -> CheckedAutoencoder:
    """The fixture's weights in the size of its arrays."""
    names = ("ae_source", "ae_identity", "ae_source_lambda")
    config = AutoencoderConfig(*(fixture.arrays[name].shape[-1] for name in names))
    return check_autoencoder(fixture.weights(published_shapes(config)))


def _read(fixture: Fixture, name: str, model: MotionAutoencoder) -> Tensor:
    return fixture.arrays[name].to(model.directions.dtype)


@torch.inference_mode()
def _vector_errors(model: MotionAutoencoder, fixture: Fixture) -> list[float]:
    source, driving = (model.encode(_read(fixture, name, model)) for name in ("ae_source", "ae_driving"))
    found = {
        "ae_identity": source.identity,
        "ae_source_lambda": source.coefficients,
        "ae_source_motion": model.motion(source.coefficients),
        "ae_driving_lambda": driving.coefficients,
        "ae_driving_motion": model.motion(driving.coefficients),
    }
    found |= {f"ae_feat_mean_{i}": feature.mean((0, 2, 3)) for i, feature in enumerate(source.features)}
    return [relative_error(tensor, fixture.arrays[name]) for name, tensor in found.items()]


@torch.inference_mode()
def _picture_error(model: MotionAutoencoder, fixture: Fixture, name: str) -> float:
    source = model.encode(_read(fixture, "ae_source", model))
    motion = model.motion(model.encode(_read(fixture, "ae_driving", model)).coefficients)
    return relative_error(model.decode(source.identity, feature_tables(source.features), motion), fixture.arrays[name])


_VECTORS = ("identity", "source_lambda", "source_motion", "driving_lambda", "driving_motion", "frames_f64")
_PICTURES = ("ae_source", "ae_driving", "ae_identity", "ae_source_lambda")

AUTOENCODER_STAGE = Stage("autoencoder", (*_PICTURES, *(f"ae_{name}" for name in _VECTORS)), autoencoder_error)
FRAMES_STAGE = Stage("frames_float32", (*_PICTURES, "ae_frames"), frames_float32_error, judged=False)
