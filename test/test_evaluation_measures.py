# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Evaluation: the truth scores what the simulation says of itself; a face without regard to the user scores nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avatar_forcing_ros.audio.log_mel import LogMel
from avatar_forcing_ros.evaluation.comparison import Column
from avatar_forcing_ros.evaluation.held_out import HeldOut, estimate, evaluate, observe
from avatar_forcing_ros.evaluation.measures import MEASURES, ROWS
from avatar_forcing_ros.evaluation.noises import LEVELS_DBFS, as_speech, noises
from avatar_forcing_ros.evaluation.reaction_pictures import draw_reaction, draw_strip
from avatar_forcing_ros.evaluation.reading import smile_reading
from avatar_forcing_ros.evaluation.table import as_json, format_table
from avatar_forcing_ros.metrics.interval import Estimate
from avatar_forcing_ros.motion.facemesh.channels import INDEX
from avatar_forcing_ros.simulation.conversation import Conversation
from avatar_forcing_ros.simulation.lips import LIP_CHANNELS, lip_curves
from avatar_forcing_ros.simulation.listening import (
    ListenerStatistics,
    SmileStatistics,
    listening_nods,
    returned_smiles,
    spontaneous_smiles,
)
from avatar_forcing_ros.simulation.phrases import Phoneme, Phrase
from avatar_forcing_ros.simulation.pulses import draw
from avatar_forcing_ros.simulation.talk import Spoken, Talk
from avatar_forcing_ros.testing import BarsSpace, tiny_bundle
from avatar_forcing_ros.train.pictures import draw_curves, take_of

DURATION_S = 300.0
FRAMES = int(DURATION_S * 25)
SYLLABLES = (("m", 0.0, 0.1), ("a", 0.1, 0.4), ("p", 0.4, 0.5), ("a", 0.5, 0.8), ("", 0.8, 1.0))


def talker(every_s: float, start_s: float, seed: int) -> Talk:
    """Somebody who says "mapa" twice, every few seconds."""
    sounds = [Phoneme(begin + k, end + k, symbol) for k in (0, 1) for symbol, begin, end in SYLLABLES]
    rng = np.random.default_rng(seed)
    times = np.arange(32_000) / 16_000
    loud = np.interp(times % 1, (0, 0.1, 0.25, 0.4, 0.5, 0.65, 0.8, 1), (0.01, 0.1, 0.5, 0.1, 0.01, 0.4, 0.01, 0.001))
    phrase = Phrase((loud * rng.uniform(-1, 1, 32_000)).astype(np.float32), tuple(sounds))
    starts = np.arange(start_s, DURATION_S - 6, every_s)
    return Talk(DURATION_S, tuple(Spoken(float(s), phrase, turn_start=True, turn_end=True) for s in starts))


def conversation(seed: int) -> Conversation:
    """Two people who take turns, with the simulation's own smiles, nods and lips; no synthesiser is needed."""
    rng, own, other = np.random.default_rng(seed), talker(12.0, 7.0, seed), talker(12.0, 1.0, seed + 1)
    smiles = spontaneous_smiles(rng, DURATION_S, 5.0, SmileStatistics())
    answers = returned_smiles(rng, smiles, SmileStatistics())
    user, motion = np.zeros((2, FRAMES, 18), np.float32)
    user[:, INDEX["smile"]] = draw(smiles, FRAMES)
    motion[:, INDEX["smile"]] = draw(answers, FRAMES)
    motion[:, INDEX["pitch"]] = listening_nods(rng, own, other, FRAMES, ListenerStatistics())
    motion[:, [INDEX[name] for name in LIP_CHANNELS]] = lip_curves(own, FRAMES, 25.0)
    return Conversation(
        motion=motion,
        reference=np.zeros(18, np.float32),
        avatar_features=np.zeros((FRAMES, 320), np.float32),
        user_features=np.ones((FRAMES, 320), np.float32),
        user_motion=user,
        user_valid=np.ones(FRAMES, bool),
        user_true_motion=user,
        avatar_talk=own,
        user_talk=other,
        user_smiles=smiles,
        user_laughs=(),
        avatar_laughs=(),
        avatar_sound=own.sound(),
        user_sound=other.sound(),
    )


@pytest.fixture(scope="module")
def data() -> HeldOut:
    return HeldOut((conversation(0), conversation(10)))


@pytest.fixture(scope="module")
def of_truth(data: HeldOut) -> dict[str, float]:
    return evaluate(data, data.truth, 4)


