# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The history of a conversation; of the avatar's answers, it has only what was heard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CUT = "—"
"""Mark at the end of an answer that was cut short, for the language model."""


@dataclass(frozen=True)
class Message:
    """One side's words, with the role that chat models use."""

    role: Literal["system", "user", "assistant"]
    text: str


@dataclass
class Said:
    """A sentence of an answer, and its place in the answer's sound.

    Attributes:
        text: the words.
        begin_ns: where it begins.
        end_ns: where it ends, as far as is known.
        counts: whether it belongs to the conversation, which a mere "one moment" does not.
    """

    text: str
    begin_ns: int
    end_ns: int
    counts: bool = True

    def heard(self, position_ns: int) -> str:
        """The words heard if the answer ended at a position, assuming that all words take the same time."""
        if position_ns >= self.end_ns:
            return self.text
        words = self.text.split()
        share = max(0, position_ns - self.begin_ns) / max(1, self.end_ns - self.begin_ns)
        return " ".join(words[: int(share * len(words))])


def heard(sentences: list[Said], position_ns: int) -> str:
    """What was heard of an answer that ended at a position; empty if not even one word."""
    parts = [words for said in sentences if said.counts and (words := said.heard(position_ns))]
    whole = " ".join(said.text for said in sentences if said.counts)
    text = " ".join(parts)
    return text if text in ("", whole) else f"{text.rstrip('.,;:!?')} {CUT}"


class Conversation:
    """The most recent messages.

    Args:
        longest: number of messages to keep.
    """

    def __init__(self, longest: int = 40) -> None:
        self._longest, self._messages = longest, list[Message]()

    @property
    def messages(self) -> tuple[Message, ...]:
        """The messages, oldest first."""
        return tuple(self._messages)

    def user(self, text: str) -> None:
        """Add what the user has said; consecutive additions form one message."""
        self._add("user", text)

    def avatar(self, text: str) -> None:
        """Add what the user has heard from the avatar."""
        self._add("assistant", text)

    def _add(self, role: Literal["user", "assistant"], text: str) -> None:
        if not text:
            return
        if self._messages and self._messages[-1].role == role:
            text = f"{self._messages.pop().text} {text}"
        self._messages = [*self._messages, Message(role, text)][-self._longest :]
