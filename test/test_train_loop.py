# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Objective and loop on a tiny network: noise, dropout and weights as said; learning; continuing bit for bit."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from avatar_forcing_ros.audio.log_mel import log_mel_frames
from avatar_forcing_ros.motion.facemesh.channels import CHANNELS, INDEX, POSE
from avatar_forcing_ros.network.config import NetworkConfig
from avatar_forcing_ros.simulation.lips import LIP_CHANNELS
from avatar_forcing_ros.train.clips import ClipBatch, ClipConfig, ClipSampler
from avatar_forcing_ros.train.corpus import Corpus
from avatar_forcing_ros.train.journal import Journal
from avatar_forcing_ros.train.objective import (
    ObjectiveConfig,
    Times,
    add_noise,
    channel_errors,
    draw_dropout,
    draw_times,
    shifted,
    weights,
    with_other_voices,
)
from avatar_forcing_ros.train.scaling import LatentScale
from avatar_forcing_ros.train.trainer import TrainConfig, Trainer

TINY = NetworkConfig(
    motion_size=18, audio_feature_size=320, condition_size=16, hidden_size=32, heads=2, depth=1, mlp_ratio=1.0,
    clip_frames=16, block_frames=4, visibility="blockwise",
)  # fmt: skip
STEADY = ObjectiveConfig(past_offset=0.0, posture_offset=0.0, astray_share=0.0, past_swap_share=0.0, lip_swap_share=0.0)
"""A given past as it was."""
SHORT = TrainConfig(steps=8, batch=4, warmup_steps=2, log_steps=2, checkpoint_steps=4, learning_rate=3e-3)


