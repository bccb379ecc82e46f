# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The generator's memory of a conversation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from torch import Tensor

from avatar_forcing_ros.network.cache import KeysValues, KVCache


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
            cache, small = self.cache.to(network), [getattr(self, name).to(network.device) for name in SMALL]
            self.cache = cache  # only now, so that a GPU without memory for them all leaves the state as it was
            vars(self).update(zip(SMALL, small, strict=True))

    def snapshot(self) -> GeneratorState:
        """A copy to return to; cheap, because it shares the tensors, which are never written to."""
        return replace(self, cache=replace(self.cache))

    def tensors(self) -> list[Tensor]:
        """All tensors, in a fixed order: keys and values of each layer, conditions, and those of `SMALL`."""
        layers = [x for layer in self.cache.layers for x in (layer.keys, layer.values)]
        return [*layers, self.cache.conditions, *(getattr(self, name) for name in SMALL)]

    def assign(self, tensors: Sequence[Tensor]) -> None:
        """Replace all tensors by these, in the order of `tensors`."""
        *layers, conditions = tensors[: -len(SMALL)]
        pairs = zip(layers[::2], layers[1::2], strict=True)
        self.cache = KVCache(tuple(KeysValues(keys, values) for keys, values in pairs), conditions)
        vars(self).update(zip(SMALL, tensors[-len(SMALL) :], strict=True))

    @property
    def bytes(self) -> int:
        """Memory held, in bytes."""
        return self.cache.bytes + sum(x.numel() * x.element_size() for x in self.tensors()[-len(SMALL) :])


SMALL = tuple(field.name for field in fields(GeneratorState) if field.name != "cache")
"""Names of the tensors beside the cache; their first axis is that of the conversations."""
