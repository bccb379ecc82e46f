# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One utterance of the avatar: its sound, the stretches of time given to it, and how its chunks are numbered."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.audio.resample import Resampler
from avatar_forcing_ros.signals import NANOSECONDS, AudioChunk
from avatar_forcing_ros.timeline.grid import SAMPLE_RATE

Known = TypeVar("Known")
REMEMBERED = 256
"""So many utterances are remembered when they are over."""
_MARKS = 1024  # newest chunks of an utterance
_AGAIN_NS = 2 * NANOSECONDS
"""A chunk that is delivered twice comes twice within this time."""
_TAKEN = 3 * SAMPLE_RATE // 2  # newest samples of an utterance that can be taken back


@dataclass
class Numbering:
    """How the chunks of an utterance have been numbered and ended so far, which shows what the publisher means.

    Attributes:
        first_seq: number of the first chunk.
        first_mark: mark of the first chunk, see `_mark`.
        chunks: how many were played.
        always_ended: whether each of them said that it is the last one.
        unnumbered: whether all have the same number, so that numbers mean nothing.
        cut: whether the utterance was interrupted.
        ended: whether a chunk said that it is the last one.
        marks: number of each of the newest chunks -> its mark.
    """

    first_seq: int
    first_mark: int
    chunks: int = 0
    always_ended: bool = True
    unnumbered: bool = False
    cut: bool = False
    ended: bool = False
    newest_ns: int = 0
    marks: OrderedDict[int, int] = field(default_factory=OrderedDict)

    @classmethod
    def of(cls, first: AudioChunk) -> Numbering:
        """The numbering of an utterance that begins with a chunk."""
        return cls(first.seq, _mark(first))

    def is_first(self, chunk: AudioChunk) -> bool:
        """Whether this is the first chunk, sent once more."""
        return chunk.seq == self.first_seq and _mark(chunk) == self.first_mark

    def is_said_anew(self, chunk: AudioChunk, received_ns: int) -> bool:
        """Whether all is sent once more, as by a publisher that was restarted and counts from its first id again."""
        return self.is_first(chunk) and len(chunk.samples) > 0 and received_ns - self.newest_ns > _AGAIN_NS

    def is_first_again(self, chunk: AudioChunk) -> bool:
        """Whether a chunk has the number of the first one, but other content."""
        return chunk.seq == self.first_seq and len(chunk.samples) > 0 and _mark(chunk) != self.first_mark

    def is_new(self, chunk: AudioChunk) -> bool:
        """Whether a chunk has sound that did not come under its number before, so that it was not just sent twice."""
        return len(chunk.samples) > 0 and self.marks.get(chunk.seq) != _mark(chunk)

    def note(self, chunk: AudioChunk, received_ns: int) -> None:
        """Note a chunk that is played."""
        self.chunks, self.newest_ns = self.chunks + 1, received_ns
        self.always_ended &= chunk.end_of_utterance
        self.ended |= chunk.end_of_utterance
        self.marks[chunk.seq] = _mark(chunk)
        while len(self.marks) > _MARKS:
            self.marks.popitem(last=False)


class _Held:
    """Samples, kept in the pieces in which they came, so that adding a piece does not copy all the others."""

    def __init__(self) -> None:
        self._pieces: deque[NDArray[np.float32]] = deque()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def append(self, samples: NDArray[np.float32]) -> None:
        if len(samples):
            self._pieces.append(samples)
            self._length += len(samples)

    def put_back(self, samples: NDArray[np.float32]) -> None:
        if len(samples):
            self._pieces.appendleft(samples)
            self._length += len(samples)

    def take(self, room: int) -> NDArray[np.float32]:
        """The first `room` samples, or as many as there are."""
        taken = [np.zeros(0, np.float32)]
        while room > 0 and self._pieces:
            piece = self._pieces.popleft()
            taken.append(piece[:room])
            if len(piece) > room:
                self._pieces.appendleft(piece[room:])
            room -= len(taken[-1])
        found = np.concatenate(taken)
        self._length -= len(found)
        return found


