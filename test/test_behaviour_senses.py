# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the network is told of the user at each place: how old it is, and how far back it is remembered."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_forcing_ros.behaviour.config import AvatarConfig
from avatar_forcing_ros.behaviour.senses import Senses
from avatar_forcing_ros.bundle import ModelBundle
from avatar_forcing_ros.generator.torch_engine import conditions_of
from avatar_forcing_ros.motion.facemesh.channels import INDEX, SIZE
from avatar_forcing_ros.signals import MotionSample
from avatar_forcing_ros.testing import tiny_bundle
from avatar_forcing_ros.timeline.grid import stamp_of

SPANS = (2, 6)
"""Of the tiny network."""


@pytest.fixture(scope="module")
def bundle() -> ModelBundle:
    return tiny_bundle()


def test_the_face_of_a_frame_stands_beside_means_of_what_came_before_it(bundle: ModelBundle) -> None:
    assert bundle.manifest.network.memory_frames == SPANS
    config = AvatarConfig()
    senses = Senses(bundle, config, first_frame=0, now_ns=0)
    for n in range(100):
        senses.motion.push(MotionSample(stamp_of(n), np.full(SIZE, n / 100, np.float32)))
    seen = conditions_of(bundle.network, senses.sensed(range(60, 66))).user_motion[0, :, ::SIZE].numpy()
    unit = bundle.normalize(np.linspace(0, 0.99, 100, dtype=np.float32)[:, None].repeat(SIZE, 1))[:, 0]
    delay = config.user_delay_frames(bundle.manifest.network.block_frames)
    for place, now in enumerate(range(60 - delay, 66 - delay)):
        expected = [unit[now], unit[now - 1 : now + 1].mean(), unit[now - 5 : now - 1].mean()]
        np.testing.assert_allclose(seen[place], expected, rtol=1e-4, atol=1e-5)


def test_without_camera_and_microphone_the_user_is_null(bundle: ModelBundle) -> None:
    sensed = Senses(bundle, AvatarConfig(), first_frame=0, now_ns=0).sensed(range(60, 66))
    conditions = conditions_of(bundle.network, sensed)
    assert not conditions.user_motion.any() and not conditions.user_audio.any()
    assert conditions.avatar_audio.any(), "its own silence has a sound"


def test_a_block_knows_the_user_at_its_own_positions_and_in_the_two_seconds_before(bundle: ModelBundle) -> None:
    senses = Senses(bundle, AvatarConfig(), first_frame=0, now_ns=0)
    delay = AvatarConfig().user_delay_frames(bundle.manifest.network.block_frames)
    for n in range(100):
        face = np.zeros(SIZE, np.float32)
        face[INDEX["smile"]] = n / 100
        senses.motion.push(MotionSample(stamp_of(n), face))
    user = senses.user(range(90, 94))
    assert user.face is not None
    np.testing.assert_allclose(user.face[:, INDEX["smile"]], np.arange(90 - delay - 50, 94 - delay) / 100, atol=1e-6)
    assert user.is_seen and user.is_there and user.seen_until_ns == stamp_of(93 - delay)
    gone = senses.user(range(130, 134))
    assert gone.valid.any() and not gone.is_seen and not gone.is_there, "somebody was there, but is no more"
    assert gone.seen_until_ns is None and (gone.level, gone.heard_until_ns) == (None, None)


def test_lips_need_not_rest_while_the_user_laughs_and_shortly_after(bundle: ModelBundle) -> None:
    senses = Senses(bundle, AvatarConfig(), first_frame=0, now_ns=0)
    delay = AvatarConfig().user_delay_frames(bundle.manifest.network.block_frames)
    for n in range(200):
        face = np.zeros(SIZE, np.float32)
        face[INDEX["smile"]], face[INDEX["jaw_open"]] = (0.9, 0.5) if 50 <= n < 75 else (0.9, 0.0)
        senses.motion.push(MotionSample(stamp_of(n), face))
    laughed = senses.user(range(40, 180)).laughed_lately()
    free = np.flatnonzero(laughed) + 40 - delay
    assert free[0] == 50 and 75 + 36 <= free[-1] <= 75 + 38, "from the laugh on, and 1.5 s after it"
    assert len(free) == free[-1] - free[0] + 1
    blocks = [senses.user(range(start, start + 4)).laughed_lately() for start in range(40, 180, 4)]
    assert np.array_equal(np.concatenate(blocks), laughed)
