# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The neutral face: learnt in a second, not fooled by a held smile, and followed slowly; and the filter after it."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_forcing_ros.motion.facemesh.reading.calibration import PRIORS, CalibrationConfig, NeutralFace
from avatar_forcing_ros.motion.facemesh.reading.measures import INDEX, MEASURES
from avatar_forcing_ros.motion.facemesh.reading.smoothing import Smoother, SmoothingConfig

PRIOR = np.array([PRIORS[name].mean for name in MEASURES])


def person(**changes: float) -> np.ndarray:
    measures = PRIOR.copy()
    for name, change in changes.items():
        measures[INDEX[name]] += change
    return measures


def watch(neutral: NeutralFace, measures: np.ndarray, seconds: float, fps: float = 25) -> np.ndarray:
    for _ in range(round(seconds * fps)):
        result = neutral.observe(measures, 1 / fps)
    return result


def test_every_measure_has_a_prior() -> None:
    assert set(PRIORS) == set(MEASURES)


def test_an_average_person_is_neutral_at_once() -> None:
    np.testing.assert_allclose(NeutralFace().observe(PRIOR, 0.04), PRIOR)


def test_narrow_eyes_and_place_are_learnt_in_the_first_second() -> None:
    seen = person(aperture_right=-0.06, x=200.0, log_scale=0.4)
    learnt = watch(NeutralFace(), seen, 1.0) - PRIOR
    assert learnt[INDEX["aperture_right"]] == pytest.approx(-0.06, rel=0.5)
    assert learnt[INDEX["x"]] == pytest.approx(200, rel=0.01)
    assert learnt[INDEX["log_scale"]] == pytest.approx(0.4, rel=0.01)


def test_a_smile_held_through_the_first_second_stays_mostly_a_smile() -> None:
    seen = person(corner_lift=0.1, mouth_width=0.08)
    neutral = NeutralFace()
    for name in ("corner_lift", "mouth_width"):
        learnt = watch(neutral, seen, 1.0) - PRIOR
        assert 0 < learnt[INDEX[name]] < 0.4 * (seen - PRIOR)[INDEX[name]]
        neutral.reset()


def test_a_smile_that_lasts_stays_mostly_one_and_a_straight_mouth_is_no_frown() -> None:
    """The first is seen by nobody else; the second is taken for what this face is like, as nobody knows it yet."""
    column, mean = INDEX["smile_shape"], PRIORS["smile_shape"].mean
    neutral = NeutralFace()
    assert 0 < watch(neutral, person(smile_shape=0.8), 3.0)[column] - mean < 0.25
    neutral.reset()
    assert watch(neutral, person(smile_shape=-0.4), 0.04)[column] == pytest.approx(mean - 0.4)
    assert watch(neutral, person(smile_shape=-0.4), 3.0)[column] == pytest.approx(mean - 0.4, abs=0.02)


def test_a_frown_of_a_face_that_is_known_is_one() -> None:
    column, known, frown = INDEX["smile_shape"], person(smile_shape=-0.4), person(smile_shape=-0.8)
    neutral = NeutralFace()
    at_rest = watch(neutral, known, 30.0)[column]
    assert at_rest == pytest.approx(known[column], abs=0.02)
    assert watch(neutral, frown, 3.0)[column] == pytest.approx(at_rest, abs=0.1)


def test_what_lasts_becomes_neutral_slowly_and_without_jumps() -> None:
    seen = person(corner_lift=0.1)
    neutral = NeutralFace()
    after_second = watch(neutral, seen, 1.0)[INDEX["corner_lift"]]
    previous, steps = after_second, []
    for _ in range(25 * 90):
        now = neutral.observe(seen, 0.04)[INDEX["corner_lift"]]
        steps.append(now - previous)
        previous = now
    assert previous > after_second + 0.03
    assert max(np.abs(steps)) < 0.002


def test_blinks_and_talk_do_not_move_neutral_eyes_and_lips() -> None:
    neutral, rng = NeutralFace(), np.random.default_rng(0)
    for i in range(250):
        blink = i % 75 < 6
        seen = person(aperture_right=-0.2 if blink else 0.0, lip_gap=0.15 * rng.random() * (i % 50 > 10))
        result = neutral.observe(seen, 0.04)
    assert result[INDEX["aperture_right"]] == pytest.approx(PRIOR[INDEX["aperture_right"]], abs=0.005)
    assert result[INDEX["lip_gap"]] == pytest.approx(PRIOR[INDEX["lip_gap"]], abs=0.01)


def test_looking_away_is_not_learnt() -> None:
    neutral = NeutralFace()
    np.testing.assert_allclose(watch(neutral, person(yaw=0.8, mouth_width=-0.2), 2.0), PRIOR)


def test_memory_is_bounded() -> None:
    neutral = NeutralFace(CalibrationConfig(looks=20))
    watch(neutral, PRIOR, 60)
    assert len(neutral._looks) == 20


def test_reset_is_a_new_person() -> None:
    neutral = NeutralFace()
    watch(neutral, person(aperture_left=0.1), 3)
    neutral.reset()
    np.testing.assert_allclose(neutral.observe(PRIOR, 0.04), PRIOR)


def smooth(values: np.ndarray, noise: float = 0.02, frame_s: float = 0.04) -> np.ndarray:
    smoother = Smoother(np.array([noise]))
    return np.array([smoother.update(np.array([value]), frame_s)[0] for value in values])


def test_noise_at_rest_is_halved() -> None:
    noise = np.random.default_rng(0).normal(0, 0.02, 4000)
    assert smooth(noise).std() < 0.6 * noise.std()


@pytest.mark.parametrize("hertz", [0.5, 1.0, 2.0, 4.0])
def test_motion_is_less_than_a_frame_late(hertz: float) -> None:
    """Against a nod of 0.1 rad with the noise of the pitch channel, 0.008 rad."""
    t = np.arange(500) * 0.04
    result = smooth(0.1 * np.sin(2 * np.pi * hertz * t), noise=0.008)
    lags = np.linspace(0, 0.12, 121)
    errors = [np.mean((result - 0.1 * np.sin(2 * np.pi * hertz * (t - lag)))[50:] ** 2) for lag in lags]
    assert lags[int(np.argmin(errors))] < 0.04


def test_a_blink_is_not_flattened() -> None:
    blink = np.concatenate([np.zeros(10), [0.5, 1.0, 0.6, 0.2], np.zeros(10)])
    result = smooth(blink, noise=0.05)
    assert result.max() > 0.95
    assert int(result.argmax()) == int(blink.argmax())


def test_strength_does_not_depend_on_the_frame_rate() -> None:
    """After 0.2 s of a small step, 25 and 50 frames a second agree."""
    slow = smooth(np.concatenate([[0.0], np.full(5, 0.001)]))[-1]
    fast = smooth(np.concatenate([[0.0], np.full(10, 0.001)]), frame_s=0.02)[-1]
    assert slow == pytest.approx(fast, rel=0.02)


def test_first_value_after_a_reset_is_taken_as_it_is() -> None:
    smoother = Smoother(np.array([0.1, 0.1]))
    smoother.update(np.zeros(2), 0.04)
    smoother.reset()
    np.testing.assert_array_equal(smoother.update(np.array([0.05, 0.01]), 0.04), [0.05, 0.01])


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="rest_gain"):
        SmoothingConfig(rest_gain=0)
    with pytest.raises(ValueError, match="positive"):
        Smoother(np.array([0.0]))
