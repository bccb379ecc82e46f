# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What an agent is made of: who understands speech, who thinks, who speaks. Make your own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from avatar_forcing_ros.agent.conversation import Message
from avatar_forcing_ros.agent.turns import Sound
from avatar_forcing_ros.signals import AudioChunk


class PartFailedError(RuntimeError):
    """A part of the agent cannot do its work now; the message says why, in one line."""


class Recogniser(Protocol):
    """Speech to text, one turn after the other."""

    def begin(self) -> None:
        """A new turn; what was not asked for of the old one is forgotten."""

    def push(self, sound: Sound) -> None:
        """The next (N,) samples at 16 kHz of the turn. Returns at once."""

    async def text(self) -> str:
        """The words of the turn so far; more sound may follow, and the question, too.

        Raises:
            PartFailedError: nothing can be understood now.
        """

    async def close(self) -> None:
        """Release everything."""


class Mind(Protocol):
    """Thinks of answers."""

    def answer(self, messages: Sequence[Message]) -> AsyncGenerator[str, None]:
        """An answer to the last message, in pieces as they are thought of. Closing the iterator ends the thinking.

        Raises:
            PartFailedError: it cannot think now.
        """

    async def close(self) -> None:
        """Release everything."""


class Voice(Protocol):
    """Text to speech."""

    def speak(self, text: str) -> AsyncGenerator[AudioChunk, None]:
        """The sound of a sentence, in pieces as they are made. Closing the iterator ends the making.

        Raises:
            PartFailedError: it cannot speak now.
        """

    async def close(self) -> None:
        """Release everything."""
