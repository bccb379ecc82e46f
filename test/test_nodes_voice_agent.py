# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The voice agent with the real avatar, recogniser and voice: it understands, answers, is interrupted."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
from avatar_forcing_ros.msg import Caption, PlaybackEvent
from std_msgs.msg import Empty, String

from avatar_forcing_ros.agent.conversation import Message
from avatar_forcing_ros.audio.resample import Resampler
from avatar_forcing_ros.files.media import read_audio
from avatar_forcing_ros.nodes.directions import expression_type
from avatar_forcing_ros.nodes.testing import PATIENCE_S, AvatarStage, TestGraph
from avatar_forcing_ros.nodes.voice_agent_node import VoiceAgentNode
from avatar_forcing_ros.timeline.grid import FRAME_SAMPLES

pytestmark = [
    pytest.mark.ros,
    pytest.mark.skipif(not shutil.which("espeak-ng"), reason="espeak-ng, the agent's voice, is not installed"),
]
ENDINGS = (PlaybackEvent.FINISHED, PlaybackEvent.INTERRUPTED)


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], np.ndarray]:
    """Words spoken by somebody whom PocketSphinx understands, (N,) at 16 kHz."""
    if not shutil.which("flite"):
        pytest.skip("flite, the user's voice, is not installed")
    folder = tmp_path_factory.mktemp("user")

    def spoken(text: str) -> np.ndarray:
        path: Path = folder / "words.wav"
        subprocess.run(["flite", "-voice", "slt", "-t", text, "-o", path], check=True)
        clip = read_audio(path)
        return Resampler(clip.sample_rate).push(clip.samples)

    return spoken


class Room:
    """The avatar, the agent and a user in one room."""

    def __init__(self, graph: TestGraph, **parameters: Any) -> None:
        self.graph = graph
        self.captions: list[Caption] = graph.listen_to_come(Caption, "speech/caption")
        self.expressions: list[Any] = graph.listen_to_come(expression_type(), "robot_face/expression")
        self.agent = graph.add(VoiceAgentNode, voice__kind="espeak", user_audio__kind="AudioChunk", **parameters)
        self.stage = AvatarStage(graph, avatar__barge_in__enabled=True)  # it takes longer to start than the agent
        self.says = np.zeros(0, np.float32)

    def speak(self) -> None:
        """The next 40 ms of the microphone."""
        piece, self.says = self.says[:FRAME_SAMPLES], self.says[FRAME_SAMPLES:]
        self.stage.hear(piece, echo=0.3)

    def until(self, done: Callable[[], object]) -> None:
        """Let frames pass until something is so: the agent works in its own time, however fast the frames go."""
        end_s = time.monotonic() + PATIENCE_S
        while not done():
            assert time.monotonic() < end_s, f"it never came; {self.heard()}, {self.stage.events}, {self.agent_said()}"
            self.stage.play(1, self.speak)

    def events(self, *kinds: int) -> list[PlaybackEvent]:
        return [event for event in self.stage.events if event.event in kinds]

    def heard(self) -> list[str]:
        """What was understood of the user."""
        return [caption.text for caption in self.captions if caption.speaker == Caption.USER]

    def agent_said(self) -> list[str]:
        return [caption.text for caption in self.captions if caption.speaker == Caption.AVATAR]

    def history(self) -> list[Message]:
        """The conversation as the agent knows it. It learns of an event in a thread of its own, later than we may."""
        return list(self.agent._agent.conversation.messages)


def test_it_understands_answers_is_interrupted_and_knows_what_was_heard(words: Callable[[str], np.ndarray]) -> None:
    with TestGraph() as graph:
        room = Room(graph)
        room.stage.play(8, room.speak)
        room.says = words("What is your name?")
        room.until(lambda: room.events(PlaybackEvent.STARTED))
        graph.spin_until(lambda: room.heard() and room.agent_said() and room.expressions)
        assert "name" in room.heard()[0]
        assert room.agent_said()[0] == "I am the avatar of this robot."
        assert room.expressions[0].expression == "happy"

        room.stage.play(60, room.speak)
        assert room.events(*ENDINGS) == [], "it was interrupted by its own echo"
        room.says = words("Excuse me, please stop it. Can you tell me what time it is?")
        room.until(lambda: room.events(PlaybackEvent.INTERRUPTED))
        room.until(lambda: len(room.events(PlaybackEvent.STARTED)) == 2)
        room.until(lambda: room.events(PlaybackEvent.FINISHED))
        graph.spin_until(lambda: len(room.history()) >= 4)
        graph.spin_until(lambda: room.expressions[-1].expression == "neutral")
        texts = [message.text for message in room.history()]
        graph.spin_until(lambda: texts[3] in " ".join(room.agent_said()))

    assert [message.role for message in room.history()] == ["user", "assistant", "user", "assistant"]
    assert texts[1].startswith("I am the avatar of") and texts[1].endswith("—")
    assert "time" in texts[2]


def test_what_is_typed_is_answered_and_a_hand_ends_it() -> None:
    with TestGraph() as graph:
        room = Room(graph, recogniser__kind="none", agent__greeting="Welcome!")
        room.until(lambda: room.events(PlaybackEvent.FINISHED))
        graph.send(String, "user_text", String(data="how old are you?"))
        room.until(lambda: len(room.events(PlaybackEvent.STARTED)) == 2)
        graph.send(Empty, "speech/interrupt", Empty())
        room.until(lambda: room.events(PlaybackEvent.INTERRUPTED))
        room.stage.play(30, room.speak)
        assert len(room.events(PlaybackEvent.STARTED)) == 2
        graph.spin_until(lambda: room.agent_said()[:2] == ["Welcome!", "I am younger than most of your shoes."])


def test_what_an_engineer_wants_said_is_said_word_for_word() -> None:
    with TestGraph() as graph:
        room = Room(graph, recogniser__kind="none")
        graph.send(String, "speech/say", String(data="The soup is ready."))
        room.until(lambda: room.events(PlaybackEvent.FINISHED))
        graph.spin_until(room.agent_said)

    assert room.agent_said() == ["The soup is ready."]


def test_a_part_that_is_not_there_refuses_the_start(capfd: pytest.CaptureFixture[str]) -> None:
    with TestGraph() as graph, pytest.raises(AssertionError, match="did not start"):
        graph.add(VoiceAgentNode, voice__kind="piper", voice__model="/nowhere.onnx")
    said = capfd.readouterr().err
    assert "/nowhere.onnx" in said or "pip install piper-tts" in said
