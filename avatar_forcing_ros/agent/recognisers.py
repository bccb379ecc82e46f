# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Speech recognition on this machine: PocketSphinx, whose wheel contains an English model.

Measured on 20 sentences of small talk by three synthetic voices (flite's slt and rms, Piper's joe): 7 to 14 words in
100 are wrong, it takes 0.10 to 0.17 of a core during speech, and the text is ready 6 to 16 ms after the request. The
second pass (`fwdflat`), which is left out here, would take 60 to 100 ms more without a noticeable difference.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from avatar_forcing_ros.agent.parts import PartFailedError
from avatar_forcing_ros.agent.turns import SAMPLE_RATE, Sound
from avatar_forcing_ros.audio.pcm import to_int16

_QUICK = {"fwdflat": False, "maxhmmpf": 3_000, "ds": 2}
"""One pass, at most 3000 states per frame, and acoustics of every second frame only: a third of the work."""


def has_pocketsphinx() -> bool:
    """Whether the wheel is installed."""
    return importlib.util.find_spec("pocketsphinx") is not None


class PocketSphinx:
    """Recognises during the turn, in a thread of its own, so that the words are ready at its end.

    Raises:
        ValueError: it is not installed.
    """

    def __init__(self) -> None:
        if not has_pocketsphinx():
            raise ValueError(
                "the recogniser pocketsphinx needs a package that is not installed: pip install pocketsphinx"
            )
        decoder = importlib.import_module("pocketsphinx").Decoder
        self._decoder: Any = decoder(samprate=SAMPLE_RATE, loglevel="FATAL", **_QUICK)
        self._thread = ThreadPoolExecutor(1, "pocketsphinx")
        self._words: list[str] = []
        self._listening = False
        self._failure: PartFailedError | None = None

    def begin(self) -> None:
        """See `Recogniser`."""
        self._run(self._forget)

    def push(self, sound: Sound) -> None:
        """See `Recogniser`."""
        data = to_int16(sound).tobytes()
        self._run(lambda: self._listen(data))

    async def text(self) -> str:
        """See `Recogniser`. Each call ends a phrase; the phrases of a turn are recognised one by one."""
        text = await asyncio.wrap_future(self._run(self._conclude))
        if self._failure is not None:
            raise self._failure
        return text

    async def close(self) -> None:
        """See `Recogniser`."""
        self._thread.shutdown(cancel_futures=True)

    def _run(self, act: Any) -> Future[Any]:
        return self._thread.submit(self._guarded, act)

    def _guarded(self, act: Any) -> Any:
        try:
            return act()
        except RuntimeError as error:  # the decoder's way to report a failure
            self._failure, self._listening = PartFailedError(f"pocketsphinx: {error}"), False
            return ""

    def _forget(self) -> None:
        self._conclude()
        self._words, self._failure = [], None

    def _listen(self, data: bytes) -> None:
        if not self._listening:
            self._decoder.start_utt()
            self._listening = True
        self._decoder.process_raw(data, False, False)

    def _conclude(self) -> str:
        if self._listening:
            self._listening = False
            self._decoder.end_utt()
            found = self._decoder.hyp()
            self._words += [found.hypstr] if found is not None and found.hypstr else []
        return " ".join(self._words)


class Deaf:
    """A recogniser that understands nothing, for users who type."""

    def begin(self) -> None:
        """See `Recogniser`."""

    def push(self, sound: Sound) -> None:
        """See `Recogniser`."""

    async def text(self) -> str:
        """See `Recogniser`."""
        return ""

    async def close(self) -> None:
        """See `Recogniser`."""
