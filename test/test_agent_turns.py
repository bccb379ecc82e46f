# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The voice agent without ROS: turns, answers that are prepared, released, taken back and bridged, honest history."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any

import numpy as np
import pytest

from avatar_forcing_ros.agent.agent import Agent, AgentConfig, Parts
from avatar_forcing_ros.agent.answer import AnswerConfig, Caption
from avatar_forcing_ros.agent.conversation import Message
from avatar_forcing_ros.agent.parts import PartFailedError
from avatar_forcing_ros.agent.turns import Moment, TurnConfig, Turns
from avatar_forcing_ros.signals import MILLISECOND, AudioChunk
from avatar_forcing_ros.timeline.playback import Playback

FRAME = 640
WORD_MS = 300


class Listener:
    """Recognises the words that it is told; fails when they are an error."""

    def __init__(self, *words: str | Exception) -> None:
        self.words, self.pushed, self.turns = list(words), 0, 0

    def begin(self) -> None:
        self.turns += 1
        self.pushed = 0

    def push(self, sound: np.ndarray) -> None:
        self.pushed += len(sound)

    async def text(self) -> str:
        found = self.words[0] if len(self.words) == 1 else self.words.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    async def close(self) -> None:
        pass


class Thinker:
    """Answers with its pieces; a number is a pause in seconds, an exception is raised."""

    def __init__(self, *pieces: str | float | Exception) -> None:
        self.pieces, self.asked, self.stopped = pieces, list[Sequence[Message]](), 0

    async def answer(self, messages: Sequence[Message]) -> AsyncIterator[str]:
        self.asked.append(messages)
        try:
            for piece in self.pieces:
                if isinstance(piece, Exception):
                    raise piece
                if isinstance(piece, float):
                    await asyncio.sleep(piece)
                else:
                    yield piece
        except asyncio.CancelledError:
            self.stopped += 1
            raise

    async def close(self) -> None:
        pass


class Hum:
    """Every word is a hum of 300 ms."""

    def __init__(self, failure: str = "") -> None:
        self._failure = failure

    async def speak(self, text: str) -> AsyncIterator[AudioChunk]:
        if self._failure:
            raise PartFailedError(self._failure)
        for _ in text.split():
            await asyncio.sleep(0)
            yield AudioChunk(None, np.full(16 * WORD_MS, 0.1, np.float32), 16_000)

    async def close(self) -> None:
        pass


class Stage:
    """An outlet that writes down, and an avatar that presents what a test says."""

    def __init__(self) -> None:
        self.chunks, self.captions, self.expressions = list[AudioChunk](), list[Caption](), list[str]()
        self.interrupts, self.informed, self.warned = 0, list[str](), list[str]()

    def speak(self, chunk: AudioChunk) -> None:
        self.chunks.append(chunk)

    def caption(self, caption: Caption) -> None:
        self.captions.append(caption)

    def express(self, expression: str) -> None:
        self.expressions.append(expression)

    def interrupt(self) -> None:
        self.interrupts += 1

    def inform(self, line: str) -> None:
        self.informed.append(line)

    def warn(self, line: str) -> None:
        self.warned.append(line)

    def said(self) -> list[str]:
        """Sentences of the avatar, in order."""
        return [caption.text for caption in self.captions if caption.utterance_id]

    def ended(self) -> list[str]:
        """Utterances that were sent to their end."""
        return [chunk.utterance_id for chunk in self.chunks if chunk.end_of_utterance]


class Talk:
    """An agent, its stage, and a user whose voice is recorded speech."""

    def __init__(self, voice: np.ndarray, *, listener: Listener, thinker: Thinker, **settings: Any) -> None:
        self.listener, self.thinker, self.stage = listener, thinker, Stage()
        config = AgentConfig(turn=TurnConfig(tail_ms=0), answer=AnswerConfig(**settings.pop("answer", {})))
        recognisers = [listener, *settings.pop("spare_recognisers", [])]
        parts = Parts(recognisers, thinker, settings.pop("voices", [Hum()]))
        self.agent = Agent(config, parts, self.stage, frozenset(["happy", "sad"]))
        self._voice, self._answers = voice, 0

    async def speak(self, ms: int) -> None:
        """The user speaks so long."""
        await self._push(self._voice[: 16 * ms])

    async def pause(self, ms: int) -> None:
        """The user is silent so long."""
        await self._push(np.random.default_rng(1).normal(0, 1e-4, 16 * ms).astype(np.float32))

    async def _push(self, sound: np.ndarray) -> None:
        for start in range(0, len(sound), FRAME):
            self.agent.hear(AudioChunk(None, sound[start : start + FRAME], 16_000))
            await asyncio.sleep(0.001)

    async def until(self, done: Callable[[], object], patience_s: float = 10.0) -> None:
        """Wait for something."""
        for _ in range(int(patience_s / 0.005)):
            if done():
                return
            await asyncio.sleep(0.005)
        raise AssertionError(f"it never came; said {self.stage.said()}, warned {self.stage.warned}")

    async def answered(self) -> str:
        """Wait for the next answer to be sent; its utterance."""
        self._answers += 1
        await self.until(lambda: len(self.stage.ended()) >= self._answers)
        return self.stage.ended()[self._answers - 1]

    def presents(self, utterance_id: str, words: float | None = None) -> None:
        """The avatar presents an utterance, so many words of it before it is interrupted."""
        self.agent.playback(Playback.STARTED, utterance_id, 0)
        if words is None:
            self.agent.playback(Playback.FINISHED, utterance_id, 10**12)
        else:
            self.agent.playback(Playback.INTERRUPTED, utterance_id, int(words * WORD_MS * MILLISECOND))

    def history(self) -> list[tuple[str, str]]:
        return [(message.role, message.text) for message in self.agent.conversation.messages]


