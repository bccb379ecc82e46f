# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The kiosk's web server: pages, with a WebSocket for each, in an event loop and thread of its own. It needs no ROS.

A page first sends a hello with the codec that it can decode. Then pictures, speech and JSON messages go to it, and
camera, microphone and JSON messages come from it. `packets.py` describes the binary messages; JSON messages are objects
with a `type`:

| type | from | content |
|---|---|---|
| hello | page | role (face, engineer), codec (h264, vp8, jpeg or none) |
| welcome | us | page (its name), now_ms, fps, what it may do |
| clock | both | sent: the page's time, sent back; now_ms: ours |
| shown | page | frames: [[stamp in ns as text, shown_ms]], uncertainty_ms, voice_behind_ms or null |
| senses | both | page: camera, microphone, echo_cancellation; us: granted and reason |
| text, say, interrupt, portrait, dial | page | content of the input of that name; say, portrait, dial: engineers only |
| key | page | request for a key picture |
| state, playback, caption, answer, facts ... | us | messages of the node |
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import socket
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Protocol

from aiohttp import WSCloseCode, WSMsgType, web

from avatar_forcing_ros.session.worker import Faults
from avatar_forcing_ros.signals import NANOSECONDS, AudioChunk
from avatar_forcing_ros.web.access import AccessConfig, Gate, listen, tls_context
from avatar_forcing_ros.web.encoding import CODECS, Codec
from avatar_forcing_ros.web.files import HEADERS, read_pages
from avatar_forcing_ros.web.packets import CameraPicture, CodedPicture, PacketError, unpack
from avatar_forcing_ros.web.page import Page

LARGEST_MESSAGE = 512 * 1024
LONGEST_TEXT = 500
_HELLO_S = 5.0
_HEARTBEAT_S = 10.0
_MOST_FAULTS = 20
_SEND_BUFFER = 128 * 1024  # the kernel's default would hold a minute of pictures for a page that does not read
_START_S = 10.0
_STALE_NS, _STAMP_PAST_NS, _STAMP_AHEAD_NS = 5_000_000_000, 600_000_000_000, 500_000_000
_SET_NS, _HEARS_OF_IT_S = 200_000_000, 5.0


@dataclass(frozen=True)
class Shown:
    """A picture that a page showed: its stamp, and when it was shown, in nanoseconds of ROS time."""

    stamp_ns: int
    shown_ns: int


class Owner(Protocol):
    """The owner of a server. All methods but `now_ns` are called in the server's thread and must return at once."""

    def now_ns(self) -> int:
        """ROS time in nanoseconds; called from any thread."""
        ...

    def welcome(self, engineer: bool) -> Sequence[Mapping[str, Any]]:
        """The first messages for a new page, beginning with `welcome`."""
        ...

    def see(self, picture: CameraPicture) -> None:
        """Take a picture of the user's camera."""
        ...

    def hear(self, chunk: AudioChunk) -> None:
        """Take a chunk of the user's microphone."""
        ...

    def senses(self, page: str, camera: bool, microphone: bool, echo_cancelled: bool) -> None:
        """Note which of the user's camera and microphone a page provides from now on."""
        ...

    def shown(self, page: str, frames: Sequence[Shown], uncertainty_ms: float, voice_behind_ms: float) -> None:
        """Note when a page showed pictures."""
        ...

    def ask(self, what: str, words: Mapping[str, Any]) -> None:
        """Carry out a page's request: text, say, interrupt, portrait or dial.

        Raises:
            PacketError: the request is invalid.
        """
        ...


@dataclass(frozen=True)
class ServerConfig:
    """Settings of the web server.

    Attributes:
        access: where pages are served, and to whom.
        most_pages: largest number of pages connected at a time.
        camera: let a page be the user's camera.
        microphone: let a page be the user's microphone.
        engineer: serve the engineer's page.
    """

    access: AccessConfig = field(default_factory=AccessConfig)
    most_pages: int = field(default=32, metadata={"range": (1, 1000)})
    camera: bool = True
    microphone: bool = True
    engineer: bool = True


