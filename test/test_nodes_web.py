# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Between pages and topics: what the avatar shows and says reaches a page, and a page's senses and words the topics."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy")
import aiohttp
from avatar_forcing_ros.msg import AudioChunk as AudioChunkMessage
from avatar_forcing_ros.msg import AvatarState, Caption, FrameInfo, FrameShown, MotionLatents, PlaybackEvent
from avatar_forcing_ros.srv import SetPortrait
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Empty, String

from avatar_forcing_ros.nodes import qos
from avatar_forcing_ros.nodes.audio_messages import AudioReader, from_chunk
from avatar_forcing_ros.nodes.conversions import from_rgb, read_image
from avatar_forcing_ros.nodes.engineer_desk import DIALS, EngineerDesk
from avatar_forcing_ros.nodes.kiosk import main as kiosk_main
from avatar_forcing_ros.nodes.ros_time import stamp_ns, to_duration, to_stamp
from avatar_forcing_ros.nodes.testing import TestGraph
from avatar_forcing_ros.nodes.web_node import WebNode
from avatar_forcing_ros.signals import AudioChunk
from avatar_forcing_ros.web.packets import CAMERA, MICROPHONE

pytestmark = pytest.mark.ros

STAMP_NS = 1_795_979_129_120_000_000


def test_a_complaint_in_which_only_numbers_change_is_one_event(monkeypatch: pytest.MonkeyPatch) -> None:
    desk, events = EngineerDesk.__new__(EngineerDesk), []
    desk._complaints = {}
    monkeypatch.setattr(desk, "note", lambda _kind, text: events.append(text))
    for text in ("stopped 1 s ago", "stopped 2 s ago", "stopped 10 s ago", "", "", "stopped 1 s ago", "too loud"):
        level = DiagnosticStatus.ERROR if text else DiagnosticStatus.OK
        desk._diagnose(DiagnosticArray(status=[DiagnosticStatus(name="camera", level=level, message=text)]))
    assert events == ["camera: stopped 1 s ago", "camera: recovered", "camera: stopped 1 s ago", "camera: too loud"]


class RemotePage:
    """A page in a thread of its own, since the test's thread spins the nodes."""

    def __init__(self, url: str, hello: dict[str, Any]) -> None:
        self.words: list[dict[str, Any]] = []
        self.packets: list[bytes] = []
        self._url, self._hello = url.replace("localhost", "127.0.0.1"), hello
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._live()), daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    def send(self, message: dict[str, Any] | bytes) -> None:
        act = self._socket.send_bytes(message) if isinstance(message, bytes) else self._socket.send_json(message)
        asyncio.run_coroutine_threadsafe(act, self._loop).result(10)

    def heard(self, kind: str) -> list[dict[str, Any]]:
        return [words for words in self.words if words["type"] == kind]

    def is_told(self, state: str) -> bool:
        """Whether that is the newest state it heard; another one may have come before."""
        states = self.heard("state")
        return bool(states) and states[-1]["state"] == state

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._socket.close(), self._loop).result(10)
        self._thread.join(10)

    async def _live(self) -> None:
        origin = self._url.rstrip("/")
        async with aiohttp.ClientSession() as session:
            self._socket = await session.ws_connect(f"{self._url}socket", headers={"Origin": origin})
            await self._socket.send_json(self._hello)
            self._ready.set()
            async for message in self._socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self.words.append(json.loads(message.data))
                else:
                    self.packets.append(message.data)


@contextmanager
def kiosk(
    codec: str | None = "jpeg", role: str = "face", **parameters: Any
) -> Iterator[tuple[TestGraph, RemotePage, WebNode]]:
    with TestGraph() as graph:
        node = graph.add(WebNode, server__access__port=0, **parameters)
        page = RemotePage(node.server.url, {"type": "hello", "role": role, "codec": codec})
        graph.spin_until(lambda: page.heard("welcome"))
        yield graph, page, node
        page.close()


def test_a_picture_and_its_speech_reach_a_page_with_their_stamps() -> None:
    image = np.full((64, 64, 3), (200, 40, 40), np.uint8)
    sound = AudioChunk(STAMP_NS, np.full(640, 0.25, np.float32), 16_000, "u")
    with kiosk() as (graph, page, _):
        graph.send(Image, "avatar/image_raw", from_rgb(image, to_stamp(STAMP_NS)))
        graph.send(AudioChunkMessage, "avatar/speech", from_chunk(sound))
        graph.spin_until(lambda: len(page.packets) == 2)
        shown, said = sorted(page.packets, key=lambda packet: packet[0])
        assert struct.unpack_from("<BBHIqQ", shown)[:5] == (1, 1, 64, 64, STAMP_NS)
        decoded = cv2.imdecode(np.frombuffer(shown[24:], np.uint8), cv2.IMREAD_COLOR)
        assert np.abs(decoded[32, 32, ::-1].astype(int) - (200, 40, 40)).max() < 12
        assert struct.unpack_from("<BBHIq", said) == (2, 0, 0, 16_000, STAMP_NS)
        assert set(np.frombuffer(said[24:], "<i2")) == {8192}


