# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Held-out conversations, and all measures of motion that is generated for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.audio.log_mel import LogMel
from avatar_forcing_ros.evaluation.measures import MEASURES, Measure
from avatar_forcing_ros.evaluation.observed import Observed, States
from avatar_forcing_ros.metrics.interval import Estimate, bootstrap
from avatar_forcing_ros.simulation.conversation import Conversation, ConversationConfig, ConversationSimulator
from avatar_forcing_ros.train.streaming import Heard

HELD_OUT_SEED = 777_000
"""Seed of the conversations by which recipe and sampler were chosen; for conversations that had no influence on that,
use other seeds."""


@dataclass(frozen=True)
class HeldOut:
    """Conversations that no training has seen, with other seeds and other voices."""

    conversations: tuple[Conversation, ...]

    @property
    def truth(self) -> NDArray[np.float32]:
        """(C, T, 18) the avatar's true motion."""
        return np.stack([c.motion for c in self.conversations])

    @property
    def heard(self) -> Heard:
        """What the avatar hears and sees."""
        names = ("avatar_features", "user_features", "user_motion", "user_valid", "reference")
        return Heard(*(np.stack([getattr(c, name) for c in self.conversations]) for name in names))

    def without_user_motion(self) -> Heard:
        """The same with the camera off, so that the user is only heard; the paper's ablation of m_u."""
        heard = self.heard
        return replace(heard, user_motion=heard.user_motion * 0, user_valid=heard.user_valid & False)

    def without_user(self) -> Heard:
        """The same with nobody there."""
        heard = self.without_user_motion()
        return replace(heard, user_features=np.broadcast_to(LogMel().silence, heard.user_features.shape))


def held_out(
    count: int, seed: int = HELD_OUT_SEED, config: ConversationConfig | None = None, films: Path | None = None
) -> HeldOut:
    """Simulate conversations with voices that are kept from training: espeak-ng's, because flite has too few.

    Args:
        count: number of conversations.
        seed: seed of the simulation.
        config: all other settings.
        films: folder that caches the motion read from filmed users; see `ConversationSimulator`.
    """
    unheard = replace(config or ConversationConfig(), held_out_voices=True, flite_share=0.0)
    simulator = ConversationSimulator(unheard, seed, films)
    return HeldOut(tuple(simulator.make(index) for index in range(count)))


def evaluate(data: HeldOut, generated: NDArray[np.float32], block_frames: int) -> dict[str, float]:
    """All measures of generated motion (C, T, 18), by key; applied to the truth, it gives the figures to reach."""
    observed = [seeds[0] for seeds in observe(data, generated[None], block_frames)]
    return {measure.key: measure.of(observed) for measure in MEASURES}


def observe(
    data: HeldOut, generated: NDArray[np.float32], block_frames: int, states: States | None = None
) -> list[tuple[Observed, ...]]:
    """Observe the S samples of each conversation.

    Args:
        data: C conversations.
        generated: (S, C, T, 18) motion, sampled with S seeds.
        block_frames: the model's block length, for what happens at the borders of blocks.
        states: clusters of the true motion, if they are known already.
    """
    states = states or States.of(data.truth.reshape(-1, data.truth.shape[-1]))
    return [
        tuple(Observed(conversation, sample[number], block_frames, states) for sample in generated)
        for number, conversation in enumerate(data.conversations)
    ]


def estimate(
    observed: Sequence[tuple[Observed, ...]], resamples: int, measures: Sequence[Measure] = MEASURES
) -> dict[str, Estimate]:
    """All measures with confidence intervals over conversations; samples of one conversation stay together."""
    return {
        m.key: bootstrap(lambda drawn, m=m: m.of([one for seeds in drawn for one in seeds]), observed, resamples)  # type: ignore[misc]
        for m in measures
    }
