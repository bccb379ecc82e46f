# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The voice agent on whisper_ros, llama_ros and audio_common, by their own message packages and servers like theirs.

Their packages are no wheels: these tests run where a workspace with them is sourced, or on PYTHONPATH.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
from avatar_forcing_ros.msg import AudioChunk, PlaybackEvent
from rclpy.action import ActionClient, ActionServer, CancelResponse
from std_msgs.msg import Empty, Float32MultiArray, String

from avatar_forcing_ros import signals
from avatar_forcing_ros.nodes.audio_messages import AudioReader, from_chunk
from avatar_forcing_ros.nodes.testing import TestGraph
from avatar_forcing_ros.nodes.voice_agent_node import VoiceAgentNode

pytestmark = pytest.mark.ros
FLOAT32 = 1  # PortAudio's number, as audio_common's tts_node sends


def has(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


class Pause:
    """Lets rclpy's executor do something else."""

    def __await__(self) -> Iterator[None]:
        yield


class Servers:
    """What the three stacks offer, with canned contents."""

    def __init__(self, graph: TestGraph) -> None:
        self.goals, self.cancelled, self.turns = list[Any](), 0, list[int]()
        self.hangs = False
        from audio_common_msgs.action import TTS
        from llama_msgs.action import GenerateChatCompletions
        from whisper_msgs.msg import Transcription

        def allow(_handle: Any) -> CancelResponse:
            self.cancelled += 1
            return CancelResponse.ACCEPT

        node = graph.node
        self._servers = [
            ActionServer(node, TTS, "say", self._say, cancel_callback=allow),
            ActionServer(node, GenerateChatCompletions, "llama/generate_chat_completions", self._chat),
        ]
        words = node.create_publisher(Transcription, "whisper/transcription", 10)

        def transcribe(message: Float32MultiArray) -> None:
            self.turns.append(len(message.data))
            words.publish(Transcription(text=" hello there "))

        node.create_subscription(Float32MultiArray, "whisper/vad", transcribe, 10)

    def close(self) -> None:
        for server in self._servers:
            server.destroy()

    async def _say(self, handle: Any) -> Any:
        from audio_common_msgs.action import TTS

        self.goals.append(handle.request)
        for _ in range(3):
            feedback = TTS.Feedback()
            feedback.audio.audio.info.format, feedback.audio.audio.info.channels = FLOAT32, 1
            feedback.audio.audio.info.rate = 22_050
            feedback.audio.audio.audio_data.float32_data = [0.25] * 2205
            handle.publish_feedback(feedback)
            await Pause()
        while self.hangs and not handle.is_cancel_requested:
            await Pause()
        if handle.is_cancel_requested:
            handle.canceled()
        else:
            handle.succeed()
        return TTS.Result(text=handle.request.text)

    async def _chat(self, handle: Any) -> Any:
        from llama_msgs.action import GenerateChatCompletions
        from llama_msgs.msg import ChatChoiceChunk, ChatDeltaChunk

        self.goals.append(handle.request)
        for piece in ("[happy] Hello", " to you. ", "Good ", "bye."):
            chunk = ChatChoiceChunk(delta=ChatDeltaChunk(content=piece))
            handle.publish_feedback(GenerateChatCompletions.Feedback(choices=[chunk]))
            await Pause()
        handle.succeed()
        return GenerateChatCompletions.Result()


@pytest.mark.skipif(
    not all(map(has, ("audio_common_msgs", "llama_msgs", "whisper_msgs"))),
    reason="the message packages of whisper_ros, llama_ros and audio_common are not here",
)
def test_a_turn_goes_through_all_three_and_an_interruption_cancels(voices: dict[str, np.ndarray]) -> None:
    with TestGraph() as graph:
        servers = Servers(graph)
        spoken: list[AudioChunk] = graph.listen_to_come(AudioChunk, "speech")
        graph.add(
            VoiceAgentNode,
            recogniser__kind="whisper_ros",
            mind__kind="llama_ros",
            voice__kind="audio_common",
            user_audio__kind="AudioChunk",
        )
        graph.spin(0.5)  # action clients and servers find each other
        words = np.concatenate([voices["user"][: 16_000 * 2], np.zeros(8_000, np.float32)])
        for start in range(0, len(words), 640):
            chunk = signals.AudioChunk(start * 62_500 + 1, words[start : start + 640], 16_000)
            graph.send(AudioChunk, "user_audio", from_chunk(chunk))
            graph.spin(0.005)
        graph.spin_until(lambda: any(chunk.end_of_utterance for chunk in spoken))
        chat, first, second = servers.goals
        assert [(message.role, message.content) for message in chat.messages[1:]] == [("user", "hello there")]
        assert chat.stream and chat.add_generation_prompt
        assert [first.text, second.text] == ["Hello to you.", "Good bye."]
        reader = AudioReader("AudioChunk")
        samples = np.concatenate([reader.read(chunk).samples for chunk in spoken])
        assert len(samples) == 6 * 2205 and np.allclose(samples, 0.25, atol=1e-4)
        assert servers.turns[0] > 16_000

        servers.hangs = True
        count = len(spoken)
        graph.send(String, "user_text", String(data="and now?"))
        graph.spin_until(lambda: len(spoken) >= count + 3)
        utterance = spoken[-1].utterance_id
        for event in (PlaybackEvent.STARTED, PlaybackEvent.INTERRUPTED):
            graph.send(PlaybackEvent, "avatar/playback", PlaybackEvent(utterance_id=utterance, event=event))
        graph.spin_until(lambda: servers.cancelled)
        servers.close()


@pytest.mark.skipif(not has("audio_common_msgs"), reason="the message package of audio_common is not here")
def test_what_speaks_through_audio_common_speaks_through_the_avatar() -> None:
    from action_msgs.msg import GoalStatus
    from audio_common_msgs.action import TTS

    with TestGraph() as graph:
        spoken: list[AudioChunk] = graph.listen_to_come(AudioChunk, "speech")
        interrupts: list[Empty] = graph.listen_to_come(Empty, "speech/interrupt")
        graph.add(VoiceAgentNode, offer_say=True, voice__kind="espeak", recogniser__kind="none")
        client = ActionClient(graph.node, TTS, "say")
        graph.spin_until(client.server_is_ready)
        graph.spin(0.3)

        def begin(text: str) -> Any:
            count = sum(chunk.end_of_utterance for chunk in spoken)
            sent = client.send_goal_async(TTS.Goal(text=text))
            graph.spin_until(lambda: sum(chunk.end_of_utterance for chunk in spoken) > count and sent.done())
            event = PlaybackEvent(utterance_id=spoken[-1].utterance_id, event=PlaybackEvent.STARTED)
            graph.send(PlaybackEvent, "avatar/playback", event)
            return sent.result()

        def end(handle: Any, how: int) -> tuple[int, str]:
            result = handle.get_result_async()
            event = PlaybackEvent(utterance_id=spoken[-1].utterance_id, event=how)
            graph.send(PlaybackEvent, "avatar/playback", event)
            graph.spin_until(result.done)
            return result.result().status, result.result().result.text

        assert end(begin("Hello."), PlaybackEvent.FINISHED) == (GoalStatus.STATUS_SUCCEEDED, "Hello.")
        assert end(begin("Hello."), PlaybackEvent.INTERRUPTED) == (GoalStatus.STATUS_ABORTED, "")
        handle = begin("A long story.")
        graph.spin(0.2)
        cancelling = handle.cancel_goal_async()
        graph.spin_until(lambda: interrupts and cancelling.done())
        assert end(handle, PlaybackEvent.INTERRUPTED) == (GoalStatus.STATUS_CANCELED, "")
        client.destroy()


@pytest.mark.parametrize(
    ("parameter", "package"),
    [("recogniser__kind", "whisper_msgs"), ("mind__kind", "llama_msgs"), ("voice__kind", "audio_common_msgs")],
)
def test_what_is_not_installed_is_named(parameter: str, package: str, capfd: pytest.CaptureFixture[str]) -> None:
    if has(package):
        pytest.skip(f"{package} is installed")
    kind = package.replace("_msgs", "" if package.startswith("audio") else "_ros")
    with TestGraph() as graph, pytest.raises(AssertionError, match="did not start"):
        graph.add(VoiceAgentNode, **{parameter: kind})
    assert f"{package}/" in (said := capfd.readouterr().err) and "is not installed; source the workspace" in said
