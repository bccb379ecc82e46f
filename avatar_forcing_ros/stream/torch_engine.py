# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Motion by torch: any network, on a GPU as well."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from avatar_forcing_ros.compute.config import ComputeConfig
from avatar_forcing_ros.network.conditions import Conditions
from avatar_forcing_ros.network.model import AvatarForcingNetwork
from avatar_forcing_ros.stream.block_generator import BlockGenerator, GeneratorState
from avatar_forcing_ros.stream.motion_engine import Array, Sensed
from avatar_forcing_ros.stream.sampler import SamplerConfig


class TorchEngine:
    """A `MotionEngine` on a `BlockGenerator`."""

    def __init__(self, network: AvatarForcingNetwork, sampler: SamplerConfig, compute: ComputeConfig) -> None:
        self.sampler = sampler
        self._generator = BlockGenerator(network, sampler, compute)

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


@torch.inference_mode()
def conditions_of(network: AvatarForcingNetwork, sensed: Sensed) -> Conditions:
    """What was sensed in T frames, as the network takes it: a batch of one."""
    own, user, face = (torch.from_numpy(x)[None] for x in (sensed.own_voice, sensed.user_voice, sensed.user_motion))
    heard = torch.tensor([float(sensed.user_heard)])
    return network.sense(own, user, heard, face)
