# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whole conversations through the streaming generator, many in parallel, for evaluation and preference pairs."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avatar_forcing_ros.audio.log_mel import SILENT_MEAN, LogMel
from avatar_forcing_ros.behaviour.user_activity import laughed_lately
from avatar_forcing_ros.compute.config import ComputeConfig
from avatar_forcing_ros.generator.block_generator import BlockGenerator
from avatar_forcing_ros.generator.noise import block_noise
from avatar_forcing_ros.generator.sampler import SamplerConfig
from avatar_forcing_ros.motion.facemesh.channels import INDEX, NAMES
from avatar_forcing_ros.network.conditions import Conditions, recalled
from avatar_forcing_ros.network.model import AvatarForcingNetwork
from avatar_forcing_ros.train.clips import ClipConfig
from avatar_forcing_ros.train.corpus import Corpus
from avatar_forcing_ros.train.scaling import LatentScale
from avatar_forcing_ros.train.trainer import Trainer


@dataclass(frozen=True)
class Heard:
    """What the avatar perceives in C conversations of T frames, with nothing shifted in time.

    Attributes:
        avatar_features: (C, T, F).
        user_features: (C, T, F).
        user_motion: (C, T, M) in units of the motion space.
        user_valid: (C, T).
        reference: (C, M).
    """

    avatar_features: NDArray
    user_features: NDArray
    user_motion: NDArray
    user_valid: NDArray
    reference: NDArray


def heard_in(corpus: Corpus) -> Heard:
    """What the avatar perceives in the conversations of a corpus."""
    return Heard(**{f.name: getattr(corpus, f.name) for f in fields(Heard)})


def _delayed(signal: NDArray, frames: int, fill: NDArray | float) -> NDArray:
    """A (C, T, X) signal shifted later by `frames`, with `fill` before it; its length becomes T + frames."""
    before = np.broadcast_to(np.asarray(fill, signal.dtype), (signal.shape[0], frames, signal.shape[2]))
    return np.concatenate([before, signal], axis=1)


def conditions_of(
    network: AvatarForcingNetwork, heard: Heard, scale: LatentScale, past: int, clips: ClipConfig, silence: NDArray
) -> Conditions:
    """Conditions for `past` frames before the conversations and for all their frames, shifted as in streaming."""
    spans, before = network.config.memory_frames, past + network.config.recalled_frames
    seen = scale.normalize(heard.user_motion) * heard.user_valid[..., None]
    signals = (
        _delayed(heard.avatar_features, past, silence),
        _delayed(heard.user_features, before + clips.audio_delay, silence)[:, : -clips.audio_delay],
        _delayed(seen, before + clips.motion_delay, 0.0)[:, : -clips.motion_delay],
    )
    device = network.transformer.input.weight.device
    own, voice, face = (torch.from_numpy(np.asarray(signal, np.float32)).to(device) for signal in signals)
    return Conditions(network.project_audio(own), recalled(network.project_audio(voice), spans), recalled(face, spans))


@torch.inference_mode()
def stream_motion(
    network: AvatarForcingNetwork,
    scale: LatentScale,
    sampler: SamplerConfig,
    heard: Heard,
    seed: int = 0,
    clips: ClipConfig | None = None,
    silence: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Generate the avatar's motion for conversations block by block, as in live use.

    Args:
        network: network in evaluation mode, on any device.
        scale: scale of its latents.
        sampler: steps and guidance.
        heard: C conversations; frames beyond the last whole block are left out.
        seed: seed of the noise.
        clips: time alignment.
        silence: (F,) audio features of silence; None takes those of log-mel.

    Returns:
        (C, T', M) motion in units of the motion space.
    """
    sizes, clips = network.config, clips or ClipConfig()
    block, offset = sizes.block_frames, sizes.lookahead_frames
    past = sizes.history_frames
    conditions = conditions_of(network, heard, scale, past, clips, LogMel().silence if silence is None else silence)
    reference = torch.from_numpy(scale.normalize(heard.reference)).to(conditions.user_motion)
    generator = BlockGenerator(network, sampler, ComputeConfig(captured=False))  # training will change its weights
    rest = reference[:, None].expand(-1, past, -1).contiguous()
    state = generator.prime(rest, conditions.slice(0, past), reference)
    shape = (len(reference), block, sizes.motion_size)
    laughed = _user_laughed(heard, clips)
    made: list[Tensor] = []
    for number, start in enumerate(range(past, conditions.frames - block + 1, block)):
        window = conditions.slice(start - offset, start + block)
        said = heard.avatar_features[:, start - past : start - past + block]
        silent = np.asarray(said, np.float32).mean(axis=-1) < SILENT_MEAN
        silent &= ~laughed[:, start - past : start - past + block]
        noise = torch.from_numpy(block_noise(seed, 0, number, shape))
        made.append(generator.generate(state, window, noise, torch.from_numpy(silent)))
    return scale.denormalize(torch.cat(made, dim=1).cpu().numpy())


def _user_laughed(heard: Heard, clips: ClipConfig) -> NDArray[np.bool_]:
    """(C, T) whether the user laughed lately, as `Senses.silent` asks; always false if the channels have no names."""
    if heard.user_motion.shape[-1] != len(NAMES):
        return np.zeros(heard.user_valid.shape, np.bool_)
    shown = [heard.user_motion[..., INDEX["smile"]], heard.user_motion[..., INDEX["jaw_open"]], heard.user_valid]
    late = [np.pad(curves, ((0, 0), (clips.motion_delay, 0)))[:, : -clips.motion_delay] for curves in shown]
    return np.stack([laughed_lately(*curves) for curves in zip(*late, strict=True)])


def generated(
    trainer: Trainer,
    sampler: SamplerConfig,
    clips: ClipConfig,
    heard: Heard,
    silence: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """(C, T', M) motion that the model of a run generates now for these conversations; on the CPU, as in live use."""
    network = trainer.average.to("cpu").eval()
    motion = stream_motion(network, trainer.sampler.scale, sampler, heard, clips=clips, silence=silence)
    trainer.average.to(trainer.device)
    return motion
