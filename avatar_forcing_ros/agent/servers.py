# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Recogniser, mind and voice on servers with OpenAI's HTTP interface: llama.cpp, vLLM, LocalAI, speaches, Ollama.

Source: the published reference of that interface, for the paths /chat/completions (streamed as server-sent events),
/audio/transcriptions and /audio/speech. Any other answer of a server raises a `PartFailedError` that gives the address
and the reason in one line.
"""

from __future__ import annotations

import asyncio
import json
import os
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import numpy as np
from aiohttp.http_exceptions import HttpProcessingError

from avatar_forcing_ros.agent.conversation import Message
from avatar_forcing_ros.agent.parts import PartFailedError
from avatar_forcing_ros.agent.turns import SAMPLE_RATE, Sound
from avatar_forcing_ros.agent.voices import PIECE_MS, pcm
from avatar_forcing_ros.audio.pcm import to_int16
from avatar_forcing_ros.signals import AudioChunk

_CONNECT_S = 2.0
_LONGEST_REASON = 200


class Server:
    """The address of a server, its key, and how long it may be silent.

    Args:
        url: address up to and including the version, such as http://localhost:8080/v1.
        key_variable: environment variable with the key, which does not belong in a parameter file; empty sends none.
        silence_s: a server that sends nothing for this long has failed.

    Raises:
        ValueError: the address is invalid, or the variable is not set.
    """

    def __init__(self, url: str, key_variable: str, silence_s: float) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"the url of a server must begin with http:// or https://, got {url!r}")
        key = os.environ.get(key_variable, "") if key_variable else ""
        if key_variable and not key:
            raise ValueError(f"the environment variable {key_variable}, which has the key of {url}, is not set")
        self._url, self._silence_s = url.rstrip("/"), silence_s
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._session: aiohttp.ClientSession | None = None  # made in the agent's loop

    @asynccontextmanager
    async def post(self, path: str, **content: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        """The response to a request, whose body is still to be read.

        Raises:
            PartFailedError: there is no response or it reports an error; also if this happens while the body is read.
        """
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=self._silence_s)
            self._session = aiohttp.ClientSession(timeout=timeout, headers=self._headers)
        url = self._url + path
        try:
            async with self._session.post(url, **content) as response:
                if response.status != 200:
                    raise PartFailedError(f"{url} answers {response.status}: {_reason(await response.text())}")
                yield response
        except asyncio.TimeoutError:
            raise PartFailedError(f"{url} is silent for {self._silence_s:g} s") from None
        except aiohttp.ClientConnectorError as error:
            number = error.os_error.errno  # asyncio's own text does not say why
            why = os.strerror(number) if number and number > 0 else str(error.os_error)
            raise PartFailedError(f"{url} cannot be reached: {why}") from None
        except aiohttp.ClientError as error:
            raise PartFailedError(f"{url} broke off: {type(error).__name__} {_one_line(str(error))}") from None
        except (ValueError, HttpProcessingError) as error:  # invalid JSON, an endless line
            raise PartFailedError(f"{url} sends what cannot be read: {_one_line(str(error))}") from None

    async def close(self) -> None:
        """End the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


class ChatServer:
    """A mind: a language model behind /chat/completions.

    Args:
        server: the server.
        model: name of the model on the server.
        options: further fields of the request, such as temperature and max_tokens.
    """

    def __init__(self, server: Server, model: str, **options: Any) -> None:
        self._server, self._model, self._options = server, model, options

    async def answer(self, messages: Sequence[Message]) -> AsyncGenerator[str, None]:
        """See `Mind`."""
        said = [{"role": message.role, "content": message.text} for message in messages]
        request = {"model": self._model, "messages": said, "stream": True, **self._options}
        async with self._server.post("/chat/completions", json=request) as response:
            if response.content_type == "application/json":  # the server does not stream
                yield _content(await response.json(), "message")
                return
            if response.content_type != "text/event-stream":
                raise PartFailedError(f"{response.url} answers with {response.content_type}, not with an event stream")
            async for line in response.content:
                data = line.decode("utf-8", "replace").strip()
                if data == "data: [DONE]":
                    return
                if data.startswith("data:"):
                    yield _content(json.loads(data[5:]), "delta")

    async def close(self) -> None:
        """See `Mind`."""
        await self._server.close()


