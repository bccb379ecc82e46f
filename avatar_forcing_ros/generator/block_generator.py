# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Turns noise into the avatar's motion, block by block and without end; all memory is in one state object.

A block is denoised in a window: the last l frames already emitted, kept clean (the offset frames), then B frames of
noise. All solver steps only read the state; one pass over the finished window writes it. Thanks to the offset frames, a
frame's look-ahead never reaches beyond what exists: keys and values of a frame enter the cache only when the l frames
after it are final.

There are two ways to begin a state. `prime` fills it from any past, real or made up, so that the first block can follow
at once; it also serves to resume after an interrupt. `begin` is the published cold start: one clip of N frames,
denoised jointly.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import torch
from torch import Tensor

from avatar_forcing_ros.compute.config import ComputeConfig
from avatar_forcing_ros.compute.lost import why_not
from avatar_forcing_ros.flow.path import CLEAN_TIME
from avatar_forcing_ros.flow.solver import euler_steps
from avatar_forcing_ros.generator.anchor import anchor_block
from avatar_forcing_ros.generator.block_programs import BlockPrograms
from avatar_forcing_ros.generator.causes import contributions
from avatar_forcing_ros.generator.guidance import Guidance
from avatar_forcing_ros.generator.poise import Poise, poise_from
from avatar_forcing_ros.generator.sampler import SamplerConfig
from avatar_forcing_ros.generator.smoothing import PAST_FRAMES, BlockSmoother
from avatar_forcing_ros.generator.state import GeneratorState
from avatar_forcing_ros.network.cache import KVCache
from avatar_forcing_ros.network.conditions import Conditions
from avatar_forcing_ros.network.model import AvatarForcingNetwork
from avatar_forcing_ros.network.modulation import Modulation
from avatar_forcing_ros.network.placement import fall_back
from avatar_forcing_ros.network.transformer import MotionTransformer

Given = ParamSpec("Given")
Result = TypeVar("Result")
logger = logging.getLogger(__name__)
_MOST_ERROR = 0.05
"""Largest relative difference of a recorded block from its separate steps; bfloat16 alone causes .007."""
_PAUSE_FRAMES, _CLOSING_FRAMES = 2, 4
"""Frames of silence before lips begin to close (plosives are silent, too), and frames that they then take."""


@dataclass(frozen=True)
class Beginning:
    """A first clip, (B, N, M), and the state after it."""

    motion: Tensor
    state: GeneratorState


def _outliving_the_gpu(
    draw: Callable[Concatenate[BlockGenerator, Given], Result],
) -> Callable[Concatenate[BlockGenerator, Given], Result]:
    """Run `draw` without gradients and, if the GPU fails, again on the CPU; `draw` must change a state last."""

    @wraps(draw)
    def outliving(self: BlockGenerator, *args: Given.args, **kwargs: Given.kwargs) -> Result:
        with torch.inference_mode():
            try:
                return draw(self, *args, **kwargs)
            except Exception as error:
                self.leave_gpu(error)
                return draw(self, *args, **kwargs)

    return outliving


