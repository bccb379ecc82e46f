"""Runs an `Avatar` on a node's clock, in one thread: takes what came in, generates ahead, renders ahead."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.avatar import Avatar, GenerationError
from avatar_forcing_ros.messages.presented import Provenance, state_of
from avatar_forcing_ros.motion.space import Portrait
from avatar_forcing_ros.nodes.pacer import Pacer
from avatar_forcing_ros.nodes.presenter import Presenter
from avatar_forcing_ros.nodes.ros_time import MILLISECOND, ClockWaiter
from avatar_forcing_ros.session.quality import QualityLadder
from avatar_forcing_ros.session.worker import Faults, Mailbox, one_line
from avatar_forcing_ros.signals import AudioChunk, AvatarFrame, MotionSample
from avatar_forcing_ros.stream.inputs import ArrivalTimes, InputWatch
from avatar_forcing_ros.stream.speech import PlaybackEvent

_INBOX = 10_000  # minutes of everything; it is emptied once a block
_JUMP_NS = 100 * MILLISECOND  # a clock that goes back further than this has been set
_FOR_EVER_NS = 1 << 62
_SETTLE_PATIENCE_S = 25.0


@dataclass(frozen=True)
class _Request:
    """Something to be done by the performer's thread, after the decisions that were due when it came."""

    what: str
    received_ns: int
    act: Callable[[], None]


class PlaybackWatcher(Protocol):
    """Is told what is presented, when it is, in the pacer's thread."""

    def happened(self, event: PlaybackEvent) -> None:
        """Something happened to an utterance."""
        ...

    def shown(self, frame: AvatarFrame) -> None:
        """A frame is shown."""
        ...


