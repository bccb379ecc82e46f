# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Lips from phoneme times: closures close, rounding spreads, silence is still."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_forcing_ros.simulation.lips import LIP_CHANNELS, LipConfig, lip_curves, targets_of
from avatar_forcing_ros.simulation.phrases import SAMPLE_RATE, Phoneme, Phrase
from avatar_forcing_ros.simulation.talk import Spoken, Talk

JAW, STRETCH, PUCKER, PRESS, _ = range(5)
EACH_S = 0.12


def curves_of(symbols: list[str], level: float = 0.5, start_s: float = 1.0) -> np.ndarray:
    """Lips of one phrase of equally long sounds at a constant level, in 4 s."""
    phonemes = tuple(Phoneme(i * EACH_S, (i + 1) * EACH_S, symbol) for i, symbol in enumerate(symbols))
    rng = np.random.default_rng(0)
    samples = (level * rng.choice((-1, 1), int(len(symbols) * EACH_S * SAMPLE_RATE))).astype(np.float32)
    return lip_curves(Talk(4.0, (Spoken(start_s, Phrase(samples, phonemes)),)), 100, 25.0)


def frame_of(place: float, start_s: float = 1.0) -> int:
    """Video frame in which the middle of the `place`-th sound lies."""
    return int((start_s + (place + 0.5) * EACH_S) * 25)


@pytest.mark.parametrize("closing", ["p", "b", "m"])
def test_lips_meet_between_vowels(closing: str) -> None:
    curves = curves_of(["a", "a", closing, "a", "a"])
    assert curves[frame_of(2), PRESS] > 0.9
    assert curves[frame_of(2), JAW] < 0.15 < 0.45 < curves[frame_of(1), JAW]
    assert curves[frame_of(1), PRESS] < 0.1


def test_mouth_is_exactly_at_rest_away_from_speech() -> None:
    curves = curves_of(["a", "m", "u"])
    assert not curves[:18].any() and not curves[45:].any()


def test_a_short_closure_is_not_lost_between_frames() -> None:
    for shift in np.linspace(0, 0.04, 9):
        phonemes = (Phoneme(0, 0.2, "a"), Phoneme(0.2, 0.26, "p"), Phoneme(0.26, 0.46, "a"))
        talk = Talk(3.0, (Spoken(1 + shift, Phrase(np.full(7360, 0.5, np.float32), phonemes)),))
        assert lip_curves(talk, 75, 25.0)[:, PRESS].max() > 0.8


def test_consonants_between_rounded_vowels_stay_rounded() -> None:
    rounded, spread = curves_of(["u", "t", "u"]), curves_of(["i", "t", "i"])
    assert rounded[frame_of(1), PUCKER] > 0.2 > 0.05 > spread[frame_of(1), PUCKER]
    assert spread[frame_of(1), STRETCH] > 0.2 > 0.1 > rounded[frame_of(1), STRETCH]


def test_the_jaw_opens_less_where_the_voice_is_low() -> None:
    phonemes = (Phoneme(0, 0.5, "a"), Phoneme(0.5, 1.0, "a"))
    samples = np.concatenate([np.full(8000, 0.5), np.full(8000, 0.05)]).astype(np.float32)
    curves = lip_curves(Talk(3.0, (Spoken(1.0, Phrase(samples, phonemes)),)), 75, 25.0, LipConfig())
    assert curves[44, JAW] < 0.7 * curves[31, JAW]


@pytest.mark.parametrize(("symbol", "parts"), [("aɪ", 2), ("tʃ", 1), ("ɑː", 1), ("əl", 2), ("ɔ̃", 1), ("", 1), ("☺", 1)])
def test_every_symbol_has_targets(symbol: str, parts: int) -> None:
    found = targets_of(symbol)
    assert len(found) == parts and all(len(target) == 8 for target in found)


def test_channels_stand_in_the_order_of_the_motion_space() -> None:
    assert LIP_CHANNELS == ("jaw_open", "stretch", "pucker", "press", "upper_lip")
