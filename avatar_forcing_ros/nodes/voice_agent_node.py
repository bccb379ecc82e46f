# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A conversation partner behind the face: hears the user, answers on `speech`, and tracks what was really heard.

The agent is in `agent/` and runs in an event loop in a thread of its own; this node converts messages for it.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from std_msgs.msg import Empty, String

from avatar_forcing_ros.agent.agent import Agent, Parts
from avatar_forcing_ros.agent.answer import Answer, Caption
from avatar_forcing_ros.agent.assembly import PartsConfig, Stacks, assemble
from avatar_forcing_ros.agent.recognisers import Deaf
from avatar_forcing_ros.directing.expressions import EXPRESSIONS
from avatar_forcing_ros.messages.presented import to_playback
from avatar_forcing_ros.msg import AudioChunk as AudioChunkMessage
from avatar_forcing_ros.msg import AvatarState, PlaybackEvent
from avatar_forcing_ros.msg import Caption as CaptionMessage
from avatar_forcing_ros.nodes import qos
from avatar_forcing_ros.nodes.audio_messages import AudioInput, from_chunk, listen_audio
from avatar_forcing_ros.nodes.diagnostics import DiagnosticsPublisher, Health, Level
from avatar_forcing_ros.nodes.directions import expression_type
from avatar_forcing_ros.nodes.managed_node import ManagedNode
from avatar_forcing_ros.nodes.ros_time import stamp_ns, to_duration
from avatar_forcing_ros.nodes.running import run
from avatar_forcing_ros.nodes.speech_stacks import AudioCommonVoice, LlamaRosMind, SayServer, WhisperRosRecogniser
from avatar_forcing_ros.signals import NANOSECONDS, AudioChunk

_PATIENCE_S = 5.0
_LOOK_S = 0.2


@dataclass(frozen=True)
class VoiceAgentConfig(PartsConfig):
    """Parameters of the voice agent.

    Attributes:
        agent: behaviour of the agent.
        recogniser: what turns speech into text.
        mind: what finds answers.
        voice: what turns text into speech.
        user_audio: kind and layout of the messages on user_audio.
        offer_say: offer audio_common's action TTS under the name `say`.
    """

    user_audio: AudioInput = field(default_factory=AudioInput)
    offer_say: bool = False

    def __post_init__(self) -> None:
        if self.offer_say and self.voice.kind == "audio_common":
            raise ValueError("offer_say must be false where voice.kind is audio_common: the agent would call itself")


