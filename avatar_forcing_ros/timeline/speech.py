# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The avatar's own speech: utterances arrive in chunks, of unknown total length, and leave as frames of the grid."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.audio.resample import Resampler
from avatar_forcing_ros.signals import FOR_EVER_NS, NANOSECONDS, AudioChunk
from avatar_forcing_ros.timeline.grid import FRAME_SAMPLES, PLANNED_AHEAD_NS, SAMPLE_RATE, sample_of
from avatar_forcing_ros.timeline.mistakes import Mistake, Mistakes
from avatar_forcing_ros.timeline.playback import Playback, PlaybackEvent
from avatar_forcing_ros.timeline.utterance import REMEMBERED, Numbering, Utterance, put_newest
from avatar_forcing_ros.timeline.waiting import Arrived, SpeechLimits, WaitingSpeech


@dataclass(frozen=True)
class SpeechFrame:
    """Speech of one grid frame: (640,) samples at 16 kHz, and the id of the utterance at their end, or empty."""

    samples: NDArray[np.float32]
    utterance_id: str


@dataclass
class SpeechTimeline:
    """Queue of utterances. The speech available when a block is decided is cut into the frames of that block.

    A chunk becomes available at a time that follows from its stamp S, so that jitter within the reorder window changes
    nothing:

    * if it arrives `horizon_ns` before S or earlier: at S - horizon. No block with S is decided before that.
    * if it arrives later, but by S + `reorder_ns`, as chunks do that are stamped on sending: at S + reorder.
    * if it arrives later still, or has no stamp: on arrival.

    An utterance starts once a whole block of it or its end is there, or once it has waited `patience_ns`. If it runs
    dry before its end, silence follows until the same holds again. A chunk that has overtaken others waits up to
    `reorder_ns` for them.

    Mistakes of publishers are tolerated where the meaning is clear, see `Mistake`; otherwise the speech is refused, and
    an event says so once.

    Attributes:
        patience_ns: how long an utterance waits for more chunks.
        reorder_ns: how much later than its stamp a chunk may arrive without changing the result.
        horizon_ns: the blocks decided by a moment hold no frame later than this after it.
        limits: how much speech may wait; more is refused.
        lost: number of chunks missing by sequence number.
        repeated: number of chunks refused because their sequence number had come already.
        orphans: number of chunks refused because their utterance had ended.
        late: number of chunks that came after the reorder window; they are said all the same.
        mistakes: what the publisher got wrong.
    """

    patience_ns: int
    reorder_ns: int
    horizon_ns: int
    limits: SpeechLimits = field(default_factory=SpeechLimits)
    lost: int = 0
    repeated: int = 0
    orphans: int = 0
    late: int = 0
    mistakes: Mistakes = field(default_factory=Mistakes)
    _queue: deque[Utterance] = field(default_factory=deque)
    _said: deque[Utterance] = field(default_factory=lambda: deque(maxlen=16))
    _waiting: WaitingSpeech = field(init=False)
    _closed: deque[str] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    _numbered: OrderedDict[str, Numbering] = field(default_factory=OrderedDict)
    _forgotten: OrderedDict[str, Numbering] = field(default_factory=OrderedDict)

    def __post_init__(self) -> None:
        self._waiting = WaitingSpeech(self.limits)

    def push(self, chunk: AudioChunk, received_ns: int) -> None:
        """Accept a chunk; call it in the order of arrival."""
        self.mistakes.now_ns = received_ns
        held_ns = _nanoseconds(sum(len(utterance.samples) for utterance in self._queue))
        reason = self._waiting.too_much(chunk, held_ns, {utterance.utterance_id for utterance in self._queue})
        if reason:
            self.refuse(chunk.utterance_id, reason, received_ns)
            return
        if chunk.stamp_ns is not None and chunk.stamp_ns > received_ns + PLANNED_AHEAD_NS:
            self.mistakes.note(Mistake.FAR_AHEAD, chunk.utterance_id)
        self._waiting.add(Arrived(self._counts_ns(chunk.stamp_ns, received_ns), received_ns, chunk))

    def refuse(self, utterance_id: str, reason: str, received_ns: int) -> None:
        """Refuse a part of an utterance that cannot be read."""
        self.mistakes.refuse_unreadable(utterance_id, reason, received_ns)

    def take(self, first_frame: int, frames: int, decided_ns: int) -> tuple[list[SpeechFrame], list[PlaybackEvent]]:
        """The speech of `frames` grid frames, from chunks available by `decided_ns`, and the events of utterances."""
        self.mistakes.now_ns = decided_ns
        self._admit([item for item in self._waiting.items if item.counts_ns <= decided_ns], decided_ns)
        sound = np.zeros(frames * FRAME_SAMPLES, np.float32)
        owners = [""] * frames
        events = self.mistakes.take_events()
        position = 0
        while self._queue:
            start = self._start(position, first_frame * FRAME_SAMPLES)
            if not self._may_flow(self._queue[0], len(sound) - start, decided_ns):
                break
            position = self._say(sound, start, first_frame * FRAME_SAMPLES, owners, events)
        cut = np.split(sound, frames)
        return [SpeechFrame(samples, owner) for samples, owner in zip(cut, owners, strict=True)], events

    def clear(self, cut_frame: int, received_ns: int) -> list[PlaybackEvent]:
        """Drop all speech from `cut_frame` on.

        Returns:
            REFUSED events that wait, then an INTERRUPTED event for each utterance received so far that is not presented
            to its end by then. For one with a later end already announced, this earlier end counts.
        """
        self._admit([item for item in self._waiting.items if item.received_ns <= received_ns], FOR_EVER_NS)
        refused = self.mistakes.take_events()
        cut = cut_frame * FRAME_SAMPLES
        dropped = [u for u in self._said if u.spans[-1][1] > cut] + list(self._queue)
        self._closed.extend(u.utterance_id for u in self._queue)
        for utterance in dropped:
            self._remember(utterance, cut=True)
        self._queue.clear()
        presented = {u.utterance_id: _nanoseconds(u.presented_before(cut)) for u in dropped}
        for utterance in dropped:
            utterance.cut(cut)
        self._said.extend(u for u in dropped if u not in self._said)  # another end may come before this one
        ended = [PlaybackEvent(_nanoseconds(cut), who, Playback.INTERRUPTED, ns) for who, ns in presented.items()]
        return refused + ended

    def forget_rests_of(self, before: SpeechTimeline) -> None:
        """Do not play what is still to come of utterances that a timeline before this one has cut off.

        They may be said again from their first chunk on, as by a bag that is played in a loop.
        """
        self._forgotten = before._forgotten
        for who, numbering in before._numbered.items():
            if numbering.cut and not (numbering.ended and (numbering.chunks == 1 or not numbering.always_ended)):
                put_newest(self._forgotten, who, numbering)

    def take_back(self, cut_frame: int) -> list[PlaybackEvent]:
        """What was to be said from `cut_frame` on was not, and is said later.

        Returns:
            An INTERRUPTED event for every utterance that was to end by an interrupt after that: it ends there.
        """
        cut = cut_frame * FRAME_SAMPLES
        unsaid = [u for u in self._said if u.spans[-1][1] > cut]
        ends = [u for u in unsaid if u.numbering.cut]
        for utterance in ends:
            utterance.cut(cut)
        again = [u for u in unsaid if not u.numbering.cut]
        for utterance in [*again, *(u for u in self._queue if u.spans)]:
            utterance.take_back(cut)
        self._said = deque((u for u in self._said if u not in again), self._said.maxlen)
        self._queue.extendleft(reversed(again))
        presented = {u.utterance_id: _nanoseconds(u.presented_before(cut)) for u in ends}
        return [PlaybackEvent(_nanoseconds(cut), who, Playback.INTERRUPTED, ns) for who, ns in presented.items()]

    def withdraw(self, utterance_id: str, received_ns: int) -> PlaybackEvent | None:
        """Drop an utterance that has not begun, and any chunks still to come; None if it has begun or ended."""
        begun = any(u.spans and u.utterance_id == utterance_id for u in self._queue)
        waits = any(u.utterance_id == utterance_id for u in self._queue)
        if begun or (utterance_id in self._closed and not waits):
            return None
        self._queue = deque(u for u in self._queue if u.utterance_id != utterance_id)
        for item in [item for item in self._waiting.items if item.chunk.utterance_id == utterance_id]:
            self._waiting.remove(item)
        self._closed.append(utterance_id)
        return PlaybackEvent(received_ns, utterance_id, Playback.INTERRUPTED, 0)

    def says(self, utterance_id: str, frame: int) -> bool:
        """Whether any part of an utterance is presented from a frame on, as far as is known."""
        said = [u for u in self._said if u.spans[-1][1] > frame * FRAME_SAMPLES]
        return any(u.utterance_id == utterance_id for u in [*said, *self._queue])

    def under_way(self, now_ns: int, cut_frame: int) -> bool:
        """Whether `clear(cut_frame)` would cut off an utterance that has begun by now."""
        cut = cut_frame * FRAME_SAMPLES
        going = [u for u in self._queue if u.spans] + [u for u in self._said if u.spans[-1][1] > cut]
        return any(u.spans[0][0] <= sample_of(now_ns) for u in going)

    def _counts_ns(self, stamp_ns: int | None, received_ns: int) -> int:
        """When a chunk becomes available, see the class."""
        if stamp_ns is None:
            return received_ns
        if received_ns <= stamp_ns - self.horizon_ns:
            return stamp_ns - self.horizon_ns
        self.late += received_ns > stamp_ns + self.reorder_ns
        return max(received_ns, stamp_ns + self.reorder_ns)

    def _admit(self, ready: list[Arrived], decided_ns: int) -> None:
        """Move chunks from the waiting list to their utterances in order; equal times keep their order."""
        ready.sort(key=lambda item: item.counts_ns)
        while ready and (item := self._next(ready, decided_ns)):
            ready.remove(item)
            self._waiting.remove(item)
            self._accept(item)

    def _next(self, ready: list[Arrived], decided_ns: int) -> Arrived | None:
        """The first chunk, or one that it has overtaken; None while an overtaken one may still come."""
        first, who = ready[0], ready[0].chunk.utterance_id
        current = self._queue[-1] if self._queue and not self._queue[-1].ended else None
        goes_on = current is not None and current.utterance_id == who
        if who in self._closed or (not who and not goes_on):
            return first
        expected = current.next_seq if current is not None and goes_on else 0
        if first.chunk.seq <= expected:
            return first  # it has overtaken none
        overtaken = [i for i in ready if i.chunk.utterance_id == who and expected <= i.chunk.seq < first.chunk.seq]
        if overtaken:
            return min(overtaken, key=lambda item: item.chunk.seq)
        missing = first.chunk.seq > expected
        return None if missing and decided_ns < first.counts_ns + self.reorder_ns else first

    def _accept(self, item: Arrived) -> None:
        chunk = item.chunk
        if self._is_rest(item) or (
            chunk.utterance_id and chunk.utterance_id in self._closed and not self._opens_again(item)
        ):
            self.orphans += 1
            return
        utterance = self._utterance_of(chunk, item.counts_ns)
        numbering = utterance.numbering
        if chunk.seq < utterance.next_seq and not numbering.unnumbered:
            ends = chunk.end_of_utterance and not len(chunk.samples)
            restarted = numbering.is_said_anew(chunk, item.received_ns)
            if not (ends or restarted or numbering.is_first_again(chunk)):
                self.repeated += 1
                if numbering.is_new(chunk):
                    self.mistakes.refuse(Mistake.BACKWARDS, chunk.utterance_id, item.received_ns)
                return
            if ends:
                chunk = replace(chunk, seq=utterance.next_seq)  # an end need not be numbered
            elif restarted or numbering.chunks > 1:
                self.mistakes.note(Mistake.NO_NEW_ID, chunk.utterance_id)
                utterance.finish()
                utterance = self._add(chunk, item.counts_ns)
                numbering = utterance.numbering
            else:
                self.mistakes.note(Mistake.UNNUMBERED, chunk.utterance_id)
                numbering.unnumbered = True
        numbering.note(chunk, item.received_ns)
        self.lost += max(0, chunk.seq - utterance.next_seq)
        utterance.next_seq = max(utterance.next_seq, chunk.seq + 1)
        utterance.extend(chunk, item.counts_ns)
        if utterance.ended:
            self._closed.append(utterance.utterance_id)
            self._remember(utterance)

    def _is_rest(self, item: Arrived) -> bool:
        """Whether a chunk belongs to the rest of an utterance of a conversation that was reset."""
        chunk, before = item.chunk, self._forgotten.get(item.chunk.utterance_id)
        if before is None or not chunk.utterance_id:
            return False
        if before.is_first(chunk) or (before.is_first_again(chunk) and before.chunks > 1 and not before.unnumbered):
            del self._forgotten[chunk.utterance_id]
            return False
        if before.is_first_again(chunk):
            self.mistakes.refuse(Mistake.NO_NEW_ID_AFTER_INTERRUPT, chunk.utterance_id, item.received_ns)
        return True

    def _opens_again(self, item: Arrived) -> bool:
        """Whether a chunk with the id of an ended utterance is clearly meant to be said."""
        chunk = item.chunk
        who, before = chunk.utterance_id, self._numbered.get(chunk.utterance_id)
        if before is None or not len(chunk.samples):
            return False
        goes_on = before.always_ended and not before.cut and chunk.seq == before.first_seq + before.chunks
        restarted = before.is_said_anew(chunk, item.received_ns)
        anew = restarted or before.is_first_again(chunk)
        if before.cut and anew and not restarted and (before.unnumbered or before.chunks == 1):
            self.mistakes.refuse(Mistake.NO_NEW_ID_AFTER_INTERRUPT, who, item.received_ns)
            return False
        if not (goes_on or anew):
            if not before.cut and before.is_new(chunk):
                mistake = Mistake.AFTER_ITS_END if before.ended else Mistake.MIXED
                self.mistakes.refuse(mistake, who, item.received_ns)
            return False
        last = self._queue[-1] if self._queue else None
        if goes_on and last is not None and last.utterance_id != who:
            self.mistakes.refuse(Mistake.MIXED, who, item.received_ns)
            return False
        self.mistakes.note(Mistake.ALWAYS_ENDED if goes_on else Mistake.NO_NEW_ID, who)
        self._closed = deque((name for name in self._closed if name != who), self._closed.maxlen)
        if goes_on and last is not None:
            last.go_on(chunk)
        elif goes_on:
            self._add(chunk, FOR_EVER_NS).numbering = before  # `extend` says since when it waits
        return True

    def _remember(self, utterance: Utterance, cut: bool = False) -> None:
        """Remember how an ended utterance was numbered, to judge later chunks with its id."""
        who, utterance.numbering.cut = utterance.utterance_id, utterance.numbering.cut or cut
        put_newest(self._numbered, who, utterance.numbering)
        self.mistakes.forget(who)

    def _utterance_of(self, chunk: AudioChunk, counts_ns: int) -> Utterance:
        """The utterance that a chunk belongs to; a new one ends the previous one, even if that had no end yet."""
        if self._queue and not self._queue[-1].ended:
            if self._queue[-1].utterance_id == chunk.utterance_id:
                return self._queue[-1]
            self._queue[-1].finish()
            self._closed.append(self._queue[-1].utterance_id)
            self._remember(self._queue[-1])
        return self._add(chunk, counts_ns)

    def _add(self, chunk: AudioChunk, counts_ns: int) -> Utterance:
        requested = None if chunk.stamp_ns is None else sample_of(chunk.stamp_ns)
        numbering = Numbering.of(chunk)
        resampler = Resampler(chunk.sample_rate)
        utterance = Utterance(chunk.utterance_id, requested, counts_ns, resampler, chunk.seq, numbering)
        self._queue.append(utterance)
        return utterance

    def _start(self, position: int, origin: int) -> int:
        """Where in the block the first utterance continues; a requested start counts only if it has not begun."""
        first = self._queue[0]
        if first.spans or first.requested is None:
            return position
        return max(position, first.requested - origin)

    def _may_flow(self, utterance: Utterance, wanted: int, decided_ns: int) -> bool:
        if wanted <= 0:
            return False
        enough = utterance.ended or len(utterance.samples) >= wanted
        tired = decided_ns - utterance.waits_since_ns >= self.patience_ns
        utterance.flowing = utterance.flowing or enough or (tired and len(utterance.samples) > 0)
        return utterance.flowing

    def _say(
        self, sound: NDArray[np.float32], start: int, origin: int, owners: list[str], events: list[PlaybackEvent]
    ) -> int:
        """Write as much of the first utterance as there is into the block from `start` on; returns where it stops."""
        utterance = self._queue[0]
        if not utterance.spans:
            events.append(PlaybackEvent(_nanoseconds(origin + start), utterance.utterance_id, Playback.STARTED, 0))
        taken = utterance.take(origin + start, len(sound) - start)
        stop = start + len(taken)
        sound[start:stop] = taken
        for frame in range(start // FRAME_SAMPLES, -(-stop // FRAME_SAMPLES)):
            owners[frame] = utterance.utterance_id
        self._close(utterance, stop < len(sound), events)
        return stop

    def _close(self, utterance: Utterance, room_left: bool, events: list[PlaybackEvent]) -> None:
        """After a stretch was said, note whether the utterance is over or has run dry."""
        end = utterance.spans[-1][1]
        played = _nanoseconds(utterance.presented_before(end))
        if utterance.ended and not len(utterance.samples):
            self._said.append(self._queue.popleft())
            events.append(PlaybackEvent(_nanoseconds(end), utterance.utterance_id, Playback.FINISHED, played))
        elif room_left:
            utterance.flowing = False
            events.append(PlaybackEvent(_nanoseconds(end), utterance.utterance_id, Playback.STALLED, played))


def _nanoseconds(samples: int) -> int:
    return samples * NANOSECONDS // SAMPLE_RATE
