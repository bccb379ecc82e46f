# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a language model writes -> sentences that can be said, one after the other, while it is still writing.

Models write for the eye: lists, emphasis, links, emoji, their own thinking. None of it is read out. An expression
stands in brackets before the words it belongs to, "[happy] Good morning!"; an emoji counts as one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

LONGEST = 240
"""Characters after which a sentence without an end is cut at a word; nobody waits longer for the first sound."""
_HIDDEN = re.compile(r"<(think|thinking|reasoning)>.*?(?P<end></\1>|\Z)|```.*?(?P<fence>```|\Z)", re.DOTALL)
_MOST_HIDDEN = 8192
"""Characters of a hidden block that are kept; models think at length."""
_HIDES = ("<think", "<reasoning", "```")
_OPENING = re.compile(r"<[a-z]*\Z")  # perhaps the beginning of such a block
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
        expression: one that `robot_face/expression` knows, or empty: as before.
    """

    text: str
    expression: str = ""


class Splitter:
    """Cuts a growing text into sentences.

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
        """Where the first sentence of the rest ends; 0 where it has no end yet."""
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
    """A block of thinking, or of code, goes; one that is not closed yet stays until it is."""
    return "\n" if match["end"] or match["fence"] else match[0]


def _speakable(character: str) -> bool:
    return character.isspace() or unicodedata.category(character)[0] in "LMNP" or character in "+=%&€$£°<>"


async def sentences(pieces: AsyncGenerator[str, None], expressions: frozenset[str]) -> AsyncGenerator[Sentence, None]:
    """The sentences of a text that comes in pieces, each as soon as it is complete."""
    splitter = Splitter(expressions)
    async with aclosing(pieces):  # who stops reading ends the writing
        async for piece in pieces:
            for sentence in splitter.push(piece):
                yield sentence
    for sentence in splitter.flush():
        yield sentence