def test_what_the_avatar_does_is_told_and_who_comes_late_learns_its_state() -> None:
    with kiosk(codec=None) as (graph, page, node):
        caption = Caption(speaker=Caption.AVATAR, utterance_id="u", text="Hello.", position=to_duration(1_500_000_000))
        event = PlaybackEvent(utterance_id="u", event=PlaybackEvent.INTERRUPTED, position=to_duration(300_000_000))
        state = graph.node.create_publisher(AvatarState, "avatar/state", qos.LATCHED)
        state.publish(AvatarState(state=AvatarState.SPEAKING, utterance_id="u"))
        graph.send(Caption, "speech/caption", caption)
        graph.send(PlaybackEvent, "avatar/playback", event)
        graph.spin_until(lambda: page.heard("caption") and page.heard("playback") and page.is_told("speaking"))
        assert page.heard("caption")[0]["text"] == "Hello." and page.heard("caption")[0]["position_ms"] == 1500
        assert page.heard("playback")[0]["event"] == "interrupted" and page.heard("playback")[0]["position_ms"] == 300
        late = RemotePage(node.server.url, {"type": "hello", "codec": None})
        graph.spin_until(lambda: late.is_told("speaking"))
        late.close()


def test_camera_and_microphone_are_standard_topics_with_the_pages_stamps() -> None:
    picture = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].tobytes()
    tone = np.sin(2 * np.pi * 440 * np.arange(4800) / 48_000).astype(np.float32) * 0.5
    with kiosk(codec=None) as (graph, page, node):
        seen = graph.listen(CompressedImage, "camera/image_raw/compressed")
        heard = graph.listen(AudioChunkMessage, "user_audio")
        page.send({"type": "senses", "camera": True, "microphone": True, "echo_cancellation": True})
        graph.spin_until(lambda: page.heard("senses"))
        now_ns = node.now_ns() // 1000 * 1000
        page.send(struct.pack("<BBHIqQ", CAMERA, 0, 0, 0, now_ns, 0) + picture)
        for number in range(5):
            chunk = (tone[960 * number : 960 * (number + 1)] * 32767).astype("<i2").tobytes()
            page.send(struct.pack("<BBHIqQ", MICROPHONE, 0, 0, 48_000, now_ns + number * 20_000_000, 0) + chunk)
        graph.spin_until(lambda: seen and len(heard) == 5)
        assert stamp_ns(seen[0].header.stamp) == now_ns
        assert read_image(seen[0]).shape == (48, 64, 3)
        chunks = [AudioReader("AudioChunk").read(message) for message in heard]
        assert {chunk.sample_rate for chunk in chunks} == {16_000} and [chunk.seq for chunk in chunks] == [
            0,
            1,
            2,
            3,
            4,
        ]
        ends = [chunk.stamp_ns + len(chunk.samples) * 62_500 for chunk in chunks]  # contiguous, to a sample
        assert np.abs(np.array(ends[:-1]) - [chunk.stamp_ns for chunk in chunks[1:]]).max() <= 62_500
        sound = np.concatenate([chunk.samples for chunk in chunks])
        first = (chunks[0].stamp_ns - now_ns) / 1e9
        expected = 0.5 * np.sin(2 * np.pi * 440 * (first + np.arange(len(sound)) / 16_000))
        assert np.abs(sound - expected)[100:-100].max() < 0.03  # at its time


def test_words_interrupts_and_glass_times_reach_the_topics() -> None:
    with kiosk(codec=None) as (graph, page, node):
        typed, stopped = graph.listen(String, "user_text"), graph.listen(Empty, "speech/interrupt")
        shown = graph.listen(FrameShown, "avatar/frame_shown")
        page.send({"type": "text", "text": " Good morning! "})
        page.send({"type": "interrupt"})
        frames = [[str(STAMP_NS), STAMP_NS / 1e6 + 55.5]]
        page.send({"type": "shown", "frames": frames, "uncertainty_ms": 0.5, "voice_behind_ms": None})
        graph.spin_until(lambda: typed and stopped and shown)
        assert typed[0].data == "Good morning!"
        assert stamp_ns(shown[0].header.stamp) == STAMP_NS and shown[0].header.frame_id == "page_1"
        assert stamp_ns(shown[0].shown) - STAMP_NS == pytest.approx(55_500_000, abs=1000)
        assert np.isnan(shown[0].voice_behind_ms)
        assert node._health().message == "running"
        page.send({"type": "shown", "frames": frames, "uncertainty_ms": 0.5, "voice_behind_ms": 90})
        graph.spin_until(lambda: len(shown) == 2)
        assert node._health().message == "on a page the voice is heard 90 ms behind its pictures"


