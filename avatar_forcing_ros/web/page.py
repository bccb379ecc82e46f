# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What one page is told, and how much of it may wait: a page that does not keep up misses pictures, never the others'.

Everything here runs in the server's loop.
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
"""Half a second; when more wait for one page, they go, and it begins again with a key picture."""
MOST_OTHERS = 500
"""Speech and words; a page for which more wait is let go."""
PATIENCE_S = 10.0
"""How long one message may take to leave."""


class Rate:
    """Lets through so many a second, and a burst.

    Args:
        per_s: in the long run.
        burst: at once.
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
    """What waits to be sent to a page.

    Attributes:
        pictures: how many of the messages are pictures.
        needs_key: no picture can be decoded before the next key picture.
        dropped: pictures that the page did not get because it was too slow.
        overflown: so much waits that the page is given up.
    """

    messages: deque[CodedPicture | bytes | str] = field(default_factory=deque)
    pictures: int = 0
    needs_key: bool = True
    dropped: int = 0
    overflown: bool = False

    def show(self, picture: CodedPicture) -> None:
        """Have a picture sent, if it can be decoded there."""
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
        """Have speech or words sent."""
        if len(self.messages) - self.pictures >= MOST_OTHERS:
            self.overflown = True
            self.messages.clear()
            self.pictures = 0
        elif not self.overflown:
            self.messages.append(message)

    def take(self) -> bytes | str | None:
        """The next message to be sent."""
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
        name: for logs and messages.
        codec: of the pictures it can show; None while it wants none.
        is_engineer: it is told what an engineer wants to know.
        is_user: its camera and microphone are the user's.
        waiting: what waits to be sent to it.
        faults: messages of it that made no sense.
    """

    def __init__(self, name: str, socket: web.WebSocketResponse) -> None:
        self.name, self._socket = name, socket
        self.codec: Codec | None = None
        self.is_engineer = False
        self.is_user = False
        self.waiting = Waiting()
        self.faults = 0
        self.rates = {
            "words": Rate(60, 120),
            "text": Rate(1, 5),
            "camera": Rate(40, 10),
            "sound_s": Rate(1.2, 2.0),  # seconds of sound in a second
        }
        self._more = asyncio.Event()

    def show(self, picture: CodedPicture) -> None:
        """Have a picture sent."""
        self.waiting.show(picture)
        self._more.set()

    def tell(self, message: bytes | str) -> None:
        """Have speech or words sent."""
        self.waiting.tell(message)
        self._more.set()

    async def answer(self, words: Mapping[str, Any]) -> None:
        """Send words past all that waits."""
        if not self._socket.closed:
            await self._socket.send_str(json.dumps(words))

    async def send_all(self) -> None:
        """Send what waits, until cancelled or the page is gone."""
        while not self._socket.closed:
            await self._more.wait()
            self._more.clear()
            while (message := self.waiting.take()) is not None:
                await self._send(message)
            if self.waiting.overflown:
                await self.close(WSCloseCode.TRY_AGAIN_LATER, "too slow")

    async def close(self, code: int, reason: str) -> None:
        """Part from the page; it is told why."""
        await self._socket.close(code=code, message=reason.encode()[:120])

    async def _send(self, message: bytes | str) -> None:
        send = self._socket.send_bytes(message) if isinstance(message, bytes) else self._socket.send_str(message)
        try:
            await asyncio.wait_for(send, PATIENCE_S)
        except (asyncio.TimeoutError, ConnectionError):  # TimeoutError itself only from Python 3.11 on
            self.waiting.overflown = True
