# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The action `speak`: what its client is told agrees with what was presented, and cancelling is barge-in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
from action_msgs.msg import GoalStatus
from avatar_forcing_ros.action import Speak
from avatar_forcing_ros.msg import AudioChunk
from rclpy.action import ActionClient

from avatar_forcing_ros import signals
from avatar_forcing_ros.nodes.audio_messages import from_chunk
from avatar_forcing_ros.nodes.ros_time import stamp_ns
from avatar_forcing_ros.nodes.testing import AvatarStage, TestGraph
from avatar_forcing_ros.testing import speech_like

pytestmark = [pytest.mark.ros, pytest.mark.simulated_time]

MS = 1_000_000


class Client:
    """Sends goals and keeps what comes back."""

    def __init__(self, graph: TestGraph, stage: AvatarStage) -> None:
        self._graph, self._stage = graph, stage
        self._client = ActionClient(graph.node, Speak, "speak")
        graph.spin_until(self._client.server_is_ready)

    def send(self, samples: np.ndarray | None, utterance_id: str = "", streaming: bool = False) -> Goal:
        chunks = [] if samples is None else [from_chunk(signals.AudioChunk(None, s, 16_000)) for s in halves(samples)]
        goal = Goal()
        request = Speak.Goal(utterance_id=utterance_id, chunks=chunks, streaming=streaming)
        answer = self._client.send_goal_async(request, feedback_callback=lambda m: goal.feedback.append(m.feedback))
        self._graph.spin_until(answer.done)
        goal.handle = answer.result()
        goal.result = goal.handle.get_result_async()
        return goal

    def cancel(self, goal: Goal) -> bool:
        answer = goal.handle.cancel_goal_async()
        self._graph.spin_until(answer.done)
        return bool(answer.result().goals_canceling)

    def wait(self, goal: Goal) -> Any:
        self._stage.play_until(goal.result.done, 100)
        return goal.result.result()


class Goal:
    def __init__(self) -> None:
        self.handle: Any = None
        self.result: Any = None
        self.feedback: list[Speak.Feedback] = []

    @property
    def positions_ns(self) -> list[int]:
        return [stamp_ns(feedback.position) for feedback in self.feedback]


def halves(samples: np.ndarray) -> list[np.ndarray]:
    return np.split(samples, [len(samples) // 2])


@pytest.fixture
def graph():
    with TestGraph() as graph:
        yield graph


@pytest.fixture
def stage(graph: TestGraph) -> AvatarStage:
    stage = AvatarStage(graph)
    stage.play(8)
    return stage


@pytest.fixture
def client(graph: TestGraph, stage: AvatarStage) -> Client:
    return Client(graph, stage)


def test_a_goal_succeeds_when_all_of_it_was_presented(client: Client) -> None:
    goal = client.send(speech_like(1.0), "hello")
    answer = client.wait(goal)

    assert answer.status == GoalStatus.STATUS_SUCCEEDED
    assert (answer.result.outcome, answer.result.utterance_id) == (Speak.Result.FINISHED, "hello")
    assert stamp_ns(answer.result.position) == 1000 * MS
    assert goal.positions_ns == sorted(goal.positions_ns)
    assert len(goal.positions_ns) >= 24 and goal.positions_ns[-1] <= 1000 * MS


def test_cancelling_interrupts_within_100_ms(client: Client, stage: AvatarStage) -> None:
    goal = client.send(speech_like(3.0))
    waiting = client.send(speech_like(1.0))
    stage.play(25)
    asked_ns = stage.now_ns
    assert client.cancel(goal)
    stage.settle()
    answer = client.wait(goal)

    assert answer.status == GoalStatus.STATUS_CANCELED
    assert answer.result.outcome == Speak.Result.INTERRUPTED
    assert stamp_ns(stage.spoken[-1].header.stamp) + 40 * MS - asked_ns <= 100 * MS
    assert stamp_ns(answer.result.position) == pytest.approx(goal.positions_ns[-1] + 40 * MS, abs=40 * MS)
    assert stage.infos[-1].epoch == 1
    assert client.wait(waiting).result.outcome == Speak.Result.INTERRUPTED  # what waited belongs to the old epoch


def test_cancelling_what_waits_leaves_what_is_said_alone(client: Client, stage: AvatarStage) -> None:
    said, waits = client.send(speech_like(1.6)), client.send(speech_like(1.0))
    stage.play(10)
    assert client.cancel(waits)
    withdrawn, finished = client.wait(waits), client.wait(said)

    assert withdrawn.status == GoalStatus.STATUS_CANCELED
    assert stamp_ns(withdrawn.result.position) == 0
    assert finished.status == GoalStatus.STATUS_SUCCEEDED
    assert stage.infos[-1].epoch == 0


def test_somebody_elses_interrupt_aborts_the_goal(client: Client, stage: AvatarStage) -> None:
    goal = client.send(speech_like(3.0))
    stage.play(20)
    stage.interrupt()
    answer = client.wait(goal)

    assert answer.status == GoalStatus.STATUS_ABORTED
    assert answer.result.outcome == Speak.Result.INTERRUPTED
    assert 0 < stamp_ns(answer.result.position) < 3000 * MS


def test_a_streaming_goal_goes_on_with_chunks_on_speech(client: Client, stage: AvatarStage, graph: TestGraph) -> None:
    goal = client.send(speech_like(0.4), "streamed", streaming=True)  # two chunks: seq 0 and 1
    rest = signals.AudioChunk(None, speech_like(0.4), 16_000, "streamed", 2, end_of_utterance=True)
    graph.send(AudioChunk, "speech", from_chunk(rest))
    answer = client.wait(goal)

    assert answer.status == GoalStatus.STATUS_SUCCEEDED
    assert stamp_ns(answer.result.position) == 800 * MS
    assert stage.node.faults.count == 0


def test_a_streaming_goal_of_which_nothing_came_can_be_cancelled(client: Client) -> None:
    goal = client.send(None, "never", streaming=True)
    assert client.cancel(goal)

    assert client.wait(goal).status == GoalStatus.STATUS_CANCELED


@pytest.mark.parametrize(
    ("samples", "utterance_id", "streaming", "reason"),
    [
        pytest.param(None, "", False, "a goal must have chunks or be streaming", id="nothing to say"),
        pytest.param(None, "", True, "must have an utterance_id", id="chunks could not find it"),
        pytest.param(speech_like(0.2), "again", False, "must be a new one, got 'again' again", id="a second time"),
    ],
)
def test_a_goal_that_makes_no_sense_is_refused_with_its_reason(
    client: Client, samples: np.ndarray | None, utterance_id: str, streaming: bool, reason: str
) -> None:
    if utterance_id:
        client.wait(client.send(speech_like(0.2), utterance_id))
    answer = client.wait(client.send(samples, utterance_id, streaming))

    assert answer.status == GoalStatus.STATUS_ABORTED
    assert answer.result.outcome == Speak.Result.REFUSED
    assert reason in answer.result.message


def test_unreadable_sound_is_refused_with_its_reason(client: Client, graph: TestGraph) -> None:
    unknown = AudioChunk(sample_rate=16_000, channels=1, encoding=9, data=bytes(2))
    future = client._client.send_goal_async(Speak.Goal(chunks=[unknown]))
    graph.spin_until(future.done)
    result = future.result().get_result_async()
    graph.spin_until(result.done)

    assert result.result().result.outcome == Speak.Result.REFUSED
    assert "AudioChunk.encoding must be one of" in result.result().result.message
