# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Shared laughter: hearty laughs are answered in time and without a sound, chuckles and coughs are not."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_forcing_ros.metrics.laughs import held_share, laughs
from avatar_forcing_ros.motion.facemesh.channels import CHANNELS, INDEX
from avatar_forcing_ros.simulation.laughter import (
    Laugh,
    LaughStatistics,
    answered_laughs,
    coughs,
    laughing_motion,
    laughing_smiles,
    with_quiet_laughs,
)
from avatar_forcing_ros.simulation.phrases import Phoneme, Phrase
from avatar_forcing_ros.simulation.pulses import draw
from avatar_forcing_ros.simulation.talk import Spoken, Talk

DURATION_S = 4000.0
STATISTICS = LaughStatistics()
SILENT = Talk(DURATION_S)


def every(heartiness: float, every_s: float = 8.0, lasts_s: float = 1.5) -> list[Laugh]:
    return [Laugh(float(t), lasts_s, heartiness) for t in np.arange(4, DURATION_S - 10, every_s)]


@pytest.mark.parametrize(("heartiness", "least", "most"), [(0.1, 0.0, 0.1), (0.4, 0.35, 0.65), (0.9, 0.9, 1.0)])
def test_hearty_laughs_are_shared_and_chuckles_are_not(heartiness: float, least: float, most: float) -> None:
    given = every(heartiness)
    answers = answered_laughs(np.random.default_rng(0), given, SILENT, STATISTICS)
    assert least <= len(answers) / len(given) <= most


def test_about_half_of_evenly_hearty_laughs_are_shared() -> None:
    rng = np.random.default_rng(1)
    given = [Laugh(laugh.start_s, 1.5, float(rng.uniform())) for laugh in every(0.5)]
    assert len(answered_laughs(rng, given, SILENT, STATISTICS)) / len(given) == pytest.approx(0.6, abs=0.1)


def test_an_answer_begins_within_a_second_and_lasts_one_to_three() -> None:
    given = every(0.9)
    answers = answered_laughs(np.random.default_rng(0), given, SILENT, STATISTICS)
    for answer in answers:
        asked = max(laugh.start_s for laugh in given if laugh.start_s < answer.start_s)
        assert 0.2 <= answer.start_s - asked <= 0.8 and 0.5 <= answer.duration_s <= 3.2


def test_nobody_laughs_into_their_own_words() -> None:
    phrase = Phrase(np.full(32_000, 0.1, np.float32), (Phoneme(0, 2, "a"),))
    busy = Talk(DURATION_S, tuple(Spoken(float(t), phrase) for t in np.arange(4.9, DURATION_S - 9, 8.0)))
    speaking = busy.speaking(25.0)
    for answer in answered_laughs(np.random.default_rng(0), every(0.9), busy, STATISTICS):
        assert not speaking[int(answer.start_s * 25) : int(answer.end_s * 25)].any()


def test_a_laughing_face_is_seen_as_one_and_stays_within_its_limits() -> None:
    given = [Laugh(2.0, 2.0, 0.9), Laugh(10.0, 1.5, 0.6)]
    motion = laughing_motion(np.random.default_rng(0), given, 500, STATISTICS)
    smile = draw(laughing_smiles(given), 500)
    found = laughs(smile, motion[:, INDEX["jaw_open"]], np.zeros(500, bool))
    np.testing.assert_allclose(found, [2.0, 10.0], atol=0.35)
    assert motion[60:80, INDEX["blink_left"]].min() > 0.15, "eyes narrow"
    assert (np.abs(motion[-50:]) < 1e-6).all(), "it is over"
    assert all(motion[:, i].max() <= channel.high for i, channel in enumerate(CHANNELS))


def test_a_cough_is_no_laugh() -> None:
    made = coughs(np.random.default_rng(0), Talk(600.0), 15_000, STATISTICS)
    assert made.sound.std() > 0 and made.motion[:, INDEX["jaw_open"]].max() > 0.2
    assert not made.motion[:, INDEX["smile"]].any()
    assert not len(laughs(made.motion[:, INDEX["smile"]], made.motion[:, INDEX["jaw_open"]], np.zeros(15_000, bool)))


def test_some_laughs_are_all_but_silent_and_speech_never() -> None:
    phrase = Phrase(np.full(16_000, 0.5, np.float32), (Phoneme(0, 1, "a"),))
    talk = Talk(600.0, tuple(Spoken(float(t), phrase, laugh=t % 4 == 0) for t in range(0, 598, 2)))
    levels = [float(np.abs(item.phrase.samples).max()) for item in with_quiet_laughs(
        np.random.default_rng(0), talk, STATISTICS).spoken]  # fmt: skip
    laughing = np.array([item.laugh for item in talk.spoken])
    assert all(level == 0.5 for level in np.array(levels)[~laughing])
    assert (np.array(levels)[laughing] < 0.03).mean() == pytest.approx(STATISTICS.quiet_share, abs=0.1)


def test_a_smile_that_is_held_while_theirs_lasts_counts_in_full() -> None:
    user, seen = np.r_[np.zeros(25), np.full(100, 0.8), np.zeros(25)], np.ones(150, bool)
    half = np.where(np.arange(150) < 87, 0.5, 0.0)
    assert held_share(user, user, seen) == 1 and held_share(user, user * 0, seen) == 0
    assert held_share(user, half, seen) == pytest.approx(0.49, abs=0.05)
    assert np.isnan(held_share(user * 0, user, seen))
