# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The generator's building blocks: causal self-attention, cross-attention to conditions, and the layer made of both.

All but the two attentions work frame by frame. The attentions take what they may see as additive masks, and what they
remember as keys and values. Normalisation has no weights of its own; the modulation takes their place.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from avatar_forcing_ros.network.cache import KeysValues, spread
from avatar_forcing_ros.network.config import NetworkConfig
from avatar_forcing_ros.network.modulation import Modulation
from avatar_forcing_ros.network.packed import PackedLinear, can_pack, packed
from avatar_forcing_ros.network.rotary import Rotary

_NORM_EPSILON = 1e-6


@dataclass(frozen=True)
class View:
    """What the frames of one pass may see; the same for all layers and all steps of a block.

    Attributes:
        rotary: rotation of the pass's own frames.
        self_mask: (T, C + T) additive, 0 or -inf; the past comes first, then the pass.
        cross_mask: (T, R + T) additive, likewise.
    """

    rotary: Rotary
    self_mask: Tensor
    cross_mask: Tensor


@dataclass(frozen=True)
class FoldedConditions:
    """Conditions with one layer's query and output weights multiplied in, so that attending to them reads no weights.

        softmax((W_q x + b_q) k^T) v W_o^T = softmax(x (k W_q)^T + b_q k^T) (v W_o^T)

    This pays when several passes attend to the same few conditions, as the steps of a block do.

    Attributes:
        keys: (B, hidden, H * (R + T)), with the scale of attention included.
        offset: (B, 1, H * (R + T)), what the query's bias adds.
        values: (B, H * (R + T), hidden).
        heads: H.
    """

    keys: Tensor
    offset: Tensor
    values: Tensor
    heads: int

    def attend(self, x: Tensor, mask: Tensor) -> Tensor:
        """Attention of x (B, T, hidden) to the conditions, without the output's bias: (B, T, hidden)."""
        scores = torch.baddbmm(self.offset, x, self.keys).unflatten(-1, (self.heads, -1))
        return torch.bmm((scores + mask[:, None]).softmax(-1).flatten(2), self.values)


@dataclass(frozen=True)
class Attended:
    """Output of self-attention, (B, T, hidden), and the pass's own unrotated keys and values."""

    output: Tensor
    own: KeysValues


class SelfAttention(nn.Module):
    """Attention of frames to the past and to each other, with rotary positions."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.qkv: nn.Module = nn.Linear(config.hidden_size, 3 * config.hidden_size)
        self.projection: nn.Module = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, x: Tensor, view: View, past: KeysValues | None) -> Attended:
        """Args: x: (B, T, hidden); past: keys already rotated for this window, and values, of B or G * B pasts."""
        qkv = _split_heads(self.qkv(x), 3, self.heads)
        qkv = qkv if past is None else spread(qkv, past.keys.shape[0], dim=1)
        queries, keys = view.rotary.turn(qkv[:2]).unbind(0)
        values = qkv[2]
        if past is not None:
            keys, values = torch.cat((past.keys, keys), dim=2), torch.cat((past.values, values), dim=2)
        heard = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=view.self_mask)
        return Attended(self.projection(_join_heads(heard)), KeysValues(qkv[1], qkv[2]))

    def own(self, x: Tensor) -> KeysValues:
        """Unrotated keys and values of (B, T, hidden), without attention."""
        _, keys, values = _split_heads(self.qkv(x), 3, self.heads).unbind(0)
        return KeysValues(keys, values)

    def pack(self, half: bool = False) -> None:
        """See `packed`."""
        self.qkv, self.projection = packed(self.qkv, half), packed(self.projection, half)


class CrossAttention(nn.Module):
    """Attention of frames to the conditions of the frames around them, without positions."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.query = nn.Linear(config.hidden_size, config.hidden_size)
        self.key_value: nn.Module = nn.Linear(config.hidden_size, 2 * config.hidden_size)
        self.projection = nn.Linear(config.hidden_size, config.hidden_size)

    def keys_values(self, conditions: Tensor) -> KeysValues:
        """Keys and values of conditions (B, R + T, hidden), computed once per block for all its steps."""
        keys, values = _split_heads(self.key_value(conditions), 2, self.heads).unbind(0)
        return KeysValues(keys, values)

    def pack(self, half: bool = False) -> None:
        """See `packed`. The other weights stay as they are, because `fold` reads them in pieces."""
        self.key_value = packed(self.key_value, half)

    def fold(self, conditions: KeysValues) -> FoldedConditions:
        """Multiply the weights of query and output into keys and values, each (B, H, K, D)."""
        keys, values, per_head = conditions.keys, conditions.values, (self.heads, -1)
        query = self.query.weight.unflatten(0, per_head)  # (H, D, hidden)
        projection = self.projection.weight.unflatten(1, per_head).permute(1, 2, 0)  # (H, D, hidden)
        offset = keys @ self.query.bias.view(*per_head, 1)  # (B, H, K, 1)
        scale = keys.shape[-1] ** -0.5
        return FoldedConditions(
            keys=_fold(keys * scale, query).mT,
            offset=offset.flatten(1)[:, None] * scale,
            values=_fold(values, projection),
            heads=self.heads,
        )

    def forward(self, x: Tensor, view: View, conditions: KeysValues | FoldedConditions) -> Tensor:
        """Args: x: (B, T, hidden)."""
        if isinstance(conditions, FoldedConditions):
            return conditions.attend(x, view.cross_mask) + self.projection.bias
        queries, (keys, values) = _split_heads(self.query(x), 1, self.heads)[0], (conditions.keys, conditions.values)
        heard = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=view.cross_mask)
        return self.projection(_join_heads(heard))


