# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Speech features of several voices together are those of each alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

pytest.importorskip("transformers", reason="transformers is not here: requirements/published.txt")

from avatar_forcing_ros.audio.wav2vec2 import FRAME_SAMPLES, Wav2Vec2Encoder, Wav2Vec2Sizes
from avatar_forcing_ros.audio.wav2vec2_stream import Wav2Vec2Stream
from avatar_forcing_ros.audio.wav2vec2_together import Heard, Wav2Vec2Together

SIZES = Wav2Vec2Sizes(16, 3, 2, 24, 8, 8, 2)


@pytest.fixture
def encoder() -> Wav2Vec2Encoder:
    torch.manual_seed(0)
    return Wav2Vec2Encoder(SIZES).eval().requires_grad_(False)


def sound(frames: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(frames * FRAME_SAMPLES).astype(np.float32)


def test_windows_of_every_length_get_their_own_rows(encoder: Wav2Vec2Encoder) -> None:
    several = [Heard(sound(frames, seed), rows) for seed, (frames, rows) in enumerate([(6, 2), (9, 4), (6, 5)] * 7)]
    found = Wav2Vec2Together(encoder)._hear(several)
    for heard, features in zip(several, found, strict=True):
        wanted = encoder(torch.from_numpy(heard.window)[None])[0, -heard.rows :].numpy()
        assert features.shape == wanted.shape
        np.testing.assert_allclose(features, wanted, atol=1e-5)


def test_streams_in_threads_hear_what_one_alone_hears(encoder: Wav2Vec2Encoder) -> None:
    together = Wav2Vec2Together(encoder)

    def listen(stream: Wav2Vec2Stream, seed: int) -> np.ndarray:
        return np.concatenate([stream.push(sound(4, seed + n)) for n in range(3)])

    alone = [listen(Wav2Vec2Stream(encoder), 10 * who) for who in range(3)]
    with ThreadPoolExecutor(3) as threads:
        done = [threads.submit(listen, Wav2Vec2Stream(encoder, None, together), 10 * who) for who in range(3)]
        for one, other in zip(done, alone, strict=True):
            np.testing.assert_allclose(one.result(), other, atol=1e-5)


def test_a_card_that_is_lost_is_left_for_the_cpu(encoder: Wav2Vec2Encoder, caplog: pytest.LogCaptureFixture) -> None:
    def lost(*_: object) -> None:
        raise RuntimeError("CUDA error: unspecified launch failure")

    gone = Wav2Vec2Encoder(SIZES)
    gone.register_forward_pre_hook(lost)
    together = Wav2Vec2Together(gone, rebuild=lambda: encoder)
    window = sound(6, 0)
    np.testing.assert_allclose(together(window, 6), encoder(torch.from_numpy(window)[None])[0].numpy(), atol=1e-5)
    assert caplog.messages == [
        "the GPU is lost (CUDA error: unspecified launch failure): "
        "speech features continue on the CPU, far from real time"
    ]
    together._rebuild = None
    gone_too = Wav2Vec2Together(gone)
    with pytest.raises(RuntimeError, match="unspecified launch failure"):
        gone_too(window, 6)
