# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The training loop, and stage 1: diffusion forcing on simulated conversations.

    while step < steps:  draw clips -> noise -> predict velocity -> weighted error -> Adam -> moving average

A checkpoint holds everything that the next step depends on, so an interrupted run continues bit for bit.
"""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar, get_args

import torch
from torch import Tensor

from avatar_forcing_ros.motion.facemesh.channels import INDEX, NAMES, POSE
from avatar_forcing_ros.network.config import NetworkConfig
from avatar_forcing_ros.network.model import AvatarForcingNetwork
from avatar_forcing_ros.simulation.lips import LIP_CHANNELS
from avatar_forcing_ros.train.clips import ClipBatch, ClipSampler
from avatar_forcing_ros.train.journal import Journal
from avatar_forcing_ros.train.objective import (
    Dropout,
    Noised,
    ObjectiveConfig,
    add_noise,
    channel_errors,
    draw_dropout,
    draw_times,
    predict,
    silence_in,
    weights,
    with_other_voices,
)
from avatar_forcing_ros.train.ranks import Ranks

_log = logging.getLogger(__name__)
Precision: TypeAlias = Literal["float32", "bfloat16"]
_FACE = tuple(name for name in NAMES if name not in (*POSE, *LIP_CHANNELS))
"""Channels of neither the head nor the lips: smile, brows, eyes."""


@dataclass(frozen=True)
class TrainConfig:
    """Settings of the training loop.

    Attributes:
        steps: total optimiser steps.
        batch: clips per step.
        learning_rate: after the warm-up, until the cool-down.
        warmup_steps: steps over which the rate rises linearly at the beginning.
        cooldown_share: share of all steps over which the rate falls to zero at the end.
        weight_decay: weight decay of AdamW.
        gradient_norm: gradients are clipped to this norm.
        average_decay: decay of the moving average of the weights; the average is what is exported.
        seed: seed of initial weights, clips and noise.
        precision: number format in which the network computes, float32 or bfloat16. Weights, loss and optimiser are
            always float32.
        compiled: run the network through `torch.compile`, which takes a minute before the first step.
        log_steps: steps between lines of the journal.
        checkpoint_steps: steps between checkpoints.
    """

    steps: int = 12000
    batch: int = 32
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    cooldown_share: float = 0.4
    weight_decay: float = 0.01
    gradient_norm: float = 1.0
    average_decay: float = 0.998
    seed: int = 0
    precision: Precision = "float32"
    compiled: bool = False
    log_steps: int = 20
    checkpoint_steps: int = 1000
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)

    def __post_init__(self) -> None:
        if self.precision not in get_args(Precision):
            raise ValueError(f"precision must be one of {', '.join(get_args(Precision))}, got {self.precision!r}")

    def learning_rate_at(self, step: int) -> float:
        """Learning rate at a step: a rise, a plateau, a fall."""
        rise = min(1.0, (step + 1) / self.warmup_steps)
        fall = min(1.0, (self.steps - step) / max(1.0, self.steps * self.cooldown_share))
        return self.learning_rate * rise * max(0.0, fall)


@dataclass(frozen=True)
class Loss:
    """A loss to lower, and numbers for the journal, which stay on their device until they are read."""

    value: Tensor
    numbers: dict[str, Tensor]


class Trainer:
    """Network, moving average, optimiser and random generators of one run.

    Attributes:
        ranks: this process among those that train together; all draw the same clips and each computes its share.
    """

    def __init__(self, sampler: ClipSampler, network: NetworkConfig, config: TrainConfig, device: str = "cpu") -> None:
        torch.manual_seed(config.seed)
        self.ranks = Ranks()
        self.config = config
        self.device = torch.device(device)
        self.sampler = sampler
        self.network = AvatarForcingNetwork(network).to(self.device)
        self.average = copy.deepcopy(self.network).requires_grad_(False)
        on_gpu = self.device.type == "cuda"
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(),
            lr=torch.tensor(config.learning_rate, device=self.device) if on_gpu else config.learning_rate,
            betas=(0.9, 0.98),
            weight_decay=config.weight_decay,
            fused=on_gpu or None,
            capturable=on_gpu,
        )
        self.generator = torch.Generator(self.device if on_gpu else "cpu").manual_seed(config.seed)
        self.step = 0
        self._follow_share = torch.zeros((), device=self.device)
        table = weights(sampler.config.frames, network.block_frames, network.motion_size, config.objective)
        self._weights = table.to(self.device)
        self._predict = torch.compile(predict, dynamic=False) if config.compiled else predict

    def train_step(self) -> dict[str, Tensor]:
        """Take one step and return the numbers of its loss."""
        self.set_rates()
        costs = self.lower()
        self.step += 1
        return costs

    def set_rates(self) -> None:
        """Set this step's learning rate and the pace of the average: fast at first, to forget the random start."""
        rate = self.config.learning_rate_at(self.step)
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate
        self._follow_share.fill_(1 - min(self.config.average_decay, (2 + self.step) / (11 + self.step)))

    def lower(self) -> dict[str, Tensor]:
        """Lower the loss of the next clips by one optimiser step. Nothing here waits for a GPU."""
        loss = self.loss()
        self.optimizer.zero_grad(set_to_none=True)
        loss.value.backward()
        self.ranks.add_up(parameter.grad for parameter in self.network.parameters() if parameter.grad is not None)
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.gradient_norm)
        self.optimizer.step()
        with torch.no_grad():
            for mean, new in zip(self.average.parameters(), self.network.parameters(), strict=True):
                mean.lerp_(new, self._follow_share)
        costs = {"loss": loss.value.detach().clone(), **loss.numbers}
        self.ranks.add_up(costs.values())
        return costs | {"gradient_norm": norm.detach()}

    def loss(self) -> Loss:
        """The loss that the next step lowers, on the next clips. The second stage adds to it."""
        return self.forcing_loss(self.sampler.draw(self.config.batch).to(self.device))

    def forcing_loss(self, clips: ClipBatch) -> Loss:
        """Weighted error of the velocity at random noise levels, with random conditions dropped."""
        batch, frames = clips.motion.shape[:2]
        objective = self.config.objective
        times = draw_times(batch, frames, self.network.config.block_frames, objective, self.generator)
        silent = silence_in(clips)
        clips = with_other_voices(clips, objective, self.generator)
        noised = add_noise(clips.motion, times, objective, self.generator)
        keep = draw_dropout(batch, objective, self.generator).to(self.device)
        share = noised.scored[..., None] * self._weights
        total, mine = share.sum(), self.ranks.share  # over all clips, so that the ranks' losses add up
        if self.ranks.count > 1:
            clips, noised, keep = _part(clips, mine), _part(noised, mine), _part(keep, mine)
            silent, share, whole = silent[mine], share[mine], share.sum(dim=(0, 1))
        else:
            whole = share.sum(dim=(0, 1))
        predicted = self.predict(self.network, clips, noised, keep)
        errors = channel_errors(predicted, noised.target, objective, silent)
        groups = _by_group(errors.detach() * share, whole) if objective.has_channels else {}
        return Loss((errors * share).sum() / total, groups)

    def predict(self, network: AvatarForcingNetwork, clips: ClipBatch, noised: Noised, keep: Dropout) -> Tensor:
        """Predicted velocity (B, T, M) in float32, computed in the precision of the settings."""
        half = self.config.precision == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16) if half else nullcontext():
            return self._predict(network, clips, noised, keep)

    def run(self, folder: Path, journal: Journal | None, report: Any = None) -> None:
        """Train until `config.steps`, with checkpoints in `folder`.

        Args:
            folder: where the checkpoint is kept. If there is one, the run continues from it.
            journal: gets a line every `log_steps`. None for all ranks but the first, the only one that writes.
            report: called with the trainer after every checkpoint, to look at the model during training.
        """
        path = folder / "checkpoint.pt"
        if path.exists():
            self.load_state_dict(torch.load(path, weights_only=True))
            self.ranks.wait()  # before it is overwritten
            if journal is not None:
                journal.rewind(self.step)
            _log.info("continuing at step %d", self.step)
        began, spent, first = time.monotonic(), time.process_time(), self.step
        train_step = self.quick_step()
        while self.step < self.config.steps:
            made = train_step()
            if journal is None:
                continue
            if self.step % self.config.log_steps == 0 or self.step == self.config.steps:
                costs = {name: float(value) for name, value in made.items()}
                journal.add(self.step, costs)
                made_now = self.step - first
                pace = (time.monotonic() - began) / made_now, (time.process_time() - spent) / made_now
                _log.info("%s", _line(self.step, self.config.steps, costs, *pace))
            if self.step % self.config.checkpoint_steps == 0 or self.step == self.config.steps:
                save(self.state_dict(), path)
                if report is not None:
                    report(self)

    def quick_step(self) -> Callable[[], dict[str, Tensor]]:
        """`train_step`; on a GPU, stage 1 plays it as one recorded graph. Stage 2 is short and is not recorded."""
        return self.train_step

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on."""
        return {
            "step": self.step,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "noise": self.generator.get_state(),
            "clips": self.sampler.rng.bit_generator.state,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state_dict`."""
        self.step = state["step"]
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["noise"])
        self.sampler.rng.bit_generator.state = state["clips"]


