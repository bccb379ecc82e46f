# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The voice agent's recogniser, mind and voice on a real HTTP server that streams, is slow, and fails."""

from __future__ import annotations

import asyncio
import io
import json
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import numpy as np
import pytest
from aiohttp import web

from avatar_forcing_ros.agent.agent import Agent, AgentConfig, Parts
from avatar_forcing_ros.agent.answer import AnswerConfig, Caption
from avatar_forcing_ros.agent.conversation import Message
from avatar_forcing_ros.agent.parts import PartFailedError
from avatar_forcing_ros.agent.servers import ChatServer, Server, SpeechServer, TranscriptionServer, wav
from avatar_forcing_ros.signals import AudioChunk
from avatar_forcing_ros.timeline.playback import Playback

RATE = 24_000
ASK = [Message("system", "Be brief."), Message("user", "hello")]


class FakeServer:
    """OpenAI's interface, as small as it can be; a test says how it behaves.

    Attributes:
        pieces: what the language model writes; numbers are pauses in seconds, bytes are sent as they are.
        failure: path -> what it does instead.
        asked: path and content of the requests.
        left: requests whose client went away before the end.
    """

    def __init__(self) -> None:
        self.pieces: list[str | float | bytes] = ["Hello. ", "How are ", "you?"]
        self.failure: dict[str, Callable[[web.Request], Any]] = {}
        self.asked, self.left = list[tuple[str, Any]](), 0
        self.text = " hello there\n"
        self.sound_s = 0.5

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """Its address, while it runs on a free port of this machine."""
        app = web.Application()
        app.router.add_post("/v1/{path:.*}", self._answer)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        if path in self.failure:
            return await self.failure[path](request)
        try:
            return await {
                "chat/completions": self._chat,
                "audio/transcriptions": self._transcribe,
                "audio/speech": self._speak,
            }[path](request)
        except (asyncio.CancelledError, ConnectionResetError):
            self.left += 1
            raise

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(("chat", await request.json()))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in self.pieces:
            if isinstance(piece, float):
                await asyncio.sleep(piece)
            elif isinstance(piece, bytes):
                await response.write(piece)
            else:
                await response.write(event({"choices": [{"delta": {"content": piece}}]}))
        await response.write(event({"choices": [], "usage": {}}) + b"data: [DONE]\n\n")
        return response

    async def _transcribe(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        with wave.open(io.BytesIO(form["file"].file.read())) as sound:  # type: ignore[union-attr]
            self.asked.append(("stt", (form["model"], sound.getframerate(), sound.getnframes())))
        return web.json_response({"text": self.text})

    async def _speak(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        self.asked.append(("tts", asked))
        response = web.StreamResponse(headers={"Content-Type": "audio/wav"})
        await response.prepare(request)
        data = (8000 * np.ones(int(RATE * self.sound_s))).astype("<i2").tobytes()
        if asked["response_format"] == "wav":
            data = streamed_wav(data)
        for start in range(0, len(data), 7001):  # pieces that end anywhere
            await response.write(data[start : start + 7001])
        return response


def event(content: Any) -> bytes:
    return f"data: {json.dumps(content)}\n\n".encode()


def streamed_wav(data: bytes) -> bytes:
    """A WAV file whose length was not known when it was begun, with a chunk that nobody asked for."""
    head = wav(np.zeros(0, np.float32))
    layout = head[20:24] + RATE.to_bytes(4, "little") + (2 * RATE).to_bytes(4, "little") + head[32:36]
    return (
        b"RIFF\xff\xff\xff\xffWAVELIST\x03\0\0\0abc\0fmt \x10\0\0\0" + layout + b"data\xff\xff\xff\xff" + data
    )  # fmt: skip


def answers(status: int, body: str, kind: str = "application/json") -> Callable[[web.Request], Any]:
    async def act(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=body, content_type=kind)

    return act


async def hangs(_request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(60)
    return web.Response()


async def breaks_off(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    await response.write(event({"choices": [{"delta": {"content": "Well, I "}}]}))
    assert request.transport is not None
    request.transport.close()
    return response


def converse(act: Callable[[FakeServer, str], Any]) -> None:
    async def run() -> None:
        fake = FakeServer()
        async with fake.running() as url:
            await act(fake, url)

    asyncio.run(asyncio.wait_for(run(), 30))


async def all_of(pieces: Any) -> list[Any]:
    return [piece async for piece in pieces]


def test_a_language_model_streams_and_is_told_the_conversation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "k3y")

    async def act(fake: FakeServer, url: str) -> None:
        mind = ChatServer(Server(url + "/", "SECRET", 2.0), "tiny", temperature=0.5)
        assert "".join(await all_of(mind.answer(ASK))) == "Hello. How are you?"
        ((_, asked),) = fake.asked
        assert asked["stream"] and asked["model"] == "tiny" and asked["temperature"] == 0.5
        assert asked["messages"][0] == {"role": "system", "content": "Be brief."}
        await mind.close()

    converse(act)


def test_the_first_words_are_there_while_the_rest_is_thought() -> None:
    async def act(fake: FakeServer, url: str) -> None:
        fake.pieces = ["Hello. ", 30.0, "Never."]
        mind = ChatServer(Server(url, "", 60.0), "tiny")
        pieces = mind.answer(ASK)
        assert await anext(pieces) == "Hello. "
        await pieces.aclose()  # who goes away ends the thinking
        for _ in range(200):
            await asyncio.sleep(0.01)
            if fake.left:
                break
        assert fake.left == 1
        await mind.close()

    converse(act)


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (answers(500, '{"error": {"message": "out of\\nmemory"}}'), "answers 500: out of memory"),
        (answers(401, "no key", "text/plain"), "answers 401: no key"),
        (answers(404, ""), "answers 404: without a reason"),
        (answers(200, "<html>hi</html>", "text/html"), "answers with text/html, not with an event stream"),
        (answers(200, '{"object": "list"}'), "sends no completion"),
        (answers(200, '{"choices": [{"message": {"content": 7}}]}'), "content that is no text: 7"),
        (answers(200, "{", "application/json"), "sends what cannot be read"),
        (answers(200, "data: {oops\n\n", "text/event-stream"), "sends what cannot be read"),
        (answers(200, 'data: {"error": {"message": "busy"}}\n\n', "text/event-stream"), "says: busy"),
        (answers(200, "data: [1, 2]\n\n", "text/event-stream"), "sends no completion: [1, 2]"),
        (answers(200, "x" * 10_000_000, "text/event-stream"), "sends what cannot be read"),
        (hangs, "is silent for 0.3 s"),
        (breaks_off, "broke off"),
    ],
)
def test_a_language_model_that_fails_says_where_and_why(behaviour: Any, reason: str) -> None:
    async def act(fake: FakeServer, url: str) -> None:
        fake.failure["chat/completions"] = behaviour
        mind = ChatServer(Server(url, "", 0.3), "tiny")
        with pytest.raises(PartFailedError) as caught:
            await all_of(mind.answer(ASK))
        assert reason in str(caught.value) and "\n" not in str(caught.value) and len(str(caught.value)) < 350
        await mind.close()

    converse(act)


def test_nobody_at_the_address_is_said_at_once() -> None:
    async def act(_fake: FakeServer, _url: str) -> None:
        mind = ChatServer(Server("http://127.0.0.1:9/v1", "", 5.0), "tiny")
        with pytest.raises(PartFailedError, match=r"127\.0\.0\.1:9/v1/chat/completions cannot be reached: .*refused"):
            await all_of(mind.answer(ASK))
        await mind.close()

    converse(act)


def test_addresses_and_keys_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="must begin with http"):
        Server("localhost:8080", "", 1.0)
    with pytest.raises(ValueError, match="NO_SUCH_KEY, which has the key of http://x/v1, is not set"):
        Server("http://x/v1", "NO_SUCH_KEY", 1.0)


