"""Runs an `Avatar` on a node's clock, in one thread: takes what came in, generates ahead, renders ahead."""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.avatar import Avatar
from avatar_forcing_ros.motion.space import Portrait
from avatar_forcing_ros.msg import AvatarState
from avatar_forcing_ros.nodes.inputs import ArrivalTimes, InputWatch
from avatar_forcing_ros.nodes.pacer import Pacer
from avatar_forcing_ros.nodes.presenter import Presenter, Provenance
from avatar_forcing_ros.nodes.ros_time import MILLISECOND, ClockWaiter
from avatar_forcing_ros.nodes.worker import Faults, Mailbox
from avatar_forcing_ros.signals import AudioChunk, AvatarFrame, MotionSample

_INBOX = 10_000  # minutes of everything; it is emptied once a block
_JUMP_NS = 100 * MILLISECOND  # a clock that goes back further than this has been set
_FOR_EVER_NS = 1 << 62


@dataclass(frozen=True)
class _Request:
    """Something to be done by the performer's thread."""

    what: str
    act: Callable[[], None]


class Performer:
    """The one thread that touches the avatar. Its other methods may be called from any thread and return at once.

    Attributes:
        camera: when user motion came.
        microphone: when user audio came.
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
    ) -> None:
        self._avatar, self._waiter, self._pacer, self._presenter = avatar, waiter, pacer, presenter
        self._faults, self._portrait_sha256 = faults, portrait_sha256
        self._inbox: Mailbox[_Request] = Mailbox(_INBOX)
        self._arrivals = ArrivalTimes()
        timeout_ns = avatar.config.input_timeout_ms * MILLISECOND
        self.camera = InputWatch("camera", timeout_ns)
        self.microphone = InputWatch("microphone", timeout_ns)
        self.block_ms: deque[float] = deque(maxlen=100)
        self._now_ns: int | None = None

    # --- from any thread -------------------------------------------------------------------------------------------

    def hear(self, chunk: AudioChunk) -> None:
        """The user's voice."""
        self.microphone.seen(self._waiter.now_ns())
        self._inbox.put(_Request("user_audio", lambda: self._avatar.push_user_audio(chunk)))

    def see(self, sample: MotionSample) -> None:
        """The user's face."""
        received_ns = self._waiter.now_ns()
        self.camera.seen(received_ns)
        self._arrivals.add(sample.stamp_ns, received_ns)
        self._inbox.put(_Request("user_motion", lambda: self._avatar.push_user_motion(sample)))

    def say(self, chunk: AudioChunk) -> None:
        """What the avatar shall say."""
        received_ns = self._waiter.now_ns()
        self._inbox.put(_Request("speech", lambda: self._avatar.push_speech(chunk, received_ns)))

    def interrupt(self) -> None:
        """Stop speaking."""
        self._inbox.put(_Request("interrupt", self._interrupt))
        self._waiter.wake()

    def reset(self) -> None:
        """Forget the conversation."""
        self._inbox.put(_Request("reset", self._reset))
        self._waiter.wake()

    def use_portrait(self, portrait: Portrait, sha256: str) -> None:
        """Animate another portrait."""
        self._inbox.put(_Request("portrait", lambda: self._use_portrait(portrait, sha256)))

    def figures(self) -> dict[str, object]:
        """What diagnostics say of the performance."""
        started = self._now_ns is not None
        return {
            "block_ms_median": float(np.median(self.block_ms)) if self.block_ms else 0.0,
            "frames_shown": self._presenter.shown,
            "frames_dropped": self._presenter.dropped,
            "lateness_ms_p95": float(np.percentile(list(self._presenter.lateness_ms) or [0.0], 95)),
            "user_motion_received": self.camera.count,
            "user_audio_received": self.microphone.count,
            "epoch": self._avatar.epoch if started else 0,
            **(self._avatar.counters() if started else {}),
        }

    def complaint(self) -> str:
        """Which inputs have stopped, in one line, or empty."""
        now_ns = self._waiter.now_ns()
        return "; ".join(f"the {i.name} has stopped" for i in (self.camera, self.microphone) if i.stopped(now_ns))

    # --- the thread ------------------------------------------------------------------------------------------------

    def turn(self) -> None:
        """Wait for the next decision, or for a request that cannot wait, and do what is due."""
        if self._now_ns is None and not self._begin():
            return
        self._waiter.wait_until(self._avatar.next_decision_ns)
        self._notice_jump(self._waiter.now_ns())
        for request in self._inbox.take_all():
            self._fulfil(request)
        self._perform(self._waiter.now_ns())

    def _begin(self) -> bool:
        if not self._waiter.wait_until(1):  # simulated time is 0 until somebody publishes it
            return False
        now_ns = self._waiter.now_ns()
        self._avatar.start(now_ns)
        self._now_ns = now_ns  # from here on other threads may ask for figures
        return True

    def _notice_jump(self, now_ns: int) -> None:
        assert self._now_ns is not None
        if now_ns < self._now_ns - _JUMP_NS:
            self.camera.forget()
            self.microphone.forget()
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
        frames = self._avatar.step(now_ns)
        for frame in frames:
            self._presenter.speak(frame)
        self._report_events()
        for frame in frames:
            if not self._presenter.drops(frame, frames[-1].stamp_ns):
                self._show(frame, compute_start_ns=now_ns)
        if frames:
            self.block_ms.append((time.perf_counter() - began) * 1e3)

    def _show(self, frame: AvatarFrame, compute_start_ns: int) -> None:
        picture = self._avatar.render(frame)
        received_ns = self._arrivals.of(frame.user_motion_until_ns)
        provenance = Provenance(received_ns, compute_start_ns, self._waiter.now_ns(), self._portrait_sha256)
        self._presenter.show(frame, picture, provenance)
        self._pacer.put(frame.stamp_ns, frame.stamp_ns, lambda: self._tell_state(frame))

    def _tell_state(self, frame: AvatarFrame) -> None:
        complaint = self.complaint()
        if frame.utterance_id:
            state = AvatarState.SPEAKING
        elif complaint:
            state = AvatarState.DEGRADED
        else:
            state = AvatarState.LISTENING if frame.user_present else AvatarState.IDLE
        self._presenter.state(state, frame.epoch, frame.utterance_id, complaint)

    def _report_events(self) -> None:
        for event in self._avatar.take_events(_FOR_EVER_NS):
            self._presenter.report(event)

    def _interrupt(self) -> None:
        self._pacer.cut(self._avatar.interrupt(self._waiter.now_ns()))
        self._report_events()

    def _reset(self) -> None:
        self._pacer.cut(-1)
        self._avatar.reset(self._waiter.now_ns())

    def _use_portrait(self, portrait: Portrait, sha256: str) -> None:
        self._avatar.use_portrait(portrait)
        self._portrait_sha256 = sha256


def sha256_of_pixels(image: NDArray[np.uint8]) -> str:
    """SHA-256 of a picture's pixels, in hexadecimal."""
    return hashlib.sha256(np.ascontiguousarray(image).data).hexdigest()
