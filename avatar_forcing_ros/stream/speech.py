"""The avatar's own speech: utterances come in chunks of unknown total length and leave sample by sample on the frame grid."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.audio.resample import Resampler
from avatar_forcing_ros.signals import NANOSECONDS, AudioChunk
from avatar_forcing_ros.stream.grid import FRAME_SAMPLES, SAMPLE_RATE, sample_of


class Playback(Enum):
    """What happened to an utterance."""

    STARTED = "started"
    FINISHED = "finished"
    INTERRUPTED = "interrupted"
    STALLED = "stalled"


@dataclass(frozen=True)
class PlaybackEvent:
    """Something happened to an utterance at `stamp_ns` (presentation time), after `position_ns` of it was presented."""

    stamp_ns: int
    utterance_id: str
    kind: Playback
    position_ns: int


@dataclass(frozen=True)
class SpeechFrame:
    """What is said during one grid frame: (640,) samples at 16 kHz and whose they are."""

    samples: NDArray[np.float32]
    utterance_id: str


@dataclass
class _Utterance:
    utterance_id: str
    requested: int | None
    first_received_ns: int
    resampler: Resampler
    samples: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    next_seq: int = 0
    ended: bool = False
    flowing: bool = False
    started: bool = False
    played: int = 0


@dataclass
class SpeechTimeline:
    """Queue of utterances. What was received by a block's decision time is cut into the frames of that block.

    An utterance starts once a whole block of it is there, or its end, or once it has waited for `patience_ns`; when it
    runs dry before its end, silence follows until a whole block is there again.

    Attributes:
        patience_ns: how long the first chunk waits for more.
        lost: chunks missing by sequence number.
        repeated: chunks refused because their sequence number was played already.
        orphans: chunks refused because their utterance had ended.
    """

    patience_ns: int
    lost: int = 0
    repeated: int = 0
    orphans: int = 0
    _queue: deque[_Utterance] = field(default_factory=deque)
    _waiting: list[tuple[int, AudioChunk]] = field(default_factory=list)
    _ended: deque[str] = field(default_factory=lambda: deque(maxlen=64))

    def push(self, chunk: AudioChunk, received_ns: int) -> None:
        """Accept a chunk. It counts from `received_ns` on, so that the same stamps give the same speech."""
        self._waiting.append((received_ns, chunk))

    @property
    def speaking(self) -> bool:
        """An utterance is being said or waits to be."""
        return bool(self._queue or self._waiting)

    def take(self, first_frame: int, frames: int, decided_ns: int) -> tuple[list[SpeechFrame], list[PlaybackEvent]]:
        """Speech of `frames` grid frames from what was received by `decided_ns`, and what happened to utterances."""
        self._admit(decided_ns)
        sound = np.zeros(frames * FRAME_SAMPLES, np.float32)
        owner = [""] * frames
        events: list[PlaybackEvent] = []
        position = 0
        while position < len(sound) and self._queue:
            played = self._play(sound, position, first_frame, decided_ns, events)
            if played is None:
                break
            start, stop, utterance_id = played
            for n in range(start // FRAME_SAMPLES, -(-stop // FRAME_SAMPLES)):
                owner[n] = utterance_id
            position = stop
        cut = [sound[n * FRAME_SAMPLES : (n + 1) * FRAME_SAMPLES] for n in range(frames)]
        return [SpeechFrame(samples, who) for samples, who in zip(cut, owner, strict=True)], events

    def clear(self, stamp_ns: int, unpresented: dict[str, int]) -> list[PlaybackEvent]:
        """Drop everything. `unpresented` maps utterances to samples taken but not presented before `stamp_ns`.

        Returns:
            An INTERRUPTED event for each utterance that had not ended.
        """
        self._admit(stamp_ns)
        ended = list(self._interrupted(stamp_ns, unpresented))
        self._queue.clear()
        self._waiting.clear()
        self._ended.extend(event.utterance_id for event in ended)
        return ended

    def _interrupted(self, stamp_ns: int, unpresented: dict[str, int]) -> Iterator[PlaybackEvent]:
        for utterance in self._queue:
            presented = max(0, utterance.played - unpresented.get(utterance.utterance_id, 0))
            yield PlaybackEvent(stamp_ns, utterance.utterance_id, Playback.INTERRUPTED, _nanoseconds(presented))

    def _admit(self, decided_ns: int) -> None:
        """Move what has been received by now from the waiting list to its utterance, in the order of arrival."""
        ready = [item for item in self._waiting if item[0] <= decided_ns]
        self._waiting = [item for item in self._waiting if item[0] > decided_ns]
        for received_ns, chunk in sorted(ready, key=lambda item: (item[0], item[1].seq)):
            self._accept(chunk, received_ns)

    def _accept(self, chunk: AudioChunk, received_ns: int) -> None:
        utterance = self._find(chunk, received_ns)
        if utterance is None:
            self.orphans += 1
            return
        if chunk.seq < utterance.next_seq:
            self.repeated += 1
            return
        self.lost += chunk.seq - utterance.next_seq
        utterance.next_seq = chunk.seq + 1
        self._extend(utterance, chunk)

    def _find(self, chunk: AudioChunk, received_ns: int) -> _Utterance | None:
        for utterance in self._queue:
            if utterance.utterance_id == chunk.utterance_id and not utterance.ended:
                return utterance
        if chunk.utterance_id and chunk.utterance_id in self._ended:
            return None
        if any(u.utterance_id == chunk.utterance_id and u.ended for u in self._queue) and chunk.utterance_id:
            return None
        self._end_last()
        requested = None if chunk.stamp_ns is None else sample_of(chunk.stamp_ns)
        utterance = _Utterance(chunk.utterance_id, requested, received_ns, Resampler(chunk.sample_rate), next_seq=chunk.seq)
        self._queue.append(utterance)
        return utterance

    def _end_last(self) -> None:
        """A new utterance ends the one before it, whether or not its end was said."""
        if self._queue and not self._queue[-1].ended:
            self._finish(self._queue[-1])

    def _extend(self, utterance: _Utterance, chunk: AudioChunk) -> None:
        if chunk.sample_rate != utterance.resampler.input_rate:
            utterance.samples = np.concatenate([utterance.samples, utterance.resampler.flush()])
            utterance.resampler = Resampler(chunk.sample_rate)
        utterance.samples = np.concatenate([utterance.samples, utterance.resampler.push(chunk.samples)])
        if chunk.end_of_utterance:
            self._finish(utterance)

    @staticmethod
    def _finish(utterance: _Utterance) -> None:
        utterance.samples = np.concatenate([utterance.samples, utterance.resampler.flush()])
        utterance.ended = True

    def _play(
        self, sound: NDArray[np.float32], position: int, first_frame: int, decided_ns: int, events: list[PlaybackEvent]
    ) -> tuple[int, int, str] | None:
        """Write as much as there is of the first utterance into `sound`; None when it has to wait."""
        utterance = self._queue[0]
        origin = first_frame * FRAME_SAMPLES
        start = position
        if not utterance.started and utterance.requested is not None:
            start = max(position, utterance.requested - origin)
        if start >= len(sound) or not self._may_flow(utterance, len(sound) - start, decided_ns):
            return None
        count = min(len(sound) - start, len(utterance.samples))
        sound[start : start + count] = utterance.samples[:count]
        utterance.samples = utterance.samples[count:]
        self._report(utterance, origin + start, count, origin + start + count < origin + len(sound), events)
        return start, start + count, utterance.utterance_id

    def _may_flow(self, utterance: _Utterance, wanted: int, decided_ns: int) -> bool:
        enough = len(utterance.samples) >= wanted or utterance.ended
        tired = not utterance.started and decided_ns - utterance.first_received_ns >= self.patience_ns
        utterance.flowing = utterance.flowing or enough or (tired and len(utterance.samples) > 0)
        return utterance.flowing

    def _report(
        self, utterance: _Utterance, start: int, count: int, room_left: bool, events: list[PlaybackEvent]
    ) -> None:
        who = utterance.utterance_id
        if not utterance.started:
            utterance.started = True
            events.append(PlaybackEvent(_nanoseconds(start), who, Playback.STARTED, 0))
        utterance.played += count
        end = _nanoseconds(start + count)
        if utterance.ended and not len(utterance.samples):
            self._queue.popleft()
            self._ended.append(who)
            events.append(PlaybackEvent(end, who, Playback.FINISHED, _nanoseconds(utterance.played)))
        elif room_left:
            utterance.flowing = False
            events.append(PlaybackEvent(end, who, Playback.STALLED, _nanoseconds(utterance.played)))


def _nanoseconds(samples: int) -> int:
    return samples * NANOSECONDS // SAMPLE_RATE
