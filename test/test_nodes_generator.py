# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The generator as other nodes see it: frames on the grid with their companions, speech, barge-in, bad input.

All of it runs on simulated time that the test moves one frame at a time, so that a busy machine changes nothing.
"""

from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy")
from avatar_forcing_ros.msg import AudioChunk, AvatarState, MotionLatents, PlaybackEvent
from avatar_forcing_ros.srv import SetPortrait
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Empty
from std_srvs.srv import Trigger

from avatar_forcing_ros import signals
from avatar_forcing_ros.nodes.audio_messages import AudioReader, from_chunk
from avatar_forcing_ros.nodes.conversions import compressed_to_rgb, to_rgb
from avatar_forcing_ros.nodes.generator_node import GeneratorNode, GeneratorNodeConfig, is_replay, rate_hz
from avatar_forcing_ros.nodes.motion_messages import from_sample
from avatar_forcing_ros.nodes.ros_time import stamp_ns, to_stamp
from avatar_forcing_ros.nodes.testing import AvatarStage, TestGraph
from avatar_forcing_ros.testing import smiling, speech_like, tiny_bundle

pytestmark = pytest.mark.ros

FRAME_NS = 40_000_000
START_NS = 1_000 * signals.NANOSECONDS


class Stage(AvatarStage):
    """It also looks at pictures and motion, and has a portrait in one grey."""

    def __init__(self, graph: TestGraph, folder: Path, **parameters: object) -> None:
        self.graph = graph
        portrait = folder / "portrait.png"
        cv2.imwrite(str(portrait), np.full((64, 64, 3), 90, np.uint8))
        super().__init__(graph, portrait=str(portrait), **parameters)
        self.images: list[Image] = graph.listen(Image, "avatar/image_raw")
        self.motion: list[MotionLatents] = graph.listen(MotionLatents, "avatar/motion")

    def see(self) -> None:
        """Send a user who smiles."""
        self.graph.send(MotionLatents, "user_motion", from_sample(smiling(self.now_ns, 0.5), "bars", ()))

    def send_speech(self, *chunks: signals.AudioChunk) -> None:
        """Send chunks in this order and wait until they have come."""
        self.graph.send(AudioChunk, "speech", *map(from_chunk, chunks))
        self.settle()


@pytest.fixture
def graph():
    with TestGraph() as graph:
        yield graph


@pytest.fixture
def stage(graph: TestGraph, tmp_path: Path) -> Stage:
    return Stage(graph, tmp_path)


def test_frames_stand_on_the_grid_with_their_companions_on_the_same_stamp(stage: Stage) -> None:
    stage.play(40)
    stage.graph.spin_until(lambda: len(stage.images) == len(stage.infos) == len(stage.motion))

    stamps = stage.stamps()
    assert len(stamps) > 25
    assert set(np.diff(stamps)) == {FRAME_NS}
    assert all(stamp % FRAME_NS == 0 for stamp in stamps)
    assert [stamp_ns(message.header.stamp) for message in stage.images] == stamps
    assert [stamp_ns(message.header.stamp) for message in stage.motion] == stamps
    assert to_rgb(stage.images[0]).shape == (64, 64, 3)
    assert [info.frame_index for info in stage.infos] == list(range(len(stamps)))


def test_frame_info_says_where_a_frame_came_from(stage: Stage) -> None:
    stage.play(40, before_each=stage.see)

    info = stage.infos[-1]
    stamp = stamp_ns(info.header.stamp)
    age_ms = (stamp - stamp_ns(info.user_motion_until)) / 1e6
    assert 120 <= age_ms <= 280  # lead and reorder window, and up to a block more
    assert stamp_ns(info.camera_received) >= stamp_ns(info.user_motion_until)
    assert stamp_ns(info.compute_start) <= stamp_ns(info.compute_end) <= stamp_ns(info.published)
    assert stamp_ns(info.deadline) == stamp
    assert 0 <= info.lateness_ms < 40
    assert len(info.portrait_sha256) == 64
    assert info.ai_generated


def test_while_the_clock_stands_still_no_frame_comes(stage: Stage) -> None:
    stage.play(20)
    before = len(stage.infos)

    stage.graph.spin(0.5)

    assert len(stage.infos) == before
    stage.play(3)
    assert set(np.diff(stage.stamps())) == {FRAME_NS}


def test_a_clock_that_goes_back_begins_a_new_epoch_on_the_grid(stage: Stage) -> None:
    stage.play(20)
    epoch = stage.infos[-1].epoch
    stage.now_ns -= 10 * signals.NANOSECONDS
    heard_before = len(stage.infos)
    stage.graph.set_clock(stage.now_ns)
    for _ in range(20):
        stage.now_ns += FRAME_NS
        stage.graph.set_clock(stage.now_ns)
        stage.graph.spin(0.05)
    after = stage.infos[heard_before:]

    assert after
    assert {info.epoch for info in after} == {epoch + 1}
    assert stamp_ns(after[0].header.stamp) < START_NS


def test_speech_is_said_once_in_full_on_the_presentation_clock(stage: Stage) -> None:
    stage.play(15)
    stage.say("hello", speech_like(1.0))
    stage.play(40)
    stage.graph.spin_until(lambda: len(stage.events) == 2)

    chunks = [AudioReader("AudioChunk").read(message) for message in stage.spoken]
    assert set(np.diff([chunk.stamp_ns for chunk in chunks])) == {FRAME_NS}
    assert [chunk.seq for chunk in chunks] == list(range(len(chunks)))
    heard = np.concatenate([chunk.samples for chunk in chunks])
    begins = np.flatnonzero(np.abs(heard) > 0.01)[0] - np.flatnonzero(np.abs(speech_like(1.0)) > 0.01)[0]
    np.testing.assert_allclose(heard[begins : begins + 16_000], speech_like(1.0), atol=2e-4)
    assert [event.event for event in stage.events] == [PlaybackEvent.STARTED, PlaybackEvent.FINISHED]
    assert stamp_ns(stage.events[1].position) == pytest.approx(signals.NANOSECONDS, abs=1e6)
    speaking = [stamp_ns(info.header.stamp) for info in stage.infos if info.utterance_id == "hello"]
    assert speaking == [chunk.stamp_ns for chunk in chunks]


def test_a_careless_dialogue_manager_is_understood_and_what_was_mended_is_counted(stage: Stage) -> None:
    reports = stage.graph.listen(DiagnosticArray, "/diagnostics")
    stage.play(15)
    first, second = speech_like(0.5), speech_like(0.5, seed=1)
    low = [signals.AudioChunk(None, piece, 16_000, "first", seq) for seq, piece in enumerate(np.split(first, 5))]
    high = signals.AudioChunk(None, np.zeros(4_800, np.float32), 48_000, "first", 5)  # another rate, and never an end
    stage.send_speech(low[0], low[2], low[1], low[2], low[3], low[4], high)
    stage.send_speech(signals.AudioChunk(None, second, 16_000, "second", 0, True))
    again = signals.AudioChunk(None, np.zeros(0, np.float32), 16_000, "second", 1, True)
    stage.send_speech(again, signals.AudioChunk(None, low[0].samples, 16_000, "first", 6))
    lost = [signals.AudioChunk(None, second, 16_000, "third", seq, seq == 3) for seq in (0, 3)]
    stage.send_speech(*lost)
    stage.play(75)
    stage.graph.spin_until(lambda: len(stage.events) == 7)

    heard = np.concatenate([AudioReader("AudioChunk").read(message).samples for message in stage.spoken])
    begins = np.flatnonzero(np.abs(heard) > 0.01)[0] - np.flatnonzero(np.abs(first) > 0.01)[0]
    expected = np.concatenate([first, np.zeros(1_600, np.float32), second, second, second])
    np.testing.assert_allclose(heard[begins : begins + len(expected)], expected, atol=2e-4)
    (refused,) = (event for event in stage.events if event.event == PlaybackEvent.REFUSED)
    assert refused.utterance_id == "first" and "one after the other" in refused.reason
    told = [(event.utterance_id, event.event) for event in stage.events if event is not refused]
    started, finished = PlaybackEvent.STARTED, PlaybackEvent.FINISHED
    assert told == [(name, kind) for name in ("first", "second", "third") for kind in (started, finished)]
    counted = {value.key: value.value for value in reports[-1].status[0].values}
    mended = {name: counted[f"speech_{name}"] for name in ("received", "repeated", "orphans", "lost", "late")}
    assert mended == {"received": "12", "repeated": "1", "orphans": "2", "lost": "2", "late": "0"}


@pytest.mark.parametrize("by", ["topic", "service"])
def test_an_interrupt_ends_speech_within_100_ms_and_the_frames_go_on(stage: Stage, by: str) -> None:
    stage.play(15)
    stage.say("hello", speech_like(3.0))
    stage.play(25)
    asked_ns = stage.now_ns
    if by == "topic":
        stage.graph.send(Empty, "speech/interrupt", Empty())
    else:
        assert stage.graph.call(Trigger, "generator/interrupt", Trigger.Request()).success
    stage.graph.spin(0.3)
    stage.play(20)
    stage.graph.spin_until(lambda: len(stage.events) == 2)

    assert set(np.diff(stage.stamps())) == {FRAME_NS}
    last_spoken_ns = stamp_ns(stage.spoken[-1].header.stamp) + FRAME_NS
    assert last_spoken_ns - asked_ns <= 100_000_000
    assert [info.epoch for info in stage.infos] == sorted(info.epoch for info in stage.infos)
    assert stage.infos[-1].epoch == 1
    assert stage.events[1].event == PlaybackEvent.INTERRUPTED
    said_ns = last_spoken_ns - stamp_ns(stage.events[0].header.stamp)
    assert stamp_ns(stage.events[1].position) == pytest.approx(said_ns, abs=FRAME_NS)


def test_reset_begins_a_new_epoch(stage: Stage) -> None:
    stage.play(20)

    assert stage.graph.call(Trigger, "generator/reset", Trigger.Request()).success
    stage.graph.spin(0.3)
    for _ in range(20):
        stage.now_ns += FRAME_NS
        stage.graph.set_clock(stage.now_ns)
        stage.graph.spin(0.05)

    assert stage.infos[-1].epoch == 1


def test_another_portrait_is_shown_and_a_bad_one_refused_with_its_reason(stage: Stage, tmp_path: Path) -> None:
    stage.play(20)
    other, black = tmp_path / "other.png", tmp_path / "black.png"
    cv2.imwrite(str(other), np.full((64, 64, 3), 200, np.uint8))
    cv2.imwrite(str(black), np.zeros((64, 64, 3), np.uint8))
    old = stage.infos[-1].portrait_sha256

    answers = {
        path: stage.graph.call(SetPortrait, "generator/set_portrait", SetPortrait.Request(path=str(path)))
        for path in (black, tmp_path / "gone.png", other)
    }
    stage.play(12)

    assert [answer.success for answer in answers.values()] == [False, False, True]
    assert answers[black].message == f"{black}: no face found: the picture is black"
    assert "gone.png: no such file" in answers[tmp_path / "gone.png"].message
    assert stage.infos[-1].portrait_sha256 != old
    assert to_rgb(stage.images[-1])[0, 0, 0] == 200


def test_messages_are_taken_while_a_portrait_is_being_prepared(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.play(20)
    stage.say("long", speech_like(3.0))
    stage.play(20)
    other = tmp_path / "other.png"
    cv2.imwrite(str(other), np.full((64, 64, 3), 200, np.uint8))
    space, preparing, may_go_on = stage.node._bundle.space, threading.Event(), threading.Event()
    load = space.load_portrait

    def load_slowly(*arguments: object) -> object:
        preparing.set()
        assert may_go_on.wait(60)
        return load(*arguments)

    monkeypatch.setattr(type(space), "load_portrait", lambda _self, *arguments: load_slowly(*arguments))
    client = stage.graph.node.create_client(SetPortrait, "generator/set_portrait")
    stage.graph.spin_until(client.service_is_ready)
    answer = client.call_async(SetPortrait.Request(path=str(other)))
    stage.graph.spin_until(preparing.is_set)
    stage.interrupt()
    stage.play(10)

    assert not answer.done()
    assert [event.event for event in stage.events][-1] == PlaybackEvent.INTERRUPTED
    may_go_on.set()
    stage.graph.spin_until(answer.done)
    stage.play(12)
    assert answer.result().success
    assert to_rgb(stage.images[-1])[0, 0, 0] == 200


def test_the_state_follows_the_conversation_and_late_listeners_get_it(stage: Stage) -> None:
    states = stage.graph.listen(AvatarState, "avatar/state", latched=True)
    stage.play(20, before_each=stage.see)
    stage.say("hello", speech_like(0.6))
    stage.play(40, before_each=stage.see)
    stage.play(30)
    late = stage.graph.listen(AvatarState, "avatar/state", latched=True)
    stage.graph.spin_until(lambda: late)

    kinds = [message.state for message in states]
    assert kinds[:2] == [AvatarState.IDLE, AvatarState.LISTENING] or kinds[0] == AvatarState.LISTENING
    assert AvatarState.SPEAKING in kinds
    assert kinds[-1] == AvatarState.DEGRADED
    assert states[-1].detail == "the camera has stopped"
    assert late[0].state == AvatarState.DEGRADED


def test_a_camera_that_stops_is_said_on_diagnostics_and_frames_go_on(stage: Stage) -> None:
    reports = stage.graph.listen(DiagnosticArray, "/diagnostics")
    stage.play(15, before_each=stage.see)
    stage.play(60)

    last = next(report.status[0] for report in reversed(reports) if report.status[0].name == "generator: health")
    assert (last.level, last.message) == (DiagnosticStatus.WARN, "the camera has stopped")
    # the clock's message reaches the timer and the outbox in either order, a frame or two apart on a busy machine
    assert float({value.key: value.value for value in last.values}["fps"]) == pytest.approx(25, abs=3)
    assert set(np.diff(stage.stamps())) == {FRAME_NS}


def test_bad_messages_are_counted_and_frames_go_on(stage: Stage) -> None:
    stage.play(15)
    stage.graph.send(AudioChunk, "user_audio", AudioChunk(sample_rate=16_000, channels=1, encoding=7))
    stage.graph.send(MotionLatents, "user_motion", MotionLatents(motion_space="autoencoder"))
    stage.graph.send(MotionLatents, "user_motion", MotionLatents(motion_space="bars", valid=True))
    stage.graph.send(AudioChunk, "user_audio", AudioChunk(sample_rate=16_000, channels=1))
    stage.play(15)

    assert stage.node.faults.count == 4
    assert set(np.diff(stage.stamps())) == {FRAME_NS}


def test_compressed_pictures_come_beside_the_raw_ones(graph: TestGraph, tmp_path: Path) -> None:
    stage = Stage(graph, tmp_path, output__compressed=True)
    compressed = graph.listen(CompressedImage, "avatar/image_raw/compressed")
    stage.play(20)
    graph.spin_until(lambda: stamp_ns(compressed[-1].header.stamp) == stage.now_ns)
    graph.spin_until(lambda: stamp_ns(stage.images[-1].header.stamp) == stage.now_ns)

    difference = compressed_to_rgb(compressed[-1]).astype(int) - to_rgb(stage.images[-1])
    assert np.abs(difference).mean() < 12


@pytest.mark.parametrize(
    "parameters",
    [
        pytest.param({"portrait": "/no/such/picture.png"}, id="no portrait"),
        pytest.param({"avatar__lead_ms": 33}, id="a lead off the grid"),
        pytest.param({"user_audio__kind": "AudioStamped"}, id="a message type that is not installed"),
    ],
)
def test_a_node_that_cannot_work_refuses_to_start(graph: TestGraph, tmp_path: Path, parameters: dict) -> None:
    portrait = tmp_path / "p.png"
    cv2.imwrite(str(portrait), np.full((64, 64, 3), 90, np.uint8))
    given = {"portrait": str(portrait), "user_audio__kind": "AudioChunk", **parameters}

    with pytest.raises(AssertionError, match="generator did not start"):
        graph.add(GeneratorNode, {"open_model": lambda *_: tiny_bundle()}, **given)


def test_only_a_replay_shows_every_frame_however_late_and_a_live_avatar_in_a_simulator_keeps_up() -> None:
    live, replayed = GeneratorNodeConfig(understudy=True), GeneratorNodeConfig()
    assert [is_replay(config, simulated) for config in (live, replayed) for simulated in (True, False)] == [
        False,
        False,
        True,
        False,
    ]


def test_a_clock_that_was_set_does_not_make_the_rate_of_frames_a_fault() -> None:
    assert [rate_hz(25, elapsed_s) for elapsed_s in (1.0, 2.0, -0.3, -3600.0, 3600.0)] == [25.0, 12.5, 25.0, 25.0, 25.0]
    assert rate_hz(0, -5.0) == 0.0


def test_stamps_reach_messages_unrounded() -> None:
    assert stamp_ns(to_stamp(START_NS + 7)) == START_NS + 7


def test_speech_that_cannot_be_read_is_an_event_and_a_warning(stage: Stage) -> None:
    reports = stage.graph.listen(DiagnosticArray, "/diagnostics")
    stage.play(15)
    for seq in range(3):  # sample_rate was forgotten
        message = AudioChunk(utterance_id="hello", seq=seq, channels=1, data=bytes(640))
        stage.graph.send(AudioChunk, "speech", message)
    stage.play(30)
    stage.graph.spin_until(lambda: stage.events)

    (event,) = stage.events
    assert (event.utterance_id, event.event) == ("hello", PlaybackEvent.REFUSED)
    assert "sample_rate must be within" in event.reason
    status = reports[-1].status[0]
    assert status.level == DiagnosticStatus.WARN
    assert status.message.startswith("speech of utterance 'hello': sample_rate") and "NOT played" in status.message


def test_one_id_for_all_sentences_is_said_and_diagnostics_name_the_mistake(stage: Stage) -> None:
    reports = stage.graph.listen(DiagnosticArray, "/diagnostics")
    stage.play(15)
    sentences = [speech_like(0.5), speech_like(0.5, seed=1)]
    for sentence in sentences:
        pieces = enumerate(np.split(sentence, 5))
        stage.send_speech(*(signals.AudioChunk(None, piece, 16_000, "speech", n, n == 4) for n, piece in pieces))
    stage.play(60)
    stage.graph.spin_until(lambda: len(stage.events) == 4)

    heard = np.concatenate([AudioReader("AudioChunk").read(message).samples for message in stage.spoken])
    begins = np.flatnonzero(np.abs(heard) > 0.01)[0] - np.flatnonzero(np.abs(sentences[0]) > 0.01)[0]
    np.testing.assert_allclose(heard[begins : begins + 16_000], np.concatenate(sentences), atol=2e-4)
    status = reports[-1].status[0]
    assert "give every utterance an id of its own" in status.message
    assert status.level == DiagnosticStatus.WARN
