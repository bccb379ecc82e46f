# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A hearty laugh of the user is answered by one, softly and without a sound; speech, smiles and open mouths are not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from avatar_forcing_ros.avatar import Avatar
from avatar_forcing_ros.behaviour.config import AvatarConfig, Expressiveness
from avatar_forcing_ros.directing.laughter import LaughterConfig, SharedLaughter
from avatar_forcing_ros.motion.facemesh.channels import HIGH, INDEX, LOW, NAMES, SIZE
from avatar_forcing_ros.signals import MotionSample
from avatar_forcing_ros.testing import tiny_bundle
from avatar_forcing_ros.timeline.grid import stamp_of

BLOCK, LENGTH = 4, 200


def user(laughs: range = range(0), smile: float = 0.95, jaw: float = 0.45) -> NDArray[np.float32]:
    face = np.zeros((LENGTH, SIZE), np.float32)
    face[laughs.start : laughs.stop, INDEX["smile"]] = smile
    face[laughs.start : laughs.stop, INDEX["jaw_open"]] = jaw
    return face


def shown(
    face: NDArray[np.float32], said: range = range(0), laughter: SharedLaughter | None = None, first: int = 0
) -> NDArray[np.float32]:
    laughter = laughter or SharedLaughter(NAMES)
    before = np.zeros((laughter.look_back, SIZE), np.float32)
    seen, made = np.concatenate([before, face]), []
    for start in range(first, LENGTH, BLOCK):
        frames = range(start, start + BLOCK)
        speaks = np.array([n in said for n in frames])
        still = np.zeros((BLOCK, SIZE), np.float32)
        made.append(laughter.show(frames, still, seen[start : start + laughter.look_back + BLOCK], speaks))
    return np.concatenate(made)


def test_a_laugh_is_answered_within_half_a_second_and_ends_with_it() -> None:
    laugh = range(50, 90)
    jaw, smile, pitch = (shown(user(laugh))[:, INDEX[name]] for name in ("jaw_open", "smile", "pitch"))
    assert not jaw[:50].any()
    begins = int(np.flatnonzero((smile > 0.35) & (jaw > 0.12))[0])
    assert 50 < begins <= 62
    assert jaw[70:90].min() > 0.2 and smile[70:90].min() > 0.5 and pitch[70:90].max() < -0.05
    assert jaw[125:].max() < 0.02, "it does not go on for seconds"


def test_it_comes_and_goes_softly_and_stays_within_what_a_portrait_renders() -> None:
    made = shown(user(range(50, 90)))
    assert np.abs(np.diff(made, axis=0)).max() < 0.25
    assert (made >= LOW - 1e-6).all() and (made <= HIGH + 1e-6).all()


@pytest.mark.parametrize(
    "face",
    [
        user(range(50, 90), jaw=0.1),  # a smile
        user(range(50, 90), smile=0.2),  # an open mouth
        user(range(50, 90), smile=0.6, jaw=0.3),  # a smile at speech
        user(range(50, 52)),  # a moment
    ],
)
def test_what_is_no_hearty_laugh_is_not_answered(face: NDArray[np.float32]) -> None:
    assert not shown(face).any()


def test_speech_comes_first() -> None:
    assert not shown(user(range(50, 90)), said=range(LENGTH)).any()
    made = shown(user(range(50, 120)), said=range(90, LENGTH))[:, INDEX["jaw_open"]]
    assert made[85] > 0.25 and made[115:].max() < 0.1


def test_an_interrupt_goes_on_from_the_laugh_that_was_shown() -> None:
    laughter = SharedLaughter(NAMES)
    whole = shown(user(range(50, 190)), laughter=laughter)
    again = SharedLaughter(NAMES)
    shown(user(range(50, 190)), laughter=again)
    again.resume(160)
    np.testing.assert_array_equal(shown(user(range(50, 190)), laughter=again, first=160), whole[160:])


@pytest.mark.parametrize("wanted", [True, False])
def test_an_avatar_laughs_along_with_the_user_that_it_sees(wanted: bool) -> None:
    still = replace(AvatarConfig(image_size=64, laughs_along=wanted), expressiveness=Expressiveness(0.0, 0.0, 0.0))
    avatar, jaws = Avatar(tiny_bundle(), np.full((64, 64, 3), 128, np.uint8), still), []
    avatar.start(0)
    face = user(range(50, 90))
    for n in range(LENGTH):
        avatar.push_user_motion(MotionSample(stamp_of(n), face[n]))
        jaws += [frame.latent[INDEX["jaw_open"]] for frame in avatar.step(stamp_of(n) + 1)]
    assert (max(jaws) > 0.2) == wanted


def test_it_can_be_switched_off_and_needs_named_channels() -> None:
    for laughter in (SharedLaughter(NAMES, wanted=False), SharedLaughter(())):
        assert not shown(user(range(50, 90)), laughter=laughter).any()
    assert LaughterConfig().linger < 60
