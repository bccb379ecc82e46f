"""Holds wav2vec2 features and their projection against recorded outputs of the published ones."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from avatar_forcing_ros.audio.wav2vec2 import Wav2Vec2Sizes, build_wav2vec2, published_shapes
from avatar_forcing_ros.network.condition_encoder import AudioProjection
from avatar_forcing_ros.network.config import NetworkConfig
from avatar_forcing_ros.parity_autoencoder import relative_error
from avatar_forcing_ros.published_weights import check_published
from avatar_forcing_ros.reference_weights import reference_weights

SMALL = Wav2Vec2Sizes(
    hidden_size=32,
    num_attention_heads=4,
    intermediate_size=64,
    conv_channels=16,
    num_conv_pos_embeddings=16,
    num_conv_pos_embedding_groups=4,
)
"""wav2vec2 of the small fixtures."""

_PROJECTION = {"0": "linear", "1": "norm"}


def audio_error(fixture: Mapping[str, NDArray[np.float32]], seed: int, sizes: Wav2Vec2Sizes = SMALL) -> float:
    """Relative error of the projected features of a sound that goes in as it is."""
    shapes = published_shapes(sizes)
    encoder = build_wav2vec2(check_published(reference_weights(seed, shapes), shapes), sizes)
    projection = _projection(seed, sizes.feature_size, fixture["audio_features"].shape[-1])
    with torch.inference_mode():
        return relative_error(projection(encoder(torch.from_numpy(fixture["audio"]))), fixture["audio_features"])


def _projection(seed: int, features: int, size: int) -> AudioProjection:
    projection = AudioProjection(NetworkConfig(audio_feature_size=features, condition_size=size))
    names = {
        f"audio_encoder.audio_projection.{theirs}.{kind}": f"{ours}.{kind}"
        for theirs, ours in _PROJECTION.items()
        for kind in ("weight", "bias")
    }
    own = projection.state_dict()
    state = reference_weights(seed, {theirs: tuple(own[ours].shape) for theirs, ours in names.items()})
    projection.load_state_dict({names[theirs]: tensor for theirs, tensor in state.items()})
    return projection
