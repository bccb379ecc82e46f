# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How a block of motion is drawn: solver steps, guidance, and what steadies the motion. Numbers only, no network."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class AnchorConfig:
    """Strength of the pull; the defaults leave motion as it is. Lengths are shares of the reference's norm.

    Attributes:
        frame_pull: share of the way to the reference that every frame is moved; 0.1 steadies, 0.2 also flattens.
        gain: share of the drift beyond the dead band that is taken back per block; 0.25 is a good value.
        dead_band: length of drift that is left alone: living motion has a mean of its own.
        memory: weight of a new block in the running mean.
        largest_step: longest correction of one block.
    """

    frame_pull: float = 0.0
    gain: float = 0.0
    dead_band: float = 0.25
    memory: float = 0.08
    largest_step: float = 0.05

    def __post_init__(self) -> None:
        for name in ("frame_pull", "gain", "memory"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be within 0 and 1, got {getattr(self, name)}")
        for name in ("dead_band", "largest_step"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")

    @property
    def on(self) -> bool:
        """Whether it changes anything."""
        return self.frame_pull > 0 or self.gain > 0


@dataclass(frozen=True)
class Branch:
    """One guess of the velocity: which conditions it sees, and its share in the sum."""

    sees_avatar: bool
    sees_user: bool
    share: float


@dataclass(frozen=True)
class SamplerConfig:
    """How a block is drawn; the defaults are the published ones.

    Attributes:
        steps: Euler steps per block, one evaluation of the network each. The published "10 evaluations" are 8 steps,
            one that changes nothing and is left out here, and the pass that fills the cache.
        guidance_avatar: scale of the avatar's speech; 1 follows it, more exaggerates.
        guidance_user: scale of the user's voice and face; 0 ignores the user.
        joint: guidance starts from the guess that sees everything, instead of adding up separate ones; see `guidance`.
        anchor: pull toward the portrait's own motion; off as published.
        noise_scale: standard deviation of the noise that a block begins with, one for each number of the latent; empty
            is 1 for all, as published. A small network in few steps draws less variety than its data have; more noise
            brings rare motion back (blinks, nods, looks away), less takes motion without cause away.
        smoothing: how strongly each number of the latent is smoothed within a block and across its border; empty is not
            at all, as published. See `smoothing`.
        settling_s: over how many seconds each number of the latent comes back to the portrait's own; 0 and empty are
            never, as published. See `poise`.
        easing_frames: over how many frames each number is eased across the borders of blocks; empty is not at all. See
            `poise`.
        slack: how far each number may fall, in network units, before what is shown of it falls too; empty is not at
            all. See `poise`.
        at_rest_in_silence: 1 for numbers that are at the portrait's own while the avatar says nothing, else 0; empty is
            none, as published. Lips that nothing moves stay shut.
    """

    steps: int = 8
    guidance_avatar: float = 2.0
    guidance_user: float = 1.0
    joint: bool = False
    anchor: AnchorConfig = field(default_factory=AnchorConfig)
    noise_scale: tuple[float, ...] = ()
    smoothing: tuple[float, ...] = ()
    settling_s: tuple[float, ...] = ()
    easing_frames: tuple[float, ...] = ()
    slack: tuple[float, ...] = ()
    at_rest_in_silence: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1, got {self.steps}")
        for name in ("noise_scale", "smoothing", "settling_s", "easing_frames", "slack", "at_rest_in_silence"):
            numbers = tuple(getattr(self, name))
            object.__setattr__(self, name, numbers)  # YAML has lists
            if min(numbers, default=0.0) < 0:
                raise ValueError(f"{name} must not be negative, got {min(numbers)}")

    @property
    def branches(self) -> tuple[Branch, ...]:
        """The guesses that guidance asks for; see `guidance`."""
        form = joint_branches if self.joint else separate_branches
        return form(self.guidance_avatar, self.guidance_user)


def separate_branches(avatar: float, user: float) -> tuple[Branch, ...]:
    """Branches in the order null, avatar, user, less those without a share."""
    every = (
        Branch(sees_avatar=False, sees_user=False, share=1.0 - avatar - user),
        Branch(sees_avatar=True, sees_user=False, share=avatar),
        Branch(sees_avatar=False, sees_user=True, share=user),
    )
    return tuple(branch for branch in every if branch.share != 0)


def joint_branches(avatar: float, user: float) -> tuple[Branch, ...]:
    """Branches in the order all, avatar, user, less those without a share."""
    every = (
        Branch(sees_avatar=True, sees_user=True, share=avatar + user - 1.0),
        Branch(sees_avatar=True, sees_user=False, share=1.0 - user),
        Branch(sees_avatar=False, sees_user=True, share=1.0 - avatar),
    )
    return tuple(branch for branch in every if branch.share != 0)
