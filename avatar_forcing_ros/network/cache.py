# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the generator remembers of the past: keys, values and conditions of the last frames.

Each conversation holds one `KVCache` and passes it to the network; no part of it lives in a module. Denoising only
reads it (`view`). Only the pass over a finished block writes it (`commit`). Its size never changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from avatar_forcing_ros.network.config import NetworkConfig
from avatar_forcing_ros.network.rotary import Rotary


@dataclass(frozen=True)
class KeysValues:
    """Keys and values of one attention layer, each (B, H, T, D)."""

    keys: Tensor
    values: Tensor

    def frames(self, start: int, stop: int) -> KeysValues:
        """Keys and values of frames start..stop of the T held here."""
        return KeysValues(self.keys[:, :, start:stop], self.values[:, :, start:stop])

    def to(self, network: Tensor) -> KeysValues:
        """In device and type of a parameter."""
        return KeysValues(self.keys.to(network), self.values.to(network))

    def spread(self, count: int) -> KeysValues:
        """For as many branches; see `spread`."""
        return KeysValues(spread(self.keys, count), spread(self.values, count))


@dataclass
class KVCache:
    """Past of one conversation, or of several in a batch.

    Its tensors are replaced, never written in place, so a copy of this object is a snapshot.

    Attributes:
        layers: for each layer, unrotated keys and values of the C frames before the window, (B, H, C, D).
        conditions: conditions of the R frames before the window, (B, R, hidden); R is `condition_radius`.
    """

    layers: Sequence[KeysValues]
    conditions: Tensor

    @classmethod
    def from_clip(cls, layers: Sequence[KeysValues], conditions: Tensor, config: NetworkConfig) -> KVCache:
        """The cache after a clean clip whose last l frames are the offset frames of the next window.

        Args:
            layers: unrotated keys and values of all T frames of the clip.
            conditions: conditions of the clip, (B, T, hidden).
            config: sizes.

        Raises:
            ValueError: the clip is shorter than C + l frames.
        """
        end = conditions.shape[1] - config.lookahead_frames
        if end < config.cache_frames:
            raise ValueError(
                f"a clip must have at least {config.cache_frames + config.lookahead_frames} frames to fill the cache, "
                f"got {conditions.shape[1]}"
            )
        kept = tuple(layer.frames(end - config.cache_frames, end) for layer in layers)
        return cls(kept, conditions[:, max(end - config.condition_radius, 0) : end])

    def to(self, network: Tensor) -> KVCache:
        """In device and type of a parameter."""
        return KVCache(tuple(layer.to(network) for layer in self.layers), self.conditions.to(network))

    def view(self, rotary: Rotary) -> tuple[KeysValues, ...]:
        """Past keys, rotated to their positions relative to the window, and values. Writes nothing."""
        return tuple(KeysValues(rotary.turn(layer.keys), layer.values) for layer in self.layers)

    def commit(self, layers: Sequence[KeysValues], conditions: Tensor, frames: int) -> None:
        """Advance by `frames`: append the window's first frames and drop as many of the oldest. The only writer.

        Args:
            layers: unrotated keys and values of the clean window, (B, H, W, D) per layer.
            conditions: conditions of the window, (B, W, hidden).
            frames: how many of its frames become past.
        """
        self.layers = tuple(_shift(old, new, frames) for old, new in zip(self.layers, layers, strict=True))
        radius = self.conditions.shape[1]
        known = torch.cat((self.conditions, conditions[:, :frames]), dim=1)
        self.conditions = known[:, known.shape[1] - radius :].clone()

    @property
    def frames(self) -> int:
        """C, the frames of the past held."""
        return self.layers[0].keys.shape[2]

    @property
    def bytes(self) -> int:
        """Memory held, in bytes."""
        tensors = [t for layer in self.layers for t in (layer.keys, layer.values)]
        return sum(t.numel() * t.element_size() for t in [*tensors, self.conditions])


def spread(x: Tensor, count: int, dim: int = 0) -> Tensor:
    """Repeat what several branches share, branch by branch: (..., B, ...) -> (..., count, ...)."""
    times = count // x.shape[dim]
    return x if times == 1 else torch.cat([x] * times, dim)


def _shift(old: KeysValues, new: KeysValues, frames: int) -> KeysValues:
    return KeysValues(
        torch.cat((old.keys[:, :, frames:], new.keys[:, :, :frames]), dim=2),
        torch.cat((old.values[:, :, frames:], new.values[:, :, :frames]), dim=2),
    )