def save(state: dict[str, Any], path: Path) -> None:
    """Write a checkpoint. An interrupted write leaves the previous one."""
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)


Part = TypeVar("Part")


def _part(batch: Part, share: slice) -> Part:
    """Some clips of a dataclass of tensors."""
    return type(batch)(**{name: tensor[share] for name, tensor in vars(batch).items()})


def _by_group(errors: Tensor, share: Tensor) -> dict[str, Tensor]:
    """Mean weighted error of pose, lips and the rest of the face; `share` is each channel's sum of weights."""
    total = errors.sum(dim=(0, 1)) / share
    return {
        group: torch.stack([total[INDEX[name]] for name in names]).mean()  # number by number: a list waits for a GPU
        for group, names in (("pose", POSE), ("lips", LIP_CHANNELS), ("face", _FACE))
    }


def _line(step: int, steps: int, costs: dict[str, float], seconds: float, processor: float) -> str:
    """A line of progress, with what a step takes by the clock and of processor time, and the time left."""
    numbers = " ".join(f"{name} {value:.3f}" for name, value in costs.items() if math.isfinite(value))
    pace = f"{seconds:.2f} s/step, {processor:.2f} of processor"
    return f"step {step}/{steps} {numbers} | {pace}, {(steps - step) * seconds / 60:.0f} min left"
