# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Reads clips in parallel processes; if one dies, the others' work goes on."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing import active_children, get_context
from pathlib import Path

import torch

from avatar_forcing_ros.bundle import load_bundle
from avatar_forcing_ros.recordings.clip import ClipReader, ClipRules, ClipSpan, ReadClip, divide
from avatar_forcing_ros.recordings.manifest import ManifestEntry, digest
from avatar_forcing_ros.recordings.shards import Dataset

_log = logging.getLogger(__name__)
_DIED = "the process that read it died: out of memory, or a file that crashes the decoder"


@dataclass(frozen=True)
class Job:
    """What every process needs to know.

    Attributes:
        folder: folder of the dataset.
        model: name or folder of the bundle whose motion space and audio features to use.
        rules: how clips are cut and checked.
        fingerprint: fingerprint of all settings.
    """

    folder: Path
    model: str
    rules: ClipRules
    fingerprint: str


def read_all(job: Job, spans: Sequence[ClipSpan], workers: int) -> Iterator[ManifestEntry]:
    """Read clips and write their shards; yields each entry as soon as it is done. One worker means this process."""
    if workers == 1:
        yield from (read_one(job, span) for span in spans)
        return
    waiting = deque(spans)
    while waiting:
        running: dict[Future[ManifestEntry], ClipSpan] = {}
        try:
            yield from _side_by_side(job, waiting, running, workers)
        except BrokenProcessPool:
            _log.warning("a process died: reading the clips in progress one by one, each in a process of its own")
            yield from (_by_itself(job, span) for span in running.values())


def _side_by_side(
    job: Job, waiting: deque[ClipSpan], running: dict[Future[ManifestEntry], ClipSpan], workers: int
) -> Iterator[ManifestEntry]:
    """Read the waiting clips; `running` holds those in progress."""
    with _pool(workers) as pool:
        while waiting or running:
            while waiting and len(running) < workers:
                future = _submit(pool, job, waiting[0])  # it still waits when the pool is broken
                running[future] = waiting.popleft()
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                entry = future.result()
                del running[future]
                yield entry


def _submit(pool: ProcessPoolExecutor, job: Job, span: ClipSpan) -> Future[ManifestEntry]:
    """Submit a clip to a pool.

    Raises:
        BrokenProcessPool: one of its processes has died.
        OSError: no process can be started.
    """
    try:
        return pool.submit(read_one, job, span)
    except OSError:
        # A pool that breaks while starting a process fails on its own closed pipe; a second call says so properly.
        return pool.submit(read_one, job, span)


def _by_itself(job: Job, span: ClipSpan) -> ManifestEntry:
    """Read a clip in a process of its own."""
    with _pool(1) as pool:
        try:
            return pool.submit(read_one, job, span).result()
        except BrokenProcessPool:
            return _entry(Dataset(job.folder), job, span, reason=_DIED)


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """A pool of processes, none of which outlives it."""
    others = set(active_children())
    with ProcessPoolExecutor(workers, get_context("spawn"), _end_with_parent, (os.getpid(),)) as pool:
        try:
            yield pool
        except BrokenProcessPool:
            # A broken pool waits for all its processes, but one that was just being started never ends.
            for process in set(active_children()) - others:
                process.kill()
            raise


def _end_with_parent(parent: int) -> None:
    """End a worker whose parent was killed; it would wait for work for ever."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def read_one(job: Job, span: ClipSpan) -> ManifestEntry:
    """Read a clip and write its shard; if anything is wrong with it, the entry says why it was skipped."""
    dataset = Dataset(job.folder)
    try:
        clip = _read(job, span)
    except ValueError as error:
        return _entry(dataset, job, span, reason=_one_line(error))
    except Exception as error:  # whatever it is, one clip must not stop the others
        _log.exception("clip %s", span.clip)
        return _entry(dataset, job, span, reason=f"{type(error).__name__}: {_one_line(error)}")
    dataset.write_shard(span.clip, clip.shard, clip.features)
    return _entry(dataset, job, span, clip)


def _read(job: Job, span: ClipSpan) -> ReadClip:
    if not span.frames:
        divide(span.dyad, job.rules)  # says what is wrong
    return _reader(job.model, job.rules).read(span)


@cache
def _reader(model: str, rules: ClipRules) -> ClipReader:
    """The process's only reader, because it holds networks."""
    torch.set_num_threads(1)
    return ClipReader(load_bundle(model), rules)


def _entry(dataset: Dataset, job: Job, span: ClipSpan, clip: ReadClip | None = None, reason: str = "") -> ManifestEntry:
    return ManifestEntry(
        clip=span.clip,
        recording=span.dyad.id,
        line=span.dyad.line,
        request=digest(span.request),
        fingerprint=job.fingerprint,
        start_s=span.start_s,
        frames=clip.shard.motion.shape[1] if clip else 0,
        reason=reason,
        seen_share=clip.seen_share if clip else (0.0, 0.0),
        usable_frames=clip.usable_frames if clip else (0, 0),
        sources={str(path): dataset.source(path) for path in span.dyad.files},
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
