# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The generator's streaming passes in as few kernels as possible, for a GPU.

A pass has few rows, so on a GPU its time depends on the number of kernels: here eleven per layer, four of them ours.
Keys and values of the conditions are computed for all layers at once. The results equal those of `MotionTransformer`,
except that the running sum stays in float32. No step creates a tensor on the host or reads a value, so a block can be
captured as one program.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from avatar_forcing_ros.network import kernels
from avatar_forcing_ros.network.cache import KeysValues, KVCache
from avatar_forcing_ros.network.layers import Layer, View
from avatar_forcing_ros.network.modulation import Modulation
from avatar_forcing_ros.network.rotary import Rotary
from avatar_forcing_ros.network.transformer import MotionTransformer


@dataclass(frozen=True)
class _Places:
    """What depends only on the number of frames."""

    view: View
    past: Rotary


@dataclass(frozen=True)
class FusedWindow:
    """A `transformer.Window` whose tensors each hold all layers.

    Attributes:
        view: positions and masks.
        keys: keys of the conditions, (L, B, H * K, hidden), folded with the query's weights.
        offset: what the query's bias adds, (L, B, 1, H * K).
        values: values of the conditions, (L, B, H * K, hidden), folded with the output's weights.
        past_keys: (L, B, H, C, D), rotated, in each the even numbers before the odd ones.
        past_values: (L, B, H, C, D).
    """

    view: View
    keys: Tensor
    offset: Tensor
    values: Tensor
    past_keys: Tensor
    past_values: Tensor


class FusedTransformer:
    """Replaces a `MotionTransformer` in a stream. Its weights must not change afterwards."""

    def __init__(self, transformer: MotionTransformer) -> None:
        self._plain = transformer
        self._layers = [layer for layer in transformer.layers if isinstance(layer, Layer)]
        crosses: list[Any] = [layer.cross_attention for layer in self._layers]  # not packed on a GPU
        self._heads = heads = crosses[0].heads
        self._key_value_weight = torch.cat([cross.key_value.weight for cross in crosses])
        self._key_value_bias = torch.cat([cross.key_value.bias for cross in crosses])
        self._query = torch.cat([cross.query.weight.unflatten(0, (heads, -1)) for cross in crosses])  # (L H, D, hidden)
        self._query_bias = torch.cat([cross.query.bias.view(heads, -1, 1) for cross in crosses])  # (L H, D, 1)
        self._projection = torch.cat(
            [cross.projection.weight.unflatten(1, (heads, -1)).permute(1, 2, 0) for cross in crosses]
        )  # (L H, D, hidden)
        self._known: dict[tuple[int, int, int], _Places] = {}

    def open_window(self, conditions: Tensor, cache: KVCache, fold: bool = True) -> FusedWindow:
        """See `MotionTransformer.open_window`, for a stream. The conditions are always folded."""
        places = self._places(conditions.shape[1], cache.frames, cache.conditions.shape[1], conditions)
        known = torch.cat((cache.conditions, conditions), dim=1)
        b, k, _ = known.shape
        layers, heads = len(self._layers), self._heads
        made = functional.linear(known, self._key_value_weight, self._key_value_bias)
        made = made.view(b * k, layers, 2, heads, -1).permute(2, 1, 3, 0, 4).flatten(1, 2).contiguous()
        keys, values = made  # (L H, B K, D) each
        keys = keys * keys.shape[-1] ** -0.5
        offset = torch.bmm(keys, self._query_bias).view(layers, heads, b, k).transpose(1, 2).reshape(layers, b, 1, -1)
        folded = torch.stack((torch.bmm(keys, self._query), torch.bmm(values, self._projection)))
        folded = folded.view(2, layers, heads, b, k, -1).transpose(2, 3).reshape(2, layers, b, heads * k, -1)
        past_keys = torch.stack([layer.keys for layer in cache.layers])
        past_values = torch.stack([layer.values for layer in cache.layers])
        turned = places.past.turn(past_keys).unflatten(-1, (-1, 2)).transpose(-1, -2).flatten(-2)
        return FusedWindow(places.view, folded[0], offset, folded[1], turned, past_values)

    def __call__(self, x_t: Tensor, reference: Tensor, modulation: Modulation, window: FusedWindow) -> Tensor:
        """See `MotionTransformer.forward`."""
        at, m = self._begin(x_t, reference, modulation), modulation
        last = len(self._layers) - 1
        for i, layer in enumerate(self._layers):
            qkv = layer.self_attention.qkv(at.normed)
            scale, shift = (m.final_scale, m.final_shift) if i == last else (m.attention_scale, m.attention_shift)
            at = self._layer(i, layer, at, qkv, modulation, window, scale, shift)
        return self._plain.output(at.normed).to(x_t.dtype)

    def remember(
        self, clean: Tensor, reference: Tensor, modulation: Modulation, window: FusedWindow
    ) -> list[KeysValues]:
        """See `MotionTransformer.remember`."""
        at, m, own = self._begin(clean, reference, modulation), modulation, []
        for i, layer in enumerate(self._layers):
            qkv = layer.self_attention.qkv(at.normed)
            _, keys, values = qkv.unflatten(-1, (3, self._heads, -1)).permute(2, 0, 3, 1, 4)
            own.append(KeysValues(keys, values).spread(window.past_keys.shape[1]))
            if len(own) < len(self._layers):
                at = self._layer(i, layer, at, qkv, modulation, window, m.attention_scale, m.attention_shift)
        return own

    def _begin(self, x_t: Tensor, reference: Tensor, m: Modulation) -> kernels.Normed:
        x = self._plain.embed(x_t, reference)
        return kernels.sum_norm(x, None, x.dtype, scale=m.attention_scale, shift=m.attention_shift)

    def _layer(
        self,
        i: int,
        layer: Layer,
        at: kernels.Normed,
        qkv: Tensor,
        m: Modulation,
        window: FusedWindow,
        scale: Tensor,
        shift: Tensor,
    ) -> kernels.Normed:
        """One layer after its queries, keys and values; `scale` and `shift` belong to what follows it."""
        kind, view, cross = qkv.dtype, window.view, layer.cross_attention
        mixed = kernels.attend(qkv, view.rotary.phases, window.past_keys[i], window.past_values[i], view.self_mask)
        at = kernels.sum_norm(at.x, layer.self_attention.projection(mixed), kind, gate=m.attention_gate)
        scores = torch.baddbmm(window.offset[i], at.normed, window.keys[i].mT)
        heard = torch.bmm(kernels.soften(scores, view.cross_mask, self._heads), window.values[i])
        bias = cross.projection.bias
        at = kernels.sum_norm(at.x, heard, kind, bias=bias, scale=m.mlp_scale, shift=m.mlp_shift)
        return kernels.sum_norm(at.x, _feed(layer, at.normed), kind, gate=m.mlp_gate, scale=scale, shift=shift)

    def _places(self, frames: int, past: int, conditions: int, like: Tensor) -> _Places:
        key = frames, past, conditions
        if key not in self._known:
            self._known[key] = _Places(*self._plain.places(*key, like))
        return self._known[key]


def _feed(layer: Layer, x: Tensor) -> Tensor:
    """The feed-forward part. The product and its activation are one kernel if the library has one."""
    feed: Any = layer.feed_forward
    if x.device.type != "cuda":  # elsewhere this call computes the other form of GELU
        return feed(x)
    wide = torch._addmm_activation(feed.widen.bias, x.flatten(0, 1), feed.widen.weight.mT, use_gelu=True)
    return feed.narrow(wide).view_as(x)
