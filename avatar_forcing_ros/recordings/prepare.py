# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Recordings of pairs of people -> shards to train on.

A clip that cannot be used is skipped, with the reason in the manifest. A run that was interrupted, by whatever, goes on
with the first clip that has no manifest line; a clip is read anew when its files, its entry in the list or the settings
have changed.
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
"""After so much silence the features of every model have settled."""
_LAYOUT = 1
"""Version of the shards; a new number makes older ones count as made with other settings."""


SHARES = "shares"
"""Folder of a dataset in which other machines read their parts of the list."""


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
        """Where this part is read to."""
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
    """Read every recording of a list that is not in the folder yet, or in those of its shares.

    Args:
        listed: see `dyads`.
        folder: of the dataset.
        model: name or folder of the bundle whose motion space and audio features are wanted.
        rules: for clips.
        least_frames: how many frames a piece must have for a network to learn from it.
        workers: processes that read side by side.
        share: reads only a part of the list, into a folder of its own below `folder`, so that other machines can read
            the others at the same time. Whoever reads without a share afterwards takes over what they have read.

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
    """Read the clips that the dataset does not have as they are now."""
    before = dataset.entries()
    todo = [span for span in spans if not _is_done(dataset, span, before.get(span.clip), job.fingerprint)]
    _log.info("%d clips, %d of them to read", len(spans), len(todo))
    progress = _Progress(todo)
    for entry in read_all(job, todo, workers):
        dataset.append(entry)
        progress.tell(entry)


def describe(bundle: ModelBundle, model: str, rules: ClipRules) -> DatasetInfo:
    """What holds for all clips read for this model; its network does not count."""
    manifest = bundle.manifest
    weights = {
        name: value
        for name, value in manifest.weights.items()
        if name != "model.safetensors" and not name.startswith("onnx/")
    }
    # A recorded voice is at once somebody's own and the other's, so its features are those of any voice.
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
    """What training needs of the model beside the clips."""
    quiet = np.zeros(_SILENT_FRAMES * FRAME_SAMPLES, np.float32)
    tables = {SILENCE: stream_features(bundle.make_audio_stream, quiet, bundle.manifest.network.block_frames)[-1]}
    if isinstance(bundle.space, AutoencoderSpace):
        tables[DIRECTIONS] = bundle.space.runtime.directions
    return tables


def _spans(dyad: Dyad, rules: ClipRules) -> list[ClipSpan]:
    """The clips of a recording; one without frames for a recording that cannot be divided."""
    try:
        return divide(dyad, rules)
    except ValueError:
        return [ClipSpan(dyad.id, dyad, dyad.start_s, 0)]


def _is_done(dataset: Dataset, span: ClipSpan, entry: ManifestEntry | None, fingerprint: str) -> bool:
    """A clip was read or skipped before, from the same files with the same settings."""
    if entry is None or (entry.request, entry.fingerprint) != (digest(span.request), fingerprint):
        return False
    if entry.is_kept and not dataset.has_shard(span.clip):
        return False
    hashes = {path: source.sha256 for path, source in entry.sources.items()}
    return hashes == {str(path): dataset.source(path, entry.sources.get(str(path))).sha256 for path in span.dyad.files}


def _counts(entries: Sequence[ManifestEntry]) -> dict[str, float]:
    """Clips and hours; hours of training count each of the two people as the avatar once."""
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
    """Says after each clip how far it is and how long it will take."""

    def __init__(self, todo: Sequence[ClipSpan]) -> None:
        self._frames = {span.clip: span.frames for span in todo}
        self._left = sum(self._frames.values())
        self._total = len(todo)
        self._clips = self._done = 0
        self._began = time.monotonic()

    def tell(self, entry: ManifestEntry) -> None:
        """After one more clip."""
        frames = self._frames[entry.clip]
        self._clips, self._done, self._left = self._clips + 1, self._done + frames, self._left - frames
        pace = (time.monotonic() - self._began) / max(1, self._done)
        said = "kept" if entry.is_kept else f"skipped: {entry.reason}"
        _log.info("%d of %d, %.0f min left | %s %s", self._clips, self._total, self._left * pace / 60, entry.clip, said)
