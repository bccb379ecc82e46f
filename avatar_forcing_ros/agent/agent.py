# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A voice agent: it listens, answers, can be interrupted, and knows what was really heard. It does not need ROS.

Everything happens in one event loop. Sound arrives through `hear`, typed text through `read`, and the avatar's playback
events through `playback`; the agent's output goes to an `Outlet`.

* An answer is begun in the user's first pause, and held back until the pause is long enough to end the turn.
* If the user continues before the answer is heard, it is withdrawn, and both parts form one turn.
* While the avatar speaks, its voice is in the microphone, too, so the agent ignores the sound. The avatar, which knows
  what it says, removes it, hears the user and stops (`avatar.barge_in.enabled`); playback events tell the agent.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Coroutine, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np

from avatar_forcing_ros.agent.answer import Answer, AnswerConfig, Caption, Complaints, Outlet
from avatar_forcing_ros.agent.conversation import Conversation, Message, heard
from avatar_forcing_ros.agent.parts import Mind, PartFailedError, Recogniser, Voice
from avatar_forcing_ros.agent.sentences import sentences
from avatar_forcing_ros.agent.turns import FRAME_MS, Microphone, Moment, Sound, TurnConfig, Turns, sounds_finished
from avatar_forcing_ros.signals import FOR_EVER_NS, AudioChunk
from avatar_forcing_ros.timeline.playback import Playback

NEUTRAL = "neutral"
PROMPT = (
    "You are the friendly face of a robot and talk with a person who stands before it. Answer in one to three short "
    "spoken sentences, without lists, markup or emoji. You may begin a sentence with an expression in square brackets: "
    "[happy], [sad], [surprised], [confused], [amazed], [embarrassed]. An answer of yours that ends with a dash was "
    "interrupted there, and the person did not hear the rest."
)
_UNHEARD_S = 3.0
"""If speech has not begun this long after it was sent, there is no avatar."""
_UNENDED_S = 30.0
"""If an answer's end is not reported this long after its sound must have ended, the avatar's process has died."""


@dataclass
class Parts:
    """The parts of an agent. Of recognisers and voices, the first is used, and the next one if it fails."""

    recognisers: Sequence[Recogniser]
    mind: Mind
    voices: Sequence[Voice]

    async def close(self) -> None:
        """Close all parts."""
        parts: list[Recogniser | Mind | Voice] = [*self.recognisers, self.mind, *self.voices]
        for part in parts:
            await part.close()


@dataclass(frozen=True)
class _Prepared:
    """Words of the user, and the answer to them, which is held back."""

    words: str
    answer: Answer | None


@dataclass(frozen=True)
class AgentConfig:
    """Behaviour of an agent.

    Attributes:
        prompt: what a language model is told about itself.
        greeting: said when the agent starts; empty says nothing.
        memory_messages: number of recent messages that a mind is given.
        turn: when the user's turn begins and ends.
        answer: how answers are given.
    """

    prompt: str = PROMPT
    greeting: str = ""
    memory_messages: int = field(default=40, metadata={"range": (1, 1000)})
    turn: TurnConfig = field(default_factory=TurnConfig)
    answer: AnswerConfig = field(default_factory=AnswerConfig)


