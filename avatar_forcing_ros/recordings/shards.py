# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Prepared recordings on disk: a shard for each clip, a manifest with the outcome for each clip, and the settings.

    dataset.json      settings, sizes, counts
    manifest.jsonl    one line per clip: kept or skipped and why, lengths, SHA-256 of its sources
    silence.npy       (F,) features of silence
    directions.npy    (M, U) coefficients -> motion latents, where the motion space has any
    clips/ID.npz      motion of both people
    clips/ID.features.npy    (2, T, F) float16, audio features of both voices

Every file appears under its name complete or not at all, and a manifest line is written after its shard, so a run that
was killed can continue where it was.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.bundle import sha256_of
from avatar_forcing_ros.recordings.manifest import DatasetInfo, ManifestEntry, Source, as_line, entry_of

DATASET, MANIFEST, CLIPS, LOCK = "dataset.json", "manifest.jsonl", "clips", ".lock"
SILENCE, DIRECTIONS = "silence.npy", "directions.npy"


class DatasetError(ValueError):
    """A folder of prepared recordings is missing, damaged or made with other settings; the message says which."""


@dataclass(frozen=True)
class Shard:
    """Two people during one clip of T frames; the first axis of all arrays is (a, b).

    Attributes:
        motion: (2, T, U) float32, with hindsight.
        stretch: (2, T) number of the uninterrupted stretch, -1 where there is no motion.
        seen: (2, T, U) float32, as the live avatar would see them.
        seen_valid: (2, T) bool.
    """

    motion: NDArray[np.float32]
    stretch: NDArray[np.int64]
    seen: NDArray[np.float32]
    seen_valid: NDArray[np.bool_]


