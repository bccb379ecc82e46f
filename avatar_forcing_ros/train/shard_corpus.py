# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Prepared recordings as a corpus. Every pair of people gives two conversations; each person is the avatar in one."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.channels import HIGH, LOW
from avatar_forcing_ros.recordings.clip import pieces
from avatar_forcing_ros.recordings.manifest import DatasetInfo, ManifestEntry, digest
from avatar_forcing_ros.recordings.shards import Dataset, DatasetError, Shard
from avatar_forcing_ros.train.corpus import Corpus
from avatar_forcing_ros.train.lazy_rows import ExpandedRows, FileRows, Piece
from avatar_forcing_ros.train.scaling import LatentScale

_SCALED_PIECES = 2000
"""Number of pieces from which the scale is computed: enough for mean and deviation, at most 0.5 GB of latents."""


@dataclass(frozen=True)
class RecordedCorpora:
    """What a folder of prepared recordings holds.

    Attributes:
        info: description of the dataset.
        train: the corpus to train on.
        held_out: a corpus of other recordings; None if there are too few to spare one.
        silence: (F,) audio features of silence.
        fingerprint: hash that changes with every clip.
    """

    info: DatasetInfo
    train: Corpus
    held_out: Corpus | None
    silence: NDArray[np.float32]
    fingerprint: str

    def scale(self) -> LatentScale:
        """Units of the network: mean and deviation over the training recordings."""
        motion = np.asarray(self.train.motion[:: -(-self.train.conversations // _SCALED_PIECES)])
        if self.info.motion_space == "facemesh":
            return LatentScale.of(motion, HIGH - LOW)
        # Unnamed numbers have no ranges. The mean deviation stands in for them, so that none is blown up.
        return LatentScale.of(motion, np.full(motion.shape[-1], motion.std(axis=(0, 1)).mean()))


@dataclass(frozen=True)
class _Conversation:
    """One piece, with one of the two people as the avatar."""

    motion: NDArray[np.float32]
    reference: NDArray[np.float32]
    user_motion: NDArray[np.float32]
    user_valid: NDArray[np.bool_]
    own: Piece
    other: Piece


def read_corpora(folder: Path, held_out_share: float = 0.1) -> RecordedCorpora:
    """Open prepared recordings; features stay in their files.

    Args:
        folder: prepared recordings, as `avatar-forcing prepare` writes them.
        held_out_share: share of the recordings to hold out. Their ids decide which, so new recordings do not move old
            ones.

    Raises:
        DatasetError: the folder does not exist or holds nothing to train on.
    """
    dataset = Dataset(folder)
    info = dataset.info()
    length = int(info.settings["rules"]["piece_frames"])
    kept = [e for e in dataset.entries().values() if e.is_kept and e.fingerprint == info.fingerprint]
    held = _spared({entry.recording for entry in kept}, held_out_share)
    train = _corpus(dataset, info, [entry for entry in kept if entry.recording not in held], length)
    if train is None:
        raise DatasetError(f"{folder}: expected clips to train on, got none of {len(kept)} that were kept")
    spared = _corpus(dataset, info, [entry for entry in kept if entry.recording in held], length)
    told = repr([(entry.clip, entry.request, dict(entry.sources)) for entry in kept])
    return RecordedCorpora(info, train, spared, dataset.silence(), digest(info.fingerprint + told))


def _spared(recordings: set[str], share: float) -> set[str]:
    """Recordings to hold out; none if the share comes to less than one."""
    if len(recordings) * share < 1:
        return set()
    return {recording for recording in recordings if zlib.crc32(recording.encode()) / 2**32 < share}


def _corpus(dataset: Dataset, info: DatasetInfo, entries: list[ManifestEntry], length: int) -> Corpus | None:
    """All pieces of some clips, or None if there are none."""
    found = [conversation for entry in entries for conversation in _conversations(dataset, entry.clip, length)]
    if not found:
        return None
    directions = dataset.directions()

    def latents(rows: NDArray[np.float32]) -> Any:
        return rows if directions is None else ExpandedRows(rows, directions)

    def features(side: str) -> Any:
        return FileRows([getattr(conversation, side) for conversation in found], length, info.feature_size)

    reference = np.stack([conversation.reference for conversation in found])
    return Corpus(
        motion=latents(np.stack([conversation.motion for conversation in found])),
        reference=reference if directions is None else reference @ directions.T,
        avatar_features=features("own"),
        user_features=features("other"),
        user_motion=latents(np.stack([conversation.user_motion for conversation in found])),
        user_valid=np.stack([conversation.user_valid for conversation in found]),
    )


def _conversations(dataset: Dataset, clip: str, length: int) -> Iterator[_Conversation]:
    """The pieces of a clip, first with person a as the avatar, then with b."""
    shard, path = dataset.read_shard(clip), dataset.features_path(clip)
    for avatar, user in ((0, 1), (1, 0)):
        starts = pieces(shard.stretch[avatar], length).tolist()
        if not starts:
            continue
        reference = rest(shard, avatar)
        for start in starts:
            span = slice(start, start + length)
            yield _Conversation(
                motion=shard.motion[avatar, span],
                reference=reference,
                user_motion=shard.seen[user, span],
                user_valid=shard.seen_valid[user, span],
                own=Piece(path, avatar, start),
                other=Piece(path, user, start),
            )


def rest(shard: Shard, person: int) -> NDArray[np.float32]:
    """(U,) a person at rest: the real frame nearest to the mean of all their frames."""
    motion = shard.motion[person, shard.stretch[person] >= 0]
    spread = motion.std(axis=0) + 1e-6
    distance = np.square((motion - np.median(motion, axis=0)) / spread).sum(axis=1)
    return motion[distance.argmin()]
