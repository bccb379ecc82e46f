# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Parts of the voice agent that use a robot's speech stack: whisper_ros, llama_ros, audio_common.

Their messages are optional and imported here only, when a part needs them. Topic and action names are those of their
own launch files without the leading slash, so that they follow the agent's namespace and can be remapped.
"""

from __future__ import annotations

import array
import asyncio
import importlib
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from action_msgs.msg import GoalStatus
from rclpy.action import ActionClient, ActionServer, CancelResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.node import Node
from std_msgs.msg import Float32MultiArray

from avatar_forcing_ros.agent.conversation import Message
from avatar_forcing_ros.agent.parts import PartFailedError
from avatar_forcing_ros.agent.turns import Sound
from avatar_forcing_ros.nodes import qos
from avatar_forcing_ros.nodes.audio_messages import AudioReader
from avatar_forcing_ros.nodes.managed_node import ManagedNode
from avatar_forcing_ros.signals import AudioChunk

SAY = "say"
CHAT = "llama/generate_chat_completions"
WHISPER_IN, WHISPER_OUT = "whisper/vad", "whisper/transcription"
_LATE_S = 0.1
"""Feedback and result use separate topics, so feedback may arrive after the result."""


@dataclass(frozen=True)
class Told:
    """A message from an action server: feedback, or the result at the end."""

    content: Any
    is_result: bool = False


class _Pursuit:
    """Passes messages about one goal from the executor's thread to an event loop.

    Attributes:
        news: feedback (`Told`), the goal's handle and its result, in the order of their arrival.
    """

    def __init__(self) -> None:
        self.news: asyncio.Queue[Any] = asyncio.Queue()
        self._loop, self._handle, self._over = asyncio.get_running_loop(), None, False

    def tell(self, item: Any) -> None:
        """Add a message, from any thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._take, item)

    def end(self) -> None:
        """Cancel the goal, or cancel it once it is accepted."""
        self._over = True
        if self._handle is not None:
            self._handle.cancel_goal_async()

    def accept(self, handle: Any) -> None:
        """Note that the goal was accepted, and wait for its result."""
        self._handle = handle
        handle.get_result_async().add_done_callback(lambda future: self.tell(future.result()))

    def conclude(self) -> None:
        """Note that the goal has ended and need not be cancelled."""
        self._handle = None

    def _take(self, item: Any) -> None:
        if self._over and getattr(item, "accepted", False):
            item.cancel_goal_async()
        self.news.put_nowait(item)


class Goals:
    """Sends goals of one action and follows them in an event loop, while the node's executor spins in another thread.

    Args:
        node: owns the client.
        package: package of the action, such as audio_common_msgs.
        kind: name of the action in that package.
        name: name of the server.
        silence_s: a server that sends nothing for this long has failed, in seconds.

    Raises:
        ValueError: if the package is not installed, or has no such action.
    """

    def __init__(self, node: Node, package: str, kind: str, name: str, silence_s: float) -> None:
        self.kind = _interface(package, "action", kind)
        self._name, self._silence_s = name, silence_s
        self._client = ActionClient(node, self.kind, name)

    async def follow(self, goal: Any) -> AsyncGenerator[Told, None]:
        """Feedback and result of a goal; closing the iterator cancels the goal.

        Raises:
            PartFailedError: if there is no server, or it refuses, fails or falls silent.
        """
        if not self._client.server_is_ready():
            raise PartFailedError(f"no server offers the action {self._name}")
        pursuit = _Pursuit()
        sending = self._client.send_goal_async(goal, feedback_callback=lambda m: pursuit.tell(Told(m.feedback)))
        sending.add_done_callback(lambda future: pursuit.tell(future.result()))
        try:
            while isinstance(item := await self._next(pursuit), Told) or hasattr(item, "accepted"):
                if isinstance(item, Told):
                    yield item
                elif item.accepted:
                    pursuit.accept(item)
                else:
                    raise PartFailedError(f"the action {self._name} refused the goal")
            pursuit.conclude()
            await asyncio.sleep(_LATE_S)
            while not pursuit.news.empty():
                yield pursuit.news.get_nowait()
            if item.status != GoalStatus.STATUS_SUCCEEDED:
                raise PartFailedError(f"the action {self._name} ended with status {item.status}, not with success")
            yield Told(item.result, is_result=True)
        finally:
            pursuit.end()

    async def _next(self, pursuit: _Pursuit) -> Any:
        try:
            return await asyncio.wait_for(pursuit.news.get(), self._silence_s)
        except asyncio.TimeoutError:
            raise PartFailedError(f"the action {self._name} was silent for {self._silence_s:g} s") from None

    def close(self) -> None:
        """Destroy the client."""
        self._client.destroy()


class AudioCommonVoice:
    """A voice: audio_common's action TTS, whose feedback is the sound, at the speed at which it is spoken."""

    def __init__(self, node: ManagedNode, language: str, silence_s: float) -> None:
        self._goals = Goals(node, "audio_common_msgs", "TTS", SAY, silence_s)
        self._language, self._reader = language or "en", AudioReader("AudioStamped")

    async def speak(self, text: str) -> AsyncGenerator[AudioChunk, None]:
        """See `Voice`."""
        goal = self._goals.kind.Goal(text=text, language=self._language, volume=1.0, rate=1.0)
        sounded = False
        async for told in self._goals.follow(goal):
            if not told.is_result:
                heard = self._reader.read(told.content.audio)
                sounded = True
                yield AudioChunk(None, heard.samples, heard.sample_rate)
        if not sounded:
            raise PartFailedError(f"the action {SAY} ended without a sound in its feedback")

    async def close(self) -> None:
        """See `Voice`."""
        self._goals.close()


