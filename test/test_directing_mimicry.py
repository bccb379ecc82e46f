# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The avatar's smile follows the user's by the share that is asked for, and by nothing when nobody is seen."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from avatar_forcing_ros.avatar import Avatar
from avatar_forcing_ros.behaviour.alignment import Alignment
from avatar_forcing_ros.behaviour.config import AvatarConfig
from avatar_forcing_ros.directing.mimicry import LOOK_BACK, with_mimicry
from avatar_forcing_ros.motion.facemesh.channels import INDEX, SIZE
from avatar_forcing_ros.signals import MotionSample
from avatar_forcing_ros.testing import tiny_bundle
from avatar_forcing_ros.timeline.grid import FRAME_NS, stamp_of

SMILE = INDEX["smile"]
BEGINS, ENDS, LENGTH = 60, 100, 160


def smiles(size: float = 0.8, shift: int = 0) -> NDArray[np.float32]:
    """(LOOK_BACK + LENGTH,) a smile from BEGINS to ENDS, `shift` frames later, with the frames before it."""
    smile = np.zeros(LOOK_BACK + LENGTH, np.float32)
    smile[LOOK_BACK + BEGINS + shift : LOOK_BACK + ENDS + shift] = size
    return smile


def followed(
    smile: NDArray[np.float32], seen: NDArray[np.bool_] | None = None, share: float = 0.5, own: float = 0.0
) -> NDArray[np.float32]:
    motion, rest = np.full((LENGTH, SIZE), own, np.float32), np.full(SIZE, own, np.float32)
    seen = np.ones(len(smile), np.bool_) if seen is None else seen
    shown = with_mimicry(motion, rest, smile, seen, share)
    others = [channel for channel in range(SIZE) if channel != SMILE]
    np.testing.assert_array_equal(shown[:, others], motion[:, others])
    return shown[:, SMILE]


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_smile_comes_and_goes_with_the_users_by_its_share(share: float) -> None:
    shown = followed(smiles(), share=share)
    assert not shown[:BEGINS].any() and shown[ENDS + 12 :].max() < 0.01
    assert shown[BEGINS + 12 : ENDS] == pytest.approx(share * 0.8, abs=1e-3)
    assert shown[BEGINS + 1] >= 0.7 * share * 0.8, "within two frames"


def test_it_is_added_to_a_face_that_smiles_at_rest_and_stays_within_its_limits() -> None:
    shown = followed(smiles(1.0), share=1.0, own=0.3)
    assert shown[:BEGINS] == pytest.approx(0.3) and shown[ENDS - 1] == pytest.approx(1.0)


def test_lips_that_close_for_a_moment_do_not_take_the_smile_down() -> None:
    smile = smiles()
    whole = followed(smile)
    smile[LOOK_BACK + 80 : LOOK_BACK + 82] = 0.1
    np.testing.assert_array_equal(followed(smile), whole)
    smile[LOOK_BACK + 80 : LOOK_BACK + 86] = 0.1
    assert followed(smile)[85] < 0.6 * whole[85]


def test_a_frown_is_not_followed() -> None:
    assert not followed(smiles(-0.5)).any()


def test_a_user_who_is_not_seen_takes_nothing_from_the_networks_own_smile() -> None:
    unseen = np.zeros(LOOK_BACK + LENGTH, np.bool_)
    motion = np.full((LENGTH, SIZE), 0.4, np.float32)
    shown = with_mimicry(motion, np.zeros(SIZE, np.float32), smiles(), unseen, 0.5)
    np.testing.assert_array_equal(shown, motion)


def test_a_face_that_is_lost_in_a_smile_lets_it_fade_and_a_face_that_comes_does_not_make_it_jump() -> None:
    seen = np.zeros(LOOK_BACK + LENGTH, np.bool_)
    seen[LOOK_BACK + 70 : LOOK_BACK + 90] = True
    shown = followed(smiles(), seen)
    assert shown[85] > 0.35 and not shown[110:].any()
    assert np.abs(np.diff(shown)).max() < 0.05


def test_blocks_make_what_the_whole_makes() -> None:
    smile, whole = smiles(), followed(smiles())
    blocks = [smile[start : start + LOOK_BACK + 4] for start in range(0, LENGTH, 4)]
    still, seen = np.zeros((4, SIZE), np.float32), np.ones(LOOK_BACK + 4, np.bool_)
    made = [with_mimicry(still, np.zeros(SIZE, np.float32), block, seen, 0.5)[:, SMILE] for block in blocks]
    np.testing.assert_array_equal(np.concatenate(made), whole)


def shown_live(**settings: float) -> NDArray[np.float32]:
    """(LENGTH,) smile of an avatar whose user smiles from BEGINS to ENDS, by the frame that is presented."""
    avatar = Avatar(tiny_bundle(), np.full((64, 64, 3), 128, np.uint8), AvatarConfig(image_size=64, **settings))
    avatar.start(0)
    made = np.zeros(LENGTH, np.float32)
    for n, smile in enumerate(smiles()[LOOK_BACK:]):
        face = np.zeros(SIZE, np.float32)
        face[SMILE] = smile
        avatar.push_user_motion(MotionSample(stamp_of(n), face))
        for frame in avatar.step(stamp_of(n) + 1):
            if frame.stamp_ns < stamp_of(LENGTH):
                made[frame.stamp_ns // FRAME_NS] = frame.latent[SMILE]
    return made


def test_an_avatar_follows_the_user_that_it_sees_as_late_as_its_network_does() -> None:
    late, shown = Alignment.of(AvatarConfig(), 4).motion_frames, shown_live(mirrors_smile=1.0)
    begun = slice(LOOK_BACK + late + 4, LENGTH)
    np.testing.assert_allclose(shown[begun], followed(smiles(shift=late), share=1.0)[begun], atol=1e-6)


def test_it_can_be_switched_off_and_stops_with_the_users_guidance() -> None:
    np.testing.assert_array_equal(shown_live(guidance_user=0.0), shown_live(guidance_user=0.0, mirrors_smile=0.0))
    assert np.abs(shown_live() - shown_live(mirrors_smile=0.0)).max() > 0.1
