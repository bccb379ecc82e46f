# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Draws blocks of several conversations that are due at about the same time as one batch.

Each conversation keeps its own state, noise and conditions, and gets the same result as alone, except for rounding,
because the order of sums depends on the batch size: 1e-6 in float32, 1e-2 in bfloat16.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from avatar_forcing_ros.compute.joining import Joined
from avatar_forcing_ros.generator.block_generator import BlockGenerator
from avatar_forcing_ros.generator.state import SMALL, GeneratorState
from avatar_forcing_ros.network.cache import KeysValues, KVCache
from avatar_forcing_ros.network.conditions import Conditions
from avatar_forcing_ros.network.model import AvatarForcingNetwork

logger = logging.getLogger(__name__)
MOST = 32
"""Largest number of conversations whose blocks are drawn together."""
_MOST_ERROR = 0.05
"""Largest relative difference of a joint block from one drawn alone; bfloat16 alone causes .003."""
PATIENCE_S = 0.003
"""How long a block waits for others, if there are any: less than one block takes on its own."""


@dataclass(frozen=True)
class _Block:
    """One conversation's request; see `BlockGenerator.generate`."""

    state: GeneratorState
    conditions: Conditions
    noise: Tensor
    silent: Tensor | None


class JointGenerator:
    """Stands in for a `BlockGenerator`; called from several threads, each with a conversation of its own.

    Args:
        generator: draws the blocks.
        pads: whether batches are filled up to powers of two, so that fewer programs are recorded.

    Attributes:
        pads: as given.
    """

    def __init__(self, generator: BlockGenerator, pads: bool = False) -> None:
        self._generator, self.pads = generator, pads
        self._joined: Joined[_Block, Tensor] = Joined(self._draw, MOST, PATIENCE_S)
        self._one_at_a_time = threading.Lock()

    @property
    def network(self) -> AvatarForcingNetwork:
        """The generator's network."""
        return self._generator.network

    @property
    def users(self) -> int:
        """Number of conversations."""
        return self._joined.users

    @users.setter
    def users(self, count: int) -> None:
        self._joined.users = count
        self._generator.keeps_gpu = count > 1

    def prime(self, history: Tensor, conditions: Conditions, reference: Tensor) -> GeneratorState:
        """See `BlockGenerator.prime`; for one conversation."""
        with self._one_at_a_time:
            return self._generator.prime(history, conditions, reference)

    def generate(
        self, state: GeneratorState, conditions: Conditions, noise: Tensor, silent: Tensor | None = None
    ) -> Tensor:
        """See `BlockGenerator.generate`; for one conversation."""
        return self._joined(_Block(state, conditions, noise, silent))

    def warm_up(self, state: GeneratorState, conditions: Conditions, noise: Tensor, silent: Tensor | None) -> None:
        """Draw a block at every batch size that may occur, without changing any state.

        A size at which the card's results differ from those of a single block is not used, which is logged.
        """
        block = _Block(state, conditions, noise, silent)
        (wanted,) = self._draw([replace(block, state=state.snapshot())])
        for count in sorted({self._size(users) for users in range(2, min(self.users, MOST) + 1)}):
            found = torch.cat(self._draw([replace(block, state=state.snapshot()) for _ in range(count)]))
            error = float((found - wanted).norm() / (count**0.5 * wanted.norm()).clamp(min=1e-6))
            if not error <= _MOST_ERROR:
                logger.warning("%d blocks together differ by %.1e from one: drawn in smaller numbers", count, error)
                self._joined.most = max(1, count // 2)
                return
            logger.info("ready for %d conversations at a time", count)

    def _size(self, count: int) -> int:
        """Batch size for a number of conversations."""
        return 1 << (count - 1).bit_length() if self.pads else count

    @torch.inference_mode()
    def _draw(self, blocks: list[_Block]) -> list[Tensor]:
        """Motion of the blocks; either all of their states move past it or none."""
        apart = [[block for block in blocks if (block.silent is None) == unknown] for unknown in (False, True)]
        if all(apart):
            drawn = {id(block): motion for part in apart for block, motion in zip(part, self._draw(part), strict=True)}
            return [drawn[id(block)] for block in blocks]
        with self._one_at_a_time:
            if len(blocks) == 1:
                block = blocks[0]
                return [self._generator.generate(block.state, block.conditions, block.noise, block.silent)]
            return self._draw_joined(blocks, [*blocks, *[blocks[0]] * (self._size(len(blocks)) - len(blocks))])

    def _draw_joined(self, blocks: list[_Block], padded: list[_Block]) -> list[Tensor]:
        for block in blocks:
            block.state.follow(self.network.transformer.input.weight)
        state = join([block.state for block in padded])
        given = [block.conditions for block in padded]
        heard = Conditions(*(torch.cat([vars(one)[name] for one in given]) for name in vars(given[0])))
        noise = torch.cat([block.noise for block in padded])
        silent = [block.silent for block in padded if block.silent is not None]
        motion = self._generator.generate(state, heard, noise, torch.cat(silent) if silent else None)
        for i, block in enumerate(blocks):
            for name, value in vars(part_of(state, i)).items():
                setattr(block.state, name, value)
        return [motion[i : i + 1] for i in range(len(blocks))]


def join(states: Sequence[GeneratorState]) -> GeneratorState:
    """Join the states of single conversations into one; guidance branches stay outermost."""
    first = states[0]
    branches = len(first.cache.conditions)

    def by_branch(tensors: Sequence[Tensor]) -> Tensor:
        return torch.stack(list(tensors), dim=1).flatten(0, 1)

    assert all(len(state.tail) == 1 and len(state.cache.conditions) == branches for state in states)
    layers = tuple(
        KeysValues(by_branch([layer.keys for layer in same]), by_branch([layer.values for layer in same]))
        for same in zip(*(state.cache.layers for state in states), strict=True)
    )
    cache = KVCache(layers, by_branch([state.cache.conditions for state in states]))
    small = {name: torch.cat([vars(state)[name] for state in states]) for name in SMALL}
    return GeneratorState(cache=cache, **small)


def part_of(joint: GeneratorState, place: int) -> GeneratorState:
    """A copy of the state of one conversation, which does not keep the others' memory alive."""
    count = len(joint.tail)

    def own(x: Tensor) -> Tensor:
        return x[place::count].clone()  # this conversation's row of each branch

    layers = tuple(KeysValues(own(layer.keys), own(layer.values)) for layer in joint.cache.layers)
    small = {name: vars(joint)[name][place : place + 1].clone() for name in SMALL}
    return GeneratorState(cache=KVCache(layers, own(joint.cache.conditions)), **small)
