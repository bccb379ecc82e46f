# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Features lie on the frame grid however the sound was cut; sound cards that drift are followed sample by sample."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_forcing_ros.timeline.drift import DriftFollower, of_length
from avatar_forcing_ros.timeline.feature_track import KEPT_FRAMES, FeatureTrack
from avatar_forcing_ros.timeline.grid import FRAME_SAMPLES, SAMPLE_RATE
from avatar_forcing_ros.timeline.user_audio import DRIFT_SAMPLES, DRIFT_SMOOTHING


class Slow:
    """A feature stream with a memory: half of it is the frame's first sample, 1 in silence, half what was before."""

    def __init__(self) -> None:
        self.before = 0.0

    def push(self, samples: np.ndarray) -> np.ndarray:
        frames = []
        for first in samples[::FRAME_SAMPLES]:
            self.before = 0.5 * self.before + 0.5 * (float(first) or 1.0)
            frames.append([self.before])
        return np.array(frames, np.float32).reshape(-1, 1)


def sound(*firsts: float) -> np.ndarray:
    return np.repeat(np.array(firsts, np.float32), FRAME_SAMPLES)


def begun(frame: int = 100, *before: float) -> FeatureTrack:
    track = FeatureTrack(Slow, 1)
    track.restart(frame, sound(*before))
    return track


def test_features_are_at_their_frames_however_the_sound_is_cut() -> None:
    whole, cut = begun(), begun()
    whole.push(sound(2, 4, 8))
    for first in (2, 4, 8):
        cut.push(sound(first))
    assert whole.next_frame == cut.next_frame == 103
    assert whole.read(range(100, 103)).ravel().tolist() == cut.read(range(100, 103)).ravel().tolist() == [1, 2.5, 5.25]


def test_silence_is_read_before_the_sound_and_its_newest_features_where_it_has_not_come() -> None:
    track = begun()
    assert track.read(range(98, 103)).ravel() == pytest.approx(1, abs=0.005)  # not begun: silence that has settled
    track.push(sound(2, 4))
    assert track.read(range(98, 104)).ravel() == pytest.approx([1, 1, 1, 2.5, 2.5, 2.5], abs=0.01)
    assert track.silence is track.silence


def test_a_new_beginning_knows_what_sounded_before_it_and_forgets_what_comes_after() -> None:
    track = begun()
    track.push(sound(2, 4, 8, 16))
    track.restart(102, sound(4))
    assert track.next_frame == 102
    assert track.read(range(100, 104)).ravel().tolist() == [1, 2.5, 2.5, 2.5]
    track.push(sound(6))
    assert track.read(range(102, 103)).item() == 0.5 * 2 + 0.5 * 6


def test_so_many_frames_are_kept_and_no_more() -> None:
    track = begun(0)
    for number in range(1, 3 * KEPT_FRAMES + 1):
        track.push(sound(number))
        assert len(track._frames) == min(number, KEPT_FRAMES)
    oldest = track.next_frame - KEPT_FRAMES
    assert track.read(range(oldest, oldest + 1)).item() > 2 * KEPT_FRAMES - 1
    assert track.read(range(oldest - 1, oldest)).item() == track.silence.item()


def test_parts_of_frames_and_streams_that_lose_frames_are_refused() -> None:
    with pytest.raises(ValueError, match="sound must be whole frames of 640 samples, got 641"):
        begun().push(np.zeros(641, np.float32))
    track = begun()
    track._stream.push = lambda samples: np.zeros((1, 1), np.float32)
    with pytest.raises(ValueError, match="a feature stream gave 1 frames for 1280 samples"):
        track.push(sound(1, 2))


@pytest.mark.parametrize(("tolerance", "step"), [(0.0, 1.0), (1.0, 1.0), (4.0, 4.0)])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_sample_is_put_in_or_left_out_from_the_tolerance_on_which_is_one_at_least(
    tolerance: float, step: float, sign: int
) -> None:
    follower = DriftFollower(smoothing=640, tolerance=tolerance)
    assert follower.average == 0
    assert follower.follow(sign * 0.999 * step, 640) == 0
    assert follower.follow(sign * step, 640) == sign
    assert follower.average == sign * (step - 1)  # what was made up for


def test_pieces_of_less_than_three_samples_are_left_alone() -> None:
    follower = DriftFollower(smoothing=1, tolerance=1)
    assert [follower.follow(10, length) for length in (1, 2, 3)] == [0, 0, 1]


def test_deviations_are_averaged_by_how_much_sound_they_speak_for() -> None:
    follower = DriftFollower(smoothing=1000, tolerance=100)
    follower.restart(2.0)
    follower.follow(10.0, 250)
    assert follower.average == 2 + 8 / 4
    follower.follow(50.0, 5000)  # longer than the memory: it alone counts
    assert follower.average == 50
    fresh = DriftFollower(1000, 100)
    fresh.follow(7.0, 250)
    assert fresh.average == 7  # the first stamp is believed
    fresh.restart()
    assert fresh.average == 0


@pytest.mark.parametrize("ppm", [100.0, -100.0])
def test_what_drifts_in_eight_hours_is_taken_back(ppm: float) -> None:
    """As the microphone's timeline uses it: chunks of 40 ms, stamps that wander by 4 ms."""
    follower = DriftFollower(DRIFT_SMOOTHING, DRIFT_SAMPLES)
    chunks = 8 * 3600 * 25
    wander = np.random.default_rng(0).uniform(-64, 64, chunks)
    drift, taken_back, worst = ppm * 1e-6 * FRAME_SAMPLES, 0, 0.0
    for n in range(chunks):
        deviation = n * drift - taken_back
        worst = max(worst, abs(deviation))
        taken_back += follower.follow(deviation + wander[n], FRAME_SAMPLES)

    assert abs(taken_back / SAMPLE_RATE) == pytest.approx(2.88, abs=0.01)
    assert 1000 * worst / SAMPLE_RATE < 7


def test_jitter_without_drift_changes_nothing() -> None:
    follower = DriftFollower(smoothing=64_000, tolerance=80)
    random = np.random.default_rng(1)

    assert not any(follower.follow(random.uniform(-160, 160), 640) for _ in range(10_000))


def test_a_piece_of_another_length_keeps_its_ends_and_its_shape() -> None:
    wave = np.sin(np.arange(320) * 0.1).astype(np.float32)

    for length in (319, 320, 321):
        drawn = of_length(wave, length)
        assert len(drawn) == length
        assert drawn[0] == wave[0] and drawn[-1] == pytest.approx(wave[-1], abs=1e-6)
        positions = np.linspace(0, 319, length)
        np.testing.assert_allclose(drawn, np.sin(positions * 0.1), atol=2e-3)


def test_sound_that_is_drawn_out_keeps_its_ends_and_its_shape() -> None:
    ramp = np.arange(5, dtype=np.float32)
    np.testing.assert_allclose(of_length(ramp, 9), np.linspace(0, 4, 9), atol=1e-6)
    np.testing.assert_allclose(of_length(ramp, 3), [0, 2, 4], atol=1e-6)
    assert of_length(ramp, 5) is ramp
