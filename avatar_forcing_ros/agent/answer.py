# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One answer, spoken sentence by sentence while the mind still thinks of the rest; it can be withdrawn.

It may be begun before the user is known to have finished; it is then held back until `release`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import numpy as np

from avatar_forcing_ros.agent.conversation import Said
from avatar_forcing_ros.agent.parts import PartFailedError, Voice
from avatar_forcing_ros.agent.sentences import Sentence
from avatar_forcing_ros.signals import NANOSECONDS, AudioChunk

_FOR_EVER_S = 3600.0


@dataclass(frozen=True)
class AnswerConfig:
    """How answers are given.

    Attributes:
        bridge_s: the user is asked to wait after this long without a sentence; 0 never does.
        bridge: what is said to a user who has to wait.
        patience_s: give up the mind after this long without a sentence.
        sorry: said when the mind fails.
        longest_sentences: longest answer, in sentences; the mind is stopped there.
    """

    bridge_s: float = field(default=1.2, metadata={"range": (0.0, 60.0)})
    bridge: str = "One moment, please."
    patience_s: float = field(default=20.0, metadata={"range": (0.1, 600.0)})
    sorry: str = "I am sorry, I cannot think of an answer right now."
    longest_sentences: int = field(default=12, metadata={"range": (1, 100)})


@dataclass(frozen=True)
class Caption:
    """The text of a sentence, see `msg/Caption.msg`; without an utterance, it is the user's."""

    text: str
    utterance_id: str = ""
    position_ns: int = 0


class Outlet(Protocol):
    """Receives an agent's output."""

    def speak(self, chunk: AudioChunk) -> None:
        """Send speech to the avatar."""

    def caption(self, caption: Caption) -> None:
        """Show the text of the avatar's speech, or of the user's."""

    def express(self, expression: str) -> None:
        """Set the face's expression from now on."""

    def interrupt(self) -> None:
        """Silence the avatar."""

    def inform(self, line: str) -> None:
        """Log a line."""

    def warn(self, line: str) -> None:
        """Log a line as a warning."""


