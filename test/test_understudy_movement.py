# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The face that changes hands: no jump either way, and the lips are the generator's as soon as it speaks again."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.channels import INDEX, NAMES, SIZE
from avatar_forcing_ros.session.stage import LEADER, UNDERSTUDY, Lease, Report, Watch
from avatar_forcing_ros.timeline.grid import FRAME_NS
from avatar_forcing_ros.understudy.movement import StandInMovement

FRAME_S = FRAME_NS / 1e9
JAW = INDEX["jaw_open"]
CALM = [name for name in NAMES if not name.startswith(("blink", "gaze"))]


def _generator(frame: int) -> NDArray[np.float32]:
    """A head that has turned away and a mouth that speaks, quite unlike idling."""
    latent = np.zeros(SIZE)
    latent[INDEX["yaw"]] = 0.2 * np.sin(frame / 20)
    latent[INDEX["smile"]] = 0.4
    latent[JAW] = 0.3 + 0.2 * np.sin(frame / 3)
    return latent.astype(np.float32)


def _show(away_frames: int) -> tuple[list[int], NDArray[np.float64], list[int]]:
    """What is seen while the generator is away from frame 100 on: numbers of frames, (N, 18) motion, who shows it."""
    watch, movement, now_s = Watch(fade_frames=6), StandInMovement(seed=1), [1000.0]
    lease = Lease(True, lambda: now_s[0])
    seen: list[tuple[int, NDArray[np.float32], int]] = []
    for number in range(100 + away_frames + 60):
        now_s[0] += FRAME_S
        stamp, latent = number * FRAME_NS, _generator(number)
        is_there = not 100 <= number < 100 + away_frames
        if is_there:
            shows = lease.may_show(stamp, stamp)
            watch.hear(Report(stamp, lease.term, shows, 0), now_s[0])
            if shows:
                movement.follow(latent)
                seen.append((number, latent, LEADER))
        cue = watch.tick(stamp, now_s[0])
        if cue.plays:
            seen.append((number, movement.move(number, cue.steps_in, cue.share, latent), UNDERSTUDY))
        if cue.says and is_there:
            lease.hear(watch.word())
    numbers, motion, who = zip(*seen[50:], strict=True)
    return list(numbers), np.array(motion, np.float64), list(who)


@pytest.mark.parametrize("step", [-90_000, -8, 125, 90_000])
def test_the_face_does_not_jump_when_the_clock_is_set(step: int) -> None:
    movement, number = StandInMovement(seed=1), 200_000
    movement.follow(_generator(0))
    seen = []
    for frame in range(60):
        number += step if frame == 10 else 1
        seen.append(movement.move(number, frame == 0, 0.0, None))
    calm = np.array(seen)[:, [INDEX[name] for name in CALM]]
    assert np.abs(np.diff(calm, axis=0)).max() < 0.2
    assert seen[-1][JAW] < 0.1  # the mouth that the generator left open


@pytest.mark.parametrize("away_frames", [4, 12, 24, 100])
def test_the_face_does_not_jump_when_it_changes_hands(away_frames: int) -> None:
    numbers, seen, who = _show(away_frames)
    assert {*who} == {LEADER, UNDERSTUDY} and who[-1] == LEADER
    steps = np.abs(np.diff(seen, axis=0))[:, [INDEX[name] for name in CALM]] / np.diff(numbers)[:, None]
    assert steps.max() < 0.2, CALM[int(steps.max(axis=0).argmax())]


@pytest.mark.parametrize(("away_frames", "most"), [(12, 4), (24, 7), (100, 7)])
def test_a_generator_that_was_away_for_a_moment_is_soon_back_and_its_lips_sooner(away_frames: int, most: int) -> None:
    numbers, seen, who = _show(away_frames)
    back = 100 + away_frames
    after = [number for number, one in zip(numbers, who, strict=True) if one == LEADER and number >= back]
    assert after[0] - back <= most
    jaws = [row[JAW] - _generator(number)[JAW] for number, row in zip(numbers, seen, strict=True) if number >= back + 3]
    assert np.abs(jaws).max() < 1e-3