class FeedForward(nn.Module):
    """Two linear layers with GELU (tanh form) between them."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.widen: nn.Module = nn.Linear(config.hidden_size, config.mlp_size)
        self.activation: nn.Module = nn.GELU(approximate="tanh")
        self.narrow: nn.Module = nn.Linear(config.mlp_size, config.hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        """Args: x: (B, T, hidden)."""
        return self.narrow(self.activation(self.widen(x)))

    def pack(self, half: bool = False) -> None:
        """See `packed`; in float32 the activation joins the first product."""
        self.narrow = packed(self.narrow, half)
        if half:
            self.widen = packed(self.widen, half)
        elif isinstance(self.widen, nn.Linear) and can_pack(self.widen):
            self.widen, self.activation = PackedLinear(self.widen, gelu=True), nn.Identity()


class Layer(nn.Module):
    """Self-attention, cross-attention, feed-forward. Flow time modulates and gates the first and the last."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.self_attention = SelfAttention(config)
        self.cross_attention = CrossAttention(config)
        self.feed_forward = FeedForward(config)

    def condition_keys(self, conditions: Tensor, fold: bool = False) -> KeysValues | FoldedConditions:
        """This layer's keys and values of conditions (B, R + T, hidden), folded if many passes will use them."""
        keys_values = self.cross_attention.keys_values(conditions)
        return self.cross_attention.fold(keys_values) if fold else keys_values

    def pack(self, half: bool = False) -> None:
        """Prepare for streaming."""
        self.self_attention.pack(half)
        self.cross_attention.pack(half)
        self.feed_forward.pack(half)

    def own(self, x: Tensor, modulation: Modulation) -> KeysValues:
        """Unrotated keys and values of the input (B, T, hidden), all that the cache needs from the last layer."""
        return self.self_attention.own(modulate(x, modulation.attention_shift, modulation.attention_scale))

    def forward(
        self,
        x: Tensor,
        modulation: Modulation,
        view: View,
        conditions: KeysValues | FoldedConditions,
        past: KeysValues | None,
    ) -> Attended:
        """One layer.

        Args:
            x: (B, T, hidden).
            modulation: modulation by flow time.
            view: masks and positions.
            conditions: conditions of B clips, or of G * B if G guidance branches still share x; x then splits here.
            past: past of as many clips.

        Returns:
            The layer's output, (G * B, T, hidden), and its own keys and values, of B clips while they are shared.
        """
        m = modulation
        attended = self.self_attention(modulate(x, m.attention_shift, m.attention_scale), view, past)
        x = torch.addcmul(spread(x, attended.output.shape[0]), m.attention_gate, attended.output)
        x = spread(x, conditions.keys.shape[0])
        x = x + self.cross_attention(normalize(x), view, conditions)
        x = torch.addcmul(x, m.mlp_gate, self.feed_forward(modulate(x, m.mlp_shift, m.mlp_scale)))
        return Attended(x, attended.own)


def normalize(x: Tensor) -> Tensor:
    """Layer normalisation without weights over the last axis."""
    return functional.layer_norm(x, x.shape[-1:], eps=_NORM_EPSILON)


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Normalise x (B, T, hidden), multiply by scale, add shift."""
    return torch.addcmul(shift, normalize(x), scale)


def _split_heads(x: Tensor, parts: int, heads: int) -> Tensor:
    return x.view(*x.shape[:2], parts, heads, -1).permute(2, 0, 3, 1, 4)  # (parts, B, H, T, D)


def _join_heads(x: Tensor) -> Tensor:
    return x.transpose(1, 2).flatten(2)  # (B, H, T, D) -> (B, T, hidden)


def _fold(x: Tensor, weight: Tensor) -> Tensor:
    """(B, H, K, D) times (H, D, hidden) -> (B, H * K, hidden), reading each head's weights once for the batch."""
    product = torch.bmm(x.transpose(0, 1).flatten(1, 2), weight)
    return product.unflatten(1, (x.shape[0], -1)).transpose(0, 1).flatten(1, 2)
