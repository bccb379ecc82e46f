# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The generator's streaming passes with as few nodes as possible, for the graphs of ONNX Runtime.

A pass has only a dozen rows, so apart from matrix products, the overhead of a node is as large as its arithmetic. Here,
a layer has about twenty nodes; traced from `MotionTransformer`, it would have a hundred. Attention with the past, and
the rotation of keys, are ONNX Runtime's own operators. Results equal those of `MotionTransformer`. This code is for
tracing only: run by torch itself, the operators give zeros.

Two things save arithmetic: guidance branches are identical up to the first use of conditions, and with a
`condition_radius` of zero, a frame attends to a single condition, whose value it gets whatever its query.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from avatar_forcing_ros.network.cache import KeysValues
from avatar_forcing_ros.network.layers import Layer, normalize
from avatar_forcing_ros.network.modulation import Modulation
from avatar_forcing_ros.network.rotary import Rotary
from avatar_forcing_ros.network.transformer import MotionTransformer


@dataclass(frozen=True)
class Opened:
    """What all passes of a block share, for each layer. G is the number of branches, 1 in the first layer's past.

    Attributes:
        conditions: with a radius of zero, one tensor (G, W, hidden), the output of cross-attention; else keys and
            values, (G, R + W, hidden) each.
        past: rotated keys and values of the cached frames, (G, H, C, D) each.
    """

    conditions: Sequence[Sequence[Tensor]]
    past: Sequence[KeysValues]


