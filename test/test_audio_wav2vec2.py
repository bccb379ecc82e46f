# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""wav2vec2 features: frame rate, order of layers, windows of a stream, and silence that stays silent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

pytest.importorskip("transformers", reason="transformers is not here: requirements/published.txt")

from avatar_forcing_ros.audio.speech_level import SpeechLevel, SpeechLevelConfig
from avatar_forcing_ros.audio.wav2vec2 import (
    PREFIX,
    Wav2Vec2Encoder,
    Wav2Vec2Sizes,
    build_wav2vec2,
    check_wav2vec2,
    published_shapes,
)
from avatar_forcing_ros.audio.wav2vec2_stream import Wav2Vec2Stream, Wav2Vec2StreamConfig, wav2vec2_streams
from avatar_forcing_ros.compute.weights import WeightsError
from avatar_forcing_ros.published.parity import LIMIT, Fixture
from avatar_forcing_ros.published.parity_audio import AUDIO_STAGE

SHARED = Path(__file__).resolve().parents[2] / "shared"
TINY = Wav2Vec2Sizes(
    hidden_size=16,
    num_hidden_layers=3,
    num_attention_heads=2,
    intermediate_size=24,
    conv_channels=8,
    num_conv_pos_embeddings=8,
    num_conv_pos_embedding_groups=2,
)
FRAME = 640


def tiny_state() -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(5)
    return {key: 0.3 * torch.randn(shape, generator=random) for key, shape in published_shapes(TINY).items()}


@pytest.fixture(scope="module")
def encoder() -> Wav2Vec2Encoder:
    return build_wav2vec2(tiny_state(), TINY)


def sound(frames: int, rms: float = 0.05) -> NDArray[np.float32]:
    return (rms * np.random.default_rng(6).standard_normal(frames * FRAME)).astype(np.float32)


def raw_stream(encoder: Wav2Vec2Encoder, left: int = 4, right: int = 0) -> Wav2Vec2Stream:
    return Wav2Vec2Stream(encoder, Wav2Vec2StreamConfig(left, right, normalize=False))


def encode(encoder: Wav2Vec2Encoder, samples: NDArray[np.float32]) -> NDArray[np.float32]:
    return encoder(torch.from_numpy(samples)[None])[0].numpy()


def test_one_row_per_video_frame_of_all_layers(encoder: Wav2Vec2Encoder) -> None:
    assert encode(encoder, sound(7)).shape == (7, 3 * 16)


def test_layers_stand_one_after_the_other_and_match_the_library(encoder: Wav2Vec2Encoder) -> None:
    """2n - 1 CNN rows for n frames: interpolating with the ends kept is taking every second one."""
    samples = torch.from_numpy(sound(6))[None]
    with torch.inference_mode():
        rows = encoder.wav2vec2.feature_extractor(samples)
        assert rows.shape[-1] == 11
        hidden, _ = encoder.wav2vec2.feature_projection(rows[..., ::2].transpose(1, 2))
        last = encoder.wav2vec2.encoder(hidden).last_hidden_state
    torch.testing.assert_close(encoder(samples)[..., -16:], last, atol=1e-5, rtol=1e-5)


def test_published_base_model_gives_9216_numbers_a_frame() -> None:
    assert Wav2Vec2Sizes().feature_size == 9216
    shapes = published_shapes(Wav2Vec2Sizes())
    assert shapes[PREFIX + "encoder.layers.11.attention.k_proj.weight"] == (768, 768)
    assert PREFIX + "encoder.pos_conv_embed.conv.parametrizations.weight.original0" in shapes


@pytest.mark.shared
def test_reference_values_are_met() -> None:
    assert AUDIO_STAGE.error(Fixture.load(SHARED / "parity" / "small_seed7.npz")) <= LIMIT / 4


@pytest.mark.parametrize("shape", [(640,), (1, 639), (1, 0)])
def test_sound_that_is_not_whole_frames_is_refused(encoder: Wav2Vec2Encoder, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"640 \* frames"):
        encoder(torch.zeros(shape))


