# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""p, b and m: found in words of voices that the detector never heard, in no noise, and shown by lips that meet."""

from __future__ import annotations

import ctypes.util
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from avatar_forcing_ros.audio.bilabials import PAST_FRAMES, BilabialDetector, Bilabials, bilabial_frames
from avatar_forcing_ros.audio.log_mel import LogMel
from avatar_forcing_ros.audio.spoken import spoken_frames
from avatar_forcing_ros.avatar import Avatar
from avatar_forcing_ros.behaviour.config import AvatarConfig
from avatar_forcing_ros.bundle import BILABIALS, DEFAULT_BUNDLE, ModelBundle, find_bundle
from avatar_forcing_ros.directing.closures import ClosureConfig, with_closures
from avatar_forcing_ros.evaluation.noises import noises
from avatar_forcing_ros.motion.facemesh.channels import INDEX, SIZE
from avatar_forcing_ros.signals import AudioChunk
from avatar_forcing_ros.simulation.espeak import Espeak
from avatar_forcing_ros.simulation.lips import targets_of
from avatar_forcing_ros.simulation.voices import Speaker, Voice
from avatar_forcing_ros.testing import speech_like, tiny_bundle
from avatar_forcing_ros.timeline.grid import FRAME_SAMPLES, stamp_of
from avatar_forcing_ros.train.bilabials import BilabialConfig, _Network

BLOCK, LIKELY = 4, 0.5
JAW, PRESS = INDEX["jaw_open"], INDEX["press"]


@pytest.fixture(scope="module")
def detector() -> BilabialDetector:
    return BilabialDetector(load_file(find_bundle(DEFAULT_BUNDLE) / BILABIALS))


@pytest.mark.skipif(ctypes.util.find_library("espeak-ng") is None, reason="espeak-ng is not installed")
@pytest.mark.parametrize("name", ["en-us+m7", "en-gb-scotland+f5"])
def test_words_full_of_them_are_told_from_words_without_in_voices_that_were_kept_from_training(
    detector: BilabialDetector, name: str
) -> None:
    speaker = Speaker(Voice("en", "espeak", name, 160, 45, 50, 1.0), Espeak())

    def share(text: str) -> float:
        """Of the sounds p, b, m if there are any, else of all consonants and vowels: how many seem shut."""
        phrase = speaker.say(text)
        likely = bilabial_frames(detector, spoken_frames(np.pad(0.3 * phrase.samples, (0, 2560))), BLOCK).likely
        shut = [p for p in phrase.phonemes if p.symbol and targets_of(p.symbol)[0][3] == 1]
        spans = [(p.start_s, p.end_s) for p in shut or phrase.phonemes if p.end_s > p.start_s]
        return float(np.mean([likely[int(b * 25) : int(np.ceil(e * 25))].max() > LIKELY for b, e in spans]))

    assert share("Pepper, Bob and Mamma maybe bring up a bumpy apple pump") > 0.6
    assert share("Did her tall sister ask to go there and catch a kite on Sunday") < 0.25


def test_silence_and_noise_shut_nothing(detector: BilabialDetector) -> None:
    for sound in (*noises(2.0).values(), np.zeros(32_000, np.float32)):
        assert bilabial_frames(detector, spoken_frames(sound), BLOCK).likely.max() < LIKELY


def test_silence_is_listened_to_once_and_what_is_no_silence_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    detector = BilabialDetector(load_file(find_bundle(DEFAULT_BUNDLE) / BILABIALS))
    listened: list[int] = []
    heard = detector._heard
    monkeypatch.setattr(detector, "_heard", lambda rows: [listened.append(len(rows)), heard(rows)][1])
    silent = np.repeat(LogMel().silence[None], PAST_FRAMES + BLOCK, axis=0)
    nearly = silent.copy()
    nearly[0, 0] = np.nextafter(nearly[0, 0], np.float32(0))  # the oldest frame that matters, and not the block itself
    for rows, times in ((silent, 1), (silent, 1), (nearly, 2), (nearly, 3), (silent[1:], 4), (silent, 4)):
        found, wanted = detector(rows), heard(rows)
        assert np.array_equal(found.likely, wanted.likely) and np.array_equal(found.hushed, wanted.hushed)
        assert len(listened) == times


