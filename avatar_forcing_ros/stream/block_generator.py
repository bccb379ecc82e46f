"""Block by block from noise to the avatar's motion, for ever, with everything it remembers in one state.

A block is denoised in a window: the last l frames already emitted, held clean (the offset frames), then B frames of
noise. All solver steps only read the state; one pass over the finished window writes it. The offset frames are why a
frame's look-ahead never reaches beyond what exists: keys and values of a frame enter the cache only once the l frames
after it are final.

A state is begun in one of two ways. `prime` fills it from any past, real or made up, and lets the first block come at
once; it also resumes after an interrupt. `begin` is the published cold start, one clip of N frames denoised jointly.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor

from avatar_forcing_ros.flow.path import CLEAN_TIME
from avatar_forcing_ros.flow.solver import euler_steps
from avatar_forcing_ros.network.cache import KeysValues, KVCache
from avatar_forcing_ros.network.conditions import Conditions
from avatar_forcing_ros.network.model import AvatarForcingNetwork
from avatar_forcing_ros.network.modulation import Modulation
from avatar_forcing_ros.network.transformer import Window
from avatar_forcing_ros.stream.anchor import AnchorConfig, anchor_block
from avatar_forcing_ros.stream.guidance import Guidance


@dataclass(frozen=True)
class SamplerConfig:
    """How a block is drawn; the defaults are the published ones.

    Attributes:
        steps: Euler steps per block, one evaluation of the network each. The published "10 evaluations" are 8 steps,
            one that changes nothing and is left out here, and the pass that fills the cache.
        guidance_avatar: scale of the avatar's speech; 1 follows it, more exaggerates.
        guidance_user: scale of the user's voice and face; 0 ignores the user.
        joint: guidance starts from the guess that sees everything, instead of adding up separate ones; see `guidance`.
        anchor: pull toward the portrait's own motion; off as published.
    """

    steps: int = 8
    guidance_avatar: float = 2.0
    guidance_user: float = 1.0
    joint: bool = False
    anchor: AnchorConfig = field(default_factory=AnchorConfig)

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1, got {self.steps}")


@dataclass
class GeneratorState:
    """All that the generator remembers of one conversation, or of a batch of them. Its size never changes.

    Attributes:
        reference: the portrait's own motion latent, (B, M).
        tail: the last l frames emitted, (B, l, M): the next window's offset frames.
        cache: keys, values and conditions of the past, for all guidance branches.
        mean: running mean of the motion, (B, M), which the anchor watches.
    """

    reference: Tensor
    tail: Tensor
    cache: KVCache
    mean: Tensor

    def snapshot(self) -> GeneratorState:
        """A copy to come back to. Cheap: tensors are shared, since no one writes into them."""
        return replace(self, cache=replace(self.cache))

    @property
    def bytes(self) -> int:
        """Memory held, in bytes."""
        return self.cache.bytes + sum(x.numel() * x.element_size() for x in (self.reference, self.tail, self.mean))


@dataclass(frozen=True)
class Beginning:
    """A first clip, (B, N, M), and the state after it."""

    motion: Tensor
    state: GeneratorState


class BlockGenerator:
    """Draws blocks of motion with a network. Holds no conversation: one generator serves any number of states.

    The weights must stay as they are once the first block is drawn: what depends on flow time alone is computed then.
    """

    def __init__(self, network: AvatarForcingNetwork, config: SamplerConfig | None = None) -> None:
        self.network = network
        self.config = config or SamplerConfig()
        self._steps = euler_steps(self.config.steps)
        branches = Guidance.jointly if self.config.joint else Guidance.from_scales
        self._guidance = branches(self.config.guidance_avatar, self.config.guidance_user)

    @torch.inference_mode()
    def prime(self, history: Tensor, conditions: Conditions, reference: Tensor) -> GeneratorState:
        """State after a given past, as if it had been emitted.

        Args:
            history: clean motion latents, (B, T, M). T is a multiple of the block and at least C + l.
            conditions: of the same T frames.
            reference: the portrait's own motion latent, (B, M).

        Raises:
            ValueError: shapes disagree, or the history is too short.
        """
        self._check(history, conditions, reference)
        c = self.network.encode_conditions_blockwise(self._guidance.stack(conditions))
        return self._state_after(history, c, reference)

    @torch.inference_mode()
    def begin(self, conditions: Conditions, noise: Tensor, reference: Tensor) -> Beginning:
        """The published cold start: a clip without a past, all its frames denoised together.

        Args:
            conditions: of N frames; each attends to all of them.
            noise: standard normal, (B, N, M).
            reference: the portrait's own motion latent, (B, M).

        Raises:
            ValueError: shapes disagree, or the clip is not N frames.
        """
        self._check(noise, conditions, reference)
        if noise.shape[1] != self.network.config.clip_frames:
            raise ValueError(f"a first clip has {self.network.config.clip_frames} frames, got {noise.shape[1]}")
        c = self.network.encode_conditions(self._guidance.stack(conditions))
        window = self.network.transformer.open_window(c, fold=True)
        motion = self._denoise(noise, 0, reference, window)
        return Beginning(motion, self._state_after(motion, c, reference))

    @torch.inference_mode()
    def generate(self, state: GeneratorState, conditions: Conditions, noise: Tensor) -> Tensor:
        """Draw the next block and move the state past it.

        Args:
            state: of the conversation; changed.
            conditions: of the window's W frames: l already emitted, then the block.
            noise: standard normal, (B, block, M).

        Returns:
            Motion latents of the block, (B, block, M).

        Raises:
            ValueError: shapes disagree; the state is then unchanged.
        """
        block, offset = self.network.config.block_frames, self.network.config.lookahead_frames
        expected = (len(state.tail), block, self.network.config.motion_size)
        if noise.shape != expected:
            raise ValueError(f"noise of a block must be {expected}, got {tuple(noise.shape)}")
        x = torch.cat((state.tail, noise), dim=1)
        self._check(x, conditions, state.reference)
        c = self.network.encode_conditions(self._guidance.stack(conditions))
        window = self.network.transformer.open_window(c, state.cache, fold=True)
        x = self._anchored(self._denoise(x, offset, state.reference, window), state)
        state.cache.commit(self._finished_keys(x, state.reference, window), c, block)
        state.tail = x[:, -offset:].clone()
        return x[:, offset:]

    def _denoise(self, x: Tensor, offset: int, reference: Tensor, window: Window) -> Tensor:
        """All solver steps; the first `offset` frames are clean and stay as they are."""
        held, x = x[:, :offset], x[:, offset:]
        for i, step in enumerate(self._steps, start=1):
            modulation = self._modulation([0] * offset + [i] * x.shape[1])
            velocity = self.network.transformer(torch.cat((held, x), dim=1), reference, modulation, window)
            x = step.apply(x, self._guidance.combine(velocity)[:, offset:])
        return torch.cat((held, x), dim=1)

    def _anchored(self, x: Tensor, state: GeneratorState) -> Tensor:
        """The window with its new block pulled toward the portrait, before the past takes it up."""
        if not self.config.anchor.on:
            return x
        offset = state.tail.shape[1]
        block = anchor_block(x[:, offset:], state.reference, state.mean, self.config.anchor)
        state.mean = block.mean
        return torch.cat((x[:, :offset], block.motion), dim=1)

    def _finished_keys(self, x: Tensor, reference: Tensor, window: Window) -> list[KeysValues]:
        """Keys and values of finished frames, for the cache."""
        return self.network.transformer.remember(x, reference, self._modulation([0]), window)

    def _state_after(self, motion: Tensor, c: Tensor, reference: Tensor) -> GeneratorState:
        window = self.network.transformer.open_window(c)
        cache = KVCache.from_clip(self._finished_keys(motion, reference, window), c, self.network.config)
        tail = motion[:, -self.network.config.lookahead_frames :].clone()
        return GeneratorState(reference, tail, cache, mean=reference.clone())

    def _modulation(self, rows: list[int]) -> Modulation:
        """Of frames at these rows of the time table."""
        return Modulation.unpack(self._time_table[rows])

    @cached_property
    def _time_table(self) -> Tensor:
        """Packed modulation of every flow time that occurs: row 0 is clean, row i is step i."""
        modulation = self.network.transformer.modulation
        times = torch.tensor([CLEAN_TIME, *(step.t for step in self._steps)], device=modulation.final.weight.device)
        return modulation.packed(times)

    def _check(self, motion: Tensor, conditions: Conditions, reference: Tensor) -> None:
        size = self.network.config.motion_size
        if motion.dim() != 3 or motion.shape[2] != size or reference.shape != (motion.shape[0], size):
            raise ValueError(
                f"motion must be (B, T, {size}) and reference (B, {size}), got {tuple(motion.shape)} and "
                f"{tuple(reference.shape)}"
            )
        if (conditions.batch, conditions.frames) != motion.shape[:2]:
            raise ValueError(
                f"conditions must be of (B, T) = {tuple(motion.shape[:2])}, got {(conditions.batch, conditions.frames)}"
            )
