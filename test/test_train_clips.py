# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Clips: every signal stands where streaming will put it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from avatar_forcing_ros.train.clips import ClipConfig, ClipSampler
from avatar_forcing_ros.train.corpus import Corpus
from avatar_forcing_ros.train.scaling import LatentScale

IDENTITY = LatentScale(np.zeros(18, np.float32), np.ones(18, np.float32))
STILL = ClipConfig(jitter=0, audio_absent_share=0.0)


def numbered(conversations: int = 3, frames: int = 200) -> Corpus:
    """A corpus whose every row holds its own frame number."""
    number = np.broadcast_to(np.arange(frames, dtype=np.float32)[None, :, None], (conversations, frames, 1))
    motion, features = np.repeat(number, 18, axis=2), np.repeat(number, 320, axis=2).astype(np.float16)
    valid = np.ones((conversations, frames), bool)
    return Corpus(motion, np.zeros((conversations, 18), np.float32), features, features, motion, valid)


def test_positions_are_those_of_the_live_avatar() -> None:
    clips = ClipSampler(numbered(), IDENTITY, STILL, seed=0).draw(16)
    frame = clips.motion[:, :, 0]
    assert (frame.diff(dim=1) == 1).all()
    assert torch.equal(clips.avatar_features[:, 2:, 0], frame), "own speech is that of the frame itself"
    assert torch.equal(clips.user_motion[:, 2:, 0], frame - 6), "user motion is 240 ms old"
    assert torch.equal(clips.user_features[:, 2:, 0], frame - 8), "user sound is two frames older"
    assert torch.equal(clips.avatar_features[:, 0, 0], frame[:, 0] - 2)


def test_jitter_moves_voice_and_face_of_the_user_together() -> None:
    clips = ClipSampler(numbered(), IDENTITY, replace(STILL, jitter=1), seed=0).draw(64)
    face = (clips.motion[:, 0, 0] - clips.user_motion[:, 2, 0]).long()
    voice = (clips.motion[:, 0, 0] - clips.user_features[:, 2, 0]).long()
    assert set(face.tolist()) == {5, 6, 7} and torch.equal(voice, face + 2)
    assert torch.equal(clips.avatar_features[:, 2:, 0], clips.motion[:, :, 0])


def test_the_user_is_known_as_far_back_as_the_network_remembers() -> None:
    sampler = ClipSampler(numbered(), IDENTITY, replace(STILL, recalled_frames=74), seed=0)
    clips = sampler.draw(64)
    assert clips.user_motion.shape[1] == clips.user_features.shape[1] == clips.avatar_features.shape[1] + 74
    first = clips.motion[:, 0, 0]
    face = (first - 2 - 6 - 74)[:, None] + torch.arange(74)
    assert torch.equal(clips.user_motion[:, :74, 0], face.clamp(min=0)), "nobody is seen before the beginning"
    assert torch.equal(clips.user_features[:, :74, 0], (face - 2).clamp(min=0)), "it sounds as at the beginning"
    assert (face < 0).any(), "the test should have clips near the beginning"


def test_a_lost_face_is_zero_in_network_units() -> None:
    corpus = numbered()
    corpus.user_valid[:] = False
    scale = LatentScale(np.full(18, 5, np.float32), np.ones(18, np.float32))
    assert not ClipSampler(corpus, scale, STILL, seed=0).draw(4).user_motion.any()


def test_equal_seeds_draw_equal_clips() -> None:
    first, second = (ClipSampler(numbered(), IDENTITY, ClipConfig(), seed=3).draw(5) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(vars(first).values(), vars(second).values(), strict=True))


def test_conversations_that_are_too_short_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 59 frames, got 40"):
        ClipSampler(numbered(frames=40), IDENTITY, ClipConfig(), seed=0)


def test_scale_and_back() -> None:
    motion = np.random.default_rng(0).normal(3, 2, (10, 50, 18)).astype(np.float32)
    scale = LatentScale.of(motion, np.ones(18))
    unit = scale.normalize(motion)
    assert abs(unit.mean()) < 0.02 and unit.std() == pytest.approx(1, abs=0.02)
    np.testing.assert_allclose(scale.denormalize(unit), motion, atol=1e-5)
    assert (LatentScale.of(np.zeros((5, 18), np.float32), np.full(18, 2.0)).std == np.float32(0.1)).all()
