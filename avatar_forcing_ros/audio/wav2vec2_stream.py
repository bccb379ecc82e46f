# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""wav2vec2 features of a stream: a rolling window of past sound, processed again at every push.

The published program encodes a whole recording at once and so hears the future. Here a row hears `left_frames` of past,
what was pushed together with it, and `right_frames` after it, and nothing else.

The price: nothing of an earlier pass can be kept, because the first layer normalises over its whole window and every
transformer layer looks both ways. A push costs one pass over left + new + right frames however few are new, so push
whole blocks. See `docs/performance.md` for figures.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from avatar_forcing_ros.audio.speech_level import SpeechLevel
from avatar_forcing_ros.audio.wav2vec2 import (
    FRAME_SAMPLES,
    Wav2Vec2Encoder,
    Wav2Vec2Sizes,
    build_wav2vec2,
    check_wav2vec2,
)
from avatar_forcing_ros.audio.wav2vec2_together import Wav2Vec2Together, error_of

logger = logging.getLogger(__name__)
_MOST_ERROR = 0.01
"""Relative difference of features in float16, beyond which float32 is taken."""


@dataclass(frozen=True)
class Wav2Vec2StreamConfig:
    """What a row of features hears.

    Attributes:
        left_frames: past before the frames of a push.
        right_frames: frames after a row's own that must have come; the row is late by as many.
        normalize: bring speech to unit level; off, sound goes in as it is.
    """

    left_frames: int = 50
    right_frames: int = 0
    normalize: bool = True

    def __post_init__(self) -> None:
        if self.left_frames < 0 or self.right_frames < 0:
            raise ValueError(
                f"left_frames and right_frames must not be negative, got {self.left_frames} and {self.right_frames}"
            )


class Wav2Vec2Stream:
    """Features of one continuous sound; several streams may share an encoder.

    Args:
        encoder: the network.
        config: see `Wav2Vec2StreamConfig`.
        together: computes on a GPU what several streams want of the encoder.
    """

    def __init__(
        self,
        encoder: Wav2Vec2Encoder,
        config: Wav2Vec2StreamConfig | None = None,
        together: Wav2Vec2Together | None = None,
    ) -> None:
        self.config = config or Wav2Vec2StreamConfig()
        self._encoder, self._together = encoder, together
        self._parameter = next(encoder.parameters())
        self._level = SpeechLevel()
        self._rest = np.zeros(0, np.float32)
        self._window = np.zeros(0, np.float32)
        self._waiting = 0

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take sound at 16 kHz and give the rows that are now complete.

        Args:
            samples: (N,) float32 in [-1, 1].

        Returns:
            (T, F) float32: one row per whole frame of 640 samples, `right_frames` late.
        """
        sound = np.concatenate((self._rest, samples))
        whole = len(sound) // FRAME_SAMPLES * FRAME_SAMPLES
        self._rest = sound[whole:]
        self._append(sound[:whole].reshape(-1, FRAME_SAMPLES))
        rows = max(0, self._waiting - self.config.right_frames)
        if not rows:
            return np.zeros((0, self._encoder.sizes.feature_size), np.float32)
        features = self._encode(self._waiting)[:rows]
        self._waiting -= rows
        kept = (self.config.left_frames + self._waiting) * FRAME_SAMPLES
        self._window = self._window[len(self._window) - min(kept, len(self._window)) :].copy()
        return features

    def _append(self, frames: NDArray[np.float32]) -> None:
        """Add whole frames (K, 640) to the window."""
        if self.config.normalize:
            frames = np.stack([self._level.normalize(frame) for frame in frames]) if len(frames) else frames
        self._window = np.concatenate((self._window, frames.ravel()))
        self._waiting += len(frames)

    def _encode(self, rows: int) -> NDArray[np.float32]:
        """(rows, F) the last rows of the whole window."""
        if self._together is not None:
            return self._together(self._window, rows)
        samples = torch.from_numpy(self._window)[None].to(self._parameter)
        return self._encoder(samples)[0, -rows:].float().cpu().numpy()


def wav2vec2_streams(
    weights: Path, sizes: dict[str, int] | None = None, device: str = "", **settings: int | bool
) -> Callable[[], Wav2Vec2Stream]:
    """Maker of streams that share the encoder of a model bundle.

    Args:
        weights: safetensors with the published keys.
        sizes: as in `Wav2Vec2Sizes`; None takes those of wav2vec2-base-960h.
        device: where to run; empty takes a GPU when there is one.
        settings: as in `Wav2Vec2StreamConfig`.

    Raises:
        WeightsError: the file does not hold the published parameters.
    """
    config = Wav2Vec2StreamConfig(**settings)  # type: ignore[arg-type]
    chosen = Wav2Vec2Sizes(**(sizes or {}))
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))

    def build(kind: torch.dtype = torch.float32) -> Wav2Vec2Encoder:
        return build_wav2vec2(check_wav2vec2(load_file(weights), chosen), chosen, kind)

    encoder = build().to(place)
    if place.type == "cpu":
        return lambda: Wav2Vec2Stream(encoder, config)
    sound = torch.randn(1, FRAME_SAMPLES * 20, generator=torch.Generator().manual_seed(0)).to(place)
    narrow = build(torch.float16).to(place)
    error = error_of(narrow(sound.half()), encoder(sound))
    if error <= _MOST_ERROR:
        encoder = narrow
    else:
        logger.warning("speech features in float16 differ by %.1e: they are computed in float32", error)
    together = Wav2Vec2Together(encoder, rebuild=build)
    return lambda: Wav2Vec2Stream(encoder, config, together)