@dataclass(eq=False)
class Utterance:
    """One utterance. Times are in samples at 16 kHz from time zero.

    Attributes:
        utterance_id: the publisher's name for it.
        requested: when it should begin; None is as soon as possible.
        waits_since_ns: since when it waits for more sound.
        resampler: converts its chunks to 16 kHz.
        next_seq: number that the next chunk should have.
        numbering: how its chunks are numbered.
        samples: its sound that is still to be said.
        ended: whether no more chunks follow.
        flowing: whether enough of it was there to begin, or to go on after a stall.
        spans: the stretches of time given to it, (first, end) each.
        taken: its newest samples that were given a time, in case they are not said after all.
    """

    utterance_id: str
    requested: int | None
    waits_since_ns: int
    resampler: Resampler
    next_seq: int
    numbering: Numbering
    samples: _Held = field(default_factory=_Held)
    ended: bool = False
    flowing: bool = False
    spans: list[tuple[int, int]] = field(default_factory=list)
    taken: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))

    def extend(self, chunk: AudioChunk, counts_ns: int) -> None:
        """Append a chunk of any sample rate; it is available from `counts_ns` on."""
        if not len(self.samples):
            self.waits_since_ns = counts_ns
        if chunk.sample_rate != self.resampler.rate:
            self.samples.append(self.resampler.flush())
            self.resampler = Resampler(chunk.sample_rate)
        self.samples.append(self.resampler.push(chunk.samples))
        if chunk.end_of_utterance:
            self.finish()

    def go_on(self, chunk: AudioChunk) -> None:
        """Continue after a false end."""
        self.ended, self.resampler = False, Resampler(chunk.sample_rate)

    def finish(self) -> None:
        """Note that no more chunks follow."""
        self.samples.append(self.resampler.flush())
        self.ended = True

    def take(self, start: int, room: int) -> NDArray[np.float32]:
        """Take up to `room` samples, to be presented from sample `start` on."""
        taken = self.samples.take(room)
        stop = start + len(taken)
        if self.spans and self.spans[-1][1] == start:
            start = self.spans.pop()[0]
        if stop > start or not self.spans:
            self.spans.append((start, stop))
        self.taken = np.concatenate([self.taken, taken])[-_TAKEN:]
        return taken

    def take_back(self, sample: int) -> None:
        """What stands from a time on waits again; if nothing stands before it, the utterance has not begun."""
        unsaid = self.presented_before(self.spans[-1][1]) - self.presented_before(sample)
        kept = max(0, len(self.taken) - unsaid)
        if unsaid:
            self.samples.put_back(self.taken[kept:])
            self.taken, self.flowing = self.taken[:kept], True
        not_begun = self.spans[0][0] > sample
        self.cut(sample)
        if not_begun:
            self.spans = []

    def presented_before(self, sample: int) -> int:
        """How many of its samples are presented before a time, in samples."""
        return sum(max(0, min(stop, sample) - start) for start, stop in self.spans)

    def cut(self, sample: int) -> None:
        """End the utterance at a time, in samples."""
        self.spans = [(start, min(stop, sample)) for start, stop in self.spans if start < sample] or [(sample, sample)]


def put_newest(known: OrderedDict[str, Known], utterance_id: str, what: Known) -> None:
    """Note something of an utterance as the newest, and forget the oldest if that makes more than `REMEMBERED`."""
    known[utterance_id] = what
    known.move_to_end(utterance_id)
    while len(known) > REMEMBERED:
        known.popitem(last=False)


def _mark(chunk: AudioChunk) -> int:
    """A hash by which to recognise a chunk that is sent again."""
    return hash((chunk.stamp_ns, chunk.end_of_utterance, chunk.samples.tobytes()))
