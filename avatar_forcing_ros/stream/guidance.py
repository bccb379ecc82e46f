"""Classifier-free guidance, in two forms.

Separate, as published: nothing, the avatar's speech alone, the user alone.

    v = v(null) + w_avatar [v(avatar audio) - v(null)] + w_user [v(user audio, user motion) - v(null)]

Joint: the network is asked with all it may know, and scales other than 1 lead away from the guess that lacks a side.

    v = v(all) + (w_avatar - 1) [v(all) - v(user)] + (w_user - 1) [v(all) - v(avatar audio)]

With both scales 1 the joint form is a single branch: a third of the work, and no errors of three guesses added up.
All branches see the portrait's own motion. A branch whose share in its sum is zero is not computed.

Source: separate: arXiv 2601.00664, equation 14; order and defaults of the published code. Joint: Ho and Salimans, 2022
(arXiv 2207.12598), for two conditions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from avatar_forcing_ros.network.conditions import Conditions


@dataclass(frozen=True)
class Branch:
    """One guess of the velocity: which conditions it sees, and its share in the sum."""

    sees_avatar: bool
    sees_user: bool
    share: float


@dataclass(frozen=True)
class Guidance:
    """The branches that guidance scales call for; they stand one after the other in a batch of G * B."""

    branches: tuple[Branch, ...]

    @classmethod
    def from_scales(cls, avatar: float, user: float) -> Guidance:
        """Branches in the order null, avatar, user, less those without a share."""
        every = (
            Branch(sees_avatar=False, sees_user=False, share=1.0 - avatar - user),
            Branch(sees_avatar=True, sees_user=False, share=avatar),
            Branch(sees_avatar=False, sees_user=True, share=user),
        )
        return cls(tuple(branch for branch in every if branch.share != 0))

    @classmethod
    def jointly(cls, avatar: float, user: float) -> Guidance:
        """Branches in the order all, avatar, user, less those without a share."""
        every = (
            Branch(sees_avatar=True, sees_user=True, share=avatar + user - 1.0),
            Branch(sees_avatar=True, sees_user=False, share=1.0 - user),
            Branch(sees_avatar=False, sees_user=True, share=1.0 - avatar),
        )
        return cls(tuple(branch for branch in every if branch.share != 0))

    def stack(self, conditions: Conditions) -> Conditions:
        """Conditions of all branches, (B, T, ...) -> (G * B, T, ...)."""
        avatar, user = (self._mask(conditions, [getattr(b, name) for b in self.branches]) for name in _SIGHTS)
        return conditions.map(self.repeat).keep(avatar, user, user)

    def repeat(self, x: Tensor) -> Tensor:
        """What all branches share, (B, ...) -> (G * B, ...)."""
        return x.repeat(len(self.branches), *[1] * (x.dim() - 1))

    def combine(self, velocity: Tensor) -> Tensor:
        """The guided velocity, (G * B, T, M) -> (B, T, M)."""
        shares = velocity.new_tensor([branch.share for branch in self.branches])
        return torch.tensordot(shares, velocity.unflatten(0, (len(self.branches), -1)), dims=1)

    def _mask(self, conditions: Conditions, seen: list[bool]) -> Tensor:
        mask = torch.tensor(seen, dtype=conditions.avatar_audio.dtype, device=conditions.avatar_audio.device)
        return mask.repeat_interleave(conditions.batch)


_SIGHTS = ("sees_avatar", "sees_user")
