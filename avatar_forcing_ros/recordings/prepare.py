# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Turns recordings of pairs of people into shards for training.

A clip that cannot be used is skipped, with the reason in the manifest. An interrupted run continues with the first clip
that has no manifest line; a clip is read again if its files, its entry in the list or the settings have changed.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.bundle import NOISE_AS_SILENCE, ModelBundle, load_bundle
from avatar_forcing_ros.motion.autoencoder.space import AutoencoderSpace
from avatar_forcing_ros.motion.facemesh.reading.encoder import EncoderConfig
from avatar_forcing_ros.network.config import NetworkConfig
from avatar_forcing_ros.recordings.clip import ClipRules, ClipSpan, divide, stream_features
from avatar_forcing_ros.recordings.dyads import Dyad, read_dyads
from avatar_forcing_ros.recordings.faces import StretchConfig
from avatar_forcing_ros.recordings.manifest import DatasetInfo, ManifestEntry, digest
from avatar_forcing_ros.recordings.shards import DIRECTIONS, SILENCE, Dataset
from avatar_forcing_ros.recordings.workers import Job, read_all
from avatar_forcing_ros.signals import FPS
from avatar_forcing_ros.timeline.grid import FRAME_SAMPLES

_log = logging.getLogger(__name__)
_SILENT_FRAMES = 75
"""After this much silence, the features of every model have settled."""
_LAYOUT = 1
"""Version of the shards' layout; raising it invalidates older shards."""


SHARES = "shares"
"""Subfolder of a dataset, into which other machines read their parts of the list."""


@dataclass(frozen=True)
class Share:
    """One of `count` equal parts of a list, counted from 1.

    Raises:
        ValueError: there is no such part.
    """

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise ValueError(
                f"expected a part such as 1/4, from 1 to how many there are; got {self.number}/{self.count}"
            )

    def of(self, dyads: list[Dyad]) -> list[Dyad]:
        """Every `count`-th recording, so that long lists sorted by length are shared fairly."""
        return dyads[self.number - 1 :: self.count]

    def folder(self, dataset: Path) -> Path:
        """Folder that this part is read into."""
        return dataset / SHARES / f"{self.number}_of_{self.count}"


def prepare(
    listed: Path,
    folder: Path,
    model: str,
    rules: ClipRules,
    least_frames: Callable[[NetworkConfig], int],
    workers: int = 1,
    share: Share | None = None,
) -> dict[str, float]:
    """Read every recording of a list that is not yet in the dataset or in one of its shares.

    Args:
        listed: the list, see `dyads`.
        folder: folder of the dataset.
        model: name or folder of the bundle whose motion space and audio features to use.
        rules: how clips are cut and checked.
        least_frames: gives the least number of frames that a network needs in a piece.
        workers: number of processes that read in parallel.
        share: part of the list to read, into a subfolder of its own, so that other machines can read the other parts
            at the same time; a later run without a share adopts them all.

    Returns:
        Counts, as in `dataset.json`.

    Raises:
        DyadListError: the list is wrong; nothing has been done.
        BundleError: there is no such model.
        ValueError: the pieces are too short for the model.
    """
    dyads = read_dyads(listed)
    bundle = load_bundle(model)
    least = least_frames(bundle.manifest.network)
    if rules.piece_frames < least:
        got = f"{rules.piece_frames / FPS:g} s"
        raise ValueError(f"this model learns from pieces of at least {least / FPS:g} s, got {got}")
    info = describe(bundle, model, rules)
    if share is not None:
        dyads, folder = share.of(dyads), share.folder(folder)
    dataset = Dataset(folder)
    with dataset.writing(info, _tables(bundle)):
        spans = [span for dyad in dyads for span in _spans(dyad, rules)]
        taken = sum(dataset.adopt(Dataset(other)) for other in sorted(folder.glob(f"{SHARES}/*")) if other.is_dir())
        if taken:
            _log.info("%d clips taken over from shares", taken)
        _read_missing(dataset, spans, Job(folder, model, rules, info.fingerprint), workers)
        entries = dataset.entries()
        dataset.tidy(entries[span.clip] for span in spans)
        counts = _counts([entries[span.clip] for span in spans])
        dataset.write_info(replace(info, counts=counts))
    return counts