class BlockGenerator:
    """Draws blocks of motion with a network. It holds no conversation: one generator serves any number of states.

    The weights must not change after the first block, because what depends on flow time alone is computed then. Inputs
    may be on any device; blocks are returned on the device of their noise. If the GPU runs out of memory or is lost,
    the generator moves to the CPU; a conversation whose state was on a lost GPU fails once and starts anew from what
    was shown.

    Attributes:
        keeps_gpu: stay on the GPU and raise the error if memory runs out, because other conversations are on it.
    """

    def __init__(
        self,
        network: AvatarForcingNetwork,
        config: SamplerConfig | None = None,
        compute: ComputeConfig | None = None,
    ) -> None:
        self.network = network
        self.config = config or SamplerConfig()
        self.keeps_gpu = False
        self._prepare(compute or ComputeConfig())

    def _prepare(self, compute: ComputeConfig) -> None:
        """Compute what depends on the configuration alone, on the CPU; nothing that a GPU may hold is kept."""
        self._compute = compute
        sizes = self.network.config
        self._passes: Any = self.network.transformer  # or its stand-in on a GPU
        self._programs: BlockPrograms | None = None
        self._steps = euler_steps(self.config.steps)
        self._guidance = Guidance(self.config.branches)
        self._time_table = torch.zeros(0)
        self._modulations: dict[tuple[int, int, int], Modulation] = {}
        self._contributions = torch.from_numpy(contributions(self.config))
        self._noise_scale = torch.tensor(self._for_each_number("noise_scale") or (1.0,))

        smoothing = self._for_each_number("smoothing")
        self._smoother = BlockSmoother(smoothing, sizes.block_frames) if any(smoothing) else None
        if self._smoother is not None and sizes.lookahead_frames < PAST_FRAMES:
            raise ValueError(
                f"smoothing needs a look-ahead of at least {PAST_FRAMES} frames, got {sizes.lookahead_frames}"
            )

        still = (0.0,) * sizes.motion_size
        names = ("settling_s", "easing_frames", "slack")
        settling, easing, slack = (self._for_each_number(name) or still for name in names)
        composes = any((*settling, *easing, *slack))
        self._poise = Poise(settling, easing, slack, sizes.block_frames) if composes else None

        at_rest = self._for_each_number("at_rest_in_silence")
        self._at_rest: Tensor | None = torch.tensor(at_rest) if any(at_rest) else None

    def _for_each_number(self, name: str) -> tuple[float, ...]:
        """A setting with one value for each number of a latent, or none.

        Raises:
            ValueError: it has another length.
        """
        values, size = getattr(self.config, name), self.network.config.motion_size
        if len(values) not in (0, size):
            raise ValueError(f"{name} must have {size} numbers or none, got {len(values)}")
        return values

    @_outliving_the_gpu
    def prime(self, history: Tensor, conditions: Conditions, reference: Tensor) -> GeneratorState:
        """State after a given past, as if it had been emitted.

        Args:
            history: clean motion latents, (B, T, M). T is a multiple of the block and at least C + l.
            conditions: of the same T frames.
            reference: the portrait's own motion latent, (B, M).

        Raises:
            ValueError: shapes disagree, or the history is too short.
        """
        self._check(history.shape, conditions, reference)
        c = self.network.encode_conditions_blockwise(self._stack(conditions))
        return self._state_after(self._here(history), c, self._here(reference))

    @_outliving_the_gpu
    def begin(self, conditions: Conditions, noise: Tensor, reference: Tensor) -> Beginning:
        """The published cold start: a clip without a past, all its frames denoised together.

        Args:
            conditions: of N frames; each attends to all of them.
            noise: standard normal, (B, N, M).
            reference: the portrait's own motion latent, (B, M).

        Raises:
            ValueError: shapes disagree, or the clip is not N frames.
        """
        self._check(noise.shape, conditions, reference)
        if noise.shape[1] != self.network.config.clip_frames:
            raise ValueError(f"a first clip has {self.network.config.clip_frames} frames, got {noise.shape[1]}")
        c, reference = self.network.encode_conditions(self._stack(conditions)), self._here(reference)
        window = self.network.transformer.open_window(c, fold=True)
        motion, _ = self._denoise(self._scaled(noise), 0, reference, window, self.network.transformer)
        return Beginning(motion.to(noise.device), self._state_after(motion, c, reference))

    @_outliving_the_gpu
    def generate(
        self, state: GeneratorState, conditions: Conditions, noise: Tensor, silent: Tensor | None = None
    ) -> Tensor:
        """Draw the next block and move the state past it.

        Args:
            state: the conversation's state; it is changed.
            conditions: conditions of the window's W frames: l already emitted, then the block.
            noise: standard normal, (B, block, M).
            silent: (B, block) bool, frames in which the avatar says nothing; None if unknown.

        Returns:
            Motion latents of the block, (B, block, M).

        Raises:
            ValueError: shapes disagree; the state is then unchanged.
        """
        batch, offset, size = state.tail.shape
        expected = (batch, self.network.config.block_frames, size)
        if noise.shape != expected:
            raise ValueError(f"noise of a block must be {expected}, got {tuple(noise.shape)}")
        self._check((batch, offset + noise.shape[1], size), conditions, state.reference)
        state.follow(self._parameter)
        if self._parameter.device.type == "cuda" and self._compute.captured:
            self._programs = self._programs or self._recorded(state, conditions, noise, silent)
        advance = self._advance if self._programs is None else self._programs.run
        return advance(state, conditions, noise, silent).to(noise.device)

    def _recorded(
        self, state: GeneratorState, conditions: Conditions, noise: Tensor, silent: Tensor | None
    ) -> BlockPrograms | None:
        """Recorded programs for this network; None, from now on, if they give other results on this GPU."""
        wanted = self._advance(state.snapshot(), conditions, noise, silent)
        programs = BlockPrograms(self._advance, self._parameter)
        try:
            self._passes = _with_few_kernels(self.network.transformer)
            found = programs.run(state.snapshot(), conditions, noise, silent)
            error = float((found - wanted).norm() / wanted.norm().clamp(min=1e-6))
        except torch.OutOfMemoryError:
            raise
        except Exception as reason:  # there is no compiler for our kernels, or it does not support this card
            logger.warning("motion cannot be recorded on this GPU: %s", reason)
            error = float("inf")
        if error <= _MOST_ERROR:
            logger.info("motion is drawn by recorded programs")
            return programs
        logger.warning("recorded motion differs from that of its steps by %.1e: continuing step by step", error)
        self._passes, self._compute = self.network.transformer, replace(self._compute, captured=False)
        return None

    def _advance(self, state: GeneratorState, conditions: Conditions, noise: Tensor, silent: Tensor | None) -> Tensor:
        """The next block, in steps that can be recorded; tensors of the state are replaced, never written to."""
        offset = state.tail.shape[1]
        x = torch.cat((state.tail, self._scaled(noise)), dim=1)
        c = self.network.encode_conditions(self._stack(conditions))
        window = self._passes.open_window(c, state.cache, fold=True)
        x, moved = self._denoise(x, offset, state.reference, window, self._passes)
        x, mean, silent_frames = self.settled(x, state, silent)
        finished = self._passes.remember(x, state.reference, self._modulation(x.shape[1], 0, 0), window)
        state.cache.commit(finished, c, noise.shape[1])
        shown, poise = self.shown(x[:, offset:], state)
        state.tail, state.mean, state.silent_frames, state.poise = x[:, -offset:].clone(), mean, silent_frames, poise
        state.moved = moved
        return shown

    def _denoise(
        self, x: Tensor, offset: int, reference: Tensor, window: Any, passes: Callable[..., Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Carry out all solver steps; the first `offset` frames are clean and stay as they are.

        Returns:
            The window (B, W, M), and `GeneratorState.moved`.
        """
        held, x = x[:, :offset], x[:, offset:]
        path = x.new_zeros(len(self.config.branches), *x.shape)  # of each guess
        for i, step in enumerate(self._steps, start=1):
            modulation = self._modulation(offset, x.shape[1], i)
            velocity = passes(torch.cat((held, x), dim=1), reference, modulation, window)
            x = step.apply(x, self._guidance.combine(velocity)[:, offset:])
            path = torch.add(path, velocity[:, offset:].unflatten(0, path.shape[:2]), alpha=step.sigma_change)
        self._contributions = self._contributions.to(path)
        return torch.cat((held, x), dim=1), torch.einsum("kg,gbtm->bktm", self._contributions, path)

    def settled(self, x: Tensor, state: GeneratorState, silent: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Smooth, anchor and rest a window after its last step, before it enters the cache.

        Args:
            x: (B, W, M), the offset frames first.
            state: the state before this block; only read.
            silent: as in `generate`.

        Returns:
            The window (B, W, M), the running mean (B, M) and the number of silent frames up to its end, (B,).
        """
        offset, mean, count = state.tail.shape[1], state.mean, state.silent_frames
        held, block = x[:, :offset], x[:, offset:]
        if self._smoother is not None:
            block = self._smoother(held, block)
        if self.config.anchor.on:
            anchored = anchor_block(block, state.reference, mean, self.config.anchor)
            block, mean = anchored.motion, anchored.mean
        if silent is not None and self._at_rest is not None:
            block, count = self._rested(block, state.reference, count, silent)
        return torch.cat((held, block), dim=1), mean, count

    def _rested(self, block: Tensor, reference: Tensor, count: Tensor, silent: Tensor) -> tuple[Tensor, Tensor]:
        """Move the channels `at_rest_in_silence` to rest in silence; also returns the silent frames so far, (B,)."""
        assert self._at_rest is not None
        silent, self._at_rest = silent.to(block.device), self._at_rest.to(block)
        frames = []
        for place in range(silent.shape[1]):
            count = torch.where(silent[:, place], count + 1, 0)
            share = ((count - _PAUSE_FRAMES) / _CLOSING_FRAMES).clamp(0, 1)[:, None] * self._at_rest
            frames.append(block[:, place].lerp(reference, share))
        return torch.stack(frames, dim=1), count

    def shown(self, block: Tensor, state: GeneratorState) -> tuple[Tensor, Tensor]:
        """A settled block, (B, block, M), as it is shown, and the memory of `poise` after it; only reads the state."""
        return (block, state.poise) if self._poise is None else self._poise(block, state.reference, state.poise)

    def _state_after(self, motion: Tensor, c: Tensor, reference: Tensor) -> GeneratorState:
        window = self.network.transformer.open_window(c)
        finished = self.network.transformer.remember(motion, reference, self._modulation(motion.shape[1], 0, 0), window)
        cache = KVCache.from_clip(finished, c, self.network.config)
        tail = motion[:, -self.network.config.lookahead_frames :].clone()
        moved = motion.new_zeros(len(motion), 2, self.network.config.block_frames, motion.shape[2])
        return GeneratorState(
            reference=reference,
            tail=tail,
            cache=cache,
            mean=reference.clone(),
            poise=poise_from(motion[:, -1], reference),
            silent_frames=motion.new_zeros(len(motion)),
            moved=moved,
        )

    def _modulation(self, clean: int, noisy: int, step: int) -> Modulation:
        """Modulation of `clean` frames followed by `noisy` ones, which are at a step counted from 1."""
        weight, table = self._parameter, self._time_table
        if (table.device, table.dtype) != (weight.device, weight.dtype) or not len(table):
            times = torch.tensor([CLEAN_TIME, *(step.t for step in self._steps)], device=weight.device)
            self._time_table = table = self.network.transformer.modulation.packed(times)
            self._modulations = {}
        key = clean, noisy, step
        if key not in self._modulations:
            rows = torch.cat((table[:1].expand(clean, -1), table[step : step + 1].expand(noisy, -1)))
            self._modulations[key] = Modulation(*(x.contiguous() for x in vars(Modulation.unpack(rows)).values()))
        return self._modulations[key]

    # --- where it happens ------------------------------------------------------------------------------------------

    @property
    def _parameter(self) -> Tensor:
        """A parameter that stands for the device and type of all."""
        return self.network.transformer.input.weight

    def _here(self, latents: Tensor) -> Tensor:
        return latents.to(self._parameter.device)

    def _scaled(self, noise: Tensor) -> Tensor:
        """Noise as a block starts from it."""
        self._noise_scale = self._here(self._noise_scale)
        return self._here(noise) * self._noise_scale

    def _stack(self, conditions: Conditions) -> Conditions:
        return self._guidance.stack(conditions.map(lambda x: x.to(self._parameter)))

    def leave_gpu(self, error: Exception) -> None:
        """Continue on the CPU if this error means that the GPU cannot go on; otherwise raise it again."""
        why = why_not(error)
        if not why or (self.keeps_gpu and isinstance(error, torch.OutOfMemoryError)):
            raise error
        fall_back(self.network, why)
        self._prepare(replace(self._compute, captured=False))  # nothing on the GPU is read again

    def _check(self, motion: Sequence[int], conditions: Conditions, reference: Tensor) -> None:
        """Check the shapes of motion (B, T, M), its conditions and the reference.

        Raises:
            ValueError: they disagree.
        """
        size = self.network.config.motion_size
        if len(motion) != 3 or motion[2] != size or reference.shape != (motion[0], size):
            raise ValueError(
                f"motion must be (B, T, {size}) and reference (B, {size}), got {tuple(motion)} and "
                f"{tuple(reference.shape)}"
            )
        if (conditions.batch, conditions.frames) != tuple(motion[:2]):
            raise ValueError(
                f"conditions must be of (B, T) = {tuple(motion[:2])}, got {(conditions.batch, conditions.frames)}"
            )


def _with_few_kernels(transformer: MotionTransformer) -> Any:
    """A transformer's stand-in for a GPU if torch came with a compiler of kernels; else the transformer itself."""
    try:
        from avatar_forcing_ros.network.fused import FusedTransformer
    except ImportError:
        return transformer
    return FusedTransformer(transformer)
