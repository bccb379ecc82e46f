"""An avatar on a bag's time: what comes in is handed over at its time, what goes out is presented at its time.

Decisions that are due at a time are made before what comes at that time is taken in, and what is due to be presented is
presented before. The live nodes keep the same order, so both make the same of the same messages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from avatar_forcing_ros.avatar import MILLISECOND, Avatar, GenerationError
from avatar_forcing_ros.bags.outbox import Outbox
from avatar_forcing_ros.messages import audio, motion, presented
from avatar_forcing_ros.messages.making import Make, header
from avatar_forcing_ros.messages.presented import Provenance
from avatar_forcing_ros.signals import AudioChunk, AvatarFrame, MotionSample
from avatar_forcing_ros.stream.grid import SAMPLE_RATE
from avatar_forcing_ros.stream.inputs import ArrivalTimes, InputWatch

SPEECH_AHEAD_NS = 40 * MILLISECOND
FRAME_ID = "avatar"
_FOR_EVER_NS = 1 << 62


class Stage(Protocol):
    """Where a performance is shown."""

    def show(self, frame: AvatarFrame) -> None:
        """A frame's picture is presented now."""
        ...

    def tell(self, topic: str, time_ns: int, message: Any) -> None:
        """A message that goes with it is published."""
        ...


@dataclass(frozen=True)
class _Mood:
    """The avatar's state, to tell it when it is another one."""

    state: int
    epoch: int
    utterance_id: str
    detail: str


class Performance:
    """One conversation.

    Args:
        avatar: has not begun yet.
        stage: gets what is presented.
        make: makes messages.
        portrait_sha256: of the portrait's pixels.

    Attributes:
        failed_blocks: blocks that could not be generated; the face was held.
    """

    def __init__(self, avatar: Avatar, stage: Stage, make: Make, portrait_sha256: str) -> None:
        self._avatar, self._stage, self._make, self._portrait_sha256 = avatar, stage, make, portrait_sha256
        timeout_ns = avatar.config.input_timeout_ms * MILLISECOND
        self._camera, self._microphone = InputWatch("camera", timeout_ns), InputWatch("microphone", timeout_ns)
        self._arrivals = ArrivalTimes()
        self._outbox = Outbox()
        self._mood = _Mood(presented.IDLE, 0, "", "")
        self._spoken = self._epoch = self.failed_blocks = 0

    def start(self, now_ns: int) -> None:
        """Begin the conversation."""
        self._avatar.start(now_ns)

    def advance(self, now_ns: int) -> None:
        """Decide and present what is due by now."""
        while (decided_ns := self._avatar.next_decision_ns) <= now_ns:
            self._outbox.release(decided_ns - 1)
            for frame in self._generate(decided_ns):
                self._notice_epoch(frame)
                self._speak(frame)
                self._outbox.put(frame.stamp_ns, frame.stamp_ns, self._presenting(frame, decided_ns))
            self._report_events()
        self._outbox.release(now_ns)

    def _generate(self, decided_ns: int) -> list[AvatarFrame]:
        try:
            return self._avatar.step(decided_ns)
        except GenerationError as error:
            self.failed_blocks += 1
            return error.frames

    def _notice_epoch(self, frame: AvatarFrame) -> None:
        """What belongs to an older epoch is not presented from the first frame of a newer one on."""
        if frame.epoch != self._epoch:
            self._epoch = frame.epoch
            self._outbox.cut(frame.stamp_ns)

    # --- what comes in, after `advance` to its time ----------------------------------------------------------------

    def hear(self, chunk: AudioChunk, received_ns: int) -> None:
        """The user's voice."""
        self._microphone.seen(received_ns)
        self._avatar.push_user_audio(chunk)

    def see(self, sample: MotionSample, received_ns: int) -> None:
        """The user's face."""
        self._camera.seen(received_ns)
        self._arrivals.add(sample.stamp_ns, received_ns)
        self._avatar.push_user_motion(sample)

    def say(self, chunk: AudioChunk, received_ns: int) -> None:
        """What the avatar shall say."""
        self._avatar.push_speech(chunk, received_ns)

    def interrupt(self, received_ns: int) -> None:
        """Stop speaking."""
        self._outbox.cut(self._avatar.interrupt(received_ns))
        self._report_events()

    # --- what goes out ---------------------------------------------------------------------------------------------

    def _speak(self, frame: AvatarFrame) -> None:
        if not (frame.utterance_id or np.any(frame.speech)):
            return
        chunk = AudioChunk(frame.stamp_ns, frame.speech, SAMPLE_RATE, frame.utterance_id, self._spoken)
        self._spoken += 1
        message = audio.from_chunk(self._make, chunk)
        self._outbox.put(
            frame.stamp_ns - SPEECH_AHEAD_NS,
            frame.stamp_ns,
            lambda: self._stage.tell("avatar/speech", frame.stamp_ns, message),
        )

    def _presenting(self, frame: AvatarFrame, decided_ns: int) -> Callable[[], None]:
        received_ns = self._arrivals.of(frame.user_motion_until_ns)
        provenance = Provenance(received_ns, decided_ns, decided_ns, self._portrait_sha256)
        return lambda: self._present(frame, provenance)

    def _present(self, frame: AvatarFrame, provenance: Provenance) -> None:
        space, stamp = self._avatar.bundle.space, frame.stamp_ns
        self._stage.show(frame)
        info = presented.frame_info(self._make, frame, provenance, FRAME_ID)
        info.published = info.deadline
        self._stage.tell("avatar/frame_info", stamp, info)
        self._stage.tell("avatar/motion", stamp, motion.from_frame(self._make, frame, space.name, space.names))
        self._tell_state(frame)

    def _tell_state(self, frame: AvatarFrame) -> None:
        inputs = (self._camera, self._microphone)
        complaint = "; ".join(f"the {i.name} has stopped" for i in inputs if i.stopped(frame.stamp_ns))
        mood = _Mood(presented.state_of(frame, complaint), frame.epoch, frame.utterance_id, complaint)
        if mood != self._mood:
            self._mood = mood
            message = self._make(
                "avatar_forcing_ros/AvatarState", header=header(self._make, frame.stamp_ns), **vars(mood)
            )
            self._stage.tell("avatar/state", frame.stamp_ns, message)

    def _report_events(self) -> None:
        for event in self._avatar.take_events(_FOR_EVER_NS):
            message = presented.playback_event(self._make, event)
            # an event at the very moment of a cut belongs to what was presented before it
            self._outbox.put(event.stamp_ns, event.stamp_ns - 1, self._telling(event.stamp_ns, message))

    def _telling(self, stamp_ns: int, message: Any) -> Callable[[], None]:
        return lambda: self._stage.tell("avatar/playback", stamp_ns, message)