def corpus(frames: int = 120) -> Corpus:
    """Motion that follows the avatar's own features."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(2, frames, 320)).astype(np.float16)
    motion = np.tanh(features[..., :18]).astype(np.float32)
    valid = np.ones((2, frames), bool)
    return Corpus(motion, np.zeros((2, 18), np.float32), features, features[::-1], motion[::-1], valid)


def trainer(config: TrainConfig = SHORT) -> Trainer:
    data = corpus()
    scale = LatentScale.of(data.motion, np.ones(18))
    return Trainer(ClipSampler(data, scale, ClipConfig(frames=16), seed=1), TINY, config)


def test_blocks_share_a_time_and_some_pasts_are_nearly_clean() -> None:
    times = draw_times(2000, 48, 4, ObjectiveConfig(), torch.Generator().manual_seed(0))
    assert (times.t[times.past] <= 50).all()
    assert times.past[:, 0].float().mean() == pytest.approx(0.5 * 11 / 12, abs=0.04)
    t = times.t.unflatten(1, (12, 4))
    assert (t == t[..., :1]).all() and t.max() == 1000
    share = (t[:, 0, 0] <= 50).float().mean()
    assert share == pytest.approx(0.5 * 11 / 12 + (1 - 0.5 * 11 / 12) * 0.02, abs=0.04)
    assert (t[:, -1, 0] <= 50).float().mean() == pytest.approx(0.02, abs=0.015)


def test_a_given_past_is_called_clean_is_a_little_astray_and_is_not_scored() -> None:
    config, clips = ObjectiveConfig(), 2000
    past = (torch.arange(28) < 24).expand(clips, 28)
    times = Times(torch.full((clips, 28), 500.0) * ~past, past)
    noised = add_noise(torch.zeros(clips, 28, 18), times, config, torch.Generator().manual_seed(0))
    assert not noised.t[:, :24].any() and not noised.scored[:, :24].any() and noised.scored[:, 24:].all()
    assert (noised.x_t[:, :24] == noised.x_t[:, :1]).all()
    face, pitch, roll = noised.x_t[:, 0, len(POSE) :], noised.x_t[:, 0, INDEX["pitch"]], noised.x_t[:, 0, INDEX["roll"]]
    assert face.std() == pytest.approx(config.past_offset, rel=0.05)
    assert pitch.std() == pytest.approx(config.posture_offset, rel=0.05)
    variance = (1 - config.astray_share) * config.posture_offset**2 + config.astray_share * config.astray_offset**2
    assert roll.var() == pytest.approx(variance, rel=0.15)
    assert roll.abs().median() < 1.5 * config.posture_offset, "most are no more astray than pitch"
    assert noised.x_t[:, 24:, INDEX["jaw_open"]].std() == pytest.approx(0.5, rel=0.04)


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_in_some_clips_the_past_answers_somebody_else_and_the_way_back_is_smooth(share: float) -> None:
    own = torch.arange(500.0)[:, None, None].expand(500, 24, 18)
    past = torch.zeros(500, 24, dtype=torch.bool)
    past[:, :4] = True
    config = replace(STEADY, past_swap_share=share)
    times = Times(torch.zeros(500, 24), past)
    noised = add_noise(own, times, config, torch.Generator().manual_seed(0))
    error = noised.x_t - own
    assert {CHANNELS[i].name for i in error.any(dim=0).any(dim=0).nonzero()[:, 0]} <= {"smile", "brow_raise"}
    assert (error[:, :4, INDEX["smile"]] != 0).float().mean() == pytest.approx(share, abs=0.06)
    swapped = error[error[:, 0, INDEX["smile"]] != 0][:, 3:]
    assert not (error[:, 4:].abs() > error[:, 3:-1].abs() + 1e-3).any(), "what is left only becomes less"
    assert (swapped[:, -1].abs() < 0.02 * swapped[:, 0].abs() + 1e-6).all()
    same = add_noise(own, Times(noised.t, past), config, torch.Generator().manual_seed(0))
    assert torch.equal(noised.target, same.target), "an answer to somebody else is the past, not a draw of its own"


def test_in_some_clips_the_past_has_somebody_elses_lips_which_are_gone_at_once() -> None:
    own = torch.arange(500.0)[:, None, None].expand(500, 24, 18)
    past = torch.zeros(500, 24, dtype=torch.bool)
    past[:, :4] = True
    config = replace(STEADY, lip_swap_share=0.3)
    error = add_noise(own, Times(torch.zeros(500, 24), past), config, torch.Generator().manual_seed(0)).x_t - own
    assert {CHANNELS[i].name for i in error.any(dim=0).any(dim=0).nonzero()[:, 0]} == set(LIP_CHANNELS)
    assert (error[:, :4, INDEX["jaw_open"]] != 0).float().mean() == pytest.approx(0.3, abs=0.06)
    assert error[:, 4:].abs().max() < 1e-3


def test_other_voices_say_the_same_and_silence_stays_silence() -> None:
    said = torch.from_numpy(log_mel_frames(np.random.default_rng(0).normal(0, 0.05, 64 * 640).astype(np.float32)))
    said[::2] = -1.0
    one = torch.zeros(4, 64, 18)
    clips = ClipBatch(one, one[:, 0], said.repeat(4, 1, 1), said.repeat(4, 1, 1), one, torch.ones(4))
    same = ObjectiveConfig(voice_gain_db=0.0, voice_colour_db=0.0, voice_warp=0.0, voice_noise_share=0.0)
    unchanged = with_other_voices(clips, same, torch.Generator().manual_seed(0))
    assert torch.allclose(unchanged.avatar_features, clips.avatar_features, atol=1e-5)
    changed = with_other_voices(clips, ObjectiveConfig(voice_noise_share=0.0), torch.Generator().manual_seed(0))
    assert (changed.user_features[:, ::2] == -1).all() and (changed.user_features[:, 1::2] != said[1::2]).all()
    levels = changed.avatar_features[:, 1::2].mean(dim=(1, 2))
    assert levels.std() > 0.1 and not torch.equal(changed.avatar_features, changed.user_features)
    noisy = with_other_voices(clips, ObjectiveConfig(voice_noise_share=1.0), torch.Generator().manual_seed(0))
    assert (noisy.avatar_features[:, ::2] > -1).all(), "noise is there while nothing is said"


def test_posture_comes_back_from_astray_without_a_kink_and_lips_at_once() -> None:
    motion, past = torch.zeros(200, 48, 18), torch.zeros(200, 48, dtype=torch.bool)
    past[:, :8] = True
    noised = add_noise(motion, Times(torch.zeros(200, 48), past), ObjectiveConfig(), torch.Generator().manual_seed(0))
    roll, jaw = noised.x_t[..., INDEX["roll"]], noised.x_t[..., INDEX["jaw_open"]]
    third = roll.diff(n=3, dim=1).abs().mean(dim=0)
    assert third.max() < 0.1 * roll[:, 0].abs().mean() and roll[:, -1].abs().max() < 0.01 * roll[:, 0].abs().max()
    assert jaw[:, 7].abs().mean() > 0.05 and jaw[:, 8:].abs().max() < 1e-6


def test_shifted_times_keep_their_ends_and_their_order() -> None:
    t = torch.linspace(0, 1000, 11)
    moved = shifted(t, 2.5)
    assert moved[0] == 0 and moved[-1] == 1000 and (moved[1:-1] > t[1:-1]).all() and (moved.diff() > 0).all()
    assert torch.allclose(shifted(t, 1.0), t)


def test_conditions_are_dropped_as_often_as_said() -> None:
    c = ObjectiveConfig()
    keep = draw_dropout(40_000, c, torch.Generator().manual_seed(0))
    expected = (1 - c.dropout) * (1 - c.null_dropout - c.speech_dropout)
    assert keep.avatar_audio.mean() == pytest.approx(expected, abs=0.01)
    assert keep.reference.mean() == pytest.approx(1 - c.dropout, abs=0.01)
    alone = (keep.user_audio + keep.user_motion == 0) & (keep.avatar_audio == 1)
    assert alone.float().mean() > 0.9 * c.user_dropout * (1 - c.dropout)


def test_errors_vanish_at_the_target_only_and_weights_have_mean_one() -> None:
    target = torch.randn(2, 16, 18)
    config = ObjectiveConfig()
    assert not channel_errors(target, target, config).any()
    off = channel_errors(target + 2, target, config)
    assert off[..., 6].allclose(torch.tensor(2.0)) and off[..., 0].allclose(torch.tensor(4.0))
    table = weights(16, 4, 18, config)
    assert table.mean() == pytest.approx(1, abs=1e-6)
    assert (
        table[-1].allclose(3 * table[0])
        and table[0, 6].allclose(3 * table[0, 0])
        and table[0, 7].allclose(2.5 * table[0, 0])
    )


def test_named_channels_are_scored_by_their_part_and_numbers_without_names_all_alike() -> None:
    predicted, target = torch.randn(2, 16, 18), torch.randn(2, 16, 18)
    difference = predicted - target
    lips, decided, events = [6, 8, 9, 10, 11], [6, 8, 9, 11], [1, 7, 12, 14, 15, 16, 17]
    expected = difference.square()
    expected[..., decided] = difference[..., decided].abs()
    assert torch.equal(channel_errors(predicted, target, ObjectiveConfig()), expected)
    table = torch.ones(16, 18)
    table[:, lips], table[:, events], table[:, 10] = 3.0, 2.5, 6.0
    table[-4:] *= 3
    assert torch.equal(weights(16, 4, 18, ObjectiveConfig()), table / table.mean())
    nameless = ObjectiveConfig(has_channels=False)
    assert torch.equal(channel_errors(predicted, target, nameless), difference.abs())
    assert (weights(16, 4, 7, nameless).std(dim=1) == 0).all()


def test_the_network_learns() -> None:
    run = trainer(replace(SHORT, steps=150, batch=8))
    losses = [run.train_step()["loss"] for _ in range(150)]
    assert np.mean(losses[-20:]) < 0.85 * np.mean(losses[:10])


def test_a_continued_run_is_the_same_run(tmp_path: Path) -> None:
    whole = trainer()
    whole.run(tmp_path / "whole", Journal(tmp_path / "whole"))
    half = trainer(replace(SHORT, checkpoint_steps=3))
    for _ in range(4):
        half.train_step()
    state = half.state_dict()
    other = trainer()
    other.load_state_dict(state)
    (tmp_path / "parts").mkdir()
    torch.save(other.state_dict(), tmp_path / "parts" / "checkpoint.pt")
    rest = trainer()
    rest.run(tmp_path / "parts", Journal(tmp_path / "parts"))
    assert rest.step == whole.step == 8
    for mine, theirs in zip(rest.average.parameters(), whole.average.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_the_journal_forgets_what_will_be_done_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for step in (2, 4, 6):
        journal.add(step, {"loss": 1 / step})
    journal.rewind(4)
    assert [line.split(",")[0] for line in journal.path.read_text().splitlines()] == ["step", "2", "4"]


def test_learning_rate_rises_stays_and_falls() -> None:
    config = TrainConfig(steps=1000, warmup_steps=100, cooldown_share=0.3, learning_rate=1.0)
    assert [config.learning_rate_at(step) for step in (49, 400, 850, 999)] == pytest.approx([0.5, 1, 0.5, 1 / 300])


def test_a_step_is_computed_where_the_network_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The device "meta" has no numbers, but refuses to mix with another as a GPU does."""
    monkeypatch.setattr("avatar_forcing_ros.train.trainer._by_group", lambda *_: {})
    data = corpus()
    sampler = ClipSampler(data, LatentScale.of(data.motion, np.ones(18)), ClipConfig(frames=16), seed=1)
    elsewhere = Trainer(sampler, TINY, SHORT, "meta")
    elsewhere.loss().value.backward()
    assert {parameter.grad.device.type for parameter in elsewhere.network.parameters()} == {"meta"}


