# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Dual motion encoder and audio projection: what the generator is conditioned on.

Neither has positions or masks: every frame of a window attends to every other. The output therefore also depends on the
length of the window.

Source: arXiv 2601.00664, section 4 and appendix B.2.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from avatar_forcing_ros.network.conditions import Conditions
from avatar_forcing_ros.network.config import NetworkConfig


class AudioProjection(nn.Module):
    """Projects audio features to the width of the conditions; the avatar's and the user's audio share it."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.linear = nn.Linear(config.audio_feature_size, config.condition_size)
        self.norm = nn.LayerNorm(config.condition_size)

    def forward(self, features: Tensor) -> Tensor:
        """(B, T, F) -> (B, T, A)."""
        return functional.silu(self.norm(self.linear(features)))


class WindowAttention(nn.Module):
    """Attention of each frame of one signal to all frames of another."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(size, 3 * size)
        self.projection = nn.Linear(size, size)

    def forward(self, asking: Tensor, asked: Tensor) -> Tensor:
        """Both (B, T, A) -> (B, T, A)."""
        size = asking.shape[-1]
        weight, bias = self.qkv.weight, self.qkv.bias
        queries = functional.linear(asking, weight[:size], bias[:size])
        keys, values = functional.linear(asked, weight[size:], bias[size:]).chunk(2, dim=-1)
        mixed = functional.scaled_dot_product_attention(self._heads(queries), self._heads(keys), self._heads(values))
        return self.projection(mixed.transpose(1, 2).flatten(2))

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, H, T, D)


class DualMotionEncoder(nn.Module):
    """The user's motion attends to the user's audio; the avatar's audio attends to the result."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        size = config.condition_size
        self.motion_in = nn.Linear(config.user_motion_size, size)
        self.motion_in_norm = nn.LayerNorm(size)
        self.motion_out = nn.Linear(size, size)
        self.motion_out_norm = nn.LayerNorm(size)
        if config.memory_frames:
            self.voice_in: nn.Module = nn.Linear(config.user_audio_size, size)
        else:
            self.voice_in = nn.Identity()
        self.user_attention = WindowAttention(size, config.condition_heads)
        self.user_norm = nn.LayerNorm(size)
        self.avatar_attention = WindowAttention(size, config.condition_heads)
        self.avatar_norm = nn.LayerNorm(size)
        self.output = nn.Linear(size, config.hidden_size)
        self.newest_face = config.newest_face

    def forward(self, conditions: Conditions) -> Tensor:
        """Conditions of a window -> (B, T, hidden)."""
        face = conditions.user_motion[:, -1:] if self.newest_face else conditions.user_motion
        motion = functional.silu(self.motion_in_norm(self.motion_in(face)))
        motion = functional.silu(self.motion_out_norm(self.motion_out(motion)))
        voice = self.voice_in(conditions.user_audio)
        user = functional.silu(self.user_norm(motion + self.user_attention(motion, voice)))
        speech = conditions.avatar_audio
        return self.output(functional.silu(self.avatar_norm(speech + self.avatar_attention(speech, user))))


def block_windows(signal: Tensor, lookback: Tensor, block_frames: int) -> Tensor:
    """The windows that streaming cuts from a signal: each block with the frames before it.

    Args:
        signal: (B, T, X), T a multiple of `block_frames`.
        lookback: the l frames before it, (B, l, X).
        block_frames: frames of a block.

    Returns:
        (B * T / block_frames, l + block_frames, X), the blocks of each clip in order.
    """
    window = lookback.shape[1] + block_frames
    windows = torch.cat((lookback, signal), dim=1).unfold(1, window, block_frames)  # (B, T / block, X, W)
    return windows.transpose(2, 3).flatten(0, 1)
