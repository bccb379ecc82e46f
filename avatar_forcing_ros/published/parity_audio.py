# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Stage of `parity` that holds wav2vec2 features and their projection against the published ones."""

from __future__ import annotations

import torch

from avatar_forcing_ros.audio.wav2vec2 import Wav2Vec2Sizes, build_wav2vec2, check_wav2vec2, published_shapes
from avatar_forcing_ros.published.parity import Fixture, Stage, relative_error

SIZES: dict[str, Wav2Vec2Sizes] = {
    "small": Wav2Vec2Sizes(
        hidden_size=32,
        num_attention_heads=4,
        intermediate_size=64,
        conv_channels=16,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
    ),
    "full": Wav2Vec2Sizes(),
}
"""wav2vec2 by the size of the fixture."""


def audio_error(fixture: Fixture) -> float:
    """Error of the projected features of a sound that goes in as it is, without normalisation."""
    sizes = SIZES[fixture.size]
    encoder = build_wav2vec2(check_wav2vec2(fixture.weights(published_shapes(sizes)), sizes), sizes)
    with torch.inference_mode():
        features = encoder(fixture.arrays["audio"])
        return relative_error(fixture.network.project_audio(features), fixture.arrays["audio_features"])


AUDIO_STAGE = Stage("audio", ("audio", "audio_features"), audio_error)
