# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The action `speak`: says an utterance, tells the client how it ended, and can be cancelled."""

from __future__ import annotations

import threading
import uuid
from collections import deque
from dataclasses import dataclass, field, replace

from rclpy.action import ActionServer, CancelResponse
from rclpy.action.server import ServerGoalHandle

from avatar_forcing_ros.action import Speak
from avatar_forcing_ros.nodes.audio_messages import AudioReader
from avatar_forcing_ros.nodes.managed_node import ManagedNode
from avatar_forcing_ros.nodes.ros_time import to_duration
from avatar_forcing_ros.session.errors import one_line
from avatar_forcing_ros.session.outlet import AvatarStatus, Shown
from avatar_forcing_ros.session.session import Session
from avatar_forcing_ros.signals import AudioChunk
from avatar_forcing_ros.timeline.playback import Playback, PlaybackEvent

_REMEMBERED = 256


@dataclass
class _Goal:
    """A goal that has not ended: `position_ns` had been presented at `since_ns`; None while it is not being said."""

    handle: ServerGoalHandle
    position_ns: int = 0
    since_ns: int | None = None


@dataclass
class SpeakAction:
    """Passes goals to a session as utterances, and ends each goal when its utterance ends.

    A goal is executed only at its end, because rclpy's executor spins at full speed while a coroutine waits.
    """

    node: ManagedNode
    session: Session
    _goals: dict[str, _Goal] = field(default_factory=dict)
    _ended: deque[str] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    _lock: threading.Lock = field(default_factory=threading.Lock)  # between the outbox's thread and the executor's

    def open(self) -> None:
        """Offer the action."""
        self._reader = AudioReader("AudioChunk")
        self._server = ActionServer(
            self.node,
            Speak,
            "speak",
            execute_callback=lambda handle: Speak.Result(),
            handle_accepted_callback=self.node.guard("speak", self._accept),
            cancel_callback=self._cancel,
        )
        self.session.outlets.append(self)

    def close(self) -> None:
        """Withdraw the action."""
        self.session.outlets.remove(self)
        self._server.destroy()

    # --- what the session tells ----------------------------------------------------------------------------------

    def happened(self, event: PlaybackEvent) -> None:
        """Note an event of an utterance, and end its goal if the utterance has ended."""
        with self._lock:
            goal = self._goals.get(event.utterance_id)
            if event.kind in (Playback.FINISHED, Playback.INTERRUPTED):
                self._ended.append(event.utterance_id)
                self._goals.pop(event.utterance_id, None)
            elif goal is not None:
                goal.position_ns = event.position_ns
                goal.since_ns = event.stamp_ns if event.kind is Playback.STARTED else None
        if goal is not None and event.kind is Playback.FINISHED:
            self._end(goal, event.utterance_id, Speak.Result.FINISHED, event.position_ns)
        if goal is not None and event.kind is Playback.INTERRUPTED:
            self._end(goal, event.utterance_id, Speak.Result.INTERRUPTED, event.position_ns)

    def shown(self, shown: Shown) -> None:
        """Publish feedback for a frame that is being presented."""
        frame = shown.frame
        with self._lock:
            goal = self._goals.get(frame.utterance_id)
        if goal is not None:
            goal.since_ns = frame.stamp_ns if goal.since_ns is None else goal.since_ns
            position_ns = goal.position_ns + max(0, frame.stamp_ns - goal.since_ns)
            position = to_duration(position_ns)
            goal.handle.publish_feedback(Speak.Feedback(utterance_id=frame.utterance_id, position=position))

    def said(self, chunk: AudioChunk) -> None:
        """Do nothing: frames give the position in an utterance."""

    def changed(self, status: AvatarStatus, stamp_ns: int) -> None:
        """Do nothing: a goal does not depend on the status."""

    # --- what clients ask ------------------------------------------------------------------------------------------

    def _accept(self, handle: ServerGoalHandle) -> None:
        utterance_id = handle.request.utterance_id or str(uuid.UUID(bytes=bytes(handle.goal_id.uuid)))
        goal = _Goal(handle)
        try:
            chunks = self._read(utterance_id, handle.request)
            with self._lock:
                if utterance_id in self._goals or utterance_id in self._ended:
                    raise ValueError(f"utterance_id must be a new one, got {utterance_id!r} again")
                self._goals[utterance_id] = goal
        except ValueError as error:
            self._end(goal, utterance_id, Speak.Result.REFUSED, 0, one_line(error))
            return
        for chunk in chunks:
            self.session.say(chunk)

    def _read(self, utterance_id: str, request: Speak.Goal) -> list[AudioChunk]:
        if not request.chunks and not request.streaming:
            raise ValueError("a goal must have chunks or be streaming, got neither")
        if request.streaming and not request.utterance_id:
            raise ValueError(
                "a streaming goal must have an utterance_id, which its chunks on speech then name, got none"
            )
        chunks = [self._reader.read(message) for message in request.chunks]
        last = len(chunks) - 1
        return [
            replace(chunk, utterance_id=utterance_id, seq=seq, end_of_utterance=seq == last and not request.streaming)
            for seq, chunk in enumerate(chunks)
        ]

    def _cancel(self, handle: ServerGoalHandle) -> CancelResponse:
        with self._lock:
            mine = [name for name, goal in self._goals.items() if goal.handle.goal_id == handle.goal_id]
        for utterance_id in mine:
            self.session.withdraw(utterance_id)
        return CancelResponse.ACCEPT if mine else CancelResponse.REJECT

    # --- endings ---------------------------------------------------------------------------------------------------

    def _end(self, goal: _Goal, utterance_id: str, outcome: int, position_ns: int, message: str = "") -> None:
        result = Speak.Result(
            outcome=outcome, utterance_id=utterance_id, position=to_duration(position_ns), message=message
        )

        def conclude(handle: ServerGoalHandle) -> Speak.Result:
            if outcome == Speak.Result.FINISHED:
                handle.succeed()
            elif handle.is_cancel_requested:
                handle.canceled()
            else:
                handle.abort()
            return result

        # in the executor's thread, like all other changes of the goal's state
        self.node.executor.create_task(goal.handle.execute, conclude)