class Dataset:
    """A folder of prepared recordings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._hashes: dict[tuple[Path, int, int], str] = {}
        self._is_cut_short = True

    # --- writing ---------------------------------------------------------------------------------------------------

    @contextmanager
    def writing(self, info: DatasetInfo, tables: Mapping[str, NDArray[np.float32]]) -> Iterator[None]:
        """Make the folder or continue in it, as its only writer; remains of interrupted writes are removed.

        Args:
            info: settings of all clips.
            tables: SILENCE and, if the motion space has any, DIRECTIONS.

        Raises:
            DatasetError: another process is writing.
        """
        (self.folder / CLIPS).mkdir(parents=True, exist_ok=True)
        with (self.folder / LOCK).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DatasetError(f"{self.folder}: another process is writing there: wait for it or end it") from None
            for partial in self.folder.rglob("*.partial"):
                partial.unlink()
            for name, table in tables.items():
                _save(self.folder / name, table)
            self.write_info(info)
            yield

    def write_info(self, info: DatasetInfo) -> None:
        """Write or replace `dataset.json`."""
        _replace_text(self.folder / DATASET, json.dumps(asdict(info), indent=2, default=str) + "\n")

    def write_shard(self, clip: str, shard: Shard, features: NDArray[np.float16]) -> None:
        """Write one clip: `features` (2, T, F) first, so that if the motion is there, the clip is complete."""
        _save(self.features_path(clip), features)
        partial = self._motion_path(clip).with_suffix(".partial")
        with partial.open("wb") as file:
            np.savez(file, **vars(shard))
        partial.replace(self._motion_path(clip))

    def append(self, entry: ManifestEntry) -> None:
        """Add a line to the manifest, even after one that was cut short; it is on disk when this returns."""
        with (self.folder / MANIFEST).open("a", encoding="utf-8") as file:
            file.write("\n" * self._is_cut_short + as_line(entry))
            self._is_cut_short = False
            file.flush()
            os.fsync(file.fileno())

    def adopt(self, other: Dataset) -> int:
        """Adopt the clips of another dataset that this one does not have; returns their number.

        Files are linked if possible, else copied; the other dataset stays as it is.
        """
        known, taken = self.entries(), 0
        for clip, entry in other.entries().items():
            if clip in known or (entry.is_kept and not other.has_shard(clip)):
                continue
            if entry.is_kept:
                for mine, theirs in zip(reversed(self._paths(clip)), reversed(other._paths(clip)), strict=True):
                    _link(theirs, mine)
            self.append(entry)
            taken += 1
        return taken

    def tidy(self, entries: Iterable[ManifestEntry]) -> None:
        """Keep only these entries in the manifest, and only their shards in the folder."""
        entries = list(entries)
        _replace_text(self.folder / MANIFEST, "".join(as_line(entry) for entry in entries))
        kept = {path for entry in entries if entry.is_kept for path in self._paths(entry.clip)}
        for path in set((self.folder / CLIPS).iterdir()) - kept:
            path.unlink()

    # --- reading ---------------------------------------------------------------------------------------------------

    def info(self) -> DatasetInfo:
        """The settings of all clips.

        Raises:
            DatasetError: there is no valid dataset.
        """
        try:
            return DatasetInfo(**json.loads((self.folder / DATASET).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise DatasetError(
                f"{self.folder}: expected what `avatar-forcing prepare` writes, with a {DATASET}: {error}"
            ) from None

    def entries(self) -> dict[str, ManifestEntry]:
        """The latest entry of each clip, by id; lines that were cut short are ignored."""
        path = self.folder / MANIFEST
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        found = (entry_of(line) for line in lines)
        return {entry.clip: entry for entry in found if entry is not None}

    def has_shard(self, clip: str) -> bool:
        """Whether both files of a clip are there."""
        return all(path.exists() for path in self._paths(clip))

    def read_shard(self, clip: str) -> Shard:
        """The motion of a clip; that its features are whole, too, is checked without reading them.

        Raises:
            DatasetError: one of its files is missing or damaged.
        """
        path = self._motion_path(clip)
        with _told(path), np.load(path) as arrays:
            shard = Shard(**{f.name: arrays[f.name] for f in fields(Shard)})
        with _told(self.features_path(clip)):
            frames, expected = np.load(self.features_path(clip), mmap_mode="r").shape[1], shard.stretch.shape[1]
            if frames != expected:
                raise ValueError(f"expected {expected} frames, got {frames}")
        return shard

    def features_path(self, clip: str) -> Path:
        """The file of a clip's features, (2, T, F) float16."""
        return self.folder / CLIPS / f"{clip}.features.npy"

    def silence(self) -> NDArray[np.float32]:
        """(F,) features of silence."""
        with _told(self.folder / SILENCE):
            return np.load(self.folder / SILENCE)

    def directions(self) -> NDArray[np.float32] | None:
        """(M, U) coefficients -> motion latents, or None if users and avatars share their latents."""
        path = self.folder / DIRECTIONS
        with _told(path):
            return np.load(path) if path.exists() else None

    def source(self, path: Path, before: Source | None = None) -> Source:
        """The present state of a file; it is read only if its size or time differs from that of `before`."""
        if not path.is_file():
            return Source(None, None, None)
        stat = path.stat()
        if before is not None and (before.bytes, before.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
            return before
        key = (path, stat.st_size, stat.st_mtime_ns)
        if key not in self._hashes:
            self._hashes[key] = sha256_of(path)
        return Source(self._hashes[key], stat.st_size, stat.st_mtime_ns)

    def _paths(self, clip: str) -> tuple[Path, Path]:
        return self._motion_path(clip), self.features_path(clip)

    def _motion_path(self, clip: str) -> Path:
        return self.folder / CLIPS / f"{clip}.npz"


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """What is wrong with a file of a dataset, in one line that names it.

    Raises:
        DatasetError: it cannot be read.
    """
    try:
        yield
    except (OSError, ValueError, LookupError, EOFError, BadZipFile) as error:
        why = " ".join(str(error).split())[:200] or type(error).__name__
        raise DatasetError(
            f"{path}: missing or damaged ({why}): copy the folder again, or delete the clip's files and run "
            "avatar-forcing prepare"
        ) from None


def _link(source: Path, place: Path) -> None:
    partial = place.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    try:
        os.link(source, partial)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, partial)
    partial.replace(place)


def _replace_text(path: Path, text: str) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def _save(path: Path, array: NDArray) -> None:
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.save(file, array)
    partial.replace(path)
