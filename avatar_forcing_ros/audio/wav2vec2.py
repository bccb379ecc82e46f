# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""wav2vec2 features at the rate of video frames: all hidden layers of the speech transformer, 25 times a second.

The CNN runs at about 50 Hz; its output is interpolated to one row per video frame *before* the transformer, which then
runs at 25 Hz. A row is the outputs of all transformer layers one after the other; to project it is the network's task.

Source: arXiv 2006.11477 (wav2vec 2.0); arXiv 2601.00664, section "Implementation details".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from avatar_forcing_ros.compute.weights import check_published

if TYPE_CHECKING:  # an optional requirement: only the published network wants it
    from transformers import Wav2Vec2Config, Wav2Vec2Model

SAMPLE_RATE = 16_000
FRAME_SAMPLES = 640
PREFIX = "audio_encoder.wav2vec2."


@dataclass(frozen=True)
class Wav2Vec2Sizes:
    """Sizes of a wav2vec2 model of the "base" kind; the defaults are those of wav2vec2-base-960h.

    Attributes:
        hidden_size: width of a transformer layer.
        num_hidden_layers: transformer layers.
        num_attention_heads: heads of each.
        intermediate_size: hidden width of its feed-forward part.
        conv_channels: width of each of the seven CNN layers.
        num_conv_pos_embeddings: taps of the convolution that tells positions.
        num_conv_pos_embedding_groups: its groups.
    """

    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    conv_channels: int = 512
    num_conv_pos_embeddings: int = 128
    num_conv_pos_embedding_groups: int = 16

    @property
    def feature_size(self) -> int:
        """F, numbers in one row of features."""
        return self.num_hidden_layers * self.hidden_size

    def library_config(self) -> Wav2Vec2Config:
        """The same in the words of `transformers`, everything else at its default."""
        from transformers import Wav2Vec2Config

        sizes = asdict(self)
        return Wav2Vec2Config(conv_dim=(sizes.pop("conv_channels"),) * 7, **sizes)

    def library_model(self) -> Wav2Vec2Model:
        """A model of these sizes, its weights not yet loaded.

        Raises:
            ModuleNotFoundError: `transformers` is not installed.
        """
        from transformers import Wav2Vec2Model

        return Wav2Vec2Model(self.library_config())


class Wav2Vec2Encoder(nn.Module):
    """Sound to rows of features, one per video frame. Bidirectional: every row hears all of the sound it is given."""

    def __init__(self, sizes: Wav2Vec2Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.wav2vec2 = sizes.library_model()

    @torch.inference_mode()
    def forward(self, samples: Tensor) -> Tensor:
        """Features of whole frames of sound.

        Args:
            samples: (B, 640 T) at 16 kHz, on the scale the model was trained for (about unit variance while speaking).

        Returns:
            (B, T, F), layer-major: all of the first layer, then all of the second.

        Raises:
            ValueError: not a whole number of frames.
        """
        if samples.ndim != 2 or samples.shape[1] % FRAME_SAMPLES or not samples.shape[1]:
            raise ValueError(f"samples must be (B, {FRAME_SAMPLES} * frames), got {tuple(samples.shape)}")
        model, layers = self.wav2vec2, []
        hidden, _ = model.feature_projection(self._frames(samples))
        hidden = model.encoder.layer_norm(hidden + model.encoder.pos_conv_embed(hidden))
        for layer in model.encoder.layers:
            hidden = layer(hidden)
            layers.append(hidden)
        return torch.cat(layers, -1)

    def _frames(self, samples: Tensor) -> Tensor:
        """CNN output at 25 Hz, (B, T, C); the first and last rows stay where they are."""
        rows = self.wav2vec2.feature_extractor(samples)
        exact = torch.promote_types(rows.dtype, torch.float32)
        frames = functional.interpolate(
            rows.to(exact), samples.shape[1] // FRAME_SAMPLES, mode="linear", align_corners=True
        )
        return frames.to(rows.dtype).transpose(1, 2)


def published_shapes(sizes: Wav2Vec2Sizes) -> dict[str, tuple[int, ...]]:
    """Full published name -> shape of every parameter, as `transformers` names them with a current torch."""
    with torch.device("meta"):
        model = sizes.library_model()
    return {PREFIX + name: tuple(parameter.shape) for name, parameter in model.named_parameters()}


def check_wav2vec2(tensors: Mapping[str, Tensor], sizes: Wav2Vec2Sizes) -> dict[str, Tensor]:
    """The tensors, when they are exactly the parameters of a model of these sizes.

    Raises:
        WeightsError: a key is missing or unexpected, or a tensor is not what it must be.
    """
    return check_published(tensors, published_shapes(sizes))


def build_wav2vec2(
    state: Mapping[str, Tensor], sizes: Wav2Vec2Sizes, dtype: torch.dtype = torch.float32
) -> Wav2Vec2Encoder:
    """The encoder with published weights, already checked against `published_shapes`, for inference."""
    with torch.device("meta"):
        encoder = Wav2Vec2Encoder(sizes)
    encoder.wav2vec2.load_state_dict(
        {key.removeprefix(PREFIX): tensor.to(dtype) for key, tensor in state.items()}, assign=True
    )
    return encoder.requires_grad_(False).eval()