class Audience:
    """All connected pages. Methods run in the server's loop unless they say otherwise."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self._lock = threading.Lock()
        self._in_use: dict[Codec, int] = {}
        self._keys: set[Codec] = set()

    def show(self, codec: Codec, picture: CodedPicture) -> None:
        """Show a picture to all pages with its codec."""
        for page in self.pages.values():
            if page.codec == codec:
                page.show(picture)
                if page.waiting.needs_key:
                    self.want_key(codec)

    def tell(self, message: bytes | str, engineers_only: bool = False) -> None:
        """Send a message to all pages, or to engineers only."""
        for page in self.pages.values():
            if page.is_engineer or not engineers_only:
                page.tell(message)

    def choose(self, page: Page, codec: Codec | None) -> None:
        """Set the codec of a page, and have it begin with a key picture."""
        page.codec, page.waiting.needs_key = codec, True
        self._count()
        if codec is not None:
            self.want_key(codec)

    def leave(self, page: Page) -> None:
        """Remove a page."""
        self.pages.pop(page.name, None)
        self._count()

    def want_key(self, codec: Codec) -> None:
        """Make the next picture of a codec a key picture."""
        with self._lock:
            self._keys.add(codec)

    def wanted(self) -> dict[Codec, bool]:
        """The codecs in use, with whether a key picture is due; may be called from any thread."""
        with self._lock:
            wanted = {codec: codec in self._keys for codec in self._in_use}
            self._keys.clear()
        return wanted

    @property
    def has_engineers(self) -> bool:
        """Whether an engineer's page is open; may be called from any thread."""
        return any(page.is_engineer for page in list(self.pages.values()))

    @property
    def user(self) -> Page | None:
        """The page whose camera and microphone are the user's, or None."""
        return next((page for page in self.pages.values() if page.is_user), None)

    def _count(self) -> None:
        codecs = [page.codec for page in self.pages.values() if page.codec is not None]
        with self._lock:
            self._in_use = {codec: codecs.count(codec) for codec in dict.fromkeys(codecs)}


