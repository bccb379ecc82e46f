# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Removes the little noise that few solver steps leave in a block, without delay and across block borders.

A block y becomes the x that minimises `|x - y|^2 + s |second differences of (past, x)|^2`, with the last two frames of
the past held fixed. The solution is linear in both, so each channel of a latent needs one small matrix.

Source: the smoother of Whittaker, 1923, as in Eilers, 2003 (doi 10.1021/ac034173t).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

PAST_FRAMES = 2
"""What a second difference reaches back."""


class BlockSmoother:
    """Smooths blocks of `block_frames` frames.

    Args:
        strength: s of each of the M numbers of a latent; 0 leaves one exactly as it is.
        block_frames: B.
    """

    def __init__(self, strength: Sequence[float], block_frames: int) -> None:
        matrices = np.stack([smoothing_matrix(s, block_frames) for s in strength])
        self._matrices = torch.from_numpy(matrices.astype(np.float32))
        self._smooths = torch.tensor([s > 0 for s in strength])

    def __call__(self, past: Tensor, block: Tensor) -> Tensor:
        """(N, at least 2, M) and the (N, B, M) that follow -> (N, B, M)."""
        joined = torch.cat((past[:, -PAST_FRAMES:], block), dim=1)
        self._matrices, self._smooths = self._matrices.to(joined), self._smooths.to(block.device)
        smooth = torch.einsum("mbk,nkm->nbm", self._matrices, joined)
        return torch.where(self._smooths, smooth, block)


def smoothing_matrix(strength: float, block_frames: int) -> NDArray[np.float64]:
    """(B, 2 + B): (past, y) -> x."""
    differences = np.diff(np.eye(PAST_FRAMES + block_frames), 2, axis=0)
    of_past, of_block = differences[:, :PAST_FRAMES], differences[:, PAST_FRAMES:]
    inverse = np.linalg.inv(np.eye(block_frames) + strength * of_block.T @ of_block)
    return np.hstack([-strength * inverse @ of_block.T @ of_past, inverse])
