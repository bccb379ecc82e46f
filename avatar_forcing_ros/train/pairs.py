# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Pairs for preference optimisation: what the avatar did, and what the model does when it ignores the user."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.generator.sampler import SamplerConfig
from avatar_forcing_ros.network.model import AvatarForcingNetwork
from avatar_forcing_ros.train.clips import ClipBatch, ClipConfig, ClipSampler
from avatar_forcing_ros.train.corpus import Corpus
from avatar_forcing_ros.train.scaling import LatentScale
from avatar_forcing_ros.train.streaming import heard_in, stream_motion

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PairConfig:
    """How losing motion is made.

    Attributes:
        conversations: how many of the corpus, from the first on; each gives one losing motion.
        batch: conversations generated in parallel.
        steps: solver steps per block.
        seed: seed of the noise.
    """

    conversations: int = 240
    batch: int = 120
    steps: int = 4
    seed: int = 0


@dataclass(frozen=True)
class Pair:
    """Two batches that differ only in `motion`."""

    winner: ClipBatch
    loser: ClipBatch


class PairSampler:
    """Draws winners together with the losers of the same moments.

    Args:
        clips: draws the moments and cuts the winners.
        losing: (C, T, M) motion generated without the user, for every conversation of the sampler's corpus.
    """

    def __init__(self, clips: ClipSampler, losing: NDArray[np.float32]) -> None:
        if losing.shape != clips.corpus.motion.shape:
            raise ValueError(f"losing motion must be {clips.corpus.motion.shape}, got {losing.shape}")
        self.clips = clips
        self._losing = losing

    def draw(self, batch: int) -> Pair:
        """Draw pairs at random."""
        places = self.clips.places(batch)
        winner = self.clips.cut(places)
        return Pair(winner, replace(winner, motion=self.clips.motion(self._losing, places)))


def make_pairs(
    network: AvatarForcingNetwork,
    corpus: Corpus,
    scale: LatentScale,
    config: PairConfig,
    clips: ClipConfig,
    folder: Path,
    silence: NDArray[np.float32] | None = None,
) -> tuple[Corpus, NDArray[np.float32]]:
    """Cut the first conversations of a corpus to whole blocks, and generate motion for them that ignores the user.

    Args:
        network: network of stage 1, in evaluation mode.
        corpus: corpus of stage 1.
        scale: scale of its latents.
        config: how many, and how they are generated.
        clips: time alignment.
        folder: keeps the losing motion; if it holds that of the same weights, it is read instead.
        silence: as in `stream_motion`.

    Returns:
        The conversations and their losing motion, (C, T, M).
    """
    block = network.config.block_frames
    chosen = corpus.part(slice(config.conversations), corpus.frames // block * block)
    path = folder / f"losing_{_fingerprint(network, config)}.npz"
    if not path.exists():
        starts = range(0, chosen.conversations, config.batch)
        made = [_ignoring_the_user(network, chosen, start, scale, config, clips, silence) for start in starts]
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, motion=np.concatenate(made))
        partial.rename(path)
    return chosen, np.load(path)["motion"]


def _ignoring_the_user(
    network: AvatarForcingNetwork,
    corpus: Corpus,
    start: int,
    scale: LatentScale,
    config: PairConfig,
    clips: ClipConfig,
    silence: NDArray[np.float32] | None,
) -> NDArray[np.float32]:
    """(C, T, M) motion for some conversations, from the avatar's own speech alone."""
    part = corpus.part(slice(start, start + config.batch), corpus.frames)
    _log.info("motion without the user: %d of %d", start, corpus.conversations)
    sampler = SamplerConfig(config.steps, guidance_avatar=1.0, guidance_user=0.0, joint=True)
    return stream_motion(network, scale, sampler, heard_in(part), config.seed + start, clips, silence)


def _fingerprint(network: AvatarForcingNetwork, config: PairConfig) -> str:
    """A hash of the weights and the configuration."""
    digest = hashlib.sha256(str(config).encode())
    for tensor in network.state_dict().values():
        digest.update(tensor.detach().cpu().numpy().tobytes())
    return digest.hexdigest()[:12]
