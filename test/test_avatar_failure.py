# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A block that cannot be generated holds the face still: frames and speech go on, and the error is told."""

import numpy as np
import pytest
import torch

from avatar_forcing_ros.avatar import Avatar, AvatarConfig, GenerationError
from avatar_forcing_ros.signals import AudioChunk, AvatarFrame
from avatar_forcing_ros.testing import speech_like, tiny_bundle
from avatar_forcing_ros.timeline.grid import FRAME_NS

SECOND = 1_000_000_000
PORTRAIT = np.full((64, 64, 3), 90, np.uint8)


@pytest.fixture
def avatar() -> Avatar:
    avatar = Avatar(tiny_bundle(), PORTRAIT, AvatarConfig(image_size=72))
    avatar.start(SECOND)
    return avatar


def break_network(avatar: Avatar, value: float = torch.nan) -> dict[str, torch.Tensor]:
    """Spoil the weights; returns the good ones."""
    good = {name: weight.clone() for name, weight in avatar.bundle.network.state_dict().items()}
    with torch.no_grad():
        for weight in avatar.bundle.network.parameters():
            weight.fill_(value)
    return good


def run(avatar: Avatar, blocks: int) -> tuple[list[AvatarFrame], int]:
    """All frames of some blocks, and how many of the blocks failed."""
    frames, failures = [], 0
    for _ in range(blocks):
        made, failed = step(avatar)
        frames += made
        failures += failed
    return frames, failures


def step(avatar: Avatar) -> tuple[list[AvatarFrame], bool]:
    try:
        return avatar.step(avatar.next_decision_ns), False
    except GenerationError as error:
        return error.frames, True


def test_a_failing_network_costs_no_frame_and_no_sample_of_speech(avatar: Avatar) -> None:
    sound = speech_like(2.0)
    avatar.push_speech(AudioChunk(None, sound, 16_000, "hello", 0, end_of_utterance=True), SECOND)
    before, _ = run(avatar, 4)
    good = break_network(avatar)
    held, failures = run(avatar, 5)
    avatar.bundle.network.load_state_dict(good)
    after, later_failures = run(avatar, 8)

    frames = before + held + after
    assert (failures, later_failures) == (5, 0)
    assert set(np.diff([frame.stamp_ns for frame in frames])) == {FRAME_NS}
    assert all(np.array_equal(frame.latent, before[-1].latent) for frame in held)
    assert not np.array_equal(after[0].latent, before[-1].latent)
    heard = np.concatenate([frame.speech for frame in frames])
    assert np.array_equal(np.trim_zeros(heard), np.trim_zeros(sound))


def test_the_error_names_its_cause(avatar: Avatar) -> None:
    break_network(avatar)

    with pytest.raises(GenerationError, match="not finite") as raised:
        avatar.step(avatar.next_decision_ns)
    assert isinstance(raised.value.__cause__, ArithmeticError)
    assert len(raised.value.frames) == 4


def test_fewer_steps_go_on_from_the_same_past_and_none_holds_still(avatar: Avatar) -> None:
    full, _ = run(avatar, 3)
    avatar.use_steps(1)
    fewer, _ = run(avatar, 3)
    avatar.use_steps(0)
    still, _ = run(avatar, 2)
    avatar.use_steps(avatar.full_steps)
    again, _ = run(avatar, 2)

    frames = full + fewer + still + again
    assert set(np.diff([frame.stamp_ns for frame in frames])) == {FRAME_NS}
    assert {frame.epoch for frame in frames} == {0}
    assert all(np.array_equal(frame.latent, fewer[-1].latent) for frame in still)
    assert all(not np.array_equal(frame.latent, still[-1].latent) for frame in again)
    with pytest.raises(ValueError, match="at least 0, got -1"):
        avatar.use_steps(-1)