class SayServer:
    """Offers audio_common's action TTS as `say`, so that clients of its tts_node speak through the avatar.

    A goal is executed only at its end, because rclpy's executor spins at full speed while a coroutine waits.

    Args:
        node: owns the server.
        say: says a text and returns a function that takes it back; calls its second argument at the end, from any
            thread, with whether all of it was heard.

    Raises:
        ValueError: if audio_common's messages are not installed.
    """

    def __init__(self, node: ManagedNode, say: Callable[[str, Callable[[bool], None]], Callable[[], None]]) -> None:
        self._kind, self._node, self._say = _interface("audio_common_msgs", "action", "TTS"), node, say
        self._take_back: dict[bytes, Callable[[], None]] = {}
        self._server = ActionServer(
            node,
            self._kind,
            SAY,
            execute_callback=lambda _handle: self._kind.Result(),
            handle_accepted_callback=node.guard(SAY, self._accept),
            cancel_callback=self._cancel,
        )

    def close(self) -> None:
        """Withdraw the action."""
        self._server.destroy()

    def _accept(self, handle: ServerGoalHandle) -> None:
        self._take_back[_id(handle)] = self._say(handle.request.text, lambda finished: self._end(handle, finished))

    def _cancel(self, handle: ServerGoalHandle) -> CancelResponse:
        take_back = self._take_back.get(_id(handle))
        if take_back is None:
            return CancelResponse.REJECT
        take_back()
        return CancelResponse.ACCEPT

    def _end(self, handle: ServerGoalHandle, finished: bool) -> None:
        def conclude(ending: ServerGoalHandle) -> Any:
            self._take_back.pop(_id(ending), None)
            if finished:
                ending.succeed()
            elif ending.is_cancel_requested:
                ending.canceled()
            else:
                ending.abort()
            return self._kind.Result(text=ending.request.text if finished else "")

        # in the executor's thread, like all other changes of the goal's state
        self._node.executor.create_task(handle.execute, conclude)


def _id(handle: ServerGoalHandle) -> bytes:
    return bytes(handle.goal_id.uuid)


class LlamaRosMind:
    """A mind: llama_ros's action GenerateChatCompletions, with a streamed answer."""

    def __init__(self, node: ManagedNode, temperature: float, silence_s: float) -> None:
        self._goals = Goals(node, "llama_msgs", "GenerateChatCompletions", CHAT, silence_s)
        self._message, self._temperature = _interface("llama_msgs", "msg", "ChatMessage"), temperature

    async def answer(self, messages: Sequence[Message]) -> AsyncGenerator[str, None]:
        """See `Mind`."""
        said = [self._message(role=message.role, content=message.text) for message in messages]
        goal = self._goals.kind.Goal(messages=said, add_generation_prompt=True, stream=True)
        goal.sampling_config.temp = self._temperature
        streamed = False
        async for told in self._goals.follow(goal):
            pieces = [choice.message if told.is_result else choice.delta for choice in told.content.choices[:1]]
            for piece in pieces:
                if piece.content and not (streamed and told.is_result):
                    streamed = True
                    yield piece.content

    async def close(self) -> None:
        """See `Mind`."""
        self._goals.close()


class WhisperRosRecogniser:
    """A recogniser: sends each turn to whisper_ros's node, on the topic of its own voice activity detection."""

    def __init__(self, node: ManagedNode, silence_s: float) -> None:
        transcription = _interface("whisper_msgs", "msg", "Transcription")
        self._silence_s, self._sound = silence_s, list[Sound]()
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[str]]] = []
        self._sounds = node.advertise(Float32MultiArray, WHISPER_IN, qos.SPEECH)
        node.listen(transcription, WHISPER_OUT, self._hear, qos.STREAM)

    def begin(self) -> None:
        """See `Recogniser`."""
        self._sound = []

    def push(self, sound: Sound) -> None:
        """See `Recogniser`."""
        self._sound.append(sound)

    async def text(self) -> str:
        """See `Recogniser`. Turns are answered in order."""
        if not self._sounds.get_subscription_count():
            raise PartFailedError(f"no node listens to {WHISPER_IN}: is whisper_ros active?")
        loop = asyncio.get_running_loop()
        words = loop.create_future()
        self._waiting.append((loop, words))
        samples = array.array("f", np.concatenate(self._sound).astype(np.float32).tobytes())
        self._sounds.publish(Float32MultiArray(data=samples))
        try:
            return await asyncio.wait_for(asyncio.shield(words), self._silence_s)
        except asyncio.TimeoutError:
            self._waiting = []  # a late answer must not be taken for the next turn's
            raise PartFailedError(f"{WHISPER_OUT} was silent for {self._silence_s:g} s") from None

    def _hear(self, message: Any) -> None:
        if self._waiting:
            loop, words = self._waiting.pop(0)
            text = message.text.strip()
            loop.call_soon_threadsafe(_settle, words, text)

    async def close(self) -> None:
        """See `Recogniser`."""


def _settle(words: asyncio.Future[str], text: str) -> None:
    if not words.done():
        words.set_result(text)


def _interface(package: str, folder: str, kind: str) -> Any:
    try:
        return getattr(importlib.import_module(f"{package}.{folder}"), kind)
    except (ImportError, AttributeError):
        raise ValueError(f"{package}/{folder}/{kind} is not installed; source the workspace that has it") from None