class Server:
    """Serves the pages from `start` to `stop`.

    Args:
        config: its settings.
        owner: the owner.
        faults: receives errors.
        say: logs a line; each line is logged once.

    Attributes:
        url: address of the face page, once started.
        audience: the connected pages.
        refused: number of requests and messages refused.
        stale: number of a user's pictures and chunks that were dropped because they came more than five seconds late,
            or before the page knew that our clock was set.
    """

    def __init__(self, config: ServerConfig, owner: Owner, faults: Faults, say: Callable[[str], object]) -> None:
        self._config, self._owner, self._faults, self._say = config, owner, faults, say
        self._gate, self._pages = Gate(config.access), read_pages()
        self.audience = Audience()
        self.refused = 0
        self.stale = 0
        self.url = ""
        self._said: OrderedDict[str, None] = OrderedDict()
        self._names = count(1)
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._failed: list[BaseException] = []

    # --- from any thread -------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start to serve.

        Raises:
            ValueError: the address or port cannot be used, or certificate and key do not match.
        """
        access = self._config.access
        tls = tls_context(access)
        listening = listen(access)
        port = listening.getsockname()[1]
        self.url = access.url(port)
        self._cookie_name = f"avatar_forcing_{port}"
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(listening, tls, started), name="web", daemon=True)
        self._thread.start()
        if not started.wait(_START_S) or self._failed:
            raise ValueError(f"the web server did not start: {self._failed or 'no answer'}")

    def stop(self) -> None:
        """Disconnect all pages and stop."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()

    def show(self, codec: Codec, picture: CodedPicture) -> None:
        """Show a picture to all pages with its codec."""
        self._soon(lambda: self.audience.show(codec, picture))

    def tell(self, words: Mapping[str, Any] | bytes, engineers_only: bool = False) -> None:
        """Send a JSON message or a packet to all pages, or to engineers only."""
        message = words if isinstance(words, bytes) else json.dumps(words)
        self._soon(lambda: self.audience.tell(message, engineers_only))

    def _soon(self, act: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            self._loop.call_soon_threadsafe(act)

    # --- in the server's thread ------------------------------------------------------------------------------------

    def _run(self, listening: socket.socket, tls: Any, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve(listening, tls, started))
        except Exception as error:  # whatever it is, `start` raises it, or it is logged
            self._failed.append(error)
            self._faults.report("web server", error)
        finally:
            started.set()
            self._loop.close()

    async def _serve(self, listening: socket.socket, tls: Any, started: threading.Event) -> None:
        application = web.Application(middlewares=[self._guard], client_max_size=1024)
        application.router.add_get("/socket", self._socket)
        application.router.add_get("/{path:.*}", self._file)
        runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await runner.setup()
        await web.SockSite(runner, listening, ssl_context=tls).start()
        started.set()
        await self._stopping.wait()
        for page in list(self.audience.pages.values()):
            await page.close(WSCloseCode.GOING_AWAY, "the kiosk ends")
        await runner.cleanup()

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Handle a request or refuse it with a reason; every response has the headers."""
        try:
            response = self._turn_away(request) or await handler(request)
        except web.HTTPException as error:
            response = error
        except Exception as error:  # whatever it is, the server goes on
            self._faults.report("web server", error)
            response = web.Response(status=500, text="internal error; see the kiosk's log\n")
        if not response.prepared:
            response.headers.update(HEADERS)
        return response

    def _turn_away(self, request: web.Request) -> web.Response | None:
        if reason := self._gate.refuses_host(request.headers.get("Host")):
            return self._refuse(request, 421, reason)
        if self._gate.is_known(request.cookies.get(self._cookie_name, "")):
            return None
        if "token" not in request.query:
            return self._refuse(request, 401, "this kiosk needs its token: open it as .../?token=TOKEN once")
        if not self._gate.knows_token(request.query["token"]):
            return self._refuse(request, 401, "this is not the kiosk's token")
        # redirect to the address without the token, so that the token does not stay in the browser's history
        # and relative, because a proxy may serve it under another path
        response = web.Response(status=303, headers={"Location": f"./{request.path.rpartition('/')[2]}"})
        secure = self._config.access.scheme == "https"
        response.set_cookie(self._cookie_name, self._gate.cookie, httponly=True, samesite="Strict", secure=secure)
        return response

    def _refuse(self, request: web.Request, status: int, reason: str) -> web.Response:
        self.refused += 1
        self.say_once(f"{request.remote} is refused: {reason}")
        return web.Response(status=status, text=f"{reason}\n")

    def say_once(self, line: str) -> None:
        """Log a line unless it has been logged before."""
        if line not in self._said:
            self._said[line] = None
            if len(self._said) > 200:  # a stranger must not fill the memory
                self._said.popitem(last=False)
            self._say(line)

    async def _file(self, request: web.Request) -> web.StreamResponse:
        page = self._pages.get(request.path)
        if page is None or (request.path.startswith("/engineer") and not self._config.engineer):
            return web.Response(status=404, text="the kiosk has no such page\n")
        headers = {"ETag": page.etag, "Content-Type": page.content_type}
        if request.headers.get("If-None-Match") == page.etag:
            return web.Response(status=304, headers=headers)
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            return web.Response(body=page.gzipped, headers=headers | {"Content-Encoding": "gzip"})
        return web.Response(body=page.plain, headers=headers)

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if reason := self._gate.refuses_origin(request.headers.get("Origin"), request.headers.get("Host")):
            return self._refuse(request, 403, reason)
        if len(self.audience.pages) >= self._config.most_pages:
            return self._refuse(request, 503, f"there are {self._config.most_pages} pages already (most_pages)")
        response = web.WebSocketResponse(max_msg_size=LARGEST_MESSAGE, heartbeat=_HEARTBEAT_S, compress=False)
        await response.prepare(request)
        if request.transport is not None and (wire := request.transport.get_extra_info("socket")) is not None:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        page = Page(f"page_{next(self._names)}", response)
        self.audience.pages[page.name] = page
        sending = asyncio.create_task(page.send_all())
        try:
            await self._converse(page, response)
        except ConnectionError:
            pass  # the page went away during an answer
        except Exception as error:  # one page's errors must not affect others
            self._faults.report(page.name, error)
            await page.close(WSCloseCode.INTERNAL_ERROR, "internal error")
        finally:
            sending.cancel()
            self._part(page)
        return response

    def _part(self, page: Page) -> None:
        self.audience.leave(page)
        if page.is_user:
            self._owner.senses(page.name, False, False, False)

    async def _converse(self, page: Page, response: web.WebSocketResponse) -> None:
        try:
            first = await response.receive(timeout=_HELLO_S)
        except asyncio.TimeoutError:
            await page.close(WSCloseCode.POLICY_VIOLATION, "no hello")
            return
        if first.type is not WSMsgType.TEXT or not self._is_greeted(page, first.data):
            if not response.closed:
                await page.close(WSCloseCode.POLICY_VIOLATION, "expected a hello")
            return
        async for message in response:
            try:
                await self._take(page, message)
            except PacketError as error:
                if await self._is_enough(page, error):
                    return

    def _is_greeted(self, page: Page, text: str) -> bool:
        """Read a page's first message; False if it is not a valid hello."""
        try:
            words = _words(text)
            if words["type"] != "hello":
                raise PacketError(f"expected hello, got {words['type']!r}")
            role, codec = words.get("role", "face"), words.get("codec")
            if role not in ("face", "engineer") or codec not in (*CODECS, None):
                raise PacketError(f"expected a role and a codec that exist, got {role!r} and {codec!r}")
        except PacketError as error:
            self.refused += 1
            self.say_once(f"a page is refused: {error}")
            return False
        page.is_engineer = role == "engineer" and self._config.engineer
        page.clock_ns = self._clock_ns()
        for line in self._owner.welcome(page.is_engineer):
            page.tell(json.dumps({**line, "page": page.name} if line["type"] == "welcome" else line))
        self.audience.choose(page, codec)
        return True

    async def _is_enough(self, page: Page, error: PacketError) -> bool:
        """Count an invalid message; True if the page is disconnected for it."""
        self.refused += 1
        page.faults += 1
        self.say_once(f"a message of a page is refused: {error}")
        await page.answer({"type": "refused", "reason": str(error)})
        if page.faults >= _MOST_FAULTS:
            await page.close(WSCloseCode.POLICY_VIOLATION, "too many invalid messages")
        return page.faults >= _MOST_FAULTS

    async def _take(self, page: Page, message: Any) -> None:
        now_s = self._loop.time()
        if message.type is WSMsgType.BINARY:
            self._sense(page, message.data, now_s)
        elif message.type is WSMsgType.TEXT:
            if not page.rates["words"].allows(now_s):
                raise PacketError("expected at most 60 messages a second, got more")
            await self._listen_to(page, _words(message.data), now_s)

    def _sense(self, page: Page, data: bytes, now_s: float) -> None:
        """Take a picture from the camera or a chunk from the microphone."""
        if not page.is_user:
            raise PacketError("expected camera and microphone only from the page that was granted them")
        content = unpack(data)
        ahead_ns = content.stamp_ns - self._owner.now_ns() if content.stamp_ns is not None else 0
        in_time = -_STALE_NS <= ahead_ns <= _STAMP_AHEAD_NS
        was_set = abs(self._clock_ns() - page.clock_ns) > _SET_NS or now_s - page.set_s < _HEARS_OF_IT_S
        if not in_time and (was_set or -_STAMP_PAST_NS <= ahead_ns < 0):
            self.stale += 1  # the browser was held up, or has not heard yet that our clock was set
            return
        if not in_time:
            raise PacketError(f"expected a stamp of this moment, got one that is {ahead_ns / 1e9:.1f} s ahead")
        if isinstance(content, CameraPicture):
            if self._config.camera and page.rates["camera"].allows(now_s):
                self._owner.see(content)
        elif self._config.microphone and page.rates["sound_s"].allows(
            now_s, len(content.samples) / content.sample_rate
        ):
            self._owner.hear(content)

    async def _listen_to(self, page: Page, words: dict[str, Any], now_s: float) -> None:
        kind = words["type"]
        if kind == "clock":
            sent = _number(words, "sent")
            if abs(self._clock_ns() - page.clock_ns) > _SET_NS:
                page.set_s = now_s
            page.clock_ns = self._clock_ns()
            await page.answer({"type": "clock", "sent": sent, "now_ms": self._owner.now_ns() / 1e6})
        elif kind == "shown":
            self._note_shown(page, words)
        elif kind == "senses":
            await self._grant(page, words)
        elif kind == "key":
            self.audience.choose(page, page.codec)
        elif kind in ("text", "interrupt") or (kind in ("say", "portrait", "dial") and page.is_engineer):
            if kind in ("text", "say"):
                _text(words)
                if not page.rates["text"].allows(now_s):
                    raise PacketError("expected at most one line a second, got more")
            self._owner.ask(kind, words)
        else:
            raise PacketError(f"expected a message of a known type, got {kind!r}")

    def _clock_ns(self) -> int:
        """Our time less the event loop's, which changes only when our clock is set, or drifts."""
        return self._owner.now_ns() - round(self._loop.time() * NANOSECONDS)

    def _note_shown(self, page: Page, words: Mapping[str, Any]) -> None:
        try:
            frames = [Shown(int(stamp), round(float(shown) * 1e6)) for stamp, shown in words["frames"][:100]]
        except (KeyError, TypeError, ValueError, OverflowError):
            raise PacketError("expected frames: [[stamp, shown_ms], ...], got something else") from None
        if any(not 0 <= time_ns < 1 << 62 for frame in frames for time_ns in (frame.stamp_ns, frame.shown_ns)):
            raise PacketError("expected times of this epoch, got others")
        behind = words.get("voice_behind_ms")
        behind_ms = math.nan if behind is None else _number(words, "voice_behind_ms")
        self._owner.shown(page.name, frames, _number(words, "uncertainty_ms"), behind_ms)

    async def _grant(self, page: Page, words: Mapping[str, Any]) -> None:
        """Grant camera and microphone to one page: the first to ask keeps them until it returns them."""
        camera, microphone, cancels = (
            words.get(name) is True for name in ("camera", "microphone", "echo_cancellation")
        )
        user = self.audience.user
        if (camera or microphone) and user is not None and user is not page:
            reason = "Somebody is talking on another page at the moment. You can type instead."
            await page.answer({"type": "senses", "granted": False, "reason": reason})
            return
        page.is_user = camera or microphone
        self._owner.senses(page.name, camera, microphone, cancels)
        if not page.is_user:
            return  # they were returned
        allowed = (camera and self._config.camera) or (microphone and self._config.microphone)
        reason = "" if allowed else "This kiosk takes neither camera nor microphone. You can type instead."
        await page.answer({"type": "senses", "granted": allowed, "reason": reason})


def _words(text: str) -> dict[str, Any]:
    """Read a JSON object with a type.

    Raises:
        PacketError: the text is something else.
    """
    try:
        words = json.loads(text)
    except (ValueError, RecursionError):
        words = None
    if not isinstance(words, dict) or not isinstance(words.get("type"), str):
        raise PacketError(f"expected a JSON object with a type, got {text[:40]!r}")
    return words


def _text(words: Mapping[str, Any]) -> str:
    text = words.get("text")
    if not isinstance(text, str) or not text.strip() or len(text) > LONGEST_TEXT:
        raise PacketError(f"expected a text of 1 to {LONGEST_TEXT} characters")
    return text


def _number(words: Mapping[str, Any], name: str) -> float:
    value = words.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise PacketError(f"expected a finite number {name}, got {value!r}")
    return float(value)
