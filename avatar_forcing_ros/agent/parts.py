# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The interfaces of an agent's parts: recogniser, mind and voice. You can write your own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from avatar_forcing_ros.agent.conversation import Message
from avatar_forcing_ros.agent.turns import Sound
from avatar_forcing_ros.signals import AudioChunk


class PartFailedError(RuntimeError):
    """A part of the agent cannot do its work now; the message says why, in one line."""


class Recogniser(Protocol):
    """Turns speech into text, one turn after the other."""

    def begin(self) -> None:
        """Begin a new turn; what is left of the old one is forgotten."""

    def push(self, sound: Sound) -> None:
        """Take the turn's next (N,) samples at 16 kHz; returns at once."""

    async def text(self) -> str:
        """The words of the turn so far; more sound and further calls may follow.

        Raises:
            PartFailedError: it cannot recognise anything now.
        """

    async def close(self) -> None:
        """Release everything."""


class Mind(Protocol):
    """Finds answers."""

    def answer(self, messages: Sequence[Message]) -> AsyncGenerator[str, None]:
        """An answer to the last message, piece by piece as it arises; closing the iterator stops it.

        Raises:
            PartFailedError: it cannot answer now.
        """

    async def close(self) -> None:
        """Release everything."""


class Voice(Protocol):
    """Turns text into speech."""

    def speak(self, text: str) -> AsyncGenerator[AudioChunk, None]:
        """The sound of a sentence, piece by piece as it is made; closing the iterator stops it.

        Raises:
            PartFailedError: it cannot speak now.
        """

    async def close(self) -> None:
        """Release everything."""
