# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Splits a language model's output into sentences that can be spoken, while the model is still writing.

Models write for readers: lists, emphasis, links, emoji, their own reasoning. None of this is read out. An expression in
brackets precedes the words it belongs to, "[happy] Good morning!"; an emoji counts as an expression.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

LONGEST = 240
"""Characters after which a sentence without an end is cut at a word, so that its sound is not delayed further."""
_HIDDEN = re.compile(r"<(think|thinking|reasoning)>.*?(?P<end></\1>|\Z)|```.*?(?P<fence>```|\Z)", re.DOTALL)
_MOST_HIDDEN = 8192
"""Characters of a hidden block that are kept, because models reason at length."""
_HIDES = ("<think", "<reasoning", "```")
_OPENING = re.compile(r"<[a-z]*\Z")  # perhaps the beginning of a hidden block
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_ADDRESS = re.compile(r"https?://\S+|www\.\S+")
_TAG = re.compile(r"\[([a-z]+)\]|\*([a-z]+)\*", re.IGNORECASE)
_MARKS = re.compile(r"[*_`#>|~^\\{}\[\]]+|</?[a-z][^>]*>", re.IGNORECASE)
_ITEM = re.compile(r"^\s*(?:[-+•*]|\d+[.)])\s+", re.MULTILINE)
_END = re.compile(r"[.!?…]+[\"')\]”’]*(?=\s)|[。！？]+|\n+")
_SHORT = re.compile(
    r"(?:\b(?:mr|mrs|ms|dr|prof|st|vs|etc|e\.g|i\.e|approx|(?-i:[A-HJ-Z])|z\.b|d\.h|ca|bzw|nr)|^\s*\d+)\.$",
    re.IGNORECASE,
)
_FACES = {
    "happy": "😀😃😄😁😊🙂😍🥰😆😂🤣😉👍🎉❤",
    "sad": "😢😭😞☹🙁😔",
    "surprised": "😮😲😯",
    "angry": "😠😡",
    "confused": "😕🤔",
    "amazed": "🤩",
}
_EXPRESSION_OF = {face: name for name, faces in _FACES.items() for face in faces}


@dataclass(frozen=True)
class Sentence:
    """Something to say.

    Attributes:
        text: words and punctuation only.
        expression: a name that `robot_face/expression` accepts, or empty to keep the current one.
    """

    text: str
    expression: str = ""


class Splitter:
    """Splits a growing text into sentences.

    Args:
        expressions: names that count as expressions; other words in brackets are dropped.
    """

    def __init__(self, expressions: frozenset[str]) -> None:
        self._expressions = expressions
        self._rest = self._expression = ""

    def push(self, piece: str) -> list[Sentence]:
        """The sentences that a piece of text completes."""
        self._rest = _HIDDEN.sub(_unless_open, self._rest + piece)
        if _OPENING.search(self._rest) or any(begin in self._rest for begin in _HIDES):
            self._rest = (
                self._rest if len(self._rest) < _MOST_HIDDEN else self._rest[: _MOST_HIDDEN // 2] + self._rest[-16:]
            )
            return []
        found = []
        while (end := self._end()) > 0:
            sentence = self._clean(self._rest[:end])
            self._rest = self._rest[end:]
            found += [sentence] if sentence else []
        return found

    def flush(self) -> list[Sentence]:
        """The last sentence, ended or not."""
        text, self._rest = _HIDDEN.sub("\n", self._rest), ""
        sentence = self._clean(text)
        return [sentence] if sentence else []

    def _end(self) -> int:
        """Where the first remaining sentence ends; 0 if it has no end yet."""
        for match in _END.finditer(self._rest):
            if not _SHORT.search(self._rest[: match.end()]):
                return match.end()
        if len(self._rest) <= LONGEST:
            return 0
        cut = max(self._rest.rfind(mark, 0, LONGEST) for mark in (", ", "; ", ": ", " - "))
        cut = cut if cut > LONGEST // 3 else self._rest.rfind(" ", 0, LONGEST)
        return cut + 1 if cut > 0 else LONGEST

    def _clean(self, text: str) -> Sentence | None:
        text = _ITEM.sub("", _ADDRESS.sub(" ", _LINK.sub(r"\1", text)))
        for match in _TAG.finditer(text):
            name = (match[1] or match[2]).lower()
            self._expression = name if name in self._expressions else self._expression
        text = _TAG.sub(lambda match: " " if match[1] else match[2], text)
        for character in text:
            self._expression = _EXPRESSION_OF.get(character, self._expression)
        text = "".join(character for character in _MARKS.sub(" ", text) if _speakable(character))
        text = re.sub(r"\s+([,.;:!?])", r"\1", " ".join(text.split())).lstrip(",.;:!?…-–— ")
        if not any(character.isalnum() for character in text):
            return None
        expression, self._expression = self._expression, ""
        return Sentence(text, expression)


def _unless_open(match: re.Match[str]) -> str:
    """Remove a block of reasoning or code, but keep one that is not closed yet."""
    return "\n" if match["end"] or match["fence"] else match[0]


def _speakable(character: str) -> bool:
    return character.isspace() or unicodedata.category(character)[0] in "LMNP" or character in "+=%&€$£°<>"


async def sentences(pieces: AsyncGenerator[str, None], expressions: frozenset[str]) -> AsyncGenerator[Sentence, None]:
    """The sentences of a text that arrives in pieces, each as soon as it is complete."""
    splitter = Splitter(expressions)
    async with aclosing(pieces):  # when the reader stops, the writer is stopped
        async for piece in pieces:
            for sentence in splitter.push(piece):
                yield sentence
    for sentence in splitter.flush():
        yield sentence
