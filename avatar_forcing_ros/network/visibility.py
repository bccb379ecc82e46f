# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Who sees whom: one rule for training, for priming and for streaming, on frame positions.

A position is a frame's place relative to the first frame of the block being generated (or, in a clip, of the clip's
first block). The past has negative positions, so that positions stay within one clip for ever.
"""

from __future__ import annotations

from torch import Tensor

from avatar_forcing_ros.network.config import NetworkConfig


def visible(query: Tensor, key: Tensor, config: NetworkConfig) -> Tensor:
    """Self-attention: whether the frame at a query position may see the frame at a key position.

    A frame sees the past, the rest of its own unit and `lookahead_frames` more. With `visibility="framewise"` the unit
    is the frame itself, key <= query + l, which is what the published code computes and its weights know. With
    "blockwise" it is the whole block, as the paper's figure draws it. Streaming applies the same rule to the frames
    that exist: what lies after the block being generated is not there yet.

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
    """Cross-attention: whether a frame may see a frame's condition, at most `condition_radius` apart; (Q, K) bool."""
    return (key[None, :] - query[:, None]).abs() <= config.condition_radius