class OnnxPasses:
    """Stands in for a `MotionTransformer` while streaming graphs are traced."""

    def __init__(self, transformer: MotionTransformer) -> None:
        self._plain, self._config = transformer, transformer.config
        self._layers = [layer for layer in transformer.layers if isinstance(layer, Layer)]
        like = transformer.input.weight.detach()
        sizes = self._config
        view, self._before = transformer.places(sizes.window_frames, sizes.cache_frames, sizes.condition_radius, like)
        self._own, self._self_mask, self._cross_mask = view.rotary, view.self_mask[None, None], view.cross_mask

    @property
    def condition_names(self) -> list[list[str]]:
        """Names of the tensors that `heard` returns, for each layer."""
        kinds = ("condition_keys", "condition_values") if self._config.condition_radius else ("heard",)
        return [[f"{kind}_{i}" for kind in kinds] for i in range(len(self._layers))]

    def heard(self, known: Tensor) -> list[list[Tensor]]:
        """What each layer takes from the conditions (G, R + W, hidden); see `Opened.conditions`."""
        return [self._heard(layer.cross_attention, known) for layer in self._layers]

    def _heard(self, cross: Any, known: Tensor) -> list[Tensor]:
        weight, bias, hidden = cross.key_value.weight, cross.key_value.bias, self._config.hidden_size
        if self._config.condition_radius:
            both = functional.linear(known, weight, bias)
            return [both[..., :hidden], both[..., hidden:]]
        # Value and output in one product: ONNX Runtime multiplies their weights when it opens the graph. It does so for
        # slices of a weight, but not for a split.
        out = cross.projection
        return [functional.linear(known, out.weight @ weight[hidden:], out.weight @ bias[hidden:] + out.bias)]

    def turned(self, keys: Sequence[Tensor]) -> list[Tensor]:
        """Cached keys of each layer, rotated to their places relative to the window."""
        return [_turn(one, self._before, self._config.heads) for one in keys]

    def __call__(self, x: Tensor, reference: Tensor, modulation: Tensor, opened: Opened) -> Tensor:
        """Velocity (G, W, M) of noisy frames (1, W, M); `modulation` is (W, 8 hidden)."""
        x, m = self._plain.embed(x, reference), unpack(modulation)
        for i in range(len(self._layers)):
            x, _ = self._layer(i, x, m, opened)
        return self._plain.output(normalize(x) * m.final_scale + m.final_shift)

    def remember(
        self, x: Tensor, reference: Tensor, modulation: Tensor, opened: Opened, frames: int
    ) -> list[KeysValues]:
        """Unrotated keys, and values, of the first frames of a finished window, (G, H, frames, D), per layer."""
        x, m, own = self._plain.embed(x, reference), unpack(modulation), []
        for i in range(len(self._layers) - 1):
            x, keys_values = self._layer(i, x, m, opened)
            own.append(keys_values.narrow(1, 0, frames))
        hidden, last = self._config.hidden_size, self._layers[-1].self_attention.qkv
        normed = normalize(x.narrow(1, 0, frames)) * m.attention_scale + m.attention_shift
        own.append(functional.linear(normed, last.weight[hidden:], last.bias[hidden:]))  # type: ignore[index]
        return [self._split(one) for one in own]

    def _layer(self, i: int, x: Tensor, m: Modulation, opened: Opened) -> tuple[Tensor, Tensor]:
        """A layer's output, and its unrotated keys and values, (G, W, 2 hidden)."""
        layer, hidden = self._layers[i], self._config.hidden_size
        qkv = layer.self_attention.qkv(normalize(x) * m.attention_scale + m.attention_shift)
        turned = _turn(qkv[..., : 2 * hidden], self._own, 2 * self._config.heads)  # queries and keys at once
        queries, keys = turned[..., :hidden], turned[..., hidden:]
        mixed = self._attend(queries, keys, qkv[..., 2 * hidden :], self._self_mask, opened.past[i])
        x = x + m.attention_gate * layer.self_attention.projection(mixed)
        x = x + self._listen(layer.cross_attention, x, opened.conditions[i])
        wide = functional.gelu(layer.feed_forward.widen(normalize(x) * m.mlp_scale + m.mlp_shift), approximate="tanh")
        return x + m.mlp_gate * layer.feed_forward.narrow(wide), qkv[..., hidden:]

    def _listen(self, cross: Any, x: Tensor, conditions: Sequence[Tensor]) -> Tensor:
        if len(conditions) == 1:
            return conditions[0]
        keys, values = conditions
        asking = cross.query(normalize(x)) + torch.zeros_like(keys[:, : x.shape[1]])  # for each branch
        return cross.projection(self._attend(asking, keys, values, self._cross_mask[None, None], None))

    def _attend(self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor, past: KeysValues | None) -> Tensor:
        """Attention of (G, W, hidden) to (G, K, hidden), after the past if there is one."""
        given = [queries, keys, values, None, None, mask, *((past.keys, past.values) if past else ())]
        heads: dict[str, Any] = {"num_heads": self._config.heads}
        shapes = [queries.shape]
        if past:  # the operator keeps past and present in its other outputs, so these must be requested
            batch, count, cached, size = past.keys.shape
            shapes += [(batch, count, cached + keys.shape[1], size)] * 2  # type: ignore[list-item]
        return torch.onnx.ops.symbolic_multi_out(
            "com.microsoft::MultiHeadAttention",
            given,
            heads,
            dtypes=[queries.dtype] * len(shapes),
            shapes=shapes,
            version=1,
        )[0]

    def _split(self, keys_values: Tensor) -> KeysValues:
        keys, values = keys_values.unflatten(-1, (2, self._config.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        return KeysValues(keys, values)


def unpack(modulation: Tensor) -> Modulation:
    """Split rows (..., 8 hidden) of the graph `modulation`; the one is already added to their scales."""
    return Modulation(*_parted(modulation, 8))


def _parted(x: Tensor, count: int) -> Sequence[Tensor]:
    """Split the last axis into equal parts."""
    how: dict[str, Any] = {"axis": -1, "num_outputs": count}
    part = (*x.shape[:-1], x.shape[-1] // count)
    return torch.onnx.ops.symbolic_multi_out("Split", [x], how, dtypes=[x.dtype] * count, shapes=[part] * count)


def _turn(x: Tensor, rotary: Rotary, heads: int) -> Tensor:
    """Rotate (B, T, H * D) or (B, H, T, D) as `Rotary.turn` does."""
    start = torch.zeros(1, dtype=torch.int64)
    how: dict[str, Any] = {"interleaved": 1, "num_heads": heads}
    given = [x, start, *(one.contiguous() for one in rotary.phases.to(x).unbind(-1))]
    return torch.onnx.ops.symbolic(
        "com.microsoft::RotaryEmbedding", given, how, dtype=x.dtype, shape=x.shape, version=1
    )
