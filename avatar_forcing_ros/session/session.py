# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One avatar on a clock: input is taken up in order of arrival, output is presented when it is due.

The caller of a `Session` provides the clock, the outlets and the threads. On a robot, these are a node's clock and
publishers, and two threads: one calls `Session.turn`, the other `Outbox.turn`. In a replay, a test or a bench,
`virtual.VirtualRun` provides them all. What lies between is the same, so live use and replay give the same results for
the same messages:

* A decision that is due when a message arrives is made before the message is taken up.
* An interrupt or a reset counts from its arrival: under the outbox's lock, it gets its time and its place in the inbox,
  and its epoch begins. So nothing older is presented, although the avatar may take up the request only later.
* Speech that is more than 250 ms late is not presented, nor is what follows it: a process that was stopped says it
  later, from there on. If that is longer than `AvatarConfig.behind_ms` ago, it is interrupted there instead.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from avatar_forcing_ros.avatar import Avatar, GenerationError
from avatar_forcing_ros.behaviour.config import AvatarConfig
from avatar_forcing_ros.motion.space import Portrait
from avatar_forcing_ros.session.clock import Clock
from avatar_forcing_ros.session.errors import one_line
from avatar_forcing_ros.session.inputs import SessionInputs
from avatar_forcing_ros.session.outbox import Epoch, Outbox
from avatar_forcing_ros.session.outlet import AvatarStatus, Outlet, OutputConfig, Picture, Provenance, Shown, status_of
from avatar_forcing_ros.session.quality import QualityLadder
from avatar_forcing_ros.session.stage import Lease
from avatar_forcing_ros.session.worker import Mailbox
from avatar_forcing_ros.signals import (
    FOR_EVER_NS,
    MILLISECOND,
    AudioChunk,
    AvatarFrame,
    Expression,
    LookAt,
    MotionSample,
)
from avatar_forcing_ros.timeline.grid import FRAME_NS, SAMPLE_RATE
from avatar_forcing_ros.timeline.playback import PlaybackEvent

_INBOX = 10_000  # room for minutes of input; it is emptied once a block
_JUMP_NS = 100 * MILLISECOND  # a clock that goes back further than this has been set
_SETTLE_PATIENCE_S = 25.0
_LATEST_SPEECH_NS = 250 * MILLISECOND
_CONCERNS_SPEECH = ("interrupt", "withdraw", "reset")
_NEWEST_BLOCKS, _NEWEST_FRAMES = 100, 250  # durations and lateness are remembered for this many

OnError = Callable[[str, Exception], None]
"""Called with what was being done, and the error."""


@dataclass(frozen=True)
class SessionConfig:
    """How a session presents; the defaults are for live use.

    Attributes:
        speech_ahead_ms: speech is handed out this long before its stamp, so that a speaker can play it in time.
        every_frame: show frames however late they are, and count decisions as made when they were due, so that a
            replay does not depend on the speed of the machine.
        draws_ahead: draw pictures as soon as their block is generated; otherwise an outlet draws them on demand.
    """

    speech_ahead_ms: int = OutputConfig.speech_ahead_ms
    every_frame: bool = False
    draws_ahead: bool = True


@dataclass(frozen=True)
class _Request:
    """Something to be done with the avatar, after the decisions that were due when it arrived."""

    what: str
    received_ns: int
    asked: int
    act: Callable[[int], None]
    utterance_id: str = ""