def test_one_push_is_the_offline_pass(encoder: Wav2Vec2Encoder) -> None:
    samples = sound(9)
    np.testing.assert_array_equal(raw_stream(encoder).push(samples), encode(encoder, samples))


def test_a_row_hears_left_context_its_push_and_nothing_else(encoder: Wav2Vec2Encoder) -> None:
    samples = sound(12)
    stream = raw_stream(encoder, left=4)
    stream.push(samples[: 10 * FRAME])
    expected = encode(encoder, samples[6 * FRAME :])[-2:]
    np.testing.assert_array_equal(stream.push(samples[10 * FRAME :]), expected)


def test_right_context_delays_rows_and_is_heard(encoder: Wav2Vec2Encoder) -> None:
    samples = sound(12)
    stream = raw_stream(encoder, left=4, right=3)
    first = stream.push(samples[: 8 * FRAME])
    np.testing.assert_array_equal(first, encode(encoder, samples[: 8 * FRAME])[:5])
    expected = encode(encoder, samples[FRAME : 12 * FRAME])[4:8]
    np.testing.assert_array_equal(stream.push(samples[8 * FRAME :]), expected)


def test_rows_come_with_the_sample_that_completes_a_frame(encoder: Wav2Vec2Encoder) -> None:
    stream, samples = raw_stream(encoder), sound(2)
    assert stream.push(samples[:639]).shape == (0, 48)
    assert stream.push(samples[639:641]).shape == (1, 48)
    assert stream.push(samples[641:]).shape == (1, 48)


def test_memory_stays_one_window(encoder: Wav2Vec2Encoder) -> None:
    stream = raw_stream(encoder, left=4, right=1)
    for _ in range(30):
        stream.push(sound(3))
    assert len(stream._window) == (4 + 1) * FRAME


def test_silence_is_never_amplified() -> None:
    hiss = sound(200, rms=1e-3)  # -60 dBFS, a quiet room
    level = SpeechLevel()
    before = level.rms
    frames = [level.normalize(frame) for frame in hiss.reshape(-1, FRAME)]
    assert level.rms == before
    assert np.std(frames) < 0.03


def test_speech_comes_to_unit_level_and_pauses_do_not_change_it() -> None:
    level = SpeechLevel(SpeechLevelConfig(memory_frames=20))
    speech = sound(150, rms=0.2).reshape(-1, FRAME)
    loud = [level.normalize(frame) for frame in speech]
    assert np.std(loud[-20:]) == pytest.approx(1, abs=0.05)
    for _ in range(100):
        level.normalize(np.zeros(FRAME, np.float32))
    assert np.std(level.normalize(speech[0])) == pytest.approx(1, abs=0.1)


def test_normalised_sound_does_not_depend_on_how_it_is_cut(encoder: Wav2Vec2Encoder) -> None:
    samples = sound(6)
    whole, pieces = (Wav2Vec2Stream(encoder, Wav2Vec2StreamConfig(left_frames=20)) for _ in range(2))
    whole.push(samples)
    for piece in np.array_split(samples, 17):
        pieces.push(piece)
    np.testing.assert_array_equal(whole._window, pieces._window)


def test_streams_of_a_bundle_share_weights_but_no_sound(tmp_path: Path) -> None:
    save_file(tiny_state(), tmp_path / "wav2vec2.safetensors")
    make = wav2vec2_streams(tmp_path / "wav2vec2.safetensors", sizes=vars(TINY), left_frames=4, normalize=False)
    first, second, samples = make(), make(), sound(5)
    expected = first.push(samples)
    second.push(sound(3, rms=0.5))
    np.testing.assert_array_equal(make().push(samples), expected)


def test_another_model_is_refused() -> None:
    state = tiny_state()
    state.pop(min(state))
    with pytest.raises(WeightsError, match="1 missing"):
        check_wav2vec2(state, TINY)


@pytest.mark.parametrize("wrong", [{"left_frames": -1}, {"right_frames": -1}])
def test_impossible_windows_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        Wav2Vec2StreamConfig(**wrong)