class Performer:
    """The one thread that touches the avatar. Its other methods may be called from any thread and return at once.

    Attributes:
        watchers: are told what is presented.
        camera: when user motion came.
        microphone: when user audio came.
        speech: when something to say came.
        block_ms: how long the newest blocks took, generation and rendering together.
    """

    def __init__(
        self,
        avatar: Avatar,
        waiter: ClockWaiter,
        pacer: Pacer,
        presenter: Presenter,
        faults: Faults,
        portrait_sha256: str,
        quality: QualityLadder,
    ) -> None:
        self._avatar, self._waiter, self._pacer, self._presenter = avatar, waiter, pacer, presenter
        self._faults, self._portrait_sha256, self._quality = faults, portrait_sha256, quality
        self._picture: NDArray[np.uint8] | None = None
        self._failing, self._failure = "", ""  # of the block in the making, of the newest one made
        self._inbox: Mailbox[_Request] = Mailbox(_INBOX)
        self._arrivals = ArrivalTimes()
        timeout_ns = avatar.config.input_timeout_ms * MILLISECOND
        self.camera = InputWatch("camera", timeout_ns)
        self.microphone = InputWatch("microphone", timeout_ns)
        self.speech = InputWatch("speech", timeout_ns)  # nobody has to speak: its silence is no complaint
        self.block_ms: deque[float] = deque(maxlen=100)
        self.watchers: list[PlaybackWatcher] = []
        self._epoch = 0
        self._silencing = threading.Lock()
        self._silent_from_ns = _FOR_EVER_NS
        self._now_ns: int | None = None

    # --- from any thread -------------------------------------------------------------------------------------------

    def hear(self, chunk: AudioChunk) -> None:
        """The user's voice."""
        received_ns = self._waiter.now_ns()
        self.microphone.seen(received_ns, None if chunk.stamp_ns is None else chunk.stamp_ns + chunk.duration_ns)
        self._inbox.put(_Request("user_audio", received_ns, lambda: self._avatar.push_user_audio(chunk)))

    def see(self, sample: MotionSample) -> None:
        """The user's face."""
        received_ns = self._waiter.now_ns()
        self.camera.seen(received_ns, sample.stamp_ns)
        self._arrivals.add(sample.stamp_ns, received_ns)
        self._inbox.put(_Request("user_motion", received_ns, lambda: self._avatar.push_user_motion(sample)))

    def say(self, chunk: AudioChunk) -> None:
        """What the avatar shall say."""
        received_ns = self._waiter.now_ns()
        self.speech.seen(received_ns, chunk.stamp_ns)
        self._inbox.put(_Request("speech", received_ns, lambda: self._avatar.push_speech(chunk, received_ns)))

    def interrupt(self) -> None:
        """Stop speaking."""
        received_ns = self._waiter.now_ns()
        # what is queued is silenced by whoever calls: the performer's own thread may be drawing for some time yet
        with self._silencing:
            self._silent_from_ns = self._avatar.silent_from_ns(received_ns)
            self._pacer.cut(self._silent_from_ns)
        self._inbox.put(_Request("interrupt", received_ns, lambda: self._interrupt(received_ns)))
        self._waiter.wake()

    def withdraw(self, utterance_id: str) -> None:
        """Do not say an utterance, or stop speaking if it has begun."""
        received_ns = self._waiter.now_ns()
        self._inbox.put(_Request("withdraw", received_ns, lambda: self._withdraw(utterance_id, received_ns)))
        self._waiter.wake()

    def reset(self) -> None:
        """Forget the conversation."""
        self._inbox.put(_Request("reset", self._waiter.now_ns(), self._reset))
        self._waiter.wake()

    def use_portrait(self, portrait: Portrait, sha256: str) -> None:
        """Animate another portrait."""
        received_ns = self._waiter.now_ns()
        self._inbox.put(_Request("portrait", received_ns, lambda: self._use_portrait(portrait, sha256)))

    def settle(self) -> None:
        """Return when what came before is taken in and what is due by now is made and published: a step of a replay.

        Raises:
            TimeoutError: that takes longer than any block does.
        """
        now_ns, taken_in = self._waiter.now_ns(), threading.Event()
        self._inbox.put(_Request("settle", now_ns, taken_in.set))
        self._waiter.wake()
        if not (taken_in.wait(_SETTLE_PATIENCE_S) and self._pacer.wait_until_done(now_ns, _SETTLE_PATIENCE_S)):
            raise TimeoutError(f"not settled after {_SETTLE_PATIENCE_S:.0f} s")

    def figures(self) -> dict[str, object]:
        """What diagnostics say of the performance."""
        started = self._now_ns is not None
        return {
            "block_ms_median": float(np.median(self.block_ms)) if self.block_ms else 0.0,
            "frames_shown": self._presenter.shown,
            "frames_dropped": self._presenter.dropped,
            "blocks_late": self._quality.late,
            "quality_level": self._quality.level,
            "lateness_ms_p95": float(np.percentile(list(self._presenter.lateness_ms) or [0.0], 95)),
            "user_motion_received": self.camera.count,
            "user_audio_received": self.microphone.count,
            "speech_received": self.speech.count,
            "user_motion_age_ms_least": _milliseconds(self.camera.least_age_ns),
            "user_audio_age_ms_least": _milliseconds(self.microphone.least_age_ns),
            "epoch": self._avatar.epoch if started else 0,
            **(self._avatar.counters() if started else {}),
        }

    def complaint(self) -> str:
        """What is not as it should be, in one line, or empty."""
        now_ns = self._waiter.now_ns()
        complaints = [f"the {i.name} has stopped" for i in (self.camera, self.microphone) if i.stopped(now_ns)]
        if self._quality.level:
            complaints.append(f"quality level {self._quality.level}: {self._quality.effort.words}")
        if self._failure:
            complaints.append(self._failure)
        return "; ".join(complaints)

    def clock_complaint(self) -> str:
        """Which inputs live in another time, in one line, or empty."""
        return "; ".join(filter(None, (self.camera.clock_complaint(), self.microphone.clock_complaint())))

    # --- the thread ------------------------------------------------------------------------------------------------

    def turn(self) -> None:
        """Wait for the next decision, or for a request that cannot wait, and do what is due."""
        if self._now_ns is None:
            self._begin()
            return
        self._waiter.wait_until(self._avatar.next_decision_ns)
        now_ns = self._waiter.now_ns()  # before the inbox: nothing is decided of a time whose items may yet lie there
        self._notice_jump(now_ns)
        for request in self._inbox.take_all():
            self._catch_up(request.received_ns)
            self._fulfil(request)
        self._perform(self._until(now_ns))

    def _until(self, now_ns: int) -> int:
        """Where decisions lag behind, one block at a time: quality and requests come in between. Replays lag freely."""
        due_ns = self._avatar.next_decision_ns
        lags = due_ns <= now_ns <= due_ns + self._avatar.config.behind_ms * MILLISECOND
        return due_ns if lags and not self._presenter.every_frame else now_ns

    def _catch_up(self, received_ns: int) -> None:
        """Decide first what was due when a request came, for it must not matter when this thread had time for it."""
        now_ns, due_ns = self._waiter.now_ns(), self._avatar.next_decision_ns
        if due_ns <= received_ns <= now_ns <= due_ns + self._avatar.config.behind_ms * MILLISECOND:
            self._perform(received_ns)

    def _begin(self) -> None:
        if self._waiter.wait_until(1):  # simulated time is 0 until somebody publishes it
            now_ns = self._waiter.now_ns()
            self._avatar.start(now_ns)
            self._now_ns = now_ns  # from here on other threads may ask for figures
            self._waiter.wake()  # who called before that woke us in vain

    def _notice_jump(self, now_ns: int) -> None:
        assert self._now_ns is not None
        if now_ns < self._now_ns - _JUMP_NS:
            self.camera.forget()
            self.microphone.forget()
            self._pacer.cut(-1)
            self._reset()
        self._now_ns = now_ns

    def _fulfil(self, request: _Request) -> None:
        # one by one, so that a sample which the avatar refuses takes no other one with it
        try:
            request.act()
        except ValueError as error:
            self._faults.report(request.what, error)

    def _perform(self, now_ns: int) -> None:
        began = time.perf_counter()
        began_ns = now_ns if self._presenter.every_frame else self._waiter.now_ns()
        frames = self._generate(now_ns)
        self._notice_epoch(frames)
        for frame in frames:
            self._unless_silenced(frame.stamp_ns, partial(self._presenter.speak, frame))
        self._report_events()
        late_ns = [self._show_in_time(frame, frames[-1].stamp_ns, began_ns) for frame in frames]
        if frames:
            self._quality.note(max(late_ns) / MILLISECOND)
            self._failing, self._failure = "", self._failing
            self.block_ms.append((time.perf_counter() - began) * 1e3)

    def _generate(self, now_ns: int) -> list[AvatarFrame]:
        """Frames that are due, at the quality that this machine can do; a failure is reported and the face held."""
        self._avatar.use_steps(self._quality.effort.steps(self._avatar.full_steps))
        try:
            return self._avatar.step(now_ns)
        except GenerationError as error:
            self._fail("generation", error)
            return error.frames

    def _notice_epoch(self, frames: list[AvatarFrame]) -> None:
        """What belongs to an older epoch is not presented from the first frame of a newer one on."""
        for frame in frames:
            if frame.epoch != self._epoch:
                self._epoch = frame.epoch
                self._pacer.cut(frame.stamp_ns)

    def _show_in_time(self, frame: AvatarFrame, newest_ns: int, compute_start_ns: int) -> int:
        """Show a frame unless it is too late; how long after its time it was ready, in nanoseconds."""
        if frame.stamp_ns < self._silent_from_ns and not self._presenter.drops(frame, newest_ns):
            self._show(frame, compute_start_ns)
        return self._waiter.now_ns() - frame.stamp_ns

    def _show(self, frame: AvatarFrame, compute_start_ns: int) -> None:
        picture = self._draw(frame)
        if picture is None:
            return
        provenance = Provenance(
            motion_received_ns=self._arrivals.of(frame.user_motion_until_ns),
            compute_start_ns=compute_start_ns,
            compute_end_ns=self._waiter.now_ns(),
            portrait_sha256=self._portrait_sha256,
            quality_level=self._quality.level,
        )
        self._unless_silenced(frame.stamp_ns, lambda: self._present(frame, picture, provenance))

    def _present(self, frame: AvatarFrame, picture: NDArray[np.uint8], provenance: Provenance) -> None:
        self._presenter.show(frame, picture, provenance)
        self._pacer.put(frame.stamp_ns, frame.stamp_ns, lambda: self._tell_state(frame))

    def _unless_silenced(self, stamp_ns: int, put: Callable[[], None]) -> None:
        """Queue what belongs to a time, but not after an interrupt that this thread has yet to carry out."""
        with self._silencing:
            if stamp_ns < self._silent_from_ns:
                put()

    def _draw(self, frame: AvatarFrame) -> NDArray[np.uint8] | None:
        """A new picture, or the one before where the quality says so or drawing fails; None when there is none yet."""
        if self._picture is None or self._quality.effort.draws(frame.index):
            try:
                self._picture = self._avatar.render(frame)
            except Exception as error:  # whatever it is, the face stays
                self._fail("rendering", error)
        return self._picture

    def _fail(self, what: str, error: Exception) -> None:
        self._faults.report(what, error)
        self._failing = f"{what} failed: {one_line(error)}"

    def _tell_state(self, frame: AvatarFrame) -> None:
        complaint = self.complaint()
        self._presenter.state(
            state_of(frame, complaint), frame.epoch, frame.utterance_id, complaint, self._quality.level
        )
        for watcher in self.watchers:
            watcher.shown(frame)

    def _report_events(self) -> None:
        for event in self._avatar.take_events(_FOR_EVER_NS):
            # an event at the very moment of a cut belongs to what was presented before it
            self._unless_silenced(event.stamp_ns - 1, partial(self._report, event))

    def _report(self, event: PlaybackEvent) -> None:
        self._presenter.report(event)
        for watcher in self.watchers:
            self._pacer.put(event.stamp_ns, event.stamp_ns - 1, partial(watcher.happened, event))

    def _interrupt(self, received_ns: int) -> None:
        self._pacer.cut(self._avatar.interrupt(received_ns))
        self._silent_from_ns = _FOR_EVER_NS
        self._report_events()

    def _withdraw(self, utterance_id: str, received_ns: int) -> None:
        cut_ns = self._avatar.withdraw(utterance_id, received_ns)
        if cut_ns is not None:
            self._pacer.cut(cut_ns)
        self._report_events()

    def _reset(self) -> None:
        self._pacer.cut(self._avatar.reset(self._waiter.now_ns()))
        self._silent_from_ns = _FOR_EVER_NS
        self._report_events()

    def _use_portrait(self, portrait: Portrait, sha256: str) -> None:
        self._avatar.use_portrait(portrait)
        self._portrait_sha256 = sha256


def _milliseconds(duration_ns: int | None) -> float | str:
    return "" if duration_ns is None else duration_ns / MILLISECOND


def sha256_of_pixels(image: NDArray[np.uint8]) -> str:
    """SHA-256 of a picture's pixels, in hexadecimal."""
    return hashlib.sha256(np.ascontiguousarray(image).data).hexdigest()
