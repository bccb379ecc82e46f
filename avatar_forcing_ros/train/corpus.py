# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Simulated conversations as arrays: made once, in shards on disk, then held in memory for training.

Equal configurations give equal shards.
"""

from __future__ import annotations

import hashlib
import logging
import multiprocessing
import os
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.simulation.conversation import ConversationConfig, ConversationSimulator

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CorpusConfig:
    """How much is simulated.

    Attributes:
        conversations: how many.
        seed: seed of the simulation.
        shard_conversations: conversations per file.
        conversation: how each is made.
    """

    conversations: int = 780
    seed: int = 1
    shard_conversations: int = 20
    conversation: ConversationConfig = field(default_factory=ConversationConfig)

    @property
    def fingerprint(self) -> str:
        """A hash of every setting that changes the arrays. It does not cover the code."""
        text = f"{self.seed} {self.shard_conversations} {self.conversation}"
        return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Corpus:
    """C conversations of T frames, as in `Conversation`; features are stored as float16.

    Attributes:
        motion: (C, T, 18) float32.
        reference: (C, 18) float32.
        avatar_features: (C, T, 320) float16.
        user_features: (C, T, 320) float16.
        user_motion: (C, T, 18) float32.
        user_valid: (C, T) bool.
    """

    motion: NDArray[np.float32]
    reference: NDArray[np.float32]
    avatar_features: NDArray[np.float16]
    user_features: NDArray[np.float16]
    user_motion: NDArray[np.float32]
    user_valid: NDArray[np.bool_]

    @property
    def conversations(self) -> int:
        """C, the number of conversations."""
        return self.motion.shape[0]

    @property
    def frames(self) -> int:
        """T, the frames of each conversation."""
        return self.motion.shape[1]

    def part(self, conversations: slice, frames: int) -> Corpus:
        """The first `frames` frames of some conversations."""
        arrays = {f.name: getattr(self, f.name)[conversations] for f in fields(self)}
        return Corpus(**{name: array if name == "reference" else array[:, :frames] for name, array in arrays.items()})


@dataclass(frozen=True)
class _Shard:
    config: CorpusConfig
    folder: Path
    first: int
    count: int

    @property
    def path(self) -> Path:
        return self.folder / f"{self.config.fingerprint}_{self.first:05d}_{self.count}.npz"


def _stack(config: CorpusConfig, first: int, count: int, folder: Path) -> Corpus:
    """Simulate some conversations, in order."""
    simulator = ConversationSimulator(config.conversation, config.seed, folder / f"{config.fingerprint}_films")
    made = [simulator.make(index) for index in range(first, first + count)]
    arrays = {f.name: np.stack([getattr(conversation, f.name) for conversation in made]) for f in fields(Corpus)}
    for name in ("avatar_features", "user_features"):
        arrays[name] = arrays[name].astype(np.float16)
    return Corpus(**arrays)


def _write(shard: _Shard) -> Path:
    """Make one shard unless it exists. An interrupted write leaves no file under the final name."""
    if not shard.path.exists():
        corpus = _stack(shard.config, shard.first, shard.count, shard.folder)
        partial = shard.path.with_suffix(f".{os.getpid()}.partial.npz")
        np.savez(partial, **{f.name: getattr(corpus, f.name) for f in fields(Corpus)})
        partial.rename(shard.path)
    return shard.path


def build_corpus(config: CorpusConfig, folder: Path, workers: int = 1) -> Corpus:
    """Simulate the shards that `folder` does not hold yet, then read all of them.

    Args:
        config: how much to simulate, and how.
        folder: where shards are kept, named by the fingerprint of the configuration.
        workers: processes that simulate in parallel.
    """
    folder.mkdir(parents=True, exist_ok=True)
    size = config.shard_conversations
    firsts = range(0, config.conversations, size)
    shards = [_Shard(config, folder, first, min(size, config.conversations - first)) for first in firsts]
    # One process per shard: the output of espeak-ng depends a little on what it said before.
    with multiprocessing.get_context("spawn").Pool(workers, maxtasksperchild=1) as pool:
        paths = []
        for path in pool.imap(_write, shards, chunksize=1):
            paths.append(path)
            _log.info("conversations: %d of %d", min(len(paths) * size, config.conversations), config.conversations)
    made = [np.load(path) for path in paths]
    return Corpus(**{f.name: np.concatenate([shard[f.name] for shard in made]) for f in fields(Corpus)})
