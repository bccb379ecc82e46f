# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Preference optimisation on a tiny network: pairs, the loss in closed form, and which way it pulls."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from avatar_forcing_ros.network.config import NetworkConfig
from avatar_forcing_ros.network.model import AvatarForcingNetwork
from avatar_forcing_ros.train.clips import ClipConfig, ClipSampler
from avatar_forcing_ros.train.corpus import Corpus
from avatar_forcing_ros.train.pairs import PairConfig, PairSampler, make_pairs
from avatar_forcing_ros.train.preference import Preference, PreferenceConfig, PreferenceTrainer
from avatar_forcing_ros.train.scaling import LatentScale
from avatar_forcing_ros.train.trainer import TrainConfig

TINY = NetworkConfig(
    motion_size=18, audio_feature_size=320, condition_size=16, hidden_size=32, heads=2, depth=1, mlp_ratio=1.0,
    clip_frames=16, block_frames=4, visibility="blockwise",
)  # fmt: skip
CLIPS = ClipConfig(frames=16)
SHORT = TrainConfig(steps=40, batch=4, warmup_steps=2, learning_rate=2e-3)


def corpus(frames: int = 121) -> Corpus:
    """The avatar does what the user did: the loser, which cannot know, does something else."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(4, frames, 320)).astype(np.float16)
    user = np.repeat(rng.normal(size=(4, frames // 11 + 1, 18)), 11, axis=1)[:, :frames].astype(np.float32)
    motion = np.roll(user, CLIPS.motion_delay, axis=1)
    return Corpus(motion, np.zeros((4, 18), np.float32), features, features, user, np.ones((4, frames), bool))


def network() -> AvatarForcingNetwork:
    torch.manual_seed(0)
    return AvatarForcingNetwork(TINY)


def scale() -> LatentScale:
    return LatentScale.of(corpus().motion, np.ones(18))


def tuner(config: TrainConfig = SHORT, preference: PreferenceConfig | None = None) -> PreferenceTrainer:
    data = corpus()
    losing = np.random.default_rng(1).normal(size=data.motion.shape).astype(np.float32)
    clips = ClipSampler(data, scale(), CLIPS, seed=1)
    return PreferenceTrainer(PairSampler(clips, losing), network(), config, preference or PreferenceConfig(beta=10.0))


def preference(winner: float = 0.0, loser: float = 0.0) -> Preference:
    """Errors that moved by so much from a reference of one."""
    one = torch.ones(2, 3)
    return Preference(one + winner, one + loser, one, one, scored=one)


def test_the_loss_is_the_logistic_of_the_margin() -> None:
    assert preference().loss(1000.0).item() == pytest.approx(math.log(2))
    changed = preference(winner=-0.02, loser=0.01)
    assert changed.margin[0, 0].item() == pytest.approx(0.03, abs=1e-6)
    assert changed.loss(100.0).item() == pytest.approx(math.log(1 + math.exp(-3.0)), rel=1e-4)
    assert preference(winner=0.02).loss(100.0) > preference().loss(100.0) > preference(loser=0.02).loss(100.0)


def test_frames_of_the_past_do_not_count() -> None:
    far = preference(winner=0.5)
    half = replace(far, winner=far.winner - torch.tensor([0.0, 0.0, 0.5]), scored=torch.tensor([[0.0, 0.0, 1.0]] * 2))
    assert half.loss(10.0).item() == pytest.approx(math.log(2))
    assert half.numbers()["winner_error_change"] == 0


def test_winner_and_loser_share_all_but_their_motion() -> None:
    clips = ClipSampler(corpus(), scale(), CLIPS, seed=3)
    losing = np.broadcast_to(np.arange(121, dtype=np.float32)[:, None], corpus().motion.shape)
    pair = PairSampler(clips, np.array(losing)).draw(5)
    for name, tensor in vars(pair.winner).items():
        assert (name == "motion") != torch.equal(tensor, getattr(pair.loser, name))
    counted = scale().denormalize(pair.loser.motion.numpy())[..., 0]
    shown = scale().denormalize(pair.winner.motion.numpy())
    for clip, motion in zip(counted.round().astype(int), shown, strict=True):
        assert (np.diff(clip) == 1).all()
        assert any(np.allclose(truth[clip], motion, atol=1e-5) for truth in corpus().motion)


def test_a_loser_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"losing motion must be \(4, 121, 18\), got \(4, 100, 18\)"):
        PairSampler(ClipSampler(corpus(), scale(), CLIPS, 0), np.zeros((4, 100, 18), np.float32))


def test_losing_motion_knows_the_speech_and_not_the_user(tmp_path: Path) -> None:
    data, config = corpus(), PairConfig(conversations=3, batch=2, steps=1)
    net = network().eval()
    with torch.no_grad():
        for parameter in net.parameters():  # a fresh network gives zero velocity whatever it is told
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)), alpha=0.05)
    chosen, losing = make_pairs(net, data, scale(), config, CLIPS, tmp_path)
    assert losing.shape == chosen.motion.shape == (3, 120, 18) and np.isfinite(losing).all()
    unseen = replace(data, user_motion=data.user_motion + 1, user_features=data.user_features + 1)
    unheard = replace(data, avatar_features=data.avatar_features + 1)
    for name in "ab":
        (tmp_path / name).mkdir()
    assert np.array_equal(make_pairs(net, unseen, scale(), config, CLIPS, tmp_path / "a")[1], losing)
    assert not np.allclose(make_pairs(net, unheard, scale(), config, CLIPS, tmp_path / "b")[1], losing)


def test_the_margin_rises_and_the_reference_stands_still() -> None:
    run = tuner()
    before = [parameter.clone() for parameter in run.reference.parameters()]
    first = run.train_step()
    assert first["preference_margin"] == 0 and first["winner_error_change"] == 0
    numbers = [run.train_step() for _ in range(SHORT.steps - 1)][-10:]
    mean = {name: np.mean([n[name] for n in numbers]) for name in numbers[0]}
    assert mean["preference_margin"] > 0.05 and mean["preference_accuracy"] > 0.8
    assert mean["winner_error_change"] < mean["loser_error_change"]
    assert all(torch.equal(*both) for both in zip(before, run.reference.parameters(), strict=True))


def test_the_preference_pulls_further_than_the_first_stage_alone() -> None:
    def margin(weight: float) -> float:
        run = tuner(preference=PreferenceConfig(beta=10.0, weight=weight))
        return float(np.mean([run.train_step()["preference_margin"] for _ in range(SHORT.steps)][-10:]))

    assert margin(3.0) > 1.2 * margin(0.0)
    assert margin(-3.0) < margin(0.0)  # what a reversed sign would do


def test_tuning_continues_bit_for_bit() -> None:
    straight, stopped, again = tuner(), tuner(), tuner()
    for _ in range(4):
        straight.train_step()
    for _ in range(2):
        stopped.train_step()
    again.load_state_dict(copy.deepcopy(stopped.state_dict()))
    for _ in range(2):
        again.train_step()
    for one, other in zip(straight.network.parameters(), again.network.parameters(), strict=True):
        assert torch.equal(one, other)
