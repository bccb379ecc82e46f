# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The dialogue manager example with the real avatar: it is spoken to, answers, and is interrupted by voice."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

pytest.importorskip("rclpy")
from avatar_forcing_ros.msg import AudioChunk, PlaybackEvent

from avatar_forcing_ros import signals
from avatar_forcing_ros.nodes.ros_time import stamp_ns
from avatar_forcing_ros.nodes.testing import AvatarStage, TestGraph
from avatar_forcing_ros.timeline.grid import FRAME_SAMPLES

pytestmark = pytest.mark.ros

ECHO = 0.3  # -10 dB


@pytest.fixture(scope="module")
def example(repository: Path) -> ModuleType:
    path = repository / "examples" / "dialogue_manager" / "dialogue_manager.py"
    spec = importlib.util.spec_from_file_location("dialogue_manager", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class User:
    """Somebody in a room with the avatar: 40 ms of a microphone for every frame."""

    def __init__(self, stage: AvatarStage) -> None:
        self._stage = stage
        self.words = np.zeros(0, np.float32)

    def speak(self) -> None:
        piece, self.words = self.words[:FRAME_SAMPLES], self.words[FRAME_SAMPLES:]
        self._stage.hear(0.5 * piece, echo=ECHO)


def test_it_answers_is_interrupted_and_answers_again(example: ModuleType, voices: dict[str, np.ndarray]) -> None:
    def recorded_voice(_text: str) -> Iterator[signals.AudioChunk]:
        for piece in np.split(voices["avatar"][: 16_000 * 6], 60):
            yield signals.AudioChunk(None, piece, 16_000)

    with TestGraph() as graph:
        stage = AvatarStage(graph, avatar__barge_in__enabled=True)
        graph.spin_node(example.DialogueManager(recorded_voice, context=graph.context))
        user = User(stage)

        def told(kind: int, utterance_id: str) -> list[PlaybackEvent]:
            return [e for e in stage.events if (e.event, e.utterance_id) == (kind, utterance_id)]

        def play_until(kind: int, utterance_id: str, longest: int) -> None:
            for _ in range(longest):
                stage.play(1, user.speak)
                if told(kind, utterance_id):
                    return
            raise AssertionError(f"no event {kind} of {utterance_id!r}, only {stage.events}")

        stage.play(8, user.speak)
        user.words = voices["user"][: 16_000 * 2]
        play_until(PlaybackEvent.STARTED, "answer 0", 50 + 18 + 30)  # the turn, the pause, and on the way
        stage.play(75, user.speak)
        assert not told(PlaybackEvent.INTERRUPTED, "answer 0"), "it was interrupted by its own echo"
        user.words = voices["user"][16_000 * 3 : 16_000 * 5]
        play_until(PlaybackEvent.INTERRUPTED, "answer 0", 25)
        (event,) = told(PlaybackEvent.INTERRUPTED, "answer 0")
        assert 2.5 < stamp_ns(event.position) / 1e9 < 5
        play_until(PlaybackEvent.STARTED, "answer 1", 50 + 18 + 30)
        play_until(PlaybackEvent.FINISHED, "answer 1", 170)

    endings = [e for e in stage.events if e.event in (PlaybackEvent.FINISHED, PlaybackEvent.INTERRUPTED)]
    assert [(e.utterance_id, e.event) for e in endings] == [
        ("answer 0", PlaybackEvent.INTERRUPTED),
        ("answer 1", PlaybackEvent.FINISHED),
    ]


def test_an_interruption_is_noticed_while_the_voice_still_works(example: ModuleType) -> None:
    made, closed = list[int](), list[bool]()

    def slow_voice(_text: str) -> Iterator[signals.AudioChunk]:
        try:
            for number in range(500):
                made.append(number)
                time.sleep(0.02)
                yield signals.AudioChunk(None, np.zeros(1600, np.float32), 16_000)
        finally:
            closed.append(True)

    with TestGraph() as graph:
        heard = graph.listen_to_come(AudioChunk, "speech")
        node = example.DialogueManager(slow_voice, context=graph.context)
        graph.spin_node(node)
        graph.spin_until(lambda: node.count_subscribers("speech"))
        node.say("a very long story")
        graph.spin_until(lambda: len(heard) > 2)
        event = PlaybackEvent(utterance_id="answer 0", event=PlaybackEvent.INTERRUPTED)
        graph.send(PlaybackEvent, "avatar/playback", event)
        graph.spin_until(lambda: closed)
        count = len(made)
        graph.spin(0.1)

    assert len(made) == count < 200
    assert not any(chunk.end_of_utterance for chunk in heard)


def test_without_espeak_it_says_what_to_install(repository: Path, tmp_path: Path) -> None:
    path = repository / "examples" / "dialogue_manager" / "dialogue_manager.py"
    environment = {"PATH": str(tmp_path), "PYTHONPATH": str(repository)}
    done = subprocess.run([sys.executable, path], env=environment, capture_output=True, text=True, timeout=120)

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("apt-get install espeak-ng")


def test_espeak_speaks_in_chunks(example: ModuleType) -> None:
    if not example.shutil.which("espeak-ng"):
        pytest.skip("espeak-ng is not installed")
    chunks = list(example.espeak("Hello, this is a sentence."))

    assert len(chunks) > 5
    assert {chunk.sample_rate for chunk in chunks} == {22_050}
    assert np.abs(np.concatenate([chunk.samples for chunk in chunks])).max() > 0.05
