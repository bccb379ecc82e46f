# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The same conversation, played to the live avatar and cut for training, gives the network the same conditions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from avatar_forcing_ros.audio.barge_in import BargeInConfig
from avatar_forcing_ros.audio.echo_gate import EchoGateConfig
from avatar_forcing_ros.audio.log_mel import LogMel, log_mel_frames
from avatar_forcing_ros.audio.spoken import SpokenStream, spoken_frames
from avatar_forcing_ros.behaviour.alignment import Alignment
from avatar_forcing_ros.behaviour.config import AvatarConfig
from avatar_forcing_ros.behaviour.senses import Senses
from avatar_forcing_ros.generator.torch_engine import conditions_of
from avatar_forcing_ros.motion.facemesh.channels import SIZE
from avatar_forcing_ros.network.conditions import Conditions
from avatar_forcing_ros.signals import AudioChunk, MotionSample
from avatar_forcing_ros.testing import tiny_bundle
from avatar_forcing_ros.timeline.grid import FRAME_SAMPLES, SAMPLE_RATE, stamp_of
from avatar_forcing_ros.timeline.speech import SpeechFrame
from avatar_forcing_ros.train.clips import ClipSampler, Places
from avatar_forcing_ros.train.corpus import Corpus
from avatar_forcing_ros.train.recipe import clips_for
from avatar_forcing_ros.train.scaling import LatentScale
from avatar_forcing_ros.train.streaming import Heard
from avatar_forcing_ros.train.streaming import conditions_of as conditions_in_training

FRAMES, BEFORE = 160, 40
CONFIG = AvatarConfig(echo_gate=EchoGateConfig(enabled=False), barge_in=BargeInConfig(enabled=False))
BUNDLE = replace(tiny_bundle(), make_speech_stream=SpokenStream)
NETWORK = BUNDLE.manifest.network
SCALE = LatentScale(BUNDLE.latent_mean, BUNDLE.latent_std)
CLIPS = clips_for(NETWORK)


def signals() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the user says and does, and what the avatar says."""
    rng = np.random.default_rng(7)
    voice, own = (rng.normal(0, 0.1, FRAMES * FRAME_SAMPLES).astype(np.float32) for _ in range(2))
    own[: 102 * FRAME_SAMPLES] = 0  # then noise, which is heard in frames 102 and 103, and no longer
    face = np.cumsum(rng.normal(0, 0.02, (FRAMES, SIZE)), axis=0).astype(np.float32)
    return voice, own, np.clip(face, -0.2, 0.2)


def live(frames: range) -> Conditions:
    """What a live avatar's senses give for some frames."""
    voice, own, face = signals()
    senses = Senses(BUNDLE, CONFIG, first_frame=0, now_ns=0)
    for n in range(FRAMES):
        piece = slice(n * FRAME_SAMPLES, (n + 1) * FRAME_SAMPLES)
        senses.motion.push(MotionSample(stamp_of(n), face[n]))
        senses.audio.push(AudioChunk(stamp_of(n), voice[piece], SAMPLE_RATE))
    said = [SpeechFrame(samples, "a") for samples in own.reshape(FRAMES, FRAME_SAMPLES)]
    for start in range(0, FRAMES, 4):
        senses.say(range(start, start + 4), said[start : start + 4])
    senses.attend(frames)
    return conditions_of(BUNDLE.network, senses.sensed(frames))


def test_live_and_training_agree_to_the_frame() -> None:
    voice, own, face = signals()
    features, own_features = log_mel_frames(voice)[None], spoken_frames(own)[None]
    valid = np.ones((1, FRAMES), bool)
    corpus = Corpus(face[None], np.zeros((1, SIZE), np.float32), own_features, features, face[None], valid)
    assert len(np.unique((own_features[0, 100:108] == LogMel().silence).all(axis=1))) == 2
    age = Alignment.of(AvatarConfig(), NETWORK.block_frames)
    assert (CLIPS.motion_delay, CLIPS.audio_delay) == (age.motion_frames, age.audio_frames)
    frames = range(100, 108)
    heard = live(frames)

    known, silence = Heard(own_features, features, face[None], valid, corpus.reference), LogMel().silence
    streamed = conditions_in_training(BUNDLE.network, known, SCALE, BEFORE, CLIPS, silence)
    streamed = streamed.slice(BEFORE + frames.start, BEFORE + frames.stop)
    for mine, theirs in zip(vars(heard).values(), vars(streamed).values(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)

    own_rows = np.arange(frames.start, frames.stop)[None]
    beside = np.arange(frames.start - NETWORK.recalled_frames, frames.stop)[None]
    clip = ClipSampler(corpus, SCALE, CLIPS, 0).cut(
        Places(np.zeros((1, 1), int), own_rows, own_rows, beside - CLIPS.motion_delay, beside - CLIPS.audio_delay,
               np.ones(1, bool))
    )  # fmt: skip
    shown = slice(NETWORK.recalled_frames, None)
    torch.testing.assert_close(clip.user_motion[:, shown], heard.user_motion[..., :SIZE], rtol=1e-4, atol=1e-4)
    projected = BUNDLE.network.project_audio(clip.user_features[:, shown])
    torch.testing.assert_close(projected, heard.user_audio[..., : projected.shape[-1]], rtol=1e-3, atol=1e-3)