def test_the_truth_is_perfect_where_it_is_the_measure(of_truth: dict[str, float]) -> None:
    for key in ("rpcc_expression", "rpcc_pose", "fd_expression", "fd_pose", "stillness"):
        assert of_truth[key] == pytest.approx(0, abs=1e-6), key
    assert of_truth["false_smiles_per_minute"] < 0.5, "an answer to a smile within a smile may be taken for one without"
    assert of_truth["jaw_open_corr"] == of_truth["jaw_gain"] == pytest.approx(1)
    assert of_truth["closure_share"] == of_truth["vowel_share"] == 1


def test_the_truth_answers_as_often_and_as_late_as_the_simulation_says(of_truth: dict[str, float]) -> None:
    smiles, listener = SmileStatistics(), ListenerStatistics()
    assert of_truth["smile_rate"] == pytest.approx(smiles.return_share, abs=0.1)
    assert smiles.return_delay_s[0] - 0.04 < of_truth["smile_delay_s"] < smiles.return_delay_s[1] + 0.1
    assert of_truth["nod_rate"] == pytest.approx(listener.nod_share, abs=0.15)
    assert listener.nod_delay_s[0] < of_truth["nod_delay_s"] < listener.nod_delay_s[1] + 0.2
    assert of_truth["false_nods_per_minute"] == 0


def test_the_jaw_of_the_truth_follows_its_speech_at_no_lag(of_truth: dict[str, float]) -> None:
    assert of_truth["energy_corr"] > 0.5 and abs(of_truth["energy_lag"]) <= 1


def test_the_smile_of_the_truth_follows_the_users_at_the_delay_of_an_answer(of_truth: dict[str, float]) -> None:
    earliest_s, latest_s = SmileStatistics().return_delay_s
    assert of_truth["smile_corr"] > 0.6 and earliest_s <= of_truth["smile_lag"] / 25 <= latest_s


def test_what_cannot_be_told_has_no_lag(data: HeldOut) -> None:
    silent = replace(data.conversations[0], user_true_motion=np.zeros((FRAMES, 18), np.float32))
    found = evaluate(HeldOut((silent,)), silent.motion[None], 4)
    assert np.isnan([found["smile_corr"], found["smile_lag"], found["smile_rate"]]).all()


def test_a_face_without_regard_to_the_user_earns_nothing(data: HeldOut) -> None:
    other = np.stack([data.conversations[1].motion, data.conversations[0].motion])  # real behaviour, of another hour
    found = evaluate(data, np.roll(other, 250, axis=1), 4)
    assert found["smile_rate"] < 0.35 and found["false_smiles_per_minute"] > 2
    assert abs(found["nod_rate"]) < 0.2
    assert found["rpcc_expression"] > 0.05


def test_looks_are_counted_while_listening_and_at_the_beginning_of_turns(data: HeldOut) -> None:
    motion = data.truth.copy()
    assert evaluate(data, motion, 4)["gaze_away_at_beginning"] == 0
    one = data.conversations[0]
    for item in one.avatar_talk.turns[::2]:
        motion[0, int(item.start_s * 25) : int(item.start_s * 25) + 5, INDEX["gaze_x"]] = 0.5
    found = evaluate(HeldOut((one,)), motion[:1], 4)
    assert found["gaze_away_at_beginning"] == pytest.approx(0.5, abs=0.05) and found["gaze_at_user_listening"] == 1


def test_a_head_that_trembles_is_not_nodding(data: HeldOut) -> None:
    motion = data.truth.copy()
    motion[..., INDEX["pitch"]] = np.random.default_rng(0).normal(0, 0.05, motion.shape[:2])
    assert evaluate(data, motion, 4)["nod_rate"] < 0.15


def test_a_still_face_has_figures_where_there_is_something_to_tell(data: HeldOut) -> None:
    found = evaluate(data, np.zeros_like(data.truth), 4)
    assert found["smile_rate"] == found["nod_rate"] == found["closure_share"] - 1 == found["vowel_share"] == 0
    assert np.isnan(found["smile_delay_s"])


def test_a_channel_that_the_truth_leaves_still_has_no_spread(data: HeldOut) -> None:
    still = replace(data.conversations[0], motion=data.conversations[0].motion * 0)
    one, other = observe(HeldOut((still, data.conversations[1])), data.truth[None], 4)
    assert np.isnan(one[0].spread("jaw_open")) and other[0].spread("jaw_open") == pytest.approx(1)


def test_smiles_that_the_camera_missed_need_no_answer(data: HeldOut) -> None:
    blind = replace(data.conversations[0], user_valid=np.zeros(FRAMES, bool))
    found = observe(HeldOut((blind,)), blind.motion[None, None], 4)[0][0].smiles
    assert found.events == 0 and found.false_alarms == 0