def test_a_recogniser_gets_the_turn_as_a_sound_file_and_all_of_it_again() -> None:
    async def act(fake: FakeServer, url: str) -> None:
        recogniser = TranscriptionServer(Server(url, "", 2.0), "tiny", "en")
        for turn in range(2):
            recogniser.begin()
            recogniser.push(np.zeros(1600, np.float32))
            assert await recogniser.text() == "hello there"
            recogniser.push(np.zeros(800, np.float32))
            await recogniser.text()
            assert [content for _, content in fake.asked[2 * turn :]] == [
                ("tiny", 16_000, 1600),
                ("tiny", 16_000, 2400),
            ]
        for body in ('{"texts": 1}', "[]", "null", "{"):
            fake.failure["audio/transcriptions"] = answers(200, body)
            with pytest.raises(PartFailedError):
                await recogniser.text()
        await recogniser.close()

    converse(act)


@pytest.mark.parametrize("pcm_rate", [0, RATE])
def test_a_voice_is_heard_while_it_comes(pcm_rate: int) -> None:
    async def act(fake: FakeServer, url: str) -> None:
        voice = SpeechServer(Server(url, "", 2.0), "tiny", "anna", pcm_rate)
        chunks = await all_of(voice.speak("Hello."))
        assert {chunk.sample_rate for chunk in chunks} == {RATE}
        samples = np.concatenate([chunk.samples for chunk in chunks])
        assert len(samples) == RATE // 2 and np.allclose(samples, 8000 / 32768)
        assert len(chunks) == 5
        assert fake.asked[0][1] == {
            "model": "tiny", "voice": "anna", "input": "Hello.", "response_format": "pcm" if pcm_rate else "wav",
        }  # fmt: skip
        await voice.close()

    converse(act)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("ID3 this is an mp3 file", "must send a WAV file, got one that begins with b'ID3 this is "),
        ("", "0 bytes that are no sound"),
        ("RIFF____WAVEfmt \x10\0\0\0\x03\0\x02\0" + "\0" * 20, "got format 3"),
    ],
)
def test_a_voice_that_sends_no_sound_says_so(body: str, reason: str) -> None:
    async def act(fake: FakeServer, url: str) -> None:
        fake.failure["audio/speech"] = answers(200, body, "audio/wav")
        voice = SpeechServer(Server(url, "", 2.0), "tiny", "anna", 0)
        with pytest.raises(PartFailedError) as caught:
            await all_of(voice.speak("Hello."))
        assert reason in str(caught.value)
        await voice.close()

    converse(act)


