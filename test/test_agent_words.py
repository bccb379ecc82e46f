# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The voice agent's words: sentences out of what a model writes, what was heard of them, small talk."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avatar_forcing_ros.agent.conversation import Conversation, Message, Said, heard
from avatar_forcing_ros.agent.sentences import LONGEST, Sentence, Splitter
from avatar_forcing_ros.agent.small_talk import RULES, SmallTalk, turned
from avatar_forcing_ros.agent.turns import sounds_finished
from avatar_forcing_ros.directing.expressions import EXPRESSIONS

NAMES = frozenset(EXPRESSIONS)


def split(*pieces: str) -> list[Sentence]:
    splitter = Splitter(NAMES)
    found = [sentence for piece in pieces for sentence in splitter.push(piece)]
    return found + splitter.flush()


def texts(*pieces: str) -> list[str]:
    return [sentence.text for sentence in split(*pieces)]


def test_a_sentence_is_there_as_soon_as_it_is_complete() -> None:
    splitter = Splitter(NAMES)
    assert splitter.push("Hello the") == []
    assert splitter.push("re! How are") == [Sentence("Hello there!")]
    assert splitter.push(" you? I ") == [Sentence("How are you?")]
    assert splitter.flush() == [Sentence("I")]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Dr. Smith has 3.5 apples, e.g. red ones. Good.", ["Dr. Smith has 3.5 apples, e.g. red ones.", "Good."]),
        ("**Bold** and `code` and [a link](https://x.org/a).", ["Bold and code and a link."]),
        ("See https://example.org/page?a=1 for more.", ["See for more."]),
        ("# Title\n\n- one\n- two\n3. three", ["Title", "one", "two", "three"]),
        ("<think>The user wants. A lot.</think>Yes.", ["Yes."]),
        ("<think>never closed. It goes on.", []),
        ("Look:\n```python\nprint('x.')\n```\nDone.", ["Look:", "Done."]),
        ("🙂🎉", []),
        ("...", []),
        ("Wait... what?! Yes.", ["Wait...", "what?!", "Yes."]),
        ("これは文です。次の文です。", ["これは文です。", "次の文です。"]),
        ("Es kostet z.B. 5 Euro. Ja, genau!", ["Es kostet z.B. 5 Euro.", "Ja, genau!"]),
        ("It costs 5 € + 20% tax.", ["It costs 5 € + 20% tax."]),
        ("1. First\n2. Second", ["First", "Second"]),
    ],
)
def test_what_is_written_for_the_eye_is_not_read_out(written: str, said: list[str]) -> None:
    assert texts(written) == said
    assert " ".join(texts(*written)) == " ".join(said)  # letter by letter, as models write


def test_expressions_stand_before_their_words() -> None:
    assert split("[happy] Hello! I am here. [Sad] Oh no. [dancing] Well.") == [
        Sentence("Hello!", "happy"),
        Sentence("I am here."),
        Sentence("Oh no.", "sad"),
        Sentence("Well."),
    ]
    assert split("Great 🎉! Yes.") == [Sentence("Great!", "happy"), Sentence("Yes.")]


def test_a_text_without_an_end_is_cut_at_words() -> None:
    found = texts("word " * 300)
    assert len(found) > 4
    assert max(map(len, found)) <= LONGEST
    assert " ".join(found).split() == ["word"] * 300
    assert max(map(len, texts("x" * 5000))) <= LONGEST


@given(st.lists(st.text(max_size=40), max_size=8))
def test_any_text_in_any_pieces_gives_words_or_nothing(pieces: list[str]) -> None:
    for sentence in split(*pieces):
        assert any(character.isalnum() for character in sentence.text)
        assert sentence.text == " ".join(sentence.text.split())


def test_of_an_interrupted_answer_only_what_was_heard_counts() -> None:
    said = [Said("One two three four.", 0, 4_000), Said("Five six seven eight.", 4_000, 8_000)]
    assert heard(said, 10_000) == "One two three four. Five six seven eight."
    assert heard(said, 6_000) == "One two three four. Five six —"
    assert heard(said, 4_000) == "One two three four —"
    assert heard(said, 1_999) == "One —"
    assert heard(said, 500) == heard(said, 0) == heard([], 5) == ""
    assert heard([Said("One moment.", 0, 1_000, counts=False), Said("Yes.", 1_000, 2_000)], 2_000) == "Yes."


def test_a_turn_in_two_parts_is_one_message() -> None:
    conversation = Conversation(longest=3)
    conversation.user("I would")
    conversation.user("like tea")
    conversation.avatar("Tea?")
    conversation.avatar("")
    assert conversation.messages == (Message("user", "I would like tea"), Message("assistant", "Tea?"))
    for number in range(5):
        conversation.user(str(number))
        conversation.avatar("yes")
    assert len(conversation.messages) == 3


@pytest.mark.parametrize(("text", "finished"), [("i would like to", False), ("yes", True), ("", False), ("my", False)])
def test_words_that_go_on_are_known(text: str, finished: bool) -> None:
    assert sounds_finished(text) is finished


@pytest.fixture
def mind() -> SmallTalk:
    return SmallTalk(lambda: datetime(2026, 3, 1, 15, 7))


def test_small_talk_remembers_a_name_and_turns_words_round(mind: SmallTalk) -> None:
    assert "have not told me" in mind.reply("What is my name?")
    assert "Robert" in mind.reply("Hello, my name is Robert.")
    assert "Robert" in mind.reply("do you know my name")
    assert turned("my dog is with you") == "your dog is with I"
    assert "your new job" in mind.reply("I like my new job")
    assert mind.reply("What time is it?") == "It is 3 07 pm."
    assert "Sunday, March 1" in mind.reply("what is the date today")


def test_small_talk_does_not_repeat_itself_at_once(mind: SmallTalk) -> None:
    assert len({mind.reply("uhm") for _ in range(4)}) == 4


def test_every_answer_of_small_talk_can_be_said_and_shown(mind: SmallTalk) -> None:
    for rule in RULES:
        for answer in rule.answers:
            shown = split(answer.format("it", name="you", known="you", time="noon", date="today"))
            assert shown and all(sentence.text for sentence in shown)
            assert "[" not in answer or shown[0].expression in NAMES, answer


@given(st.text(max_size=60))
def test_small_talk_has_an_answer_to_anything(text: str) -> None:
    assert split(SmallTalk(lambda: datetime(2026, 1, 1)).reply(text))
