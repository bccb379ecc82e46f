# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Sizes of the network. One implementation serves both the published network and the small bundled one."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

VISIBILITY_RULES = ("framewise", "blockwise")


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the dual motion encoder and the generator. The defaults are the published ones.

    Attributes:
        motion_size: M, numbers in an avatar motion latent.
        audio_feature_size: F, numbers in one frame of audio features before projection.
        condition_size: A, width of projected audio and of the dual motion encoder.
        condition_heads: attention heads of the dual motion encoder.
        hidden_size: width of the generator.
        heads: attention heads of the generator.
        depth: blocks of the generator.
        mlp_ratio: hidden width of the feed-forward layers, as a multiple of `hidden_size`.
        clip_frames: N, frames that see each other: cached past, offset frames and the block being generated.
        block_frames: B, frames generated at once.
        lookahead_frames: l, how many later frames a frame may see; also the overlap of successive windows.
        condition_radius: how many frames cross-attention reaches to each side. It has no positions, so with a radius
            above zero a frame cannot tell its own condition from its neighbours'. Zero suits features without context.
        memory_frames: where the spans end, in frames back, over which the user's voice and face are also averaged:
            (3, 9) is the last three frames and the six before them. Empty, as published, means no memory. With a
            `condition_radius` of zero, a frame sees one moment of the user, and only this memory tells it of a pause or
            of a smile that fades.
        newest_face: whether all frames of a window see the user's face as it is for the last one, the newest that there
            is, with its memory. If not, each frame has the face of its own age, as published; the dual motion encoder
            has no positions, so it then mixes the ages.
        visibility: rule of self-attention, "framewise" as in the published weights or "blockwise" as in the paper's
            figure; see `visibility.visible`.
    """

    motion_size: int = 512
    audio_feature_size: int = 12 * 768
    condition_size: int = 512
    condition_heads: int = 4
    hidden_size: int = 1024
    heads: int = 8
    depth: int = 8
    mlp_ratio: float = 4.0
    clip_frames: int = 50
    block_frames: int = 10
    lookahead_frames: int = 2
    condition_radius: int = 2
    memory_frames: tuple[int, ...] = ()
    newest_face: bool = False
    visibility: str = "framewise"

    def __post_init__(self) -> None:
        object.__setattr__(self, "memory_frames", tuple(self.memory_frames))  # YAML has lists
        for name, value in vars(self).items():
            if name not in ("visibility", "condition_radius", "memory_frames", "newest_face") and value <= 0:
                raise ValueError(f"{name} must be positive, got {value}")
        if any(end <= start for start, end in pairwise((0, *self.memory_frames))):
            raise ValueError(f"memory_frames must be positive and ascending, got {self.memory_frames}")
        if self.condition_radius < 0:
            raise ValueError(f"condition_radius must not be negative, got {self.condition_radius}")
        if self.visibility not in VISIBILITY_RULES:
            raise ValueError(f"visibility must be one of {', '.join(VISIBILITY_RULES)}, got {self.visibility!r}")
        if self.hidden_size % (2 * self.heads):
            raise ValueError(
                f"hidden_size must be a multiple of 2*heads, got {self.hidden_size} and {self.heads} heads"
            )
        if self.condition_size % self.condition_heads:
            raise ValueError(
                f"condition_size must be a multiple of condition_heads, got {self.condition_size} and "
                f"{self.condition_heads} heads"
            )
        if self.cache_frames < self.block_frames:
            raise ValueError(
                f"clip_frames must be at least 2*block_frames + lookahead_frames, got {self.clip_frames} for blocks of "
                f"{self.block_frames} and a look-ahead of {self.lookahead_frames}"
            )

    @property
    def head_size(self) -> int:
        """D, width of one attention head of the generator."""
        return self.hidden_size // self.heads

    @property
    def mlp_size(self) -> int:
        """Hidden width of the feed-forward layers."""
        return int(self.hidden_size * self.mlp_ratio)

    @property
    def history_frames(self) -> int:
        """Length of the past that fills a cache: cached and offset frames, rounded up to whole blocks."""
        return -(-(self.cache_frames + self.lookahead_frames) // self.block_frames) * self.block_frames

    @property
    def recalled_frames(self) -> int:
        """H, how many frames before a window its memory of the user reaches back."""
        return self.memory_frames[-1] - 1 if self.memory_frames else 0

    @property
    def user_audio_size(self) -> int:
        """Numbers per frame of the user's projected audio with its memory."""
        return self.condition_size * (1 + len(self.memory_frames))

    @property
    def user_motion_size(self) -> int:
        """Numbers per frame of the user's motion with its memory."""
        return self.motion_size * (1 + len(self.memory_frames))

    @property
    def window_frames(self) -> int:
        """W, frames in one streaming pass: the offset frames and the new block."""
        return self.lookahead_frames + self.block_frames

    @property
    def cache_frames(self) -> int:
        """C, frames of the past kept as keys and values."""
        return self.clip_frames - self.window_frames
