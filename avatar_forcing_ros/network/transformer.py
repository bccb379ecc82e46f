# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The motion generator: a causal transformer that predicts the velocity of noisy motion latents.

A pass needs a `Window`, opened once per block or clip. It holds what the frames may see, with the keys and values of
the conditions and of the past. All steps of a block share it.

Source: arXiv 2601.00664, section 4; sizes, order of operations and constants from the published inference code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from avatar_forcing_ros.network.cache import KeysValues, KVCache
from avatar_forcing_ros.network.config import NetworkConfig
from avatar_forcing_ros.network.layers import FoldedConditions, Layer, View, modulate
from avatar_forcing_ros.network.modulation import Modulation, TimeModulation
from avatar_forcing_ros.network.rotary import Rotary
from avatar_forcing_ros.network.visibility import aligned, visible


@dataclass(frozen=True)
class Window:
    """Everything about a pass that does not depend on the noisy frames or on flow time.

    Attributes:
        view: positions and masks.
        conditions: keys and values of the conditions, per layer; folded if the window was opened for many passes.
        past: rotated keys and values of the cached frames, per layer; None in a clip without a past.
    """

    view: View
    conditions: tuple[KeysValues | FoldedConditions, ...]
    past: tuple[KeysValues, ...] | None


class MotionTransformer(nn.Module):
    """Noisy motion latents, flow times, conditions and the portrait's own motion -> velocity."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.input = nn.Linear(2 * config.motion_size, config.hidden_size)
        self.modulation = TimeModulation(config)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.depth))
        self.output = nn.Linear(config.hidden_size, config.motion_size)

    def open_window(self, conditions: Tensor, cache: KVCache | None = None, fold: bool = False) -> Window:
        """Prepare the passes over a clip, or over the next window of a stream.

        Args:
            conditions: (B, T, hidden). Without a cache, the first frame begins a block.
            cache: past of the stream, which is only read. With it, T must be W: the offset frames and the new block.
            fold: spend more on opening, so that each pass costs less; see `FoldedConditions`.
        """
        frames = conditions.shape[1]
        if cache is None:
            own = torch.arange(frames, device=conditions.device)
            return Window(self._view(own, own, own, conditions.dtype), self._condition_keys(conditions, fold), None)
        view, past = self.places(frames, cache.frames, cache.conditions.shape[1], conditions)
        known = torch.cat((cache.conditions, conditions), dim=1)
        return Window(view, self._condition_keys(known, fold), cache.view(past))

    def places(self, frames: int, past: int, conditions: int, like: Tensor) -> tuple[View, Rotary]:
        """Positions and masks of a window in a stream, and the rotation of its past.

        Args:
            frames: frames of the window, offset frames included.
            past: cached frames.
            conditions: how many of the cached frames have conditions, too.
            like: gives the device and type.
        """
        start = -self.config.lookahead_frames
        own = torch.arange(start, start + frames, device=like.device)
        before = torch.arange(start - past, start, device=like.device)
        condition_at = torch.cat((before[past - conditions :], own))
        return self._view(own, torch.cat((before, own)), condition_at, like.dtype), self._rotary(before, like.dtype)

    def pack(self, half: bool = False) -> None:
        """Prepare the weights for streaming; see `packed`."""
        for layer in self._layers():
            layer.pack(half)

    def forward(self, x_t: Tensor, reference: Tensor, modulation: Modulation, window: Window) -> Tensor:
        """Velocity of noisy frames.

        Args:
            x_t: noisy latents, (B, T, M).
            reference: the portrait's own motion, (B, M).
            modulation: modulation for the frames' flow times, broadcastable to (B, T, hidden).
            window: what they may see, for B clips, or for G * B if G guidance branches share the latents.

        Returns:
            (G * B, T, M).
        """
        x = self.embed(x_t, reference)
        for i, layer in enumerate(self._layers()):
            x = layer(x, modulation, window.view, window.conditions[i], window.past and window.past[i]).output
        return self.output(modulate(x, modulation.final_shift, modulation.final_scale)).to(x_t.dtype)

    def remember(self, clean: Tensor, reference: Tensor, modulation: Modulation, window: Window) -> list[KeysValues]:
        """Unrotated keys and values of finished frames, per layer, for the cache.

        Args and shapes as in `forward`. The last layer's attention is skipped; only a velocity would need it.
        """
        x, own, branches = self.embed(clean, reference), [], window.conditions[0].keys.shape[0]
        *inner, last = self._layers()
        for i, layer in enumerate(inner):
            attended = layer(x, modulation, window.view, window.conditions[i], window.past and window.past[i])
            x = attended.output
            own.append(attended.own)
        return [one.spread(branches) for one in (*own, last.own(x, modulation))]

    def embed(self, x_t: Tensor, reference: Tensor) -> Tensor:
        """Noisy latents (B, T, M) and the reference (B, M) -> (B, T, hidden)."""
        joined = torch.cat((x_t, reference[:, None].expand_as(x_t)), dim=-1)
        return self.input(joined.to(self.input.weight.dtype))

    def _layers(self) -> Iterator[Layer]:
        return cast(Iterator[Layer], iter(self.layers))

    def _view(self, own: Tensor, frames: Tensor, conditions: Tensor, dtype: torch.dtype) -> View:
        self_mask = _additive(visible(own, frames, self.config), dtype)
        cross_mask = _additive(aligned(own, conditions, self.config), dtype)
        return View(self._rotary(own, dtype), self_mask, cross_mask)

    def _rotary(self, positions: Tensor, dtype: torch.dtype) -> Rotary:
        return Rotary.at(positions, self.config.head_size, dtype)

    def _condition_keys(self, conditions: Tensor, fold: bool) -> tuple[KeysValues | FoldedConditions, ...]:
        return tuple(layer.condition_keys(conditions, fold) for layer in self._layers())


def _additive(allowed: Tensor, dtype: torch.dtype) -> Tensor:
    mask = torch.zeros(allowed.shape, dtype=dtype, device=allowed.device)
    return mask.masked_fill_(~allowed, float("-inf"))