def test_an_engineer_is_told_what_goes_on_and_turns_dials_and_portraits() -> None:
    wanted: list[str] = []

    def choose(request: Any, response: Any) -> Any:
        wanted.append(request.path)
        response.success, response.message = True, "the mouth is open"
        return response

    with kiosk(codec=None, role="engineer") as (graph, page, node):
        generator = Node("generator", context=graph.context)
        for name in DIALS:
            generator.declare_parameter(name, 1.0)
        generator.create_service(SetPortrait, "generator/set_portrait", choose)
        graph.spin_node(generator)
        graph.spin_until(lambda: page.heard("desk"))
        assert set(page.heard("desk")[0]["portraits"]) >= {"aria.png", "milo.png"}
        info = FrameInfo(lateness_ms=3.0, quality_level=2, user_share=0.25, speech_share=float("nan"))
        info.header.stamp, info.user_motion_until = to_stamp(STAMP_NS), to_stamp(STAMP_NS - 240_000_000)
        graph.send(FrameInfo, "avatar/frame_info", info)
        motion = MotionLatents(names=["smile", "yaw"], latent=[0.25, 0.5], valid=True)
        motion.header.stamp = to_stamp(STAMP_NS)
        graph.send(MotionLatents, "user_motion", motion)
        facts: dict[str, list[Any]] = {}

        def told() -> bool:
            facts.update({key: value for words in page.heard("facts") for key, value in words.items()})
            return {"frames", "user", "processor"} <= facts.keys()

        graph.spin_until(told)
        graph.spin_until(lambda: page.heard("dials"))  # though there was no generator when the page came
        assert page.heard("dials")[0]["values"] == dict.fromkeys(DIALS, 1.0)
        graph.spin_until(lambda: all(client.service_is_ready() for client in node._desk._clients.values()))
        assert facts["frames"] == [[STAMP_NS / 1e6, 3.0, 240.0, None, 2, 0, 0.25, None]]
        assert facts["user"] == [[STAMP_NS / 1e6, 0.25, None, None, None, 0.5]]  # smile, ..., yaw
        assert 0 <= facts["processor"][0][1] <= 100

        page.send({"type": "dial", "name": "avatar.expressiveness.face", "value": 1.5})
        graph.spin_until(lambda: page.heard("answer"))
        assert page.heard("answer")[0]["text"] == "avatar.expressiveness.face is 1.5"
        assert generator.get_parameter("avatar.expressiveness.face").value == 1.5
        page.send({"type": "portrait", "name": "milo.png"})
        graph.spin_until(lambda: len(page.heard("answer")) == 2)
        assert page.heard("answer")[1]["text"] == "milo.png: the mouth is open"
        assert wanted[0].endswith("portraits/milo.png")
        for nonsense in ({"name": "../x"}, {"name": ["x"]}):
            page.send({"type": "portrait", **nonsense})
        page.send({"type": "dial", "name": "avatar.expressiveness.face", "value": 7})
        page.send({"type": "dial", "name": "use_sim_time", "value": 1})
        graph.spin_until(lambda: len(page.heard("refused")) == 4)
        assert "expected 0 to 2" in page.heard("refused")[2]["reason"] and len(wanted) == 1


def test_a_port_in_use_and_a_missing_token_refuse_the_start() -> None:
    with kiosk(codec=None) as (graph, _, node):
        port = int(node.server.url.rstrip("/").rsplit(":")[-1])
        for parameters in ({"server__access__port": port}, {"server__access__host": "0.0.0.0"}):
            with pytest.raises(AssertionError, match="web did not start"):
                graph.add(WebNode, **parameters)


def test_make_kiosk_says_in_one_line_what_it_cannot_do(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for arguments, reason in (
            (["--port", str(taken.getsockname()[1])], "cannot be used: Address already in use"),
            (["--host", "0.0.0.0"], "needs a token of at least 16 characters"),
            (["--token", "short"], "token must have at least 16 characters, got 5"),
            (["--certificate", "/no/such.pem"], "certificate and key must be PEM files"),
        ):
            assert kiosk_main(arguments) == 1
            said = capsys.readouterr().err
            assert said.startswith("error: ") and reason in said and said.count("\n") == 1
