"""What the avatar's motion depends on, frame by frame: its own speech, and the user's voice and face."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Conditions:
    """Inputs of the dual motion encoder. A null condition is all zeros.

    Attributes:
        avatar_audio: projected audio of the avatar's speech, (B, T, A).
        user_audio: projected audio of the user's voice, (B, T, A).
        user_motion: the user's motion latents, (B, T, M).
    """

    avatar_audio: Tensor
    user_audio: Tensor
    user_motion: Tensor

    def __post_init__(self) -> None:
        shapes = [tuple(x.shape) for x in vars(self).values()]
        if any(len(shape) != 3 or shape[:2] != shapes[0][:2] for shape in shapes) or shapes[0] != shapes[1]:
            raise ValueError(f"conditions must be (B, T, A), (B, T, A) and (B, T, M), got {shapes}")

    @property
    def frames(self) -> int:
        """T."""
        return self.avatar_audio.shape[1]

    @property
    def batch(self) -> int:
        """B."""
        return self.avatar_audio.shape[0]

    def map(self, function: Callable[[Tensor], Tensor]) -> Conditions:
        """The same with a function applied to all three."""
        return Conditions(function(self.avatar_audio), function(self.user_audio), function(self.user_motion))

    def slice(self, start: int, stop: int) -> Conditions:
        """Frames start..stop."""
        return self.map(lambda x: x[:, start:stop])

    def keep(self, avatar_audio: Tensor, user_audio: Tensor, user_motion: Tensor) -> Conditions:
        """Null where a mask is 0, unchanged where it is 1.

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
        """Several put together along batch (0) or time (1)."""
        return Conditions(
            torch.cat([part.avatar_audio for part in parts], dim=dim),
            torch.cat([part.user_audio for part in parts], dim=dim),
            torch.cat([part.user_motion for part in parts], dim=dim),
        )
