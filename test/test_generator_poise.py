# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Composure: off it changes nothing, steps lose their kinks and arrive in time, drifts are taken back."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from avatar_forcing_ros.generator.poise import Poise, poise_from
from avatar_forcing_ros.metrics.smoothness import border_jerk

BLOCK = 4


def composed(
    course: np.ndarray, settling_s: float, easing: float, block: int = BLOCK, slack: float = 0.0
) -> np.ndarray:
    """A (T,) course, block by block, of a portrait whose own is 0.2."""
    poise = Poise([settling_s], [easing], [slack], block)
    reference = torch.full((1, 1), 0.2)
    memory, shown = poise_from(torch.full((1, 1), float(course[0])), reference), []
    for start in range(0, len(course), block):
        drawn = torch.from_numpy(course[start : start + block].astype(np.float32)).reshape(1, -1, 1)
        made, memory = poise(drawn, reference, memory)
        shown.append(made[0, :, 0].numpy())
    return np.concatenate(shown)


def test_nothing_asked_for_changes_nothing() -> None:
    course = np.random.default_rng(0).normal(size=40)
    np.testing.assert_allclose(composed(course, 0, 0), course, atol=1e-6)


def test_blocks_of_any_size_make_the_same_course() -> None:
    course = np.cumsum(np.random.default_rng(0).normal(0, 0.1, 80))
    np.testing.assert_allclose(composed(course, 4.0, 0, 4, 0.1), composed(course, 4.0, 0, 8, 0.1), atol=1e-5)


@pytest.mark.parametrize("easing", [1.0, 1.4, 2.4])
def test_a_step_at_a_border_becomes_a_slope_without_a_kink_and_arrives(easing: float) -> None:
    step = np.r_[np.zeros(20), np.ones(60)]
    eased = composed(step, 0, easing)
    np.testing.assert_allclose(eased[:20], 0, atol=1e-4)
    assert eased.max() < 1.11
    assert np.argmax(eased >= 0.95) - 20 <= 4 * easing and eased[-1] == pytest.approx(1, abs=1e-3)
    assert np.abs(np.diff(eased, n=3)).max() < 0.3 * np.abs(np.diff(step, n=3)).max()


def test_borders_do_not_show_wherever_blocks_begin() -> None:
    """Blocks that are smooth in themselves and begin a little beside where the one before ended, as they are drawn."""
    rng, frames = np.random.default_rng(0), np.arange(4000)
    jumpy = np.sin(frames / 11) + np.repeat(rng.normal(0, 0.3, 1000), BLOCK)
    drawn, eased = (border_jerk(course[:, None], BLOCK)[:, 0] for course in (jumpy, composed(jumpy, 0, 1.3)))
    assert drawn[1:].max() > 20 * drawn[0]
    assert eased[1:].max() < 1.3 * eased[0]


def test_a_slope_is_followed_without_delay() -> None:
    slope = np.clip(np.arange(80) - 20, 0, 40) / 40
    for easing in (0.8, 1.6):
        late = (slope - composed(slope, 0, easing))[30:58] * 40
        assert np.abs(late).max() < easing, "frames"


def test_what_stays_away_comes_back_to_the_portraits_own() -> None:
    away = np.r_[np.full(8, 0.2), np.full(1000, 1.2)]
    settled = composed(away, 4.0, 0)
    assert settled[8:20].max() > 1.0, "a shift of posture is shown"
    assert settled[-1] == pytest.approx(0.2, abs=0.01)


def test_a_smile_that_wavers_is_shown_as_one_and_ends() -> None:
    wavering = 0.2 + np.r_[np.zeros(8), np.full(40, 0.6) - 0.15 * (np.arange(40) // 4 % 2), np.zeros(120)]
    shown = composed(wavering, 0, 0, slack=0.2)
    np.testing.assert_allclose(shown[:12], wavering[:12], atol=1e-6)  # its rise comes at once
    assert np.diff(shown[8:48]).max() < 0.03 < np.diff(wavering[8:48]).max(), "no second smile"
    assert shown[52] == pytest.approx(0.2 + 0.2, abs=0.03), "a fall beyond the slack is shown, but for the slack"
    assert shown[-1] == pytest.approx(0.2, abs=0.01)
