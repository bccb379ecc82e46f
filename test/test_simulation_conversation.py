# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Simulated conversations: the same from the same seed, within limits, with still mouths in silence."""

from __future__ import annotations

import ctypes.util
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from avatar_forcing_ros.motion.facemesh.channels import CHANNELS, INDEX
from avatar_forcing_ros.simulation.acoustics import AcousticsConfig, record
from avatar_forcing_ros.simulation.conversation import Conversation, ConversationConfig, ConversationSimulator
from avatar_forcing_ros.simulation.espeak import Espeak, SpeechEngineError
from avatar_forcing_ros.simulation.lips import LIP_CHANNELS
from avatar_forcing_ros.train.corpus import CorpusConfig, build_corpus

pytestmark = pytest.mark.skipif(
    ctypes.util.find_library("espeak-ng") is None, reason="espeak-ng is not installed: apt-get install espeak-ng"
)
CONFIG = ConversationConfig(duration_s=20.0, flite_share=0.0)


@cache
def simulator() -> ConversationSimulator:
    return ConversationSimulator(CONFIG, seed=5)


@cache
def conversation(index: int = 0) -> Conversation:
    return simulator().make(index)


def test_espeak_tells_when_each_sound_begins() -> None:
    samples, starts = Espeak().say("mama", "en-us")
    symbols = [symbol for _, symbol, _ in starts]
    times = [time for time, _, _ in starts]
    assert symbols.count("m") == 2 and times == sorted(times)
    assert 0.2 < len(samples) / 22050 < 2 and np.abs(samples).max() > 0.05


def test_espeak_names_a_missing_voice() -> None:
    with pytest.raises(SpeechEngineError, match="no voice 'klingon-9'"):
        Espeak().say("hello", "klingon-9")


def test_numbers_tell_conversations_apart() -> None:
    for name in ("motion", "avatar_features", "user_features", "user_motion"):
        assert not np.array_equal(getattr(conversation(0), name), getattr(conversation(1), name))


@pytest.mark.parametrize("index", range(3))
def test_motion_stays_within_what_a_portrait_renders(index: int) -> None:
    made = conversation(index)
    assert made.motion.shape == (500, 18) and made.avatar_features.shape == made.user_features.shape == (500, 320)
    for motion in (made.motion, made.user_motion):
        assert (motion >= [c.low - 1e-6 for c in CHANNELS]).all()
        assert (motion <= [c.high + 1e-6 for c in CHANNELS]).all()
    assert not made.user_motion[~made.user_valid].any()


@pytest.mark.parametrize("index", range(3))
def test_the_mouth_is_shut_where_the_avatar_neither_speaks_nor_laughs(index: int) -> None:
    made = conversation(index)
    speaking = np.convolve(made.avatar_talk.speaking(25.0), np.ones(13), mode="same") > 0.5
    for laugh in made.avatar_laughs:
        speaking[int(25 * (laugh.start_s - 0.2)) : int(25 * (laugh.end_s + 1.2))] = True
    lips = made.motion[:, [INDEX[name] for name in LIP_CHANNELS]]
    assert np.abs(lips[~speaking]).max(initial=0) < 1e-6


@pytest.mark.parametrize("index", range(3))
def test_nobody_talks_over_themselves(index: int) -> None:
    for talk in (conversation(index).avatar_talk, conversation(index).user_talk):
        ends, starts = [i.end_s for i in talk.spoken[:-1]], [i.start_s for i in talk.spoken[1:]]
        assert all(end < start for end, start in zip(ends, starts, strict=True))


def test_recording_keeps_exact_silence_and_hits_its_level() -> None:
    rng = np.random.default_rng(0)
    sound = np.concatenate([np.zeros(8000), rng.normal(0, 0.2, 16000)]).astype(np.float32)
    dry = AcousticsConfig(level_db=(-30, -30), colour_share=0, room_share=0, noise_share=0, codec_share=0)
    out = record(rng, sound, dry)
    assert not out[:8000].any()
    assert 20 * np.log10(out[8000:].std()) == pytest.approx(-30, abs=0.3)
    noisy = record(rng, sound, replace(dry, noise_share=1.0))
    assert noisy[:8000].std() > 0


def test_equal_configurations_give_equal_shards_and_made_ones_are_kept(tmp_path: Path) -> None:
    config = CorpusConfig(2, seed=5, shard_conversations=1, conversation=replace(CONFIG, duration_s=6.0))
    first = build_corpus(config, tmp_path / "a")
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "a").iterdir()}
    again, elsewhere = build_corpus(config, tmp_path / "a"), build_corpus(config, tmp_path / "b")
    assert len(times) == 2 and {path: path.stat().st_mtime_ns for path in times} == times
    for name, array in vars(first).items():
        assert np.array_equal(array, getattr(again, name)) and np.array_equal(array, getattr(elsewhere, name))
