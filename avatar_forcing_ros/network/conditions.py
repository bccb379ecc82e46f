# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the avatar's motion depends on, frame by frame: its own speech, and the user's voice and face."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Conditions:
    """Inputs of the dual motion encoder. A null condition is all zeros.

    Attributes:
        avatar_audio: projected audio of the avatar's speech, (B, T, A).
        user_audio: projected audio of the user's voice with its memory of K spans, (B, T, A (1 + K)); see `recalled`.
        user_motion: the user's motion latents with their memory, (B, T, M (1 + K)).
    """

    avatar_audio: Tensor
    user_audio: Tensor
    user_motion: Tensor

    def __post_init__(self) -> None:
        shapes = [tuple(x.shape) for x in vars(self).values()]
        if any(len(shape) != 3 or shape[:2] != shapes[0][:2] for shape in shapes):
            raise ValueError(f"conditions must be three signals of the same (B, T), got {shapes}")

    @property
    def frames(self) -> int:
        """T, the number of frames."""
        return self.avatar_audio.shape[1]

    @property
    def batch(self) -> int:
        """B, the batch size."""
        return self.avatar_audio.shape[0]

    def map(self, function: Callable[[Tensor], Tensor]) -> Conditions:
        """Apply a function to all three signals."""
        return Conditions(function(self.avatar_audio), function(self.user_audio), function(self.user_motion))

    def slice(self, start: int, stop: int) -> Conditions:
        """Frames start..stop."""
        return self.map(lambda x: x[:, start:stop])

    def keep(self, avatar_audio: Tensor, user_audio: Tensor, user_motion: Tensor) -> Conditions:
        """Set signals to null where their mask is 0.

        Args:
            avatar_audio: (B,) mask.
            user_audio: (B,) mask.
            user_motion: (B,) mask.
        """
        return Conditions(
            self.avatar_audio * avatar_audio[:, None, None],
            self.user_audio * user_audio[:, None, None],
            self.user_motion * user_motion[:, None, None],
        )

    @staticmethod
    def join(parts: Sequence[Conditions], dim: int) -> Conditions:
        """Join several along the batch (0) or time (1)."""
        return Conditions(
            torch.cat([part.avatar_audio for part in parts], dim=dim),
            torch.cat([part.user_audio for part in parts], dim=dim),
            torch.cat([part.user_motion for part in parts], dim=dim),
        )


_PIECE = 64
"""Frames whose means are computed in one product. Its cost grows with the square of their number."""


def recalled(signal: Tensor, memory_frames: Sequence[int]) -> Tensor:
    """A signal of the user, joined with its means over spans of the past, the present frame included.

    Args:
        signal: (B, H + T, X) with H = `NetworkConfig.recalled_frames`.
        memory_frames: where the K spans end, in frames back.

    Returns:
        (B, T, X (1 + K)), or `signal` itself if there are no spans.
    """
    if not memory_frames:
        return signal
    recalled_frames = memory_frames[-1] - 1
    frames = signal.shape[1] - recalled_frames
    piece = min(frames, _PIECE)
    pieces = -(-frames // piece)
    if pieces == 1:
        windows = signal.mT[:, None]  # (B, pieces, X, H + piece)
    else:
        padded = functional.pad(signal, (0, 0, 0, pieces * piece - frames))
        windows = padded.unfold(1, recalled_frames + piece, piece)
    spans = windows @ span_shares(piece, tuple(memory_frames), signal.device).to(signal.dtype)
    return spans.unflatten(-1, (piece, -1)).permute(0, 1, 3, 4, 2).flatten(3).flatten(1, 2)[:, :frames]


@lru_cache(maxsize=16)
@torch.inference_mode(mode=False)  # a training run also generates, and both use the table
def span_shares(frames: int, memory_frames: tuple[int, ...], device: torch.device) -> Tensor:
    """(H + T, T (1 + K)) weight of each frame in each of T `frames` and in each of their means."""
    now = torch.arange(memory_frames[-1] - 1, memory_frames[-1] - 1 + frames)
    ago = now - torch.arange(len(now) + memory_frames[-1] - 1)[:, None]  # (H + T, T)
    means = [((start <= ago) & (ago < end)) / (end - start) for start, end in pairwise((0, *memory_frames))]
    return torch.stack([(ago == 0).float(), *means], dim=-1).flatten(1).to(device)
