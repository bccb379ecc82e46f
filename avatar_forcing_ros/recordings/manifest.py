# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What is kept about prepared recordings: settings once, and what became of every clip, line by line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class DatasetInfo:
    """What holds for all clips.

    Attributes:
        fingerprint: changes with every setting that changes a shard.
        model: the bundle that they were prepared for, by name or folder.
        motion_space: "facemesh" or "autoencoder".
        user_size: U, numbers per frame in the shards.
        feature_size: F.
        audio: as in a bundle's manifest.
        settings: the same as text, for people.
        counts: of clips and seconds, once a run is complete.
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
    """A file as it was: `sha256`, `bytes` and `mtime_ns`; all None when it was not there."""

    sha256: str | None
    bytes: int | None
    mtime_ns: int | None


@dataclass(frozen=True)
class ManifestEntry:
    """What became of one clip.

    Attributes:
        clip: its id.
        recording: the list's id of the recording that it is a part of.
        line: of the list.
        request: changes with what the list asks for.
        fingerprint: of the settings.
        start_s: first moment in the recording.
        frames: T, 0 when skipped.
        reason: why it was skipped; empty when it was kept.
        seen_share: share of the frames in which a and b were seen.
        usable_frames: frames within pieces long enough to train on, with a and with b as the avatar.
        sources: by path.
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
        """There is a shard."""
        return not self.reason


def digest(text: str) -> str:
    """Twelve hexadecimal digits that change with a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def as_line(entry: ManifestEntry) -> str:
    """One line of the manifest."""
    return json.dumps(asdict(entry)) + "\n"


def entry_of(line: str) -> ManifestEntry | None:
    """What a line says; None for one that was cut short."""
    try:
        values = json.loads(line)
        sources = {path: Source(**source) for path, source in values.pop("sources").items()}
        for name in ("seen_share", "usable_frames"):
            values[name] = tuple(values[name])
        return ManifestEntry(**values, sources=sources)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
