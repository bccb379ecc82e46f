# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The records of a prepared dataset: its settings, and a line for each clip with the outcome."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class DatasetInfo:
    """The settings that all clips share.

    Attributes:
        fingerprint: changes with every setting that changes a shard.
        model: the bundle that the clips were prepared for, by name or folder.
        motion_space: "facemesh" or "autoencoder".
        user_size: U, numbers per frame in the shards.
        feature_size: F, size of an audio feature frame.
        audio: kind of audio features, as in a bundle's manifest.
        settings: the settings behind the fingerprint, for people to read.
        counts: numbers of clips and hours, once a run is complete.
    """

    fingerprint: str
    model: str
    motion_space: str
    user_size: int
    feature_size: int
    audio: Mapping[str, Any]
    settings: Mapping[str, Any]
    counts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """The state of a file: `sha256`, `bytes` and `mtime_ns`; all None if it was missing."""

    sha256: str | None
    bytes: int | None
    mtime_ns: int | None


@dataclass(frozen=True)
class ManifestEntry:
    """The outcome for one clip.

    Attributes:
        clip: id of the clip.
        recording: id of its recording in the list.
        line: line of the recording in the list.
        request: digest of what the list asks for.
        fingerprint: fingerprint of the settings.
        start_s: first moment in the recording, in seconds.
        frames: T, 0 if it was skipped.
        reason: why it was skipped; empty if it was kept.
        seen_share: share of the frames in which a and b were seen.
        usable_frames: frames within pieces long enough to train on, with a and with b as the avatar.
        sources: state of each source file, by path.
    """

    clip: str
    recording: str
    line: int
    request: str
    fingerprint: str
    start_s: float
    frames: int
    reason: str
    seen_share: tuple[float, float]
    usable_frames: tuple[int, int]
    sources: Mapping[str, Source]

    @property
    def is_kept(self) -> bool:
        """Whether there is a shard."""
        return not self.reason


def digest(text: str) -> str:
    """A digest of a text, twelve hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def as_line(entry: ManifestEntry) -> str:
    """An entry as a line of the manifest."""
    return json.dumps(asdict(entry)) + "\n"


def entry_of(line: str) -> ManifestEntry | None:
    """The entry in a line; None if the line was cut short."""
    try:
        values = json.loads(line)
        sources = {path: Source(**source) for path, source in values.pop("sources").items()}
        for name in ("seen_share", "usable_frames"):
            values[name] = tuple(values[name])
        return ManifestEntry(**values, sources=sources)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
