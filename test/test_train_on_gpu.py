# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Clips cut on a device are those that are cut in memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from avatar_forcing_ros.network.config import NetworkConfig
from avatar_forcing_ros.train.clips import ClipConfig, ClipSampler
from avatar_forcing_ros.train.corpus import Corpus
from avatar_forcing_ros.train.on_gpu import DeviceClipSampler, GpuTrainer
from avatar_forcing_ros.train.scaling import LatentScale
from avatar_forcing_ros.train.trainer import TrainConfig, Trainer

CLIPS = ClipConfig(frames=16, recalled_frames=30)
TINY = NetworkConfig(
    motion_size=18, audio_feature_size=320, condition_size=16, hidden_size=32, heads=2, depth=1, mlp_ratio=1.0,
    clip_frames=16, block_frames=4, memory_frames=(3, 31), visibility="blockwise",
)  # fmt: skip


def corpus(frames: int = 120) -> Corpus:
    """Motion that follows the avatar's own features, and a user who is lost now and then."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(2, frames, 320)).astype(np.float16)
    motion = np.tanh(features[..., :18]).astype(np.float32)
    valid = rng.random((2, frames)) < 0.8
    return Corpus(motion, np.zeros((2, 18), np.float32), features, features[::-1], motion[::-1], valid)


def samplers(data: Corpus) -> tuple[ClipSampler, DeviceClipSampler]:
    scale = LatentScale.of(data.motion, np.ones(18))
    return ClipSampler(data, scale, CLIPS, 3), DeviceClipSampler(data, scale, CLIPS, 3, torch.device("cpu"))


def test_the_same_places_give_the_same_clips() -> None:
    here, there = samplers(corpus())
    for _ in range(3):
        for mine, theirs in zip(vars(here.draw(8)).values(), vars(there.draw(8)).values(), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-5)
    places = here.places(4)
    other = np.random.default_rng(1).normal(size=here.corpus.motion.shape).astype(np.float32)
    torch.testing.assert_close(here.motion(other, places), there.motion(other, places), rtol=1e-5, atol=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_recorded_step_learns_as_one_by_one() -> None:
    data, config = corpus(), TrainConfig(steps=60, batch=8, warmup_steps=2, learning_rate=3e-3)
    scale = LatentScale.of(data.motion, np.ones(18))
    runs = []
    for kind in (Trainer, GpuTrainer):
        clips = DeviceClipSampler(data, scale, CLIPS, 3, torch.device("cuda"))
        run = kind(clips, TINY, config, "cuda")
        step = run.quick_step()
        losses = []
        while run.step < 60:
            losses.append(float(step()["loss"]))
        runs.append(losses[-20:])
    assert np.mean(runs[0]) == pytest.approx(np.mean(runs[1]), rel=0.15)
