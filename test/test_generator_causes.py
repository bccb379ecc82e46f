# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Who caused a motion: shares of the user and of the avatar's speech, from the guesses that guidance compares."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from avatar_forcing_ros.avatar import Avatar
from avatar_forcing_ros.bundle import load_bundle
from avatar_forcing_ros.files.pictures import read_image
from avatar_forcing_ros.files.resources import default_portrait
from avatar_forcing_ros.generator.causes import causes_of, contributions
from avatar_forcing_ros.generator.guidance import Guidance
from avatar_forcing_ros.generator.sampler import SamplerConfig
from avatar_forcing_ros.motion.facemesh.channels import INDEX
from avatar_forcing_ros.signals import AvatarFrame, MotionSample
from avatar_forcing_ros.timeline.grid import FRAME_NS

NAN = float("nan")


@pytest.mark.parametrize(
    ("joint", "avatar", "user", "expected"),
    [
        (True, 1.0, 2.0, [[2, -2], [NAN, NAN]]),  # all, avatar: as bundled
        (True, 1.5, 2.0, [[2, -2, 0], [1.5, 0, -1.5]]),  # all, avatar, user
        (True, 1.0, 1.0, [[NAN], [NAN]]),  # a single guess
        (True, 1.0, 0.0, [[0], [NAN]]),  # who is ignored causes nothing
        (False, 2.0, 1.0, [[-1, 0, 1], [-2, 2, 0]]),  # null, avatar, user: as published
        (False, 0.0, 1.0, [[NAN], [0]]),
    ],
)
def test_parts_are_differences_of_guesses_that_differ_in_one_thing(
    joint: bool, avatar: float, user: float, expected: list[list[float]]
) -> None:
    found = contributions(SamplerConfig(joint=joint, guidance_avatar=avatar, guidance_user=user))
    np.testing.assert_array_equal(found, np.array(expected))


def test_parts_and_what_is_left_are_the_guided_velocity() -> None:
    """Where guesses are sums of what the user, the speech and nobody does, the parts are those, times the scales."""
    nobody, speech, user = torch.randn(3, 1, 4, 5, generator=torch.Generator().manual_seed(0))
    for joint in (True, False):
        sampler = SamplerConfig(joint=joint, guidance_avatar=1.5, guidance_user=3.0)
        guesses = torch.cat([nobody + b.sees_avatar * speech + b.sees_user * user for b in sampler.branches])
        parts = torch.einsum("kg,gtm->ktm", torch.from_numpy(contributions(sampler)), guesses)
        torch.testing.assert_close(parts, torch.cat([3.0 * user, 1.5 * speech]))
        guided = Guidance(sampler.branches).combine(guesses)
        torch.testing.assert_close(guided[0] - parts.sum(0), nobody[0], atol=1e-5, rtol=0)


def test_shares_are_lengths() -> None:
    rest = np.array([1.0, 0.0], np.float32)
    moved = np.array([[[3.0, 0.0]], [[0.0, 4.0]]], np.float32)
    causes = causes_of(moved, np.array([[4.0, 7.0]], np.float32), rest)  # (3, 7) away, of which (0, 3) is neither's
    assert (causes.user, causes.speech) == pytest.approx((0.3, 0.4))
    unknown = causes_of(np.array([moved[0], moved[1] * NAN]), np.array([[4.0, 7.0]], np.float32), rest)
    assert unknown.user == pytest.approx(0.3) and np.isnan(unknown.speech)
    assert causes_of(0 * moved, rest[None], rest).user == 0.0


def shares(avatar: Avatar, smiles: bool) -> np.ndarray:
    """The user's share in blocks of eight seconds with somebody who smiles every other second, or does not."""
    avatar.start(0)
    frames: list[AvatarFrame] = []
    for n in range(200):
        latent = np.zeros(avatar.bundle.manifest.network.motion_size, np.float32)
        latent[INDEX["smile"]] = smiles * (n // 25 % 2)
        avatar.push_user_motion(MotionSample(n * FRAME_NS, latent))
        frames += avatar.step(n * FRAME_NS)
    return np.array([frame.user_share for frame in frames[25::4]])


@pytest.mark.parametrize("runtime", ["onnx", "torch"])
def test_a_user_who_smiles_moves_the_face_more_than_one_who_does_not(runtime: str) -> None:
    bundle = load_bundle()
    if runtime == "torch":
        bundle = replace(bundle, graphs=None)
    avatar = Avatar(bundle, read_image(default_portrait()))
    smiling, still = shares(avatar, smiles=True), shares(avatar, smiles=False)
    assert ((smiling >= 0) & (smiling <= 1)).all()
    assert smiling.max() > 0.35 and smiling.mean() > 1.2 * still.mean()
