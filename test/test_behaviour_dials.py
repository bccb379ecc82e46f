# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Expressiveness and guidance change with the next block, and lips stay right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from avatar_forcing_ros.avatar import Avatar
from avatar_forcing_ros.behaviour.config import AvatarConfig, Expressiveness
from avatar_forcing_ros.behaviour.dials import Dials
from avatar_forcing_ros.files.pictures import read_image
from avatar_forcing_ros.files.resources import default_portrait
from avatar_forcing_ros.motion.facemesh.channels import CHANNELS, INDEX, NAMES, POSE
from avatar_forcing_ros.testing import tiny_bundle


def test_each_dial_scales_its_channels_around_the_portraits_own_face() -> None:
    rest = np.full(18, 0.05, np.float32)
    moved = rest + np.float32(0.02)
    shown = Dials(NAMES, Expressiveness(pose=0.5, face=2.0, mouth=0.0)).show(moved[None], rest)[0]
    expected = {**dict.fromkeys(POSE, 0.06), "smile": 0.09, "brow_raise": 0.09, "jaw_open": 0.05, "stretch": 0.05}
    for name, value in expected.items():
        assert shown[INDEX[name]] == pytest.approx(value, abs=1e-6), name
    for name in ("press", "blink_left", "blink_right", "gaze_x", "gaze_y"):
        assert shown[INDEX[name]] == moved[INDEX[name]], name


def test_a_models_own_gains_widen_its_motion_and_dials_scale_what_comes_of_it() -> None:
    rest, gains = np.full(18, 0.05, np.float32), {"pitch": 2.0, "smile": 1.5}
    moved = rest + np.float32(0.02)
    shown = Dials(NAMES, Expressiveness(pose=0.5), gains).show(moved[None], rest)[0]
    for name, value in {"pitch": 0.07, "yaw": 0.06, "smile": 0.08, "press": 0.07}.items():
        assert shown[INDEX[name]] == pytest.approx(value, abs=1e-6), name
    with pytest.raises(ValueError, match="named channels"):
        Dials((), Expressiveness(), gains)


def test_what_is_shown_stays_within_what_a_portrait_renders() -> None:
    high = np.array([channel.high for channel in CHANNELS], np.float32)
    shown = Dials(NAMES, Expressiveness(2.0, 2.0, 2.0)).show(high[None], np.zeros(18, np.float32))
    assert (shown <= high + 1e-6).all()


def test_all_at_one_changes_nothing_in_any_space() -> None:
    latents = np.random.default_rng(0).normal(size=(4, 512)).astype(np.float32)
    assert Dials((), Expressiveness()).show(latents, latents[0]) is latents
    with pytest.raises(ValueError, match="named channels"):
        Dials((), Expressiveness(pose=0.5))


@pytest.mark.parametrize("value", [-0.1, 2.1])
def test_a_dial_out_of_range_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match=f"face must be within 0 and 2, got {value}"):
        Expressiveness(face=value)


def frames_of(avatar: Avatar, blocks: int) -> np.ndarray:
    return np.stack([f.latent for _ in range(blocks) for f in avatar.step(avatar._running.next_decision_ns)])


def test_a_dial_turned_while_it_runs_takes_effect_with_the_next_block() -> None:
    avatar = Avatar(tiny_bundle(), read_image(default_portrait()), AvatarConfig(image_size=128))
    avatar.start(0)
    before = frames_of(avatar, 3)
    avatar.use_dials(replace(avatar.config, expressiveness=Expressiveness(0.0, 0.0, 0.0)))
    after = frames_of(avatar, 1)
    rest, still = avatar._portrait.reference, [INDEX[n] for n in (*POSE, "smile", "brow_raise", "jaw_open")]
    assert np.abs(before[:, still] - rest[still]).max() > 1e-3
    np.testing.assert_allclose(after[:, still], np.tile(rest[still], (len(after), 1)), atol=1e-6)


def test_guidance_turned_while_it_runs_goes_on_from_the_same_past() -> None:
    avatar = Avatar(tiny_bundle(), read_image(default_portrait()), AvatarConfig(image_size=128))
    avatar.start(0)
    frames_of(avatar, 3)
    avatar.use_dials(replace(avatar.config, guidance_user=0.3, guidance_avatar=1.7))
    after = frames_of(avatar, 2)
    assert np.isfinite(after).all() and avatar.config.guidance_user == 0.3