Act = Callable[[Talk], Coroutine[Any, Any, None]]


@pytest.fixture
def play(voices: dict[str, np.ndarray]) -> Callable[..., None]:
    """Runs a conversation: what the parts do, then what happens."""

    def run(act: Act, *, listener: Listener | None = None, thinker: Thinker | None = None, **settings: Any) -> None:
        async def conversation() -> None:
            heard, mind = listener or Listener("hello there"), thinker or Thinker("[happy] Hello. ", "How are you?")
            talk = Talk(voices["user"], listener=heard, thinker=mind, **settings)
            try:
                await act(talk)
            finally:
                await talk.agent.close()

        asyncio.run(conversation())

    return run


def follow(turns: Turns, pattern: str) -> list[tuple[int, Moment]]:
    """What happens when voice is "#" and silence is "."."""
    moments = [(number, turns.push(mark == "#")) for number, mark in enumerate(pattern)]
    return [(number, moment) for number, moment in moments if moment is not None]


def test_a_turn_begins_pauses_goes_on_and_ends() -> None:
    assert follow(Turns(TurnConfig()), "..##.##....##........") == [
        (6, Moment.BEGAN),
        (10, Moment.PAUSED),
        (11, Moment.WENT_ON),
        (16, Moment.PAUSED),
        (20, Moment.ENDED),
    ]


def test_single_clicks_are_no_turn_and_a_radio_is_answered_at_last() -> None:
    assert follow(Turns(TurnConfig()), "#....#....#....#....") == []
    assert follow(Turns(TurnConfig(longest_ms=1_000)), "#" * 40)[1] == (28, Moment.ENDED)


def test_words_that_go_on_get_more_time() -> None:
    turns = Turns(TurnConfig())
    assert follow(turns, "####....")[-1] == (7, Moment.PAUSED)
    turns.open_ended = True
    assert follow(turns, "." * 40) == [(20, Moment.ENDED)]