class Session:
    """One conversation. Its first methods may be called from any thread; all of them but `settle` return at once.

    Args:
        avatar: an avatar that has not started.
        clock: clock of the thread that decides.
        outbox: holds what will be presented; a thread of its own acts on it.
        quality: decides how much work goes into a block.
        report: called with errors.
        portrait_sha256: SHA-256 of the portrait's pixels.
        config: see `SessionConfig`.
        lease: the right to be on stage, which an understudy may share.

    Attributes:
        outlets: receive what is presented.
        inputs: watches what comes in.
        status: the status that the outlets were last told.
        block_ms: time that each recent block took, generation and drawing together.
        lateness_ms: lateness of each recent frame when it was shown.
        frames_shown: number of frames shown so far.
        failed_blocks: number of blocks that could not be generated; the face was held.
    """

    def __init__(
        self,
        avatar: Avatar,
        clock: Clock,
        outbox: Outbox,
        quality: QualityLadder,
        report: OnError,
        portrait_sha256: str = "",
        config: SessionConfig | None = None,
        lease: Lease | None = None,
    ) -> None:
        self._avatar, self._clock, self._outbox, self._quality = avatar, clock, outbox, quality
        self._report, self._portrait_sha256, self._config = report, portrait_sha256, config or SessionConfig()
        self._lease = lease or Lease()
        self.inputs = SessionInputs(avatar.config, avatar.bundle.manifest.network.block_frames)
        self.outlets: list[Outlet] = []
        self.status = AvatarStatus()
        self.block_ms: deque[float] = deque(maxlen=_NEWEST_BLOCKS)
        self.lateness_ms: deque[float] = deque(maxlen=_NEWEST_FRAMES)
        self.frames_shown = self.failed_blocks = 0
        # under the outbox's lock
        self._inbox: Mailbox[_Request] = Mailbox(_INBOX)
        self._asked = 0  # epochs requested so far; `_epoch.asked` of them have been carried out
        # of the thread that decides
        self._now_ns: int | None = None  # None before the conversation begins
        self._held_speech: deque[_Request] = deque(maxlen=_INBOX)  # until the understudy has handed back
        self._epoch = Epoch()
        self._picture: Picture | None = None
        self._drawn_ns: int | None = None  # stamp of that picture
        self._failing, self._failure = "", ""  # failure of the block being made, and of the last one made
        self._pieces_said = 0
        self._newest_ns = 0  # stamp of the newest picture that was queued; the other thread only reads it
        self._left_undrawn = 0  # frames that were too late to be drawn
        # of the thread that presents
        self._left_unshown = 0  # frames that were too late to be shown
        self._late_since_ns: int | None = None  # speech that was too late has not gone on since

    # --- from any thread -------------------------------------------------------------------------------------------

    def hear(self, chunk: AudioChunk) -> None:
        """Take a chunk of the user's voice."""
        received_ns = self._enqueue("user_audio", lambda _: self._avatar.push_user_audio(chunk))
        self.inputs.hear(chunk, received_ns)

    def refuse_sound(self, reason: str) -> None:
        """Note that sound of the user arrived that cannot be read."""
        self.inputs.microphone.refused(self._clock.now_ns(), reason)

    def see(self, sample: MotionSample) -> None:
        """Take a sample of the user's motion."""
        received_ns = self._enqueue("user_motion", lambda _: self._avatar.push_user_motion(sample))
        self.inputs.see(sample, received_ns)

    def say(self, chunk: AudioChunk) -> None:
        """Take a chunk of speech for the avatar to say."""
        if self._lease.has_ended(chunk.utterance_id):
            return  # the understudy has announced its end, which cannot be taken back
        self._lease.take(chunk.utterance_id)
        received_ns = self._enqueue(
            "speech",
            lambda received_ns: self._avatar.push_speech(chunk, received_ns),
            utterance_id=chunk.utterance_id,
        )
        self.inputs.speech.seen(received_ns, chunk.stamp_ns)

    def refuse_speech(self, utterance_id: str, reason: str) -> None:
        """Refuse speech that arrived but cannot be read."""
        self._enqueue("refusal", lambda received_ns: self._avatar.refuse_speech(utterance_id, reason, received_ns))

    def interrupt(self) -> None:
        """Stop speaking."""
        self._enqueue("interrupt", self._interrupt, self._avatar.silent_from_ns)
        self._clock.wake()

    def reset(self) -> None:
        """Forget the conversation."""
        self._enqueue("reset", self._reset, self._avatar.silent_from_ns)
        self._clock.wake()

    def withdraw(self, utterance_id: str) -> None:
        """Do not say an utterance, or stop it if it has begun."""
        self._enqueue("withdraw", partial(self._withdraw, utterance_id))
        self._clock.wake()

    def use_portrait(self, portrait: Portrait, sha256: str) -> None:
        """Animate another portrait."""
        self._enqueue("portrait", lambda _: self._use_portrait(portrait, sha256))

    def use_dials(self, config: AvatarConfig) -> None:
        """Use the guidance and expressiveness of this configuration from the next block on."""
        self._enqueue("dials", lambda _: self._avatar.use_dials(config))

    def express(self, wanted: Expression) -> None:
        """Set what the face should express."""
        self._enqueue("expression", lambda received_ns: self._avatar.express(wanted, received_ns))

    def look_at(self, wanted: LookAt) -> None:
        """Set where the avatar should look."""
        self._enqueue("look_at", lambda received_ns: self._avatar.look_at(wanted, received_ns))

    def settle(self) -> None:
        """Wait until all input so far is taken up and all output due by now is presented: one step of a replay.

        Raises:
            TimeoutError: this takes longer than any block could.
        """
        taken_in = threading.Event()
        now_ns = self._enqueue("settle", lambda _: taken_in.set())
        self._clock.wake()
        if not (taken_in.wait(_SETTLE_PATIENCE_S) and self._outbox.wait_until_done(now_ns, _SETTLE_PATIENCE_S)):
            raise TimeoutError(f"not settled after {_SETTLE_PATIENCE_S:.0f} s")

    def _enqueue(
        self,
        what: str,
        act: Callable[[int], None],
        begins: Callable[[int], int] | None = None,
        utterance_id: str = "",
    ) -> int:
        """Put a request into the inbox.

        Args:
            what: kind of request.
            act: carries it out; called with the time of arrival.
            begins: for a request that begins a new epoch: gives its first presentation time from the time of arrival.
            utterance_id: utterance that the speech belongs to.

        Returns:
            The time of arrival.
        """
        with self._outbox.lock:  # keeps requests, and the epochs that they begin, in the order of their times
            received_ns = self._clock.now_ns()
            if begins is not None:
                self._asked += 1
                self._outbox.begin(Epoch(self._asked), begins(received_ns))
            self._inbox.put(_Request(what, received_ns, self._asked, act, utterance_id))
        return received_ns

    @property
    def frames_dropped(self) -> int:
        """Number of frames not shown, because they were more than a frame late and a newer one was there."""
        return self._left_undrawn + self._left_unshown

    def figures(self) -> dict[str, object]:
        """Figures for diagnostics, by name."""
        started = self._now_ns is not None
        return {
            "block_ms_median": float(np.median(self.block_ms)) if self.block_ms else 0.0,
            "frames_shown": self.frames_shown,
            "frames_dropped": self.frames_dropped,
            "blocks_late": self._quality.late,
            "quality_level": self._quality.level,
            "lateness_ms_p95": float(np.percentile(list(self.lateness_ms) or [0.0], 95)),
            **self.inputs.figures(),
            "epoch": self._avatar.epoch if started else 0,
            **(_directed(*self._avatar.directed) if started else {}),
            **(self._avatar.counters() if started else {}),
        }

    def complaint(self, now_ns: int | None = None) -> str:
        """What is wrong at a time, by default now, in one line, or empty."""
        now_ns = self._clock.now_ns() if now_ns is None else now_ns
        complaints = (*self.inputs.stopped(now_ns).values(), self._quality_complaint(), self._failure)
        return "; ".join(filter(None, complaints))

    def complaints(self) -> dict[str, str]:
        """What is wrong now, for each part that can fail on its own; an empty string if all is well."""
        return {
            **self.inputs.complaints(self._clock.now_ns()),
            "quality": self._quality_complaint(),
            "generation": self._failure,
            "speech": "" if self._now_ns is None else self._avatar.speech_complaint(),
        }

    def _quality_complaint(self) -> str:
        level = self._quality.level
        return f"quality level {level}: {self._quality.effort.words}" if level else ""

    # --- in the thread that decides --------------------------------------------------------------------------------

    def turn(self) -> None:
        """Wait for the next decision or an urgent request, and do what is due."""
        if self._now_ns is None:
            self._begin()
        else:
            self._clock.wait_until(self._avatar.next_decision_ns)
            self.advance()

    @property
    def next_decision_ns(self) -> int:
        """When the next decision is due; 0, at once, before the first turn."""
        return 0 if self._now_ns is None else self._avatar.next_decision_ns

    def advance(self) -> None:
        """Take up the input so far, and make one decision if one is due."""
        now_ns = self._clock.now_ns()  # read before the inbox, so that no decision overtakes its input
        requests = self._take_requests()
        if self._now_ns is not None and now_ns < self._now_ns - _JUMP_NS:
            self._start_again(now_ns)
            requests = [replace(request, received_ns=now_ns) for request in requests]  # their own time may never come
        self._now_ns = now_ns
        for request in requests:
            while self._avatar.next_decision_ns <= request.received_ns <= now_ns and not self._is_lost(now_ns):
                self._decide(self._avatar.next_decision_ns)
            self._carry_out(request)
        if self._avatar.next_decision_ns <= now_ns:  # only one, because requests and quality come in between
            self._decide(now_ns if self._is_lost(now_ns) else self._avatar.next_decision_ns)

    def _take_requests(self) -> list[_Request]:
        """Take out the requests to carry out now.

        While an understudy stands in for the avatar, speech is held back, unless another request concerns it. If the
        understudy has ended what was being said, an interrupt comes first.
        """
        requests = self._inbox.take_all()
        if not self._lease.shared:
            return requests
        waiting = {request.utterance_id for request in (*self._held_speech, *requests)}
        first: list[_Request] = []
        if self._lease.forget_ended() - waiting:  # the understudy has ended what was being said
            self.interrupt()
            first = self._inbox.take_all()
        if not (self._lease.on_stage or any(request.what in _CONCERNS_SPEECH for request in requests)):
            self._held_speech.extend(request for request in requests if request.what == "speech")
            return first + [request for request in requests if request.what != "speech"]
        now_ns = self._clock.now_ns()
        waited = [replace(request, received_ns=now_ns) for request in self._held_speech]
        self._held_speech.clear()
        return first + [request for request in waited + requests if not self._lease.has_ended(request.utterance_id)]

    def _begin(self) -> None:
        if self._lease.awaits_word:  # the understudy will say which epoch comes next
            self._clock.wait_until(self._clock.now_ns() + 20 * MILLISECOND)
        elif self._clock.wait_until(1):  # simulated time is 0 until somebody publishes it
            now_ns = self._clock.now_ns()
            self._avatar.start(now_ns, 0 if self._lease.epoch is None else self._lease.epoch + 1)
            self._now_ns = now_ns  # from here on, other threads may ask for figures
            self._clock.wake()  # requests before this point woke the clock in vain

    def _is_lost(self, now_ns: int) -> bool:
        """Whether the next decision is so overdue that the avatar cannot catch up and must skip time."""
        return now_ns > self._avatar.next_decision_ns + self._avatar.config.behind_ms * MILLISECOND

    def _start_again(self, now_ns: int) -> None:
        """Start the conversation again, because the clock has been set back; nothing older is presented."""
        self.inputs.forget()
        with self._outbox.lock:
            self._asked += 1
            self._epoch = Epoch(self._asked, self._avatar.epoch)
            self._outbox.begin(self._epoch, from_ns=-1)
        self._reset(now_ns)

    def _carry_out(self, request: _Request) -> None:
        # one by one, so that a sample that the avatar refuses does not take others with it
        self._epoch = Epoch(max(request.asked, self._epoch.asked), self._avatar.epoch)
        try:
            request.act(request.received_ns)
        except ValueError as error:
            self._report(request.what, error)

    def _interrupt(self, received_ns: int) -> None:
        self._begin_epoch(self._avatar.interrupt(received_ns))

    def _reset(self, received_ns: int) -> None:
        self._begin_epoch(self._avatar.reset(received_ns))

    def _present_later(self, from_ns: int, interrupts: bool, received_ns: int) -> None:
        self._begin_epoch(self._avatar.present_later(from_ns, received_ns, interrupts))

    def _withdraw(self, utterance_id: str, received_ns: int) -> None:
        cut_ns = self._avatar.withdraw(utterance_id, received_ns)
        if cut_ns is None:
            self._put_events()
        else:
            self._begin_epoch(cut_ns)

    def _use_portrait(self, portrait: Portrait, sha256: str) -> None:
        self._avatar.use_portrait(portrait)
        self._portrait_sha256, self._drawn_ns = sha256, None

    def _begin_epoch(self, from_ns: int) -> None:
        """Follow the avatar, which has begun a new epoch."""
        self._epoch = Epoch(self._epoch.asked, self._avatar.epoch)
        self._outbox.begin(self._epoch, from_ns)
        self._outbox.forget_before(self._epoch)
        self._put_events()

    # --- one decision ----------------------------------------------------------------------------------------------

    def _decide(self, until_ns: int) -> None:
        """Have the avatar decide a block at the current quality, and queue the result for presentation."""
        began = time.perf_counter()
        began_ns = until_ns if self._config.every_frame else self._clock.now_ns()
        self._avatar.use_steps(self._quality.effort.steps(self._avatar.full_steps))
        try:
            frames = self._avatar.step(until_ns)
        except GenerationError as error:  # it is reported, and the face is held
            frames = error.frames
            self.failed_blocks += 1
            self._fail("generation", error)
        for frame in frames:
            if frame.epoch != self._epoch.number:
                self._epoch = Epoch(self._epoch.asked, frame.epoch)
                self._outbox.begin(self._epoch, frame.stamp_ns)
                self._outbox.forget_before(self._epoch)
            self._put_speech(frame)
        self._put_events()
        late_ns = []
        drawings = self._avatar.drawings(frames, first_alone=not self._config.every_frame and self._config.draws_ahead)
        for frame, draw in zip(frames, drawings, strict=True):
            self._put_picture(frame, draw, frames[-1].stamp_ns, began_ns)
            late_ns.append(self._clock.now_ns() - frame.stamp_ns)
        if frames:
            self._quality.note(max(late_ns) / MILLISECOND, (self._clock.now_ns() - began_ns) / MILLISECOND)
            self._failing, self._failure = "", self._failing
            self.block_ms.append((time.perf_counter() - began) * 1e3)

    def _put_speech(self, frame: AvatarFrame) -> None:
        """Queue a frame's speech; silence between utterances is not presented."""
        if frame.utterance_id or np.any(frame.speech):
            chunk = AudioChunk(frame.stamp_ns, frame.speech, SAMPLE_RATE, frame.utterance_id, self._pieces_said)
            self._pieces_said += 1
            due_ns = frame.stamp_ns - self._config.speech_ahead_ms * MILLISECOND
            self._put(due_ns, frame.stamp_ns, partial(self._hand_out, chunk, frame.stamp_ns))

    def _put_events(self) -> None:
        for event in self._avatar.take_events(FOR_EVER_NS):
            # an event at the very moment of a new epoch belongs to what was presented before it
            self._put(event.stamp_ns, event.stamp_ns - 1, partial(self._happen, event))

    def _put_picture(self, frame: AvatarFrame, draw: Callable[[], Picture], newest_ns: int, began_ns: int) -> None:
        """Queue a frame's picture, unless it is too late or a requested epoch already drops it."""
        if self._is_too_late(frame, newest_ns):
            self._left_undrawn += 1
            return
        if not self._outbox.takes(frame.stamp_ns, self._epoch):
            return
        if self._config.draws_ahead:
            picture = self._draw(draw, frame)
            if picture is None:
                return
            draw = partial(np.asarray, picture)
        provenance = Provenance(
            motion_received_ns=self.inputs.motion_arrivals.of(frame.user_motion_until_ns),
            compute_start_ns=began_ns,
            compute_end_ns=self._clock.now_ns(),
            portrait_sha256=self._portrait_sha256,
            quality_level=self._quality.level,
        )
        self._newest_ns = frame.stamp_ns
        self._put(frame.stamp_ns, frame.stamp_ns, partial(self._show, Shown(frame, draw, provenance)))

    def _draw(self, draw: Callable[[], Picture], frame: AvatarFrame) -> Picture | None:
        """A new picture, or the previous one if it is the same, quality demands it or drawing fails; None if none."""
        same = frame.repeats and self._drawn_ns == frame.stamp_ns - frame.repeats * FRAME_NS
        if self._picture is None or (self._quality.effort.draws(frame.index) and not same):
            try:
                self._picture, self._drawn_ns = draw(), frame.stamp_ns
            except Exception as error:  # whatever it is, the previous picture stays
                self._fail("rendering", error)
        return self._picture

    def _fail(self, what: str, error: Exception) -> None:
        self._report(what, error)
        self._failing = f"{what} failed: {one_line(error)}"

    def _is_too_late(self, frame: AvatarFrame, newest_ns: int) -> bool:
        """Whether a frame is not shown, because it is more than one frame late and a newer one is there."""
        late = self._clock.now_ns() > frame.stamp_ns + FRAME_NS
        return late and frame.stamp_ns < newest_ns and not self._config.every_frame

    def _put(self, due_ns: int, stamp_ns: int, act: Callable[[], None]) -> None:
        self._outbox.put(due_ns, stamp_ns, self._epoch, act)

    # --- in the outbox's thread ------------------------------------------------------------------------------------

    def _show(self, shown: Shown) -> None:
        frame = shown.frame
        if self._is_too_late(frame, self._newest_ns):
            self._left_unshown += 1
        else:
            self._tell(lambda outlet: outlet.shown(shown))
            self.frames_shown += 1
            self.lateness_ms.append((self._clock.now_ns() - frame.stamp_ns) / MILLISECOND)
        status = status_of(frame, self.complaint(frame.stamp_ns), self._quality.level)
        if status != self.status:
            self.status = status
            self._tell(lambda outlet: outlet.changed(status, frame.stamp_ns))

    def _hand_out(self, chunk: AudioChunk, stamp_ns: int) -> None:
        """Hand out speech, or none from there on if it is too late for it."""
        late_ns = 0 if self._config.every_frame else self._clock.now_ns() - stamp_ns
        if late_ns <= _LATEST_SPEECH_NS:
            self._late_since_ns = None
            self._tell(lambda outlet: outlet.said(chunk))
            return
        since_ns = stamp_ns if self._late_since_ns is None else self._late_since_ns
        interrupts = self._clock.now_ns() - since_ns > self._avatar.config.behind_ms * MILLISECOND
        self._late_since_ns = None if interrupts else since_ns
        self._enqueue("late speech", partial(self._present_later, stamp_ns, interrupts), lambda _: stamp_ns)
        self._clock.wake()

    def _happen(self, event: PlaybackEvent) -> None:
        self._tell(lambda outlet: outlet.happened(event))

    def _tell(self, say: Callable[[Outlet], None]) -> None:
        for outlet in list(self.outlets):  # an outlet may remove itself meanwhile
            say(outlet)


def _directed(expression: Expression | None, look: LookAt | None) -> dict[str, object]:
    feeling = "" if expression is None else f"valence {expression.valence:.2f}, arousal {expression.arousal:.2f}"
    place = None if look is None else look.place
    return {
        "expression": (expression and expression.name) or feeling,
        "look_at": "the user" if place is None else " ".join(f"{value:.2f}" for value in place),
    }
