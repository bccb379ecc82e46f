# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Barge-in: a voice of some length wants to interrupt, nothing else does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from avatar_forcing_ros.audio.barge_in import BargeIn, BargeInConfig
from avatar_forcing_ros.audio.resample import Resampler
from avatar_forcing_ros.audio.voice_activity import VoiceActivity
from avatar_forcing_ros.files.media import read_audio

FRAME = 640


@pytest.fixture(scope="module")
def user(repository: Path) -> np.ndarray:
    """Three seconds of speech at -22 dBFS."""
    clip = read_audio(repository / "examples" / "demo" / "user.flac")
    return Resampler(clip.sample_rate).push(clip.samples)[int(0.6 * 16_000) :][: 75 * FRAME]


@pytest.fixture
def barge_in() -> BargeIn:
    try:
        return BargeIn(BargeInConfig(enabled=True), VoiceActivity())
    except ImportError as error:
        pytest.skip(str(error))


def first_wanted(barge_in: BargeIn, sound: np.ndarray) -> int | None:
    for n in range(len(sound) // FRAME):
        barge_in.push(sound[n * FRAME : (n + 1) * FRAME].astype(np.float32))
        if barge_in.wanted:
            return n
    return None


@pytest.mark.parametrize("gain_db", [0, -12, -24])
def test_a_voice_interrupts_within_half_a_second(barge_in: BargeIn, user: np.ndarray, gain_db: float) -> None:
    frame = first_wanted(barge_in, user * 10 ** (gain_db / 20))
    assert frame is not None and 3 <= frame <= 12


def test_a_voice_interrupts_through_a_microphone_that_adds_a_constant(barge_in: BargeIn, user: np.ndarray) -> None:
    frame = first_wanted(barge_in, user * 0.5 + 0.05)
    assert frame is not None and 3 <= frame <= 12


@pytest.mark.parametrize("constant", [0.0, 0.05, -0.3])
def test_a_voice_elsewhere_in_the_room_does_not(barge_in: BargeIn, user: np.ndarray, constant: float) -> None:
    """Nor with the constant that cheap microphones add, which is no loudness."""
    assert first_wanted(barge_in, user * 10 ** (-36 / 20) + constant) is None


@pytest.mark.parametrize("kind", ["silence", "noise", "knocks"])
def test_what_is_no_voice_does_not(barge_in: BargeIn, kind: str) -> None:
    rng = np.random.default_rng(0)
    sound = {"silence": np.zeros(75 * FRAME), "noise": rng.standard_normal(75 * FRAME) * 0.05}.get(kind)
    if sound is None:
        sound = rng.standard_normal(75 * FRAME) * 0.3 * np.exp(-(np.arange(75 * FRAME) % 8000) / 300)
    assert first_wanted(barge_in, sound) is None


def test_a_short_sound_does_not(barge_in: BargeIn, user: np.ndarray) -> None:
    config = BargeInConfig(enabled=True, voice_frames=10, window_frames=10)
    patient = BargeIn(config, VoiceActivity())
    assert first_wanted(patient, np.concatenate([user[: 6 * FRAME], np.zeros(30 * FRAME)])) is None


def test_what_was_heard_before_the_avatar_spoke_counts_for_nothing(barge_in: BargeIn, user: np.ndarray) -> None:
    assert first_wanted(barge_in, user) is not None
    barge_in.forget()
    assert not barge_in.wanted


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"voice_frames": 7, "window_frames": 6}, "got 7 and 6"),
        ({"probability": 1.0}, r"probability must be within 0 and 1, got 1\.0"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BargeInConfig(**settings)  # type: ignore[arg-type]