class VoiceAgentNode(ManagedNode[VoiceAgentConfig]):
    """Converts messages and passes them to an `Agent`."""

    def __init__(self, **node_arguments: Any) -> None:
        super().__init__("voice_agent", VoiceAgentConfig(), **node_arguments)

    def begin(self, undo: ExitStack) -> None:
        """Load the parts, start the agent, then subscribe."""
        parts = assemble(self.config, self._local_time, self._stacks())
        self._introduce(parts)
        self._speech = self.advertise(AudioChunkMessage, "speech", qos.SPEECH)
        self._captions = self.advertise(CaptionMessage, "speech/caption", qos.STREAM)
        self._expressions = self.advertise(expression_type(), "robot_face/expression", qos.STREAM)
        self._interrupts = self.advertise(Empty, "speech/interrupt", qos.STREAM)
        self._own_interrupts = 0
        self._loop = asyncio.new_event_loop()
        thread = threading.Thread(target=self._loop.run_forever, name="agent", daemon=True)
        thread.start()
        undo.callback(self._end_loop, thread)
        self._agent = self._in_loop(lambda: self._start(parts))
        undo.callback(lambda: asyncio.run_coroutine_threadsafe(self._agent.close(), self._loop).result(_PATIENCE_S))
        self._listen()
        if self.config.agent.greeting:
            self._greet_when_heard(undo)
        if self.config.offer_say:
            undo.callback(SayServer(self, self._say_for).close)
        undo.callback(DiagnosticsPublisher(self, self._health).close)

    def _stacks(self) -> Stacks:
        return {
            "whisper_ros": lambda config: WhisperRosRecogniser(self, config.recogniser.silence_s),
            "llama_ros": lambda config: LlamaRosMind(self, config.mind.temperature, config.mind.silence_s),
            "audio_common": lambda config: AudioCommonVoice(self, config.voice.language, config.voice.silence_s),
        }

    def _introduce(self, parts: Parts) -> None:
        workers = (parts.recognisers[0], parts.mind, parts.voices[0])
        self.get_logger().info("parts: " + ", ".join(type(worker).__name__ for worker in workers))
        if isinstance(parts.recognisers[0], Deaf):
            self.get_logger().warning("nothing understands speech (pip install pocketsphinx): the user has to type")

    def _start(self, parts: Parts) -> Agent:
        config, name = self.config.agent, f"agent-{self.get_clock().now().nanoseconds:x}"
        return Agent(config, parts, self, frozenset(EXPRESSIONS), name)

    def _greet_when_heard(self, undo: ExitStack) -> None:
        """Say the greeting once a generator is there; it takes seconds to start, and earlier speech would be lost."""
        newest: deque[AvatarState] = deque(maxlen=1)
        self.listen(AvatarState, "avatar/state", newest.append, qos.LATCHED)

        def look() -> None:
            there = newest and newest[0].on_stage == AvatarState.LEADER
            if there and self._speech.get_subscription_count():
                timer.cancel()
                self._hand(self._agent.say)(self.config.agent.greeting)

        timer = self.create_timer(_LOOK_S, self.guard("greeting", look), clock=self.links.timer_clock)
        undo.callback(self.destroy_timer, timer)

    def _in_loop(self, make: Callable[[], Agent]) -> Agent:
        async def made() -> Agent:
            return make()

        return asyncio.run_coroutine_threadsafe(made(), self._loop).result(_PATIENCE_S)

    def _end_loop(self, thread: threading.Thread) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        thread.join(_PATIENCE_S)
        self._loop.close()

    def _listen(self) -> None:
        listen_audio(self, "user_audio", self.config.user_audio, qos.MICROPHONE, self._hand(self._agent.hear))
        self.listen(String, "user_text", lambda message: self._hand(self._agent.read)(message.data), qos.STREAM)
        self.listen(String, "speech/say", lambda message: self._hand(self._agent.say)(message.data), qos.SPEECH)
        self.listen(PlaybackEvent, "avatar/playback", self._follow, qos.EVENTS)
        self.listen(Empty, "speech/interrupt", lambda _message: self._hand(self._hear_interrupt)(), qos.STREAM)

    def _hand(self, act: Callable[..., object]) -> Callable[..., None]:
        """Wrap `act` so that it runs in the agent's loop and its errors are reported."""
        guarded = self.guard("agent", act)

        def hand_over(*arguments: Any) -> None:
            self._loop.call_soon_threadsafe(guarded, *arguments)

        return hand_over

    def _say_for(self, text: str, tell: Callable[[bool], None]) -> Callable[[], None]:
        """Say a text for a client of `SayServer`."""
        said: list[Answer] = []

        def say() -> None:
            try:
                said.append(self._agent.say(text))
            except ValueError:
                tell(False)
                raise
            said[0].over.add_done_callback(lambda over: tell(over.result()))

        self._hand(say)()

        def take_back() -> None:
            for answer in said:
                self._agent.unsay(answer)

        return self._hand(take_back)

    def _follow(self, event: PlaybackEvent) -> None:
        position_ns = stamp_ns(event.position)
        self._hand(self._agent.playback)(to_playback(event.event), event.utterance_id, position_ns, event.reason)

    def _hear_interrupt(self) -> None:
        if self._own_interrupts:
            self._own_interrupts -= 1
        else:
            self._agent.hush()

    def _local_time(self) -> datetime:
        return datetime.fromtimestamp(self.get_clock().now().nanoseconds / NANOSECONDS)

    def _health(self) -> Health:
        wrong = dict(self._agent.complaints.current)
        parts = {part: wrong.get(part, "") for part in ("recogniser", "mind", "voice", "avatar")}
        values = {"faults": self.faults.count, "last_fault": self.faults.last}
        if not wrong:
            return Health(Level.OK, "running", values, parts)
        part, line = next(iter(wrong.items()))
        return Health(Level.DEGRADED, f"{part}: {line}", values, parts)

    # --- the agent's outlet, in its thread ---------------------------------------------------------------------------

    def speak(self, chunk: AudioChunk) -> None:
        """Publish speech for the avatar."""
        self._speech.publish(from_chunk(chunk))

    def caption(self, caption: Caption) -> None:
        """Publish a caption of the avatar or the user."""
        message = CaptionMessage(
            speaker=CaptionMessage.AVATAR if caption.utterance_id else CaptionMessage.USER,
            utterance_id=caption.utterance_id,
            position=to_duration(caption.position_ns),
            text=caption.text,
        )
        message.header.stamp = self.get_clock().now().to_msg()
        self._captions.publish(message)

    def express(self, expression: str) -> None:
        """Publish an expression for the face to show from now on."""
        self._expressions.publish(expression_type()(expression=expression))

    def interrupt(self) -> None:
        """Interrupt the avatar."""
        self._own_interrupts += 1
        self._interrupts.publish(Empty())

    def inform(self, line: str) -> None:
        """Log a line."""
        self.get_logger().info(line)

    def warn(self, line: str) -> None:
        """Log a line as a warning."""
        self.get_logger().warning(line)


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(VoiceAgentNode, args)


if __name__ == "__main__":
    raise SystemExit(main())
