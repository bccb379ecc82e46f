# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Stage 1 on a GPU: the corpus stays in its memory, and a step is recorded once and played back.

A step of such a small network is about a thousand kernels of a few microseconds each. Launching them from Python takes
several times as long as running them; recorded as one CUDA graph, they launch together. Between steps, only the places
of the next clips and two numbers go to the GPU.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avatar_forcing_ros.network.config import NetworkConfig
from avatar_forcing_ros.train.clips import ClipBatch, ClipConfig, ClipSampler, Places
from avatar_forcing_ros.train.corpus import Corpus
from avatar_forcing_ros.train.scaling import LatentScale
from avatar_forcing_ros.train.trainer import Loss, TrainConfig, Trainer

_log = logging.getLogger(__name__)
_WARM_UP = 3
"""Steps before the recording, during which libraries choose their kernels."""


class DeviceClipSampler(ClipSampler):
    """Draws clips like `ClipSampler` from a corpus that is copied to a device.

    Args:
        corpus, scale, config, seed: as for `ClipSampler`.
        device: device that holds the corpus.
    """

    def __init__(self, corpus: Corpus, scale: LatentScale, config: ClipConfig, seed: int, device: torch.device) -> None:
        super().__init__(corpus, scale, config, seed)
        self.device = device
        self._held = {f.name: self._on_device(getattr(corpus, f.name)) for f in fields(Corpus)}
        self._mean, self._std = self._on_device(scale.mean), self._on_device(scale.std)
        self._others: dict[int, Tensor] = {}

    def draw(self, batch: int) -> ClipBatch:
        """Draw `batch` clips at random."""
        return self.cut_there({name: self._on_device(value) for name, value in vars(self.places(batch)).items()})

    def cut(self, places: Places) -> ClipBatch:
        """The clips at these places."""
        return self.cut_there({name: self._on_device(value) for name, value in vars(places).items()})

    def cut_there(self, places: dict[str, Tensor]) -> ClipBatch:
        """`cut` for `Places` that are on the device already."""
        held, which = self._held, places["conversations"]
        seen = places["seen"].clamp(min=0)
        valid = held["user_valid"][which, seen] & (places["seen"] >= 0)
        return ClipBatch(
            motion=self._normal(held["motion"][which, places["clip"]]),
            reference=self._normal(held["reference"][which[:, 0]]),
            avatar_features=held["avatar_features"][which, places["own"]].float(),
            user_features=held["user_features"][which, places["heard"].clamp(min=0)].float(),
            user_motion=self._normal(held["user_motion"][which, seen]) * valid[..., None],
            microphone=places["microphone"].float(),
        )

    def motion(self, motion: NDArray[np.float32], places: Places) -> Tensor:
        """As in `ClipSampler`; each array is copied to the device once."""
        if id(motion) not in self._others:
            self._others[id(motion)] = self._on_device(motion)
        held = self._others[id(motion)]
        return self._normal(held[self._on_device(places.conversations), self._on_device(places.clip)])

    def _normal(self, latents: Tensor) -> Tensor:
        return (latents - self._mean) / self._std

    def _on_device(self, array: NDArray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)


class GpuTrainer(Trainer):
    """Stage 1 with steps played from a recording."""

    sampler: DeviceClipSampler

    def __init__(self, sampler: DeviceClipSampler, network: NetworkConfig, config: TrainConfig, device: str) -> None:
        super().__init__(sampler, network, config, device)
        self._places: dict[str, Tensor] | None = None

    def loss(self) -> Loss:
        """The loss that the next step lowers, for the clips at the places that were put on the device."""
        if self._places is None:
            return super().loss()
        return self.forcing_loss(self.sampler.cut_there(self._places))

    def quick_step(self) -> Callable[[], dict[str, Tensor]]:
        """`train_step` as a recording; as it is if the GPU refuses to record."""
        torch.backends.cuda.matmul.allow_tf32 = True
        if self.ranks.count > 1:
            return self.train_step  # sums over processes cannot be recorded
        try:
            return self._recorded()
        except RuntimeError as error:
            self._places = None
            _log.warning("cannot record a training step as a CUDA graph, so training is slower: %s", error)
            return self.train_step

    def _recorded(self) -> Callable[[], dict[str, Tensor]]:
        first = vars(self.sampler.places(self.config.batch))
        places = {name: torch.from_numpy(np.ascontiguousarray(value)).to(self.device) for name, value in first.items()}
        self._places = places
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(_WARM_UP):
                self._refill(places)
                self.train_step()
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self.generator)
        self.optimizer.zero_grad(set_to_none=True)
        with torch.cuda.graph(graph):
            costs = self.lower()

        def play() -> dict[str, Tensor]:
            self.set_rates()
            self._refill(places)
            graph.replay()
            self.step += 1
            return costs

        return play

    def _refill(self, places: dict[str, Tensor]) -> None:
        """Draw the places of the next step's clips."""
        for name, value in vars(self.sampler.places(self.config.batch)).items():
            places[name].copy_(torch.from_numpy(np.ascontiguousarray(value)), non_blocking=True)