def test_the_detector_computes_what_was_trained() -> None:
    torch.manual_seed(1)
    network = _Network(BilabialConfig().channels)
    made = BilabialDetector({name: tensor.numpy() for name, tensor in network.state_dict().items()})
    rows = np.random.default_rng(0).normal(size=(PAST_FRAMES + BLOCK, 320)).astype(np.float32)
    with torch.no_grad():
        wanted = torch.sigmoid(network(torch.from_numpy(rows)[None]))[0].numpy()
    np.testing.assert_allclose(made(rows).likely, wanted, atol=1e-5)
    assert len(wanted) == BLOCK


def test_weights_that_are_not_all_there_are_named() -> None:
    with pytest.raises(ValueError, match=r"without second\.weight"):
        BilabialDetector({name: np.zeros((1, 1, 1), np.float32) for name in ("first.weight", "first.bias")})


def test_lips_meet_where_sound_and_network_say_so_and_nothing_else_moves() -> None:
    config = ClosureConfig()
    motion = np.full((7, SIZE), 0.3, np.float32)
    motion[:, PRESS] = (0.1, 0.3, 1.0, 1.0, 0.9, 0.0, 0.0)
    likely = np.array([0.0, 1.0, 0.0, config.shut, 0.0, 1.0, 1.0], np.float32)
    shown = with_closures(motion, Bilabials(likely, np.arange(7) == 6), config)
    gap = shown[:, JAW] * (1 - shown[:, PRESS])
    np.testing.assert_array_equal(shown[[0, 5]], motion[[0, 5]], "a voice sounds, and the network says no")
    assert gap[6] == 0, "a hushed voice"
    assert gap[1] == gap[3] == 0, "both say so"
    assert gap[2] > 0.05 and gap[4] > 0.05, "it does not sound like a closure at all"
    np.testing.assert_allclose(shown[:, JAW], np.where(gap == 0, 0.3 * (1 - config.jaw), 0.3), rtol=1e-6)
    others = [n for n in range(SIZE) if n not in (JAW, PRESS)]
    np.testing.assert_array_equal(shown[:, others], motion[:, others])
    assert motion[1, PRESS] == np.float32(0.3), "what was drawn stays as it was"


def test_an_avatar_hears_its_own_speech_block_by_block(detector: BilabialDetector) -> None:
    """What it shows is what follows from its speech as a whole, said in blocks: so live and evaluation agree."""
    plain = replace(tiny_bundle(), latent_std=np.full(SIZE, 0.5, np.float32))
    sound = speech_like(1.6)
    sound = sound[: len(sound) // (BLOCK * FRAME_SAMPLES) * BLOCK * FRAME_SAMPLES]

    def frames(bundle: ModelBundle) -> np.ndarray:
        avatar = Avatar(bundle, np.full((64, 64, 3), 128, np.uint8), AvatarConfig(image_size=64))
        avatar.start(0)
        avatar.push_speech(AudioChunk(None, sound, 16_000, "one", 0, True), 0)
        made = [frame for n in range(60) for frame in avatar.step(stamp_of(n))]
        return np.stack([f.latent for f in made if f.utterance_id])

    drawn, shown = frames(plain), frames(replace(plain, bilabials=detector))
    heard = bilabial_frames(detector, bundle_features(plain, sound), BLOCK)
    np.testing.assert_allclose(shown, with_closures(drawn, heard), atol=1e-5)
    assert np.abs(shown - drawn).max() > 0.05


def bundle_features(bundle: ModelBundle, sound: np.ndarray) -> np.ndarray:
    stream = bundle.make_speech_stream()
    rows = [stream.push(part) for part in np.split(sound, len(sound) // (BLOCK * FRAME_SAMPLES))]
    assert rows[0].shape[1] == len(LogMel().silence)
    return np.concatenate(rows)