def _read_missing(dataset: Dataset, spans: Sequence[ClipSpan], job: Job, workers: int) -> None:
    """Read the clips that are missing from the dataset or out of date."""
    before = dataset.entries()
    todo = [span for span in spans if not _is_done(dataset, span, before.get(span.clip), job.fingerprint)]
    _log.info("%d clips, %d of them to read", len(spans), len(todo))
    progress = _Progress(todo)
    for entry in read_all(job, todo, workers):
        dataset.append(entry)
        progress.tell(entry)


def describe(bundle: ModelBundle, model: str, rules: ClipRules) -> DatasetInfo:
    """The settings for clips read for this model; its network does not matter."""
    manifest = bundle.manifest
    weights = {
        name: value
        for name, value in manifest.weights.items()
        if name != "model.safetensors" and not name.startswith("onnx/")
    }
    # A recorded voice serves as the avatar's and as the user's, so this setting of the avatar's own voice is left out.
    audio = {key: value for key, value in manifest.audio.items() if key != NOISE_AS_SILENCE}
    settings = {
        "layout": _LAYOUT,
        "motion_space": manifest.motion_space,
        "audio": audio,
        "block_frames": manifest.network.block_frames,
        "weights": weights,
        "rules": asdict(rules),
        "stretches": asdict(StretchConfig()),
        "encoder": asdict(EncoderConfig()),
    }
    return DatasetInfo(
        fingerprint=hashlib.sha256(repr(settings).encode()).hexdigest()[:12],
        model=str(Path(model).resolve()) if Path(model).is_dir() else model,
        motion_space=manifest.motion_space,
        user_size=bundle.space.user_size,
        feature_size=manifest.network.audio_feature_size,
        audio=audio,
        settings=settings,
    )


def _tables(bundle: ModelBundle) -> dict[str, NDArray[np.float32]]:
    """What training needs from the model besides the clips."""
    quiet = np.zeros(_SILENT_FRAMES * FRAME_SAMPLES, np.float32)
    tables = {SILENCE: stream_features(bundle.make_audio_stream, quiet, bundle.manifest.network.block_frames)[-1]}
    if isinstance(bundle.space, AutoencoderSpace):
        tables[DIRECTIONS] = bundle.space.runtime.directions
    return tables


def _spans(dyad: Dyad, rules: ClipRules) -> list[ClipSpan]:
    """The clips of a recording; if it cannot be divided, one clip without frames."""
    try:
        return divide(dyad, rules)
    except ValueError:
        return [ClipSpan(dyad.id, dyad, dyad.start_s, 0)]


def _is_done(dataset: Dataset, span: ClipSpan, entry: ManifestEntry | None, fingerprint: str) -> bool:
    """Whether a clip has been read or skipped before, from the same files with the same settings."""
    if entry is None or (entry.request, entry.fingerprint) != (digest(span.request), fingerprint):
        return False
    if entry.is_kept and not dataset.has_shard(span.clip):
        return False
    hashes = {path: source.sha256 for path, source in entry.sources.items()}
    return hashes == {str(path): dataset.source(path, entry.sources.get(str(path))).sha256 for path in span.dyad.files}


def _counts(entries: Sequence[ManifestEntry]) -> dict[str, float]:
    """Numbers of clips and hours; training hours count both people, since each serves as the avatar once."""
    kept = [entry for entry in entries if entry.is_kept]
    hour = FPS * 3600
    return {
        "clips": len(entries),
        "kept": len(kept),
        "skipped": len(entries) - len(kept),
        "hours": round(sum(entry.frames for entry in kept) / hour, 4),
        "training_hours": round(sum(sum(entry.usable_frames) for entry in kept) / hour, 4),
    }


class _Progress:
    """Logs after each clip how many are done and how long the rest will take."""

    def __init__(self, todo: Sequence[ClipSpan]) -> None:
        self._frames = {span.clip: span.frames for span in todo}
        self._left = sum(self._frames.values())
        self._total = len(todo)
        self._clips = self._done = 0
        self._began = time.monotonic()

    def tell(self, entry: ManifestEntry) -> None:
        """Log that one more clip is done."""
        frames = self._frames[entry.clip]
        self._clips, self._done, self._left = self._clips + 1, self._done + frames, self._left - frames
        pace = (time.monotonic() - self._began) / max(1, self._done)
        said = "kept" if entry.is_kept else f"skipped: {entry.reason}"
        _log.info("%d of %d, %.0f min left | %s %s", self._clips, self._total, self._left * pace / 60, entry.clip, said)