def test_a_reading_of_the_smile_is_judged_where_the_face_was_found(data: HeldOut) -> None:
    one = data.conversations[0]
    true, talks = one.user_true_motion[:, INDEX["smile"]], one.user_talk.speaking(25)[:FRAMES]
    read = one.user_true_motion.copy()
    smile, valid = read[:, INDEX["smile"]], np.arange(FRAMES) >= 1000
    smile += np.where(talks, 0.2, 0.1)  # by which the reader errs while the user talks, and while silent
    around = [slice(n - 40, n + 40) for n in range(1050, FRAMES)]
    calm = next(part.start + 40 for part in around if np.ptp(true[part]) < 0.01 and not talks[part].any())
    smile[:1000] += np.sin(np.arange(1000))  # while nobody was seen
    wrong = smile_reading([replace(one, user_motion=read, user_valid=valid)])
    assert wrong is not None and wrong.false_rises_per_minute == 0
    assert wrong.error_talking == pytest.approx(0.2, abs=1e-6) and wrong.error_silent == pytest.approx(0.1, abs=1e-6)
    smile[calm] += 0.4
    more = smile_reading([replace(one, user_motion=read, user_valid=valid)])
    assert more is not None and more.false_rises_per_minute == pytest.approx(60 / ((FRAMES - 1000) / 25))
    assert more.correlation < wrong.correlation < 1
    assert smile_reading([replace(one, user_valid=valid & False)]) is None


def test_intervals_hold_their_figures_and_samples_stay_with_their_conversation(data: HeldOut) -> None:
    observed = observe(data, np.stack([data.truth, np.zeros_like(data.truth)]), 4)
    assert [len(samples) for samples in observed] == [2, 2]
    found = estimate(observed, resamples=8)
    assert set(found) == {measure.key for measure in MEASURES}
    rate = found["smile_rate"]
    assert rate.low <= rate.value <= rate.high and rate.value == pytest.approx(0.44, abs=0.06)


def test_the_camera_off_leaves_the_voice_and_nobody_there_leaves_nothing(data: HeldOut) -> None:
    unseen, nobody = data.without_user_motion(), data.without_user()
    assert not unseen.user_valid.any() and not unseen.user_motion.any()
    assert (unseen.user_features == data.heard.user_features).all()
    assert (nobody.user_features == LogMel().silence).all() and not nobody.user_valid.any()
    assert (nobody.avatar_features == data.heard.avatar_features).all()


def test_noises_have_their_level_and_the_hum_its_pitch() -> None:
    made = noises(2.0)
    assert len(made) == 3 * len(LEVELS_DBFS)
    for name, sound in made.items():
        level = 10 * np.log10(np.mean(sound.astype(float) ** 2))
        assert f"{level:.0f} dBFS" in name
    spectrum = np.abs(np.fft.rfft(made["mains hum -30 dBFS"]))
    assert np.argmax(spectrum) / 2.0 == 50
    pink = np.abs(np.fft.rfft(made["pink noise -30 dBFS"])) ** 2
    assert pink[200:400].sum() / pink[400:800].sum() == pytest.approx(1, rel=0.25)  # equal power in each octave
    heard = as_speech(tiny_bundle(), list(made.values()))
    assert heard.avatar_features.shape == heard.user_features.shape == (9, 50, 320) and not heard.user_valid.any()


def test_the_table_has_a_line_for_every_row_and_a_dash_where_nothing_is_known() -> None:
    figures = {row.key: Estimate(0.5, 0.4, 0.6) for row in ROWS[:-1]} | {ROWS[-1].key: Estimate(*[float("nan")] * 3)}
    column = Column("model", figures, np.zeros((1, 4, 18), np.float32))
    lines = format_table([column]).splitlines()
    assert len(lines) == len(ROWS) + 1
    assert lines[1].startswith("↓ rPCC-Exp") and lines[1].endswith("0.50 ±0.10")
    assert lines[-1].endswith(" -")
    almost = Column("model", {ROWS[0].key: Estimate(1e-9, 0, 2e-9)}, column.motion)
    assert format_table([almost]).splitlines()[1].endswith(" 0")
    assert as_json([column])["model"]["rpcc_pose"] == [0.5, 0.4, 0.6]
    assert as_json([column])["model"][ROWS[-1].key] == [None, None, None]


def test_pictures_are_written(data: HeldOut, tmp_path: Path) -> None:
    one = data.conversations[0]
    draw_reaction(one, one.motion, tmp_path / "reaction.png")
    draw_curves(take_of(one, one.motion), tmp_path / "curves.png")
    draw_strip(BarsSpace(), one, one.motion, tmp_path / "strip.png")
    assert all((tmp_path / name).stat().st_size > 10_000 for name in ("reaction.png", "curves.png", "strip.png"))
