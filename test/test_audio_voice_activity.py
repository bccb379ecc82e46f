# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Voice activity: yes to speech, no to everything else, the same for any chunking."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from avatar_forcing_ros.audio.pcm import to_mono
from avatar_forcing_ros.audio.resample import Resampler
from avatar_forcing_ros.audio.silero import SileroNetwork
from avatar_forcing_ros.audio.voice_activity import VoiceActivity, VoiceActivityConfig, VoiceFrames

RATE = 16_000
SENTENCE = "She had nothing to say, but the people in the room listened anyway."
TIME = np.arange(4 * RATE) / RATE


@pytest.fixture(scope="module")
def network() -> SileroNetwork:
    return SileroNetwork()


def read_wav(source: io.BytesIO | Path) -> np.ndarray:
    rate, pcm = wavfile.read(source)
    return Resampler(rate).push(to_mono(pcm))


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    if not shutil.which("espeak-ng"):
        pytest.skip("espeak-ng is not installed")
    wav = subprocess.run(["espeak-ng", "--stdout", SENTENCE], capture_output=True, check=True).stdout
    data = np.frombuffer(wav[44:], np.int16)  # the header of a stream does not know its length
    return Resampler(22_050).push(to_mono(data))


def listen(samples: np.ndarray, network: SileroNetwork, **config: float) -> VoiceFrames:
    return VoiceActivity(VoiceActivityConfig(**config), network).push(samples.astype(np.float32))


def white(decibels: float, seconds: float = 4) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(int(seconds * RATE)) * 10 ** (decibels / 20)


NO_SPEECH = {
    "silence": 0 * TIME,
    "white noise, faint": white(-60),
    "white noise, loud": white(-12),
    "hum": 0.05 * sum(np.sin(2 * np.pi * 50 * k * TIME) / k for k in (1, 2, 3, 5)),
    "tone": 0.1 * np.sin(2 * np.pi * 440 * TIME),
    "beeps": 0.1 * np.sin(2 * np.pi * 1000 * TIME) * (TIME % 1 < 0.2),
    "rumble": np.cumsum(white(-50)) - np.mean(np.cumsum(white(-50))),
}


@pytest.mark.parametrize("name", NO_SPEECH)
def test_no_to_sounds_that_are_no_voice(name: str, network: SileroNetwork) -> None:
    assert not listen(NO_SPEECH[name], network).speaking.any()


@pytest.mark.parametrize("gain_db", [0, -20, -35])
@pytest.mark.parametrize("signal_to_noise_db", [60, 15])
def test_yes_to_speech(gain_db: float, signal_to_noise_db: float, speech: np.ndarray, network: SileroNetwork) -> None:
    level = 20 * np.log10(speech.std())
    noisy = speech + white(level - signal_to_noise_db, len(speech) / RATE)[: len(speech)]
    frames = listen(noisy * 10 ** (gain_db / 20), network)
    assert frames.speaking[6:-6].mean() > 0.9


def test_speech_ends_after_the_hangover(speech: np.ndarray, network: SileroNetwork) -> None:
    frames = listen(np.concatenate([np.zeros(RATE), speech, np.zeros(2 * RATE)]), network)
    last_voice = np.flatnonzero(frames.probability >= 0.35)[-1]
    assert not frames.speaking[:24].any()
    assert np.flatnonzero(frames.speaking)[-1] == last_voice + VoiceActivityConfig().hangover_frames


@pytest.mark.parametrize("seed", range(2))
def test_any_chunks_give_the_same_answers(seed: int, speech: np.ndarray, network: SileroNetwork) -> None:
    expected = listen(speech, network)
    rng = np.random.default_rng(seed)
    detector = VoiceActivity(network=network)
    parts = [detector.push(chunk) for chunk in np.split(speech, np.sort(rng.integers(0, len(speech), 50)))]
    np.testing.assert_array_equal(np.concatenate([part.probability for part in parts]), expected.probability)
    np.testing.assert_array_equal(np.concatenate([part.speaking for part in parts]), expected.speaking)
    assert len(expected.probability) == len(speech) // 640


def test_is_causal(speech: np.ndarray, network: SileroNetwork) -> None:
    changed = speech.copy()
    changed[640 * 20 :] = 0
    np.testing.assert_array_equal(listen(changed, network).probability[:20], listen(speech, network).probability[:20])


def test_reset_is_a_fresh_detector(speech: np.ndarray, network: SileroNetwork) -> None:
    detector = VoiceActivity(network=network)
    first = detector.push(speech)
    detector.reset()
    np.testing.assert_array_equal(detector.push(speech).probability, first.probability)


@pytest.mark.shared
def test_a_recorded_voice(network: SileroNetwork, shared: Path) -> None:
    frames = listen(read_wav(shared / "data" / "avatar_speech.wav"), network)
    assert 0.05 < frames.speaking.mean() < 0.5  # a listener who says a word or two


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match=r"release 0\.6"):
        VoiceActivityConfig(onset=0.5, release=0.6)
    with pytest.raises(ValueError, match="hangover_frames"):
        VoiceActivityConfig(hangover_frames=-1)
