# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The generator's memory of a conversation."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from avatar_forcing_ros.network.cache import KVCache


@dataclass
class GeneratorState:
    """The generator's memory of one conversation, or of a batch of them. Its size never changes.

    Attributes:
        reference: the portrait's own motion latent, (B, M).
        tail: the last l frames emitted, (B, l, M): the next window's offset frames.
        cache: keys, values and conditions of the past, for all guidance branches.
        mean: running mean of the motion, (B, M), which the anchor watches.
        poise: memory of `poise`, (B, M, MEMORY).
        silent_frames: number of frames since the avatar last said something, (B,).
        moved: how far the user and the avatar's speech moved the latest block, (B, 2, block, M); see `causes`.
    """

    reference: Tensor
    tail: Tensor
    cache: KVCache
    mean: Tensor
    poise: Tensor
    silent_frames: Tensor
    moved: Tensor

    def follow(self, network: Tensor) -> None:
        """Move to the device and type of the network, given one of its parameters."""
        if self.tail.device != network.device or self.cache.conditions.dtype != network.dtype:
            self.cache = self.cache.to(network)
            self.reference, self.tail, self.mean, self.poise, self.silent_frames, self.moved = (
                x.to(network.device) for x in self._small
            )

    def snapshot(self) -> GeneratorState:
        """A copy to return to; cheap, because it shares the tensors, which are never written to."""
        return replace(self, cache=replace(self.cache))

    @property
    def _small(self) -> tuple[Tensor, ...]:
        """All but the cache."""
        return self.reference, self.tail, self.mean, self.poise, self.silent_frames, self.moved

    @property
    def bytes(self) -> int:
        """Memory held, in bytes."""
        return self.cache.bytes + sum(x.numel() * x.element_size() for x in self._small)
