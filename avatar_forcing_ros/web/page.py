# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Messages waiting for a page, and their limits: a page that cannot keep up misses pictures, without delaying others.

Everything here runs in the server's event loop.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSCloseCode, web

from avatar_forcing_ros.web.encoding import Codec
from avatar_forcing_ros.web.packets import CodedPicture

MOST_PICTURES = 12
"""Half a second; if more pictures wait for a page, they are dropped, and it continues with a key picture."""
MOST_OTHERS = 500
"""Limit on other messages; if more wait for a page, it is disconnected."""
PATIENCE_S = 10.0
"""How long it may take to send one message."""


class Rate:
    """A rate limit with bursts.

    Args:
        per_s: mean rate per second.
        burst: number allowed at once.
    """

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_s, self._burst, self._left, self._at_s = per_s, burst, burst, 0.0

    def allows(self, now_s: float, cost: float = 1.0) -> bool:
        """Whether one more may pass."""
        self._left = min(self._burst, self._left + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        if self._left < cost:
            return False
        self._left -= cost
        return True


@dataclass
class Waiting:
    """Messages waiting to be sent to a page.

    Attributes:
        messages: the messages, oldest first.
        pictures: number of pictures among them.
        needs_key: whether the page can decode nothing until the next key picture.
        dropped: number of pictures that the page missed because it was too slow.
        overflown: whether so much waits that the page is to be disconnected.
    """

    messages: deque[CodedPicture | bytes | str] = field(default_factory=deque)
    pictures: int = 0
    needs_key: bool = True
    dropped: int = 0
    overflown: bool = False

    def show(self, picture: CodedPicture) -> None:
        """Queue a picture if the page can decode it."""
        if picture.key:
            self.needs_key = False
        elif self.needs_key:
            return
        if self.pictures >= MOST_PICTURES:
            self._drop_pictures()
            self.dropped += not picture.key
            self.needs_key = not picture.key
            if not picture.key:
                return
        self.messages.append(picture)
        self.pictures += 1

    def tell(self, message: bytes | str) -> None:
        """Queue any other message."""
        if len(self.messages) - self.pictures >= MOST_OTHERS:
            self.overflown = True
            self.messages.clear()
            self.pictures = 0
        elif not self.overflown:
            self.messages.append(message)

    def take(self) -> bytes | str | None:
        """The next message to send, or None."""
        if not self.messages:
            return None
        message = self.messages.popleft()
        if isinstance(message, CodedPicture):
            self.pictures -= 1
            return message.pack()
        return message

    def _drop_pictures(self) -> None:
        self.dropped += self.pictures
        self.messages = deque(message for message in self.messages if not isinstance(message, CodedPicture))
        self.pictures = 0


class Page:
    """One connected page.

    Attributes:
        name: name in logs and messages.
        codec: codec of its pictures; None while it wants none.
        is_engineer: whether it gets the engineer's messages.
        is_user: whether its camera and microphone are the user's.
        waiting: messages waiting to be sent to it.
        faults: number of invalid messages from it.
        clock_ns: our time less the event loop's, when the page was last told our time.
        set_s: when it was last told that our clock was set, by the event loop's time.
    """

    def __init__(self, name: str, socket: web.WebSocketResponse) -> None:
        self.name, self._socket = name, socket
        self.codec: Codec | None = None
        self.is_engineer = False
        self.is_user = False
        self.waiting = Waiting()
        self.faults = 0
        self.clock_ns = 0
        self.set_s = -1e9
        self.rates = {
            "words": Rate(60, 120),
            "text": Rate(1, 5),
            "camera": Rate(40, 10),
            "sound_s": Rate(1.2, 2.0),  # seconds of sound in a second
        }
        self._more = asyncio.Event()

    def show(self, picture: CodedPicture) -> None:
        """Queue a picture."""
        self.waiting.show(picture)
        self._more.set()

    def tell(self, message: bytes | str) -> None:
        """Queue any other message."""
        self.waiting.tell(message)
        self._more.set()

    async def answer(self, words: Mapping[str, Any]) -> None:
        """Send a message ahead of all that wait."""
        if not self._socket.closed:
            await self._socket.send_str(json.dumps(words))

    async def send_all(self) -> None:
        """Send waiting messages until cancelled or the page is gone."""
        while not self._socket.closed:
            await self._more.wait()
            self._more.clear()
            while (message := self.waiting.take()) is not None:
                await self._send(message)
            if self.waiting.overflown:
                await self.close(WSCloseCode.TRY_AGAIN_LATER, "too slow")

    async def close(self, code: int, reason: str) -> None:
        """Disconnect the page and tell it why."""
        await self._socket.close(code=code, message=reason.encode()[:120])

    async def _send(self, message: bytes | str) -> None:
        send = self._socket.send_bytes(message) if isinstance(message, bytes) else self._socket.send_str(message)
        try:
            await asyncio.wait_for(send, PATIENCE_S)
        except (asyncio.TimeoutError, ConnectionError):  # TimeoutError itself only from Python 3.11 on
            self.waiting.overflown = True
