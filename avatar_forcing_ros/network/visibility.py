# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which frames see which: one rule on frame positions, for training, priming and streaming.

A position counts frames from the first frame of the block being generated or, in a clip, of the clip's first block. The
past has negative positions, so positions never leave the range of one clip.
"""

from __future__ import annotations

from torch import Tensor

from avatar_forcing_ros.network.config import NetworkConfig


def visible(query: Tensor, key: Tensor, config: NetworkConfig) -> Tensor:
    """Self-attention: whether the frame at a query position may see the frame at a key position.

    A frame sees the past, the rest of its own unit, and `lookahead_frames` more. With `visibility="framewise"`, the
    unit is the frame itself, so key <= query + l; the published code does this, and its weights were trained with it.
    With "blockwise", the unit is the whole block, as the paper's figure shows. Streaming applies the same rule to the
    frames that exist: there are none yet after the block being generated.

    Args:
        query: positions, (Q,) integer.
        key: positions, (K,) integer.
        config: gives `visibility`, `block_frames` and `lookahead_frames`.

    Returns:
        (Q, K) bool.

    Source: arXiv 2601.00664, equation 5 and figure of the mask; published code.
    """
    unit = config.block_frames if config.visibility == "blockwise" else 1
    unit_end = (query.div(unit, rounding_mode="floor") + 1) * unit
    return key[None, :] < (unit_end + config.lookahead_frames)[:, None]


def aligned(query: Tensor, key: Tensor, config: NetworkConfig) -> Tensor:
    """Cross-attention: whether a frame may see a condition, that is, at most `condition_radius` away; (Q, K) bool."""
    return (key[None, :] - query[:, None]).abs() <= config.condition_radius
