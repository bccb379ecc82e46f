# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Laughing, talking and smiling are told apart, and told when they change."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from avatar_forcing_ros.audio.log_mel import log_mel_frames
from avatar_forcing_ros.behaviour.user_activity import LAUGH_ANSWERED_FRAMES, activities, laughed_lately
from avatar_forcing_ros.files.media import read_audio, read_video
from avatar_forcing_ros.messages.outlet import USER, MessageOutlet
from avatar_forcing_ros.motion.facemesh.channels import INDEX, NAMES
from avatar_forcing_ros.motion.facemesh.reading.encoder import FaceMeshEncoder
from avatar_forcing_ros.session.outlet import Provenance, Shown
from avatar_forcing_ros.signals import NANOSECONDS, AvatarFrame, UserActivity, VideoFrame

FRAMES = 100
NOW = np.arange(FRAMES)
SYLLABLES = 0.5 + 0.5 * np.cos(2 * np.pi * 4.5 * NOW / 25)  # four and a half a second
VOICE = -1 + 0.4 * SYLLABLES


def does(
    smile: NDArray | float = 0.0,
    jaw: NDArray | float = 0.0,
    level: NDArray | float | None = -1.0,
    seen: bool = True,
    place: int = -1,
) -> str:
    """What the user does after four seconds of this, or at another place, in words."""
    curves = [np.broadcast_to(np.asarray(c, np.float64), FRAMES) for c in (smile, jaw)]
    heard = None if level is None else np.broadcast_to(np.asarray(level, np.float64), FRAMES)
    found = activities(*curves, np.full(FRAMES, seen), heard)[place]
    return " ".join(name for name in ("smiling", "talking", "laughing") if getattr(found, name))


def test_a_face_at_rest_a_smile_talk_both_and_a_laugh() -> None:
    assert does() == ""
    assert does(smile=0.5) == "smiling"
    assert does(jaw=0.4 * SYLLABLES, level=VOICE) == "talking"
    assert does(smile=0.8, jaw=0.5 * SYLLABLES, level=VOICE) == "smiling talking"
    assert does(smile=0.9, jaw=0.4 + 0.1 * SYLLABLES, level=VOICE) == "laughing"
    assert does(smile=0.9, jaw=0.4 + 0.1 * SYLLABLES, level=-1.0) == "laughing"  # without a voice
    assert does(smile=0.9, jaw=0.4 + 0.1 * SYLLABLES, level=None) == "laughing"


def test_nobody_seen_and_nothing_heard_is_as_nobody_in_a_silent_room() -> None:
    nobody, broad = np.zeros(FRAMES, bool), np.full(FRAMES, 0.9)
    assert activities(broad, broad, nobody, None) == activities(broad, broad, nobody, np.full(FRAMES, -1.0))


def test_an_open_smile_between_words_and_a_long_vowel_are_no_laugh() -> None:
    assert does(smile=0.6, jaw=0.23) == "smiling"
    vowel = np.where((NOW > 85) & (NOW < 93), 0.7, 0.05)
    assert not any("laughing" in does(smile=0.9, jaw=vowel, level=VOICE, place=n) for n in range(80, FRAMES))


@pytest.mark.parametrize("seen", [True, False])
def test_noise_music_behind_a_still_face_and_a_cough_are_no_talk(seen: bool) -> None:
    rng = np.random.default_rng(0)
    assert does(level=-0.5 + 0.01 * rng.standard_normal(FRAMES), seen=seen) == ""
    cough = np.where((NOW > 85) & (NOW < 89), -0.3, -1.0)
    jaw = np.where((NOW > 85) & (NOW < 89), 0.5, 0.0)
    assert not any("talking" in does(jaw=jaw, level=cough, seen=seen, place=n) for n in range(80, FRAMES))
    assert does(level=VOICE, seen=seen) == ("" if seen else "talking")  # music moves no mouth; unseen it may be talk


def test_a_laugh_begins_after_a_third_of_a_second_and_ends_with_the_face() -> None:
    on = (NOW >= 40) & (NOW < 70)
    laughs = np.array([does(smile=0.9 * on, jaw=0.45 * on, place=n) == "laughing" for n in range(FRAMES)])
    assert 46 <= np.argmax(laughs) <= 48 and 70 <= FRAMES - np.argmax(laughs[::-1]) <= 76


def test_who_is_ready_for_a_laugh_is_so_in_every_laugh_that_is_told_and_for_no_open_mouth_or_smile_alone() -> None:
    rng = np.random.default_rng(0)
    smile, jaw = (np.repeat(rng.uniform(0, 1, 400), 12) for _ in range(2))
    seen = np.repeat(rng.random(400) < 0.9, 12)
    told = np.array([one.laughing for one in activities(smile, jaw, seen, None)])
    ready = laughed_lately(smile, jaw, seen)
    assert told.any() and not ready.all() and ready[told].all()

    one = (NOW >= 40) & (NOW < 50)
    both = laughed_lately(0.6 * one, 0.3 * one, NOW >= 0)
    assert np.flatnonzero(both).tolist() == list(range(40, 50 + LAUGH_ANSWERED_FRAMES - 1))
    for curves in ((0.9, 0.2), (0.4, 0.9)):
        assert not laughed_lately(*(np.full(FRAMES, curve) for curve in curves), NOW >= 0).any()
    assert not laughed_lately(np.full(FRAMES, 0.9), np.full(FRAMES, 0.9), NOW < 0).any()


@pytest.mark.shared
def test_a_person_who_talks_and_bursts_out_laughing(shared: Path) -> None:
    clip = shared / "data/user_head.mp4"
    encoder = FaceMeshEncoder()
    face = np.stack(
        [encoder.encode(VideoFrame(round(f.time_s * NANOSECONDS), f.image)).latent for f in read_video(clip)]
    )
    sound = read_audio(clip)
    level = log_mel_frames(soxr.resample(sound.samples, sound.sample_rate, 16_000).astype(np.float32)).mean(axis=-1)
    frames = min(len(face), len(level))
    found = activities(
        face[:frames, INDEX["smile"]], face[:frames, INDEX["jaw_open"]], np.ones(frames, bool), level[:frames]
    )
    laughs = np.array([one.laughing for one in found])
    talks = np.array([one.talking for one in found])
    assert laughs[105:115].all() and not laughs[:95].any() and not laughs[135:].any()
    assert talks[30:90].mean() > 0.9 and not talks[-8:].any()


def test_it_is_told_when_it_changes_and_only_then() -> None:
    said: list[Any] = []

    def emit(topic: str, _stamp_ns: int, build: Any) -> None:
        if topic == USER:
            said.append(build())

    outlet = MessageOutlet(lambda _kind, **fields: SimpleNamespace(**fields), emit, lambda: 0, "facemesh", NAMES)
    picture = np.zeros((2, 2, 3), np.uint8)
    quiet, laughs = UserActivity(seen=True), UserActivity(seen=True, laughing=True)
    for n, user in enumerate([None, quiet, quiet, laughs, laughs, quiet, None]):
        frame = AvatarFrame(n * 40_000_000, n, 0, 0, np.zeros(len(NAMES), np.float32), user=user)
        outlet.shown(Shown(frame, lambda: picture, Provenance(None, 0, 0, "")))
    assert [message.laughing for message in said] == [False, True, False] and all(message.seen for message in said)