class Notes:
    """An outlet that writes down."""

    def __init__(self) -> None:
        self.chunks, self.texts, self.warned, self.informed = list[AudioChunk](), list[str](), list[str](), list[str]()

    def speak(self, chunk: AudioChunk) -> None:
        self.chunks.append(chunk)

    def caption(self, caption: Caption) -> None:
        self.texts += [caption.text] if caption.utterance_id else []

    def express(self, expression: str) -> None:
        pass

    def interrupt(self) -> None:
        pass

    def inform(self, line: str) -> None:
        self.informed.append(line)

    def warn(self, line: str) -> None:
        self.warned.append(line)


async def asked(agent: Agent, notes: Notes, text: str) -> str:
    """The utterance that answers a text, once it is sent to its end, and presented."""
    count = sum(chunk.end_of_utterance for chunk in notes.chunks)
    agent.read(text)
    while sum(chunk.end_of_utterance for chunk in notes.chunks) <= count:
        await asyncio.sleep(0.005)
    agent.playback(Playback.STARTED, notes.chunks[-1].utterance_id, 0)
    agent.playback(Playback.FINISHED, notes.chunks[-1].utterance_id, 0)
    return notes.chunks[-1].utterance_id


def test_an_outage_is_bridged_logged_once_and_over_when_it_is_over() -> None:
    async def act(fake: FakeServer, url: str) -> None:
        notes = Notes()
        mind, voice = ChatServer(Server(url, "", 0.3), "tiny"), SpeechServer(Server(url, "", 2.0), "tiny", "anna", 0)
        recogniser = TranscriptionServer(Server(url, "", 2.0), "tiny", "")
        config = AgentConfig(answer=AnswerConfig(bridge_s=0.15, sorry="Sorry."))
        agent = Agent(config, Parts([recogniser], mind, [voice]), notes, frozenset())
        await asked(agent, notes, "hello")
        fake.failure["chat/completions"] = hangs
        for _ in range(3):
            await asked(agent, notes, "hello")
        del fake.failure["chat/completions"]
        fake.pieces = [0.2, "I am ", "back."]
        await asked(agent, notes, "hello")
        waiting = "One moment, please."
        assert notes.texts == ["Hello.", "How are you?", *[waiting, "Sorry."] * 3, waiting, "I am back."]
        assert len(notes.warned) == 1 and "silent for 0.3 s" in notes.warned[0]
        assert notes.informed.count("mind: works again") == 1
        assert [message.text for message in agent.conversation.messages if message.role == "assistant"] == [
            "Hello. How are you?",
            "I am back.",
        ]
        await agent.close()

    converse(act)


def test_sentences_are_said_while_the_rest_is_thought() -> None:
    async def act(fake: FakeServer, url: str) -> None:
        fake.pieces = ["The first ", "sentence. The", 20.0, " second."]
        notes = Notes()
        mind, voice = ChatServer(Server(url, "", 30.0), "tiny"), SpeechServer(Server(url, "", 2.0), "tiny", "anna", 0)
        agent = Agent(AgentConfig(), Parts([], mind, [voice]), notes, frozenset())
        agent.read("hello")
        while len(notes.chunks) < 5:
            await asyncio.sleep(0.005)
        assert notes.texts == ["The first sentence."]
        agent.playback(Playback.STARTED, notes.chunks[0].utterance_id, 0)
        agent.playback(Playback.INTERRUPTED, notes.chunks[0].utterance_id, 200_000_000)
        while not fake.left:
            await asyncio.sleep(0.005)
        assert agent.conversation.messages[-1] == Message("assistant", "The —")
        with suppress(Exception):
            await agent.close()

    converse(act)