class TranscriptionServer:
    """A recogniser behind /audio/transcriptions, which gets the turn's sound whenever its words are requested.

    Args:
        server: the server.
        model: name of the model on the server.
        language: language of the user as in ISO 639-1; empty lets the model find out.
    """

    def __init__(self, server: Server, model: str, language: str) -> None:
        self._server, self._model, self._language = server, model, language
        self.begin()

    def begin(self) -> None:
        """See `Recogniser`."""
        self._sound, self._words = list[Sound](), ""

    def push(self, sound: Sound) -> None:
        """See `Recogniser`."""
        self._sound.append(sound)

    async def text(self) -> str:
        """See `Recogniser`."""
        form = aiohttp.FormData()
        form.add_field("file", wav(np.concatenate(self._sound)), filename="turn.wav", content_type="audio/wav")
        fields = {"model": self._model, "language": self._language, "response_format": "json"}
        for name, value in fields.items():
            if value:
                form.add_field(name, value)
        async with self._server.post("/audio/transcriptions", data=form) as response:
            found = await response.json(content_type=None)
            if not isinstance(found, dict) or not isinstance(found.get("text"), str):
                raise PartFailedError(f"{response.url} answers without a text: {_one_line(json.dumps(found))}")
            return found["text"].strip()

    async def close(self) -> None:
        """See `Recogniser`."""
        await self._server.close()


class SpeechServer:
    """A voice behind /audio/speech, played while it arrives.

    Args:
        server: the server.
        model: name of the model on the server.
        voice: voice of the model.
        pcm_rate: sample rate of bare samples; 0 asks for a WAV file, which states its rate.
    """

    def __init__(self, server: Server, model: str, voice: str, pcm_rate: int) -> None:
        self._server, self._pcm_rate = server, pcm_rate
        self._request = {"model": model, "voice": voice, "response_format": "pcm" if pcm_rate else "wav"}

    async def speak(self, text: str) -> AsyncGenerator[AudioChunk, None]:
        """See `Voice`."""
        async with self._server.post("/audio/speech", json={**self._request, "input": text}) as response:
            buffer, rate = b"", self._pcm_rate
            async for data in response.content.iter_any():
                buffer += data
                if not rate:
                    begin, rate = _wav_layout(buffer)
                    buffer = buffer[begin:]
                while rate and len(buffer) >= (size := rate * PIECE_MS // 1000 * 2):
                    yield pcm(buffer[:size], rate)
                    buffer = buffer[size:]
            if not rate:
                raise PartFailedError(f"{response.url} answers with {len(buffer)} bytes that are no sound")
            if len(buffer) > 1:
                yield pcm(buffer, rate)

    async def close(self) -> None:
        """See `Voice`."""
        await self._server.close()


def wav(sound: Sound) -> bytes:
    """(N,) samples at 16 kHz as a WAV file of 16 bits."""
    data = to_int16(sound).tobytes()
    layout = struct.pack("<IHHIIHH", 16, 1, 1, SAMPLE_RATE, 2 * SAMPLE_RATE, 2, 16)
    return (
        b"RIFF"
        + struct.pack("<I", 36 + len(data))
        + b"WAVEfmt "
        + layout
        + b"data"
        + struct.pack("<I", len(data))
        + data
    )


def _wav_layout(begin: bytes) -> tuple[int, int]:
    """Offset and rate of the samples, from a WAV file's first bytes; (0, 0) if these are not enough.

    Raises:
        PartFailedError: it is not a WAV file with one channel of 16 bits.
    """
    if len(begin) < 12:
        return 0, 0
    if begin[:4] != b"RIFF" or begin[8:12] != b"WAVE":
        raise PartFailedError(f"the voice's server must send a WAV file, got one that begins with {begin[:12]!r}")
    position, rate = 12, 0
    while position + 8 <= len(begin):
        name, size = begin[position : position + 4], int.from_bytes(begin[position + 4 : position + 8], "little")
        position += 8
        if name == b"data":
            return position, rate
        if name == b"fmt ":
            if position + 16 > len(begin):
                return 0, 0
            kind, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", begin, position)
            if kind not in (1, 0xFFFE) or channels != 1 or bits != 16 or not 8_000 <= rate <= 192_000:
                raise PartFailedError(
                    "the voice's server must send 16-bit samples of one channel at 8 to 192 kHz, got "
                    f"format {kind}, {bits} bits, {channels} channels, {rate} Hz"
                )
        position += size + size % 2
    return 0, 0


def _content(found: Any, kind: str) -> str:
    """The text in a chat completion or in a chunk of one."""
    if isinstance(found, dict) and found.get("error"):
        raise PartFailedError(f"the language model's server says: {_reason(json.dumps(found))}")
    try:
        choices = found["choices"]
        text = choices[0][kind].get("content") if choices else None  # the last piece may have figures only
    except (KeyError, IndexError, TypeError, AttributeError):
        raise PartFailedError(
            f"the language model's server sends no completion: {_one_line(json.dumps(found))}"
        ) from None
    if text is not None and not isinstance(text, str):
        raise PartFailedError(
            f"the language model's server sends content that is no text: {_one_line(json.dumps(text))}"
        )
    return text or ""


def _reason(body: str) -> str:
    """The reason in the body of an error: the message in its JSON, or its first characters."""
    try:
        found = json.loads(body)
        found = found.get("error", found) if isinstance(found, dict) else found
        body = found.get("message", body) if isinstance(found, dict) else str(found)
    except ValueError:
        pass
    return _one_line(str(body)) or "without a reason"


def _one_line(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_REASON else text[:_LONGEST_REASON] + " ..."
