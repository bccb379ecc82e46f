# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Draws motion with torch: any network, on a CPU or a GPU."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from avatar_forcing_ros.compute.config import ComputeConfig
from avatar_forcing_ros.generator.block_generator import BlockGenerator, GeneratorState
from avatar_forcing_ros.generator.joint_generator import JointGenerator
from avatar_forcing_ros.generator.motion_engine import Array, Sensed
from avatar_forcing_ros.generator.sampler import SamplerConfig
from avatar_forcing_ros.network.conditions import Conditions
from avatar_forcing_ros.network.model import AvatarForcingNetwork


class TorchEngine:
    """A `MotionEngine` on a `BlockGenerator`.

    Args:
        network: the network.
        sampler: how blocks are drawn.
        compute: how they are computed.
        joint: whether several conversations, each in a thread of its own, use it; blocks due together are drawn
            together.
    """

    def __init__(
        self, network: AvatarForcingNetwork, sampler: SamplerConfig, compute: ComputeConfig, joint: bool = False
    ) -> None:
        self.sampler = sampler
        alone = BlockGenerator(network, sampler, compute)
        records = compute.captured and network.transformer.input.weight.is_cuda
        self._generator = JointGenerator(alone, pads=records) if joint else alone

    def expect(self, conversations: int) -> None:
        """Prepare for a number of conversations at a time; on a GPU, this records programs for all batch sizes."""
        if not isinstance(self._generator, JointGenerator):
            return
        self._generator.users = conversations
        if self._generator.pads:
            config = self._generator.network.config
            frames = config.history_frames
            nothing = Sensed(
                np.zeros((frames, config.audio_feature_size), np.float32),
                np.zeros((frames + config.recalled_frames, config.audio_feature_size), np.float32),
                False,
                np.zeros((frames + config.recalled_frames, config.motion_size), np.float32),
            )
            still = np.zeros((frames, config.motion_size), np.float32)
            state = self.prime(still, nothing, still[0])
            window = conditions_of(self._generator.network, nothing).slice(0, config.window_frames)
            noise = torch.zeros(1, config.block_frames, config.motion_size)
            self._generator.warm_up(state, window, noise, torch.zeros(noise.shape[:2], dtype=torch.bool))

    def prime(self, history: Array, sensed: Sensed, rest: Array) -> GeneratorState:
        """See `MotionEngine.prime`."""
        past, reference = torch.from_numpy(history)[None], torch.from_numpy(rest)[None]
        return self._generator.prime(past, conditions_of(self._generator.network, sensed), reference)

    def draw(self, state: GeneratorState, sensed: Sensed, noise: Array, silent: NDArray[np.bool_]) -> Array:
        """See `MotionEngine.draw`."""
        conditions = conditions_of(self._generator.network, sensed)
        block = self._generator.generate(
            state, conditions, torch.from_numpy(noise)[None], torch.from_numpy(silent)[None]
        )
        return block[0].numpy()

    def moved(self, state: GeneratorState) -> Array:
        """See `MotionEngine.moved`."""
        return state.moved[0].float().cpu().numpy()


@torch.inference_mode()
def conditions_of(network: AvatarForcingNetwork, sensed: Sensed) -> Conditions:
    """What was sensed in T frames as conditions of the network, in a batch of one."""
    own, user, face = (torch.from_numpy(x)[None] for x in (sensed.own_voice, sensed.user_voice, sensed.user_motion))
    heard = torch.tensor([float(sensed.user_heard)])
    return network.sense(own, user, heard, face)