def test_an_answer_is_ready_before_the_turn_is_known_to_be_over(play: Callable[..., None]) -> None:
    async def act(talk: Talk) -> None:
        await talk.speak(1_200)
        await talk.pause(240)
        await talk.until(lambda: talk.thinker.asked)
        assert talk.stage.chunks == []
        await talk.pause(240)
        utterance = await talk.answered()
        assert talk.stage.said() == ["Hello.", "How are you?"]
        assert [chunk.seq for chunk in talk.stage.chunks] == list(range(5))
        assert talk.stage.expressions == ["happy"]
        begins = [caption.position_ns // MILLISECOND for caption in talk.stage.captions if caption.utterance_id]
        assert begins == [0, WORD_MS]
        talk.presents(utterance)
        assert talk.history() == [("user", "hello there"), ("assistant", "Hello. How are you?")]
        assert talk.stage.expressions == ["happy", "neutral"]
        assert len(talk.thinker.asked) == 1

    play(act)


def test_who_goes_on_after_a_short_pause_is_answered_once_and_to_everything(play: Callable[..., None]) -> None:
    async def act(talk: Talk) -> None:
        await talk.speak(800)
        await talk.pause(240)
        await talk.until(lambda: talk.thinker.asked)
        await talk.speak(800)
        await talk.pause(600)
        await talk.answered()
        assert [messages[-1].text for messages in talk.thinker.asked] == ["i like", "i like tea"]
        assert talk.listener.turns == 1
        assert talk.history() == [("user", "i like tea")]
        assert len({chunk.utterance_id for chunk in talk.stage.chunks}) == 1

    play(act, listener=Listener("i like", "i like tea"))


def test_an_answer_that_nobody_has_heard_is_taken_back_and_the_turn_goes_on(play: Callable[..., None]) -> None:
    async def act(talk: Talk) -> None:
        await talk.speak(800)
        await talk.pause(480)
        first = await talk.answered()
        await talk.speak(800)
        assert talk.stage.interrupts == 1
        talk.agent.playback(Playback.INTERRUPTED, first, 0)
        await talk.pause(600)
        await talk.answered()
        assert talk.thinker.asked[-1][-1] == Message("user", "hello there and more")
        assert talk.history() == [("user", "hello there and more")]

    play(act, listener=Listener("hello there", "and more"))


def test_the_history_holds_what_was_heard_before_an_interruption(play: Callable[..., None]) -> None:
    async def act(talk: Talk) -> None:
        await talk.speak(800)
        await talk.pause(480)
        first = await talk.answered()
        talk.agent.playback(Playback.STARTED, first, 0)
        await talk.speak(400)  # the avatar hears it, and stops
        talk.agent.playback(Playback.INTERRUPTED, first, int(2.5 * WORD_MS) * MILLISECOND)
        await talk.speak(600)
        await talk.pause(600)
        await talk.answered()
        assert talk.history() == [("user", "hello there"), ("assistant", "Hello. How —"), ("user", "stop")]
        assert list(talk.thinker.asked[-1][1:]) == list(talk.agent.conversation.messages)
        assert talk.listener.pushed >= 16 * 1_000  # with the first words, from before the avatar stopped

    play(act, listener=Listener("hello there", "stop"))


def test_an_interrupted_mind_stops_thinking_and_nothing_more_is_sent(play: Callable[..., None]) -> None:
    async def act(talk: Talk) -> None:
        talk.agent.read("tell me everything")
        await talk.until(lambda: len(talk.stage.chunks) >= 2)
        talk.presents(talk.stage.chunks[0].utterance_id, words=1.5)
        await talk.until(lambda: talk.thinker.stopped)
        count = len(talk.stage.chunks)
        await asyncio.sleep(0.05)
        assert len(talk.stage.chunks) == count
        assert talk.history()[-1] == ("assistant", "One —")

    play(act, thinker=Thinker("One two. Three", 30.0, "four."))


def test_the_avatars_own_voice_in_the_microphone_is_no_user(play: Callable[..., None]) -> None:
    async def act(talk: Talk) -> None:
        talk.agent.read("hello")
        utterance = await talk.answered()
        talk.agent.playback(Playback.STARTED, utterance, 0)
        await talk.speak(2_000)
        await talk.pause(800)
        assert talk.listener.turns == 0
        talk.agent.playback(Playback.FINISHED, utterance, 10**12)
        await talk.pause(800)
        assert talk.listener.turns == 0

    play(act)


def test_a_hand_that_silences_the_avatar_is_no_user_who_speaks(play: Callable[..., None]) -> None:
    async def act(talk: Talk) -> None:
        talk.agent.read("hello")
        utterance = await talk.answered()
        talk.agent.playback(Playback.STARTED, utterance, 0)
        await talk.speak(1_000)  # the avatar's echo
        talk.agent.hush()
        talk.agent.playback(Playback.INTERRUPTED, utterance, WORD_MS * MILLISECOND)
        await talk.pause(800)
        assert talk.listener.turns == 0
        assert len(talk.stage.ended()) == 1

    play(act)


def test_what_is_typed_interrupts_and_waits_for_what_was_heard(play: Callable[..., None]) -> None:
    async def act(talk: Talk) -> None:
        talk.agent.read("first")
        utterance = await talk.answered()
        talk.agent.playback(Playback.STARTED, utterance, 0)
        talk.agent.read("  second\n")
        await talk.until(lambda: talk.stage.interrupts)
        talk.agent.playback(Playback.INTERRUPTED, utterance, WORD_MS * MILLISECOND)
        await talk.answered()
        assert talk.history() == [("user", "first"), ("assistant", "Hello —"), ("user", "second")]
        talk.agent.read("  ")
        await asyncio.sleep(0.02)
        assert len(talk.thinker.asked) == 2

    play(act)


def test_a_slow_mind_is_bridged_and_the_bridge_is_no_part_of_the_history(play: Callable[..., None]) -> None:
    async def act(talk: Talk) -> None:
        talk.agent.read("hello")
        utterance = await talk.answered()
        assert talk.stage.said() == ["One moment, please.", "Here I am."]
        assert {chunk.utterance_id for chunk in talk.stage.chunks} == {utterance}
        talk.presents(utterance)
        assert talk.history()[-1] == ("assistant", "Here I am.")
        assert talk.stage.warned == []

    play(act, thinker=Thinker(0.3, "Here I am."), answer={"bridge_s": 0.1})


@pytest.mark.parametrize(
    ("pieces", "reason"),
    [
        ([PartFailedError("it is down")], "it is down"),
        ([30.0], "no sentence within 0.3 s"),
        (["..."], "no words that can be said"),
        ([], "no words that can be said"),
        ([KeyError("x")], "unexpected KeyError"),
    ],
)
def test_a_mind_that_fails_is_excused_and_logged_once(
    play: Callable[..., None], pieces: list[Any], reason: str
) -> None:
    async def act(talk: Talk) -> None:
        for _ in range(2):
            talk.agent.read("hello")
            talk.presents(await talk.answered())
        assert talk.stage.said() == ["I am sorry, I cannot think of an answer right now."] * 2
        assert len(talk.stage.warned) == 1 and reason in talk.stage.warned[0]
        talk.thinker.pieces = ("Good.",)
        talk.agent.read("hello")
        talk.presents(await talk.answered())
        assert talk.stage.said()[-1] == "Good."
        assert "mind: works again" in talk.stage.informed
        assert talk.history() == [("user", "hello hello hello"), ("assistant", "Good.")]

    play(act, thinker=Thinker(*pieces), answer={"bridge_s": 0.0, "patience_s": 0.3})


def test_a_mind_that_never_stops_is_stopped(play: Callable[..., None]) -> None:
    async def act(talk: Talk) -> None:
        talk.agent.read("hello")
        await talk.answered()
        assert talk.stage.said() == ["On and on."] * 3
        assert "went on after 3 sentences" in talk.stage.warned[0]

    play(act, thinker=Thinker(*["On and on. "] * 1000), answer={"longest_sentences": 3})


def test_the_spare_voice_and_the_spare_recogniser_step_in(play: Callable[..., None]) -> None:
    spare = Listener("spare words")

    async def act(talk: Talk) -> None:
        await talk.speak(800)
        await talk.pause(600)
        await talk.answered()
        assert talk.history() == [("user", "spare words")]
        assert spare.pushed > 16 * 800
        assert talk.stage.said() == ["Hello.", "How are you?"]
        assert sorted(talk.stage.warned) == ["recogniser: deaf today", "voice: hoarse"]

    failing = Listener(PartFailedError("deaf today"))
    play(act, listener=failing, spare_recognisers=[spare], voices=[Hum("hoarse"), Hum()])


def test_without_any_voice_the_answer_ends_and_the_reason_is_said(play: Callable[..., None]) -> None:
    async def act(talk: Talk) -> None:
        talk.agent.read("hello")
        await talk.answered()
        assert talk.stage.warned == ["voice: hoarse"]

    play(act, voices=[Hum("hoarse")])


def test_noise_that_has_no_words_is_not_answered(play: Callable[..., None]) -> None:
    async def act(talk: Talk) -> None:
        await talk.speak(800)
        await talk.pause(1_400)
        assert talk.thinker.asked == [] and talk.history() == []

    play(act, listener=Listener(""))


def test_later_expressions_wait_for_their_words(play: Callable[..., None]) -> None:
    async def act(talk: Talk) -> None:
        talk.agent.read("hello")
        utterance = await talk.answered()
        assert talk.stage.expressions == ["happy"]
        talk.agent.playback(Playback.STARTED, utterance, 0)
        await asyncio.sleep(0.1)
        assert talk.stage.expressions == ["happy"]
        await talk.until(lambda: talk.stage.expressions == ["happy", "sad"], 2.0)

    play(act, thinker=Thinker("[happy] Hello. [sad] Oh."))


def test_what_is_said_of_ones_own_accord_follows_what_is_said(play: Callable[..., None]) -> None:
    async def act(talk: Talk) -> None:
        with pytest.raises(ValueError, match=r"must have words, got ' \.\.\.'"):
            talk.agent.say(" ...")
        first = talk.agent.say("[sad] Closing time.")
        talk.presents(await talk.answered())
        assert await first.over
        second = talk.agent.say("Good night.")
        utterance = await talk.answered()
        talk.agent.playback(Playback.STARTED, utterance, 0)
        talk.agent.unsay(second)
        assert talk.stage.interrupts == 1
        talk.agent.playback(Playback.INTERRUPTED, utterance, 0)
        assert not await second.over
        assert talk.history() == [("assistant", "Closing time.")]
        assert talk.stage.expressions == ["sad", "neutral", "neutral"]

    play(act)
