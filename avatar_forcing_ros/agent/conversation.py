# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What was said in a conversation; of the avatar's answers only what was heard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CUT = "—"
"""Ends an answer that was cut short, so that a language model knows that it was."""


@dataclass(frozen=True)
class Message:
    """One side's words, under the roles of chat models."""

    role: Literal["system", "user", "assistant"]
    text: str


@dataclass
class Said:
    """A sentence of an answer, and where in the answer's sound it is.

    Attributes:
        text: the words.
        begin_ns: where it begins.
        end_ns: where it ends, as far as is known.
        counts: it belongs to the conversation; a mere "one moment" does not.
    """

    text: str
    begin_ns: int
    end_ns: int
    counts: bool = True

    def heard(self, position_ns: int) -> str:
        """The words that were heard when the answer ended at a position: an even share of them."""
        if position_ns >= self.end_ns:
            return self.text
        words = self.text.split()
        share = max(0, position_ns - self.begin_ns) / max(1, self.end_ns - self.begin_ns)
        return " ".join(words[: int(share * len(words))])


def heard(sentences: list[Said], position_ns: int) -> str:
    """What was heard of an answer that was interrupted at a position; empty when it was not one word."""
    parts = [words for said in sentences if said.counts and (words := said.heard(position_ns))]
    whole = " ".join(said.text for said in sentences if said.counts)
    text = " ".join(parts)
    return text if text in ("", whole) else f"{text.rstrip('.,;:!?')} {CUT}"


class Conversation:
    """The newest messages.

    Args:
        longest: messages that are kept.
    """

    def __init__(self, longest: int = 40) -> None:
        self._longest, self._messages = longest, list[Message]()

    @property
    def messages(self) -> tuple[Message, ...]:
        """Oldest first."""
        return tuple(self._messages)

    def user(self, text: str) -> None:
        """The user has said something; right after something else it is the same turn."""
        self._add("user", text)

    def avatar(self, text: str) -> None:
        """The user has heard something."""
        self._add("assistant", text)

    def _add(self, role: Literal["user", "assistant"], text: str) -> None:
        if not text:
            return
        if self._messages and self._messages[-1].role == role:
            text = f"{self._messages.pop().text} {text}"
        self._messages = [*self._messages, Message(role, text)][-self._longest :]