class Complaints:
    """What is wrong with the parts; a complaint is logged when it begins and when it ends."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self.current: dict[str, str] = {}

    def wrong(self, part: str, line: str) -> None:
        """Note that a part cannot do its work."""
        if part not in self.current:
            self._outlet.warn(f"{part}: {line}")
        self.current[part] = line

    def right(self, part: str) -> None:
        """Note that a part works."""
        if self.current.pop(part, None) is not None:
            self._outlet.inform(f"{part}: works again")


class Answer:
    """An answer in progress.

    Args:
        utterance_id: id of the utterance.
        sentences: sentences from the mind; see `sentences.sentences`.
        voices: the first one speaks; if it cannot, the next one does.
        outlet: receives speech, captions and expressions.
        complaints: told what is wrong.
        config: how answers are given.

    Attributes:
        said: its sentences so far.
        sent: whether any of it has been sent.
        began_s: the event loop's time when the avatar began to say it; None before.
        over: done when the avatar has ended it or will never begin it; the result says whether all of it was heard.
    """

    def __init__(
        self,
        utterance_id: str,
        sentences: AsyncGenerator[Sentence, None],
        voices: Sequence[Voice],
        outlet: Outlet,
        complaints: Complaints,
        config: AnswerConfig,
    ) -> None:
        self.utterance_id, self.said, self.sent = utterance_id, list[Said](), False
        self.began_s: float | None = None
        self._sentences, self._voices, self._outlet = sentences, voices, outlet
        self._complaints, self._config = complaints, config
        self._length_ns = self._seq = 0
        self._held: list[Callable[[], None]] | None = []
        self._expressions: list[tuple[int, str]] = []
        self._loop = asyncio.get_running_loop()
        self._timers: list[asyncio.TimerHandle] = []
        self._released = asyncio.Event()
        self.over: asyncio.Future[bool] = self._loop.create_future()
        self._task = self._loop.create_task(self._give())

    # --- what becomes of it ------------------------------------------------------------------------------------------

    def release(self) -> None:
        """Send it, because the user has finished."""
        held, self._held = self._held or [], None
        for send in held:
            send()
        self._released.set()

    def began(self) -> None:
        """Note that the avatar has begun to say it."""
        self.began_s = self._loop.time()
        for begin_ns, expression in self._expressions:
            self._express_at(begin_ns, expression)

    def end(self, finished: bool = False) -> None:
        """Stop all work on it, because the avatar has finished it or it is no longer wanted."""
        self._task.cancel()
        for timer in self._timers:
            timer.cancel()
        if not self.over.done():
            self.over.set_result(finished)

    def left_s(self) -> float:
        """How long the avatar will still speak, in seconds; an hour while not everything has been sent."""
        if self.began_s is None or not self._task.done():
            return _FOR_EVER_S
        return self.began_s + self._length_ns / NANOSECONDS - self._loop.time()

    # --- giving it ---------------------------------------------------------------------------------------------------

    async def _give(self) -> None:
        queue: asyncio.Queue[Sentence | PartFailedError | None] = asyncio.Queue(self._config.longest_sentences)
        thinking = self._loop.create_task(self._think(queue))
        try:
            await self._speak_from(queue)
            self._send(lambda: self._speak(np.zeros(0, np.float32), 16_000, end=True))
        except Exception as error:  # a faulty part must not end the agent
            self._complaints.wrong("answer", f"unexpected {type(error).__name__}: {error}")
            self._send(lambda: self._speak(np.zeros(0, np.float32), 16_000, end=True))
        finally:
            thinking.cancel()
            with suppress(asyncio.CancelledError):
                await thinking

    async def _think(self, queue: asyncio.Queue[Sentence | PartFailedError | None]) -> None:
        """Queue the mind's sentences, and at the end None or the reason why it failed."""
        try:
            async with aclosing(self._sentences):
                async for sentence in self._sentences:
                    await queue.put(sentence)
            await queue.put(None)
        except PartFailedError as error:
            await queue.put(error)
        except Exception as error:  # a mind may be somebody else's code
            await queue.put(PartFailedError(f"unexpected {type(error).__name__}: {error}"))

    async def _speak_from(self, queue: asyncio.Queue[Sentence | PartFailedError | None]) -> None:
        for number in range(self._config.longest_sentences):
            found = await self._next(queue, first=number == 0)
            if found is None and number == 0:
                found = PartFailedError("its answer has no words that can be said")
            if isinstance(found, PartFailedError):
                self._complaints.wrong("mind", str(found))
                await self._say(Sentence(self._config.sorry), counts=False)
                return
            if found is None:
                self._complaints.right("mind")
                return
            await self._say(found)
        longest = self._config.longest_sentences
        self._complaints.wrong("mind", f"its answer went on after {longest} sentences; it ends there")

    async def _next(
        self, queue: asyncio.Queue[Sentence | PartFailedError | None], first: bool
    ) -> Sentence | PartFailedError | None:
        getting = self._loop.create_task(queue.get())
        waited_s = 0.0
        try:
            if first:
                await self._first_of(getting, self._loop.create_task(self._released.wait()))
                if self._config.bridge_s:
                    waited_s = self._config.bridge_s
                    await asyncio.wait({getting}, timeout=waited_s)
                    if not getting.done():
                        await self._say(Sentence(self._config.bridge), counts=False)
            await asyncio.wait({getting}, timeout=max(0.0, self._config.patience_s - waited_s))
            if getting.done():
                return getting.result()
            return PartFailedError(f"no sentence within {self._config.patience_s:g} s")
        finally:
            getting.cancel()

    @staticmethod
    async def _first_of(*tasks: asyncio.Task[object]) -> None:
        """Wait until any of them is done, then keep only the first one running."""
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks[1:]:
            task.cancel()

    async def _say(self, sentence: Sentence, counts: bool = True) -> None:
        said = Said(sentence.text, self._length_ns, self._length_ns, counts)
        self.said.append(said)
        if sentence.expression:
            self._express(said.begin_ns, sentence.expression)
        caption = Caption(said.text, self.utterance_id, said.begin_ns)
        self._send(lambda: self._outlet.caption(caption))
        async with aclosing(self._sound(sentence.text)) as sound:
            async for chunk in sound:
                self._length_ns += chunk.duration_ns
                said.end_ns = self._length_ns
                self._send(partial(self._speak, chunk.samples, chunk.sample_rate))

    async def _sound(self, text: str) -> AsyncGenerator[AudioChunk, None]:
        """Sound from the first voice that works; if one fails within a sentence, the rest of it is left unsaid."""
        for number, voice in enumerate(self._voices):
            name, made = "voice" if number == 0 else "spare voice", False
            try:
                async with aclosing(voice.speak(text)) as sound:
                    async for chunk in sound:
                        made = True
                        yield chunk
                self._complaints.right(name)
                return
            except PartFailedError as error:
                self._complaints.wrong(name, str(error))
                if made:
                    return

    # --- sending -----------------------------------------------------------------------------------------------------

    def _send(self, send: Callable[[], None]) -> None:
        if self._held is None:
            send()
        else:
            self._held.append(send)

    def _speak(self, samples: np.ndarray, rate: int, end: bool = False) -> None:
        self._outlet.speak(AudioChunk(None, samples, rate, self.utterance_id, self._seq, end))
        self._seq, self.sent = self._seq + 1, True

    def _express(self, begin_ns: int, expression: str) -> None:
        """Send the first words' expression along with them, and later ones when their words are said."""
        if begin_ns == 0:
            self._send(lambda: self._outlet.express(expression))
            return
        self._expressions.append((begin_ns, expression))
        if self.began_s is not None:
            self._express_at(begin_ns, expression)

    def _express_at(self, begin_ns: int, expression: str) -> None:
        assert self.began_s is not None
        due_s = self.began_s + begin_ns / NANOSECONDS
        self._timers.append(self._loop.call_at(due_s, self._outlet.express, expression))