class Agent:
    """A voice agent, see the module. Create and call it in its event loop.

    Args:
        config: its behaviour.
        parts: recognisers, mind and voices.
        outlet: receives its output.
        expressions: names that `robot_face/expression` accepts.
        name: prefix of its utterance ids, different for each agent.
    """

    def __init__(
        self, config: AgentConfig, parts: Parts, outlet: Outlet, expressions: frozenset[str], name: str = "answer"
    ) -> None:
        self._config, self._parts, self._outlet, self._expressions = config, parts, outlet, expressions
        self._names = (f"{name} {number}" for number in count())
        self.complaints, self.conversation = Complaints(outlet), Conversation(config.memory_messages)
        self._microphone, self._turns = Microphone(config.turn), Turns(config.turn)
        self._before: deque[tuple[Sound, bool]] = deque(maxlen=max(1, config.turn.before_ms // FRAME_MS))
        self._turn_sound: list[Sound] = []
        self._deaf_ms = 0
        self._answer: Answer | None = None  # the last one that was released
        self._answers: dict[str, Answer] = {}  # those whose end the avatar has not reported yet
        self._hushed = False  # whether something other than the user's voice has silenced the avatar
        self._preparing: asyncio.Task[_Prepared] | None = None  # during a pause in a turn
        self._tasks: set[asyncio.Task[Any]] = set()

    async def close(self) -> None:
        """Stop all work and close the parts."""
        self._drop_preparation()
        for answer in self._answers.values():
            answer.end()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._parts.close()

    # --- what comes in -----------------------------------------------------------------------------------------------

    def hear(self, chunk: AudioChunk) -> None:
        """Take a chunk of the user's microphone."""
        for frame, voice in self._microphone.push(chunk):
            self._before.append((frame, voice))
            if self._speaks():
                continue
            if self._deaf_ms > 0:
                self._deaf_ms -= FRAME_MS
                continue
            self._follow(frame, self._turns.push(voice))

    def read(self, text: str) -> None:
        """Take a text that the user has typed."""
        if text := " ".join(text.split()):
            self._spawn(self._answer_typed(text))

    def playback(self, kind: Playback, utterance_id: str, position_ns: int, reason: str = "") -> None:
        """Take an event of one of the avatar's utterances; `reason` says why one was refused."""
        answer = self._answers.get(utterance_id)
        if answer is None:
            return
        if kind is Playback.REFUSED:
            self.complaints.wrong("avatar", f"refuses speech: {reason}")
        if kind is Playback.STARTED:
            self.complaints.right("avatar")
            answer.began()
            self._watch(answer)
        if kind not in (Playback.FINISHED, Playback.INTERRUPTED):
            return
        del self._answers[utterance_id]
        finished = kind is Playback.FINISHED
        words = heard(answer.said, FOR_EVER_NS if finished else position_ns)
        self.conversation.avatar(words)
        self._outlet.inform(f'{utterance_id}, {kind.value}, heard: "{words}"')
        was_heard, answer_is_newest = answer.began_s is not None, answer is self._answer
        answer.end(finished)
        if answer_is_newest and was_heard:
            self._outlet.express(NEUTRAL)
            self._give_word(after_interruption=not finished)

    def hush(self) -> None:
        """Withdraw what the avatar has not begun to say, after somebody else interrupted it; it reports the rest."""
        self._hushed = self._speaks()
        self._turns.forget()
        self._drop_preparation()
        self._take_back(interrupt=False)

    def say(self, text: str) -> Answer:
        """Say a text that is not an answer, after what is being said; it may have expressions in brackets.

        Raises:
            ValueError: the text has no words.
        """
        if not any(character.isalnum() for character in text):
            raise ValueError(f"a text to say must have words, got {text[:80]!r}")
        answer = self._new_answer(_whole(text))
        self._give(answer)
        return answer

    def unsay(self, answer: Answer) -> None:
        """Withdraw an answer, or interrupt it if it has been sent."""
        if answer.over.done():
            return
        self._hushed = answer.began_s is not None
        if answer.sent:
            self._outlet.interrupt()
        else:
            self._answers.pop(answer.utterance_id, None)
            answer.end()

    # --- the user's turn ---------------------------------------------------------------------------------------------

    def _speaks(self) -> bool:
        """Whether the avatar is speaking."""
        return any(answer.began_s is not None for answer in self._answers.values())

    def _give_word(self, after_interruption: bool) -> None:
        """Listen again after the avatar: a user who interrupted is speaking already; otherwise its echo comes first."""
        self._turns.forget()
        hushed, self._hushed = self._hushed, False
        if after_interruption and not hushed and any(voice for _, voice in self._before):
            self._turns.interrupt()
            self._begin_turn()
        else:
            self._deaf_ms = self._config.turn.tail_ms

    def _follow(self, frame: Sound, moment: Moment | None) -> None:
        if moment is Moment.BEGAN:
            self._take_back()
            self._begin_turn()
        elif self._turns.speaking or moment is Moment.ENDED:
            self._turn_sound.append(frame)
            self._parts.recognisers[0].push(frame)
        if moment is Moment.PAUSED:
            self._preparing = self._spawn(self._prepare())
        elif moment is Moment.WENT_ON:
            self._drop_preparation()
        elif moment is Moment.ENDED:
            preparing, self._preparing = self._preparing or self._spawn(self._prepare()), None
            self._spawn(self._end_turn(preparing))

    def _begin_turn(self) -> None:
        self._drop_preparation()
        self._turn_sound = [frame for frame, _ in self._before]
        self._parts.recognisers[0].begin()
        self._parts.recognisers[0].push(np.concatenate(self._turn_sound))

    async def _prepare(self) -> _Prepared:
        """Recognise the words of the turn so far, and begin an answer."""
        words = await self._recognise(np.concatenate(self._turn_sound))
        self._turns.open_ended = self._turns.speaking and not sounds_finished(words)
        if not words:
            return _Prepared("", None)
        return _Prepared(words, self._new_answer(self._think(words)))

    async def _recognise(self, sound: Sound) -> str:
        for number, recogniser in enumerate(self._parts.recognisers):
            name = "recogniser" if number == 0 else "spare recogniser"
            try:
                if number > 0:
                    recogniser.begin()
                    recogniser.push(sound)
                words = " ".join((await recogniser.text()).split())
                self.complaints.right(name)
                return words
            except PartFailedError as error:
                self.complaints.wrong(name, str(error))
        return ""

    def _drop_preparation(self) -> None:
        preparing, self._preparing = self._preparing, None
        if preparing is None or preparing.cancel() or preparing.cancelled() or preparing.exception() is not None:
            return
        if (answer := preparing.result().answer) is not None:
            answer.end()

    async def _end_turn(self, preparing: asyncio.Task[_Prepared]) -> None:
        prepared = await preparing
        if prepared.answer is None:
            return
        self.conversation.user(prepared.words)
        self._outlet.caption(Caption(prepared.words))
        self._outlet.inform(f'user: "{prepared.words}"')
        if self._turns.speaking:  # the user continued while the words were being recognised
            prepared.answer.end()
        else:
            self._give(prepared.answer)

    async def _answer_typed(self, text: str) -> None:
        self._drop_preparation()
        self._turns.forget()
        before = self._answer
        if before is not None and not before.over.done():
            if before.began_s is None:
                self._take_back()
            else:
                self._hushed = True
                self._outlet.interrupt()
                await asyncio.wait({before.over}, timeout=1.0)  # its heard words must precede the typed ones
        self.conversation.user(text)
        self._outlet.inform(f'user, typed: "{text}"')
        self._give(self._new_answer(self._think("")))

    # --- the avatar's turn -------------------------------------------------------------------------------------------

    def _think(self, words: str) -> AsyncGenerator[str, None]:
        """An answer to the conversation followed by words that are not part of it yet."""
        conversation = Conversation(self._config.memory_messages)
        for message in self.conversation.messages:
            (conversation.user if message.role == "user" else conversation.avatar)(message.text)
        conversation.user(words)
        system = [Message("system", self._config.prompt)] if self._config.prompt else []
        return self._parts.mind.answer([*system, *conversation.messages])

    def _new_answer(self, pieces: AsyncGenerator[str, None]) -> Answer:
        spoken = sentences(pieces, self._expressions)
        name, config = next(self._names), self._config.answer
        return Answer(name, spoken, self._parts.voices, self._outlet, self.complaints, config)

    def _give(self, answer: Answer) -> None:
        self._answer = self._answers[answer.utterance_id] = answer
        answer.release()
        asyncio.get_running_loop().call_later(_UNHEARD_S, self._miss, answer)

    def _miss(self, answer: Answer) -> None:
        if answer.sent and answer.began_s is None and not answer.over.done():
            self.complaints.wrong(
                "avatar", f"nothing says {answer.utterance_id}, which was sent: is the generator active?"
            )

    def _watch(self, answer: Answer) -> None:
        """End an answer whose end is never reported, because the avatar has died."""
        if answer.over.done():
            return
        left_s = answer.left_s() + _UNENDED_S
        if left_s > 0:
            asyncio.get_running_loop().call_later(max(1.0, left_s), self._watch, answer)
        else:
            self.complaints.wrong("avatar", f"it never reported how {answer.utterance_id} ended")
            self.playback(Playback.INTERRUPTED, answer.utterance_id, 0)

    def _take_back(self, interrupt: bool = True) -> None:
        """Withdraw the latest answer if none of it has been heard."""
        answer = self._answer
        if answer is None or answer.over.done() or answer.began_s is not None:
            return
        answer.end()
        if not answer.sent:
            del self._answers[answer.utterance_id]
        elif interrupt:
            self._outlet.interrupt()  # the avatar will report how it ended

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.complaints.wrong("agent", f"unexpected {type(error).__name__}: {error}")


async def _whole(text: str) -> AsyncGenerator[str, None]:
    yield text
