# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Answers and nods: times that are known by construction, and faces that move without regard to anybody."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_forcing_ros.metrics.nods import nods
from avatar_forcing_ros.metrics.reaction import AnswerTime, onsets, pool, respond

MINUTE = np.ones(1500, bool)
SOON = AnswerTime(0.2, 1.6)


def nod(frames: int, start_s: float, rate_hz: float, size: float, cycles: int = 1) -> np.ndarray:
    """A raised cosine, down and back."""
    local = (np.arange(frames) + 0.5) / 25 - start_s
    return np.where((local >= 0) & (local <= cycles / rate_hz), size * (1 - np.cos(2 * np.pi * rate_hz * local)) / 2, 0)


def test_each_event_takes_one_answer_and_each_answer_serves_one_event() -> None:
    found = respond([1.0, 5.0, 9.0], np.array([1.5, 5.7, 20.0]), MINUTE, SOON)
    assert found.rate == pytest.approx(2 / 3) and found.median_delay_s == pytest.approx(0.6)
    assert found.false_alarms == 1
    assert respond([1.0, 1.1], np.array([1.4]), MINUTE, SOON).rate == 0.5


def test_false_alarms_are_counted_in_the_time_in_which_no_answer_was_due() -> None:
    found = respond([10.0], np.array([30.0, 50.0]), MINUTE, SOON, excused_s=[29.0])
    assert found.false_alarms == 1
    assert found.free_s == pytest.approx(60 - 2 * SOON.span_s, abs=0.1)
    assert found.false_per_minute == pytest.approx(60 / found.free_s)


def test_what_is_not_watched_is_neither_asked_for_nor_blamed() -> None:
    watched = MINUTE.copy()
    watched[500:] = False
    found = respond([5.0, 19.0, 40.0], np.array([5.5, 40.5, 50.0]), watched, SOON)
    assert (found.events, found.rate, found.false_alarms) == (1, 1.0, 0)


def test_pooled_responses_count_events_and_not_conversations() -> None:
    many = respond([10.0, 20.0, 30.0], np.array([10.5, 20.5, 30.5]), MINUTE, SOON)
    none = respond([10.0], np.array([]), MINUTE, SOON)
    assert pool([many, none]).rate == 0.75 and pool([many, none]).free_s == many.free_s + none.free_s
    assert np.isnan(pool([none]).median_delay_s)


def test_who_answers_without_regard_scores_nothing_beyond_chance() -> None:
    rng = np.random.default_rng(0)
    events = list(np.arange(10.0, 20_000.0, 7.0))
    answers = np.sort(rng.uniform(0, 20_000, 8_000))  # every 2.5 s
    found = respond(events, answers, np.ones(500_000, bool), SOON)
    assert found.rate == pytest.approx(1 - np.exp(-SOON.span_s / 2.5), abs=0.03)
    assert found.rate_beyond_chance == pytest.approx(0, abs=0.04)


def test_who_answers_only_scores_the_plain_rate() -> None:
    found = respond([5.0, 10.0], np.array([5.5]), MINUTE, SOON)
    assert found.rate_beyond_chance == found.rate == 0.5


def test_onsets_sees_one_rise_once_and_no_tremble() -> None:
    signal = 0.02 * np.sin(np.arange(200))
    signal[80:] += np.clip(np.arange(120) / 12, 0, 1) * 0.5
    found = onsets(signal)
    assert len(found) == 1 and found[0] == pytest.approx(80 / 25, abs=0.2)


@pytest.mark.parametrize("rate_hz", [1.9, 2.4, 2.8])
def test_a_nod_of_any_rate_is_one_nod_at_its_time(rate_hz: float) -> None:
    for cycles in (1, 2, 3):
        found = nods(nod(200, 3.0, rate_hz, 0.085, cycles))
        assert len(found) == 1 and found[0] == pytest.approx(3 + 0.25 / rate_hz, abs=0.05)


def test_posture_and_tremor_are_no_nods() -> None:
    seconds = np.arange(3000) / 25
    assert not len(nods(0.05 * np.sin(2 * np.pi * 0.8 * seconds)))
    assert not len(nods(np.random.default_rng(0).normal(0, 0.006, 3000)))
    assert not len(nods(nod(200, 3.0, 2.4, 0.02)))


def test_nods_upon_slow_posture_are_found() -> None:
    posture = 0.04 * np.sin(2 * np.pi * 0.2 * np.arange(1500) / 25)
    starts = np.arange(4.0, 56.0, 4.0)
    pitch = posture + sum(nod(1500, start, 2.3, 0.07) for start in starts)
    assert nods(pitch) == pytest.approx(starts, abs=0.2)


def test_a_head_that_shakes_without_regard_earns_nothing() -> None:
    rng = np.random.default_rng(1)
    frames = 75_000
    pitch = sum(nod(frames, start, 2.4, 0.08) for start in np.sort(rng.uniform(0, 2990, 1200)))
    events = list(np.arange(5.0, 2990.0, 5.0))
    found = respond(events, nods(pitch), np.ones(frames, bool), AnswerTime(0.2, 1.3))
    assert found.rate > 0.25
    assert found.rate_beyond_chance == pytest.approx(0, abs=0.06)
