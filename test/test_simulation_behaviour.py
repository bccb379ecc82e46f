# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Eyes, head and responses: statistics that were asked for come out, and nothing is known before it happens."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_forcing_ros.simulation.camera import CameraConfig, observe
from avatar_forcing_ros.simulation.eyes import BlinkStatistics, blink_curve, blink_times, simulate_gaze
from avatar_forcing_ros.simulation.head import HeadStatistics, drift, simulate_head
from avatar_forcing_ros.simulation.listening import (
    ListenerStatistics,
    SmileStatistics,
    listening_nods,
    mirrored_posture,
    returned_smiles,
    spontaneous_smiles,
)
from avatar_forcing_ros.simulation.phrases import Phoneme, Phrase
from avatar_forcing_ros.simulation.pulses import Pulse, draw, nod, poisson_times
from avatar_forcing_ros.simulation.talk import Spoken, Talk

DURATION_S = 600.0
FRAMES = int(DURATION_S * 25)
SILENT = Talk(DURATION_S)


def talker(every_s: float = 6.0) -> Talk:
    """Somebody who says two seconds every few seconds."""
    phrase = Phrase(np.full(32000, 0.1, np.float32), (Phoneme(0, 2, "a"),))
    starts = np.arange(1.0, DURATION_S - 4, every_s)
    return Talk(DURATION_S, tuple(Spoken(float(s), phrase, turn_start=True, turn_end=True) for s in starts))


def test_pulse_rises_holds_and_returns_to_exact_rest() -> None:
    curve = draw([Pulse(1.0, 0.4, 1.0, 0.4, 0.7)], 100)
    assert curve.max() == pytest.approx(0.7) and not curve[:24].any() and not curve[71:].any()
    assert (np.diff(curve[24:36]) >= 0).all()


def test_nod_goes_down_and_comes_back() -> None:
    curve = nod(100, start_s=1.0, cycles=2, rate_hz=2.0, size=0.1)
    assert curve.min() >= 0 and 0.09 < curve.max() <= 0.1 and not curve[51:].any()


def test_random_times_keep_their_rate_and_their_distance() -> None:
    times = poisson_times(np.random.default_rng(0), 6000, per_minute=20, least_gap_s=0.7)
    assert len(times) / 100 == pytest.approx(20, rel=0.05) and np.diff(times).min() >= 0.7


def test_every_blink_shuts_the_eye_wherever_it_falls_between_frames() -> None:
    for shift in np.linspace(0, 0.04, 17):
        assert blink_curve((1 + float(shift),), 60).max() == pytest.approx(1)


def test_blink_rate_is_human() -> None:
    rng = np.random.default_rng(0)
    own, other = talker(), talker(7.0)
    times = blink_times(rng, own, other, simulate_gaze(rng, own, FRAMES), BlinkStatistics())
    assert 15 < len(times) / (DURATION_S / 60) < 27


def test_speakers_look_away_more_than_listeners_and_back_when_they_end() -> None:
    rng, own = np.random.default_rng(0), talker(4.0)
    toward = np.abs(simulate_gaze(rng, own, FRAMES).curve[:, 0]) < 0.15
    speaking = own.speaking(25.0)
    assert toward[speaking].mean() < toward[~speaking].mean() - 0.08
    assert np.mean([toward[int(item.end_s * 25)] for item in own.spoken]) > 0.95


def test_drift_has_unit_variance_and_a_falling_spectrum() -> None:
    motion = drift(np.random.default_rng(0), 8000, 6, HeadStatistics())
    assert motion.std(axis=0).mean() == pytest.approx(1, abs=0.15)
    power = (np.abs(np.fft.rfft(motion, axis=0)) ** 2).mean(axis=1)
    frequency = np.fft.rfftfreq(8000, 0.04)
    slow, fast = ((frequency > low) & (frequency < high) for low, high in ((0.1, 0.2), (0.6, 1.0)))
    assert power[slow].mean() > 8 * power[fast].mean()
    assert power[frequency > 4].mean() < 1e-4 * power[slow].mean()


def test_the_head_is_calmer_in_silence() -> None:
    rng = np.random.default_rng(0)
    silent, speaking = (simulate_head(rng, own, SILENT, FRAMES).pose for own in (SILENT, talker(2.5)))
    assert silent.std() < 0.95 * speaking.std()


def test_smiles_are_answered_later_and_not_always() -> None:
    rng, s = np.random.default_rng(0), SmileStatistics()
    smiles = spontaneous_smiles(rng, 60_000, s.per_minute, s)
    answers = returned_smiles(rng, smiles, s)
    clear = [smile for smile in smiles if smile.size >= s.least_size]
    assert len(answers) / len(clear) == pytest.approx(s.return_share, abs=0.02)
    starts = np.array([smile.start_s for smile in clear])
    delays = [a.start_s - starts[starts < a.start_s].max() for a in answers]
    assert min(delays) >= s.return_delay_s[0] and max(delays) <= s.return_delay_s[1]


def test_nods_follow_the_ends_of_the_other_and_spare_ones_own_speech() -> None:
    s, other = ListenerStatistics(), talker()
    pitch = listening_nods(np.random.default_rng(0), SILENT, other, FRAMES, s)
    ends = np.array([item.end_s for item in other.spoken])
    nodded = np.array([pitch[int(e * 25) : int((e + 1.2) * 25)].max() > 0.02 for e in ends])
    assert nodded.mean() == pytest.approx(s.nod_share, abs=0.12)
    assert not any(pitch[int(e * 25) : int((e + s.nod_delay_s[0]) * 25)].any() for e in ends)
    during = ListenerStatistics(nod_delay_s=(-1, -1))
    assert not listening_nods(np.random.default_rng(0), other, other, FRAMES, during).any()


def test_mirrored_posture_is_late_and_turns_sides() -> None:
    pose = np.zeros((200, 6))
    pose[100:, :3] = 0.1
    mirrored = mirrored_posture(pose, ListenerStatistics())
    rise = mirrored - mirrored[0]
    assert rise[-1, 0] < 0 < rise[-1, 1] and rise[-1, 2] < 0
    assert abs(rise[106, 1]) < 0.1 * abs(rise[-1, 1])


def test_a_lost_face_is_zeros_and_a_perfect_camera_is_exact() -> None:
    motion = np.random.default_rng(1).uniform(0, 0.1, (500, 18))
    perfect = CameraConfig((0, 0), 0, 0, 0, 0.05, 0, 0, 0, 0, 0)
    leaks_aside = [0, 2, 3, 4, 5, 6, 9, 10, 13, 14, 15, 16]
    seen = observe(np.random.default_rng(0), motion, perfect)
    np.testing.assert_allclose(seen.latent[:, leaks_aside], motion[:, leaks_aside], atol=1e-3)
    lossy = observe(np.random.default_rng(0), motion, CameraConfig(loss_per_minute=30))
    assert 0.05 < 1 - lossy.valid.mean() < 0.95 and not lossy.latent[~lossy.valid].any()
