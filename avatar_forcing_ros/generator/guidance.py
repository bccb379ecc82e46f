# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Classifier-free guidance in two forms.

Separate, as published: guesses that see nothing, the avatar's speech alone, the user alone.

    v = v(null) + w_avatar [v(avatar audio) - v(null)] + w_user [v(user audio, user motion) - v(null)]

Joint: one guess sees everything, and a scale other than 1 leads away from the guess that lacks that condition.

    v = v(all) + (w_avatar - 1) [v(all) - v(user)] + (w_user - 1) [v(all) - v(avatar audio)]

With both scales 1, the joint form is a single branch: a third of the work, and no errors of three guesses add up. All
branches see the portrait's own motion. A branch whose share in the sum is zero is not computed.

Source: separate: arXiv 2601.00664, equation 14; order and defaults of the published code. Joint: Ho and Salimans, 2022
(arXiv 2207.12598), for two conditions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from avatar_forcing_ros.generator.sampler import Branch
from avatar_forcing_ros.network.conditions import Conditions


@dataclass(frozen=True)
class Guidance:
    """The branches that the guidance scales call for; they are stacked in a batch of G * B."""

    branches: tuple[Branch, ...]

    def stack(self, conditions: Conditions) -> Conditions:
        """Conditions of all branches, (B, T, ...) -> (G * B, T, ...)."""
        avatar, user = ([getattr(branch, name) for branch in self.branches] for name in _SIGHTS)
        return Conditions(
            _seen(conditions.avatar_audio, avatar),
            _seen(conditions.user_audio, user),
            _seen(conditions.user_motion, user),
        )

    def combine(self, velocity: Tensor) -> Tensor:
        """The guided velocity, (G * B, T, M) -> (B, T, M)."""
        first, *more = velocity.chunk(len(self.branches))
        combined = first * self.branches[0].share
        for branch, guess in zip(self.branches[1:], more, strict=True):
            combined = torch.add(combined, guess, alpha=branch.share)
        return combined


def _seen(x: Tensor, by: list[bool]) -> Tensor:
    """A condition for all branches, null for those that do not see it: (B, ...) -> (G * B, ...)."""
    null = torch.zeros_like(x)
    return torch.cat([x if sees else null for sees in by])


_SIGHTS = ("sees_avatar", "sees_user")