def test_bfloat16_learns_what_float32_learns_and_keeps_weights_and_loss_in_float32() -> None:
    learnt, first = {}, {}
    for precision in ("float32", "bfloat16"):
        run = trainer(replace(SHORT, steps=40, precision=precision))
        losses = [run.train_step()["loss"] for _ in range(40)]
        assert losses[0].dtype == next(run.network.parameters()).dtype == torch.float32
        learnt[precision], first[precision] = torch.stack(losses[-20:]).mean(), torch.stack(losses[:5]).mean()
    assert learnt["bfloat16"] == pytest.approx(learnt["float32"], rel=0.05)
    assert learnt["bfloat16"] < 0.95 * first["bfloat16"]
    assert first["bfloat16"] != first["float32"]


def test_a_compiled_step_is_one_program_and_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Traced whole; a compiler of kernels is left out, which takes half a minute."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager", fullgraph=True))
    costs = [trainer(replace(SHORT, compiled=compiled)).train_step() for compiled in (False, True)]
    for name, cost in costs[0].items():
        assert float(costs[1][name]) == pytest.approx(float(cost), rel=1e-5), name


def test_another_precision_is_refused_in_one_line() -> None:
    with pytest.raises(ValueError, match="precision must be one of float32, bfloat16, got 'float16'"):
        TrainConfig(precision="float16")  # type: ignore[arg-type]
