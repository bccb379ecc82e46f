# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The kiosk's server with real sockets: who is let in, what is refused, and that nobody disturbs the others."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import cv2
import numpy as np
import pytest

import avatar_forcing_ros.web.page as page_of_the_server
from avatar_forcing_ros.web.access import AccessConfig, Gate
from avatar_forcing_ros.web.packets import CAMERA, MICROPHONE, CodedPicture
from avatar_forcing_ros.web.page import MOST_OTHERS, MOST_PICTURES, Rate, Waiting
from avatar_forcing_ros.web.server import ServerConfig
from avatar_forcing_ros.web.testing import KioskStage

TOKEN = "an-open-secret-of-tests"


class Client:
    """A page without a browser."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session, self.url = session, url
        self.origin = url.rstrip("/")

    async def get(self, path: str = "", **arguments: Any) -> tuple[int, str]:
        async with self.session.get(self.url + path, **arguments) as response:
            return response.status, await response.text()

    async def connect(self, codec: str | None = "jpeg", role: str = "face", **headers: str) -> Any:
        headers = {"Origin": self.origin, **headers}
        page = await self.session.ws_connect(f"{self.url}socket", headers=headers, max_msg_size=0)
        await page.send_json({"type": "hello", "role": role, "codec": codec})
        return page


def converse(stage: KioskStage, talk: Callable[[Client], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            return await asyncio.wait_for(talk(Client(session, stage.server.url.replace("localhost", "127.0.0.1"))), 20)

    return asyncio.run(run())


async def words(page: Any, kind: str) -> dict[str, Any]:
    """The next words of a kind."""
    while True:
        message = await page.receive()
        assert message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY), message
        if message.type is aiohttp.WSMsgType.TEXT and json.loads(message.data)["type"] == kind:
            return json.loads(message.data)


async def pictures(page: Any, count: int) -> list[bytes]:
    """The next pictures."""
    found: list[bytes] = []
    while len(found) < count:
        message = await page.receive()
        if message.type is aiohttp.WSMsgType.BINARY and message.data[0] == 1:
            found.append(message.data)
    return found


def test_a_page_is_served_with_headers_that_let_nobody_else_in() -> None:
    async def talk(client: Client) -> None:
        async with client.session.get(client.url) as response:
            assert response.status == 200
            assert "default-src 'none'" in response.headers["Content-Security-Policy"]
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            page = await response.text()
            again = {"If-None-Match": response.headers["ETag"]}
        assert 'src="./face.js"' in page and "http:" not in page.replace("http://www.w3.org", "")
        assert (await client.get(headers=again))[0] == 304
        for path in ("face.js", "face.css", "voice-worklet.js", "icon.svg"):
            assert (await client.get(path))[0] == 200, path
        for path in ("../server.py", "..%2fserver.py", "pages/face.js", "nothing", "/etc/passwd"):
            assert (await client.get(path))[0] == 404, path

    with KioskStage() as stage:
        converse(stage, talk)


def test_the_page_weighs_less_than_200_kilobytes() -> None:
    from avatar_forcing_ros.web.files import read_pages

    parts = {name: file for name, file in read_pages().items() if "vendor" not in name and "engineer" not in name}
    assert sum(len(file.plain) for file in parts.values()) < 200_000


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "evil.example:80"}, 421),
        ({"Host": ""}, 421),
        ({"Host": "localhost"}, 200),
    ],
)
def test_a_foreign_name_that_leads_here_is_refused(headers: dict[str, str], status: int) -> None:
    with KioskStage() as stage:
        assert converse(stage, lambda client: client.get(headers=headers))[0] == status


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1"])
def test_a_socket_from_another_sites_page_is_refused_and_that_is_said_once(origin: str) -> None:
    async def talk(client: Client) -> None:
        for _ in range(3):
            with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
                await client.connect(Origin=origin)

    with KioskStage() as stage:
        converse(stage, talk)
        assert [line for line in stage.log.lines if "is not ours" in line] == stage.log.lines
        assert len(stage.log.lines) == 1


def test_a_proxy_may_add_tls_and_a_name() -> None:
    async def talk(client: Client) -> None:
        tls = client.origin.replace("http:", "https:")
        for headers in ({"Origin": tls}, {"Origin": "https://kiosk.example"}):
            page = await client.connect(**headers)
            assert (await words(page, "welcome"))["page"]
        for origin in ("https://kiosk.example:8443", "ftp://kiosk.example", "https://other.example"):
            with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
                await client.connect(Origin=origin)

    with KioskStage(ServerConfig(AccessConfig(port=0, names="kiosk.example"))) as stage:
        converse(stage, talk)


def test_what_a_page_sends_before_it_knows_that_the_clock_was_set_is_no_fault_of_it() -> None:
    def packet(stamp_ns: int) -> bytes:
        return struct.pack("<BBHIqQ", MICROPHONE, 0, 0, 16_000, stamp_ns, 0) + bytes(640)

    async def talk(client: Client, stage: KioskStage) -> None:
        page = await client.connect()
        await words(page, "welcome")
        await page.send_json({"type": "senses", "camera": False, "microphone": True})
        await words(page, "senses")
        for step_s in (5, -3600):
            stamp_ns = stage.now_ns()
            stage.set_clock(step_s)
            for _ in range(30):
                await page.send_bytes(packet(stamp_ns))
            await page.send_json({"type": "clock", "sent": 1.0})
            await words(page, "clock")
            await page.send_bytes(packet(stage.now_ns()))
            await page.send_json({"type": "clock", "sent": 2.0})
            await words(page, "clock")

    with KioskStage() as stage:
        converse(stage, lambda client: talk(client, stage))
        assert stage.server.refused == 0 and stage.server.stale == 60
        assert len(stage.sounds) == 2


def test_without_the_token_nobody_comes_in_and_with_it_the_browser_remembers() -> None:
    async def talk(client: Client) -> None:
        assert (await client.get())[0] == 401
        assert (await client.get("?token=wrong-wrong-wrong-wrong"))[0] == 401
        with pytest.raises(aiohttp.WSServerHandshakeError, match="401"):
            await client.connect()
        async with client.session.get(client.url, params={"token": TOKEN}) as response:
            assert response.status == 200 and "token" not in str(response.url)  # it left the address
            assert TOKEN not in str(response.request_info.headers) + str(response.history[0].headers)
        page = await client.connect()
        assert (await words(page, "welcome"))["page"]

    with KioskStage(ServerConfig(AccessConfig(port=0, token=TOKEN))) as stage:
        converse(stage, talk)


def test_with_a_certificate_pages_and_sockets_are_encrypted_and_the_cookie_stays_on_them(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
    made += ["-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(made, check=True, capture_output=True)

    async def talk(client: Client) -> None:
        async with client.session.get(
            client.url, params={"token": TOKEN}, ssl=False, allow_redirects=False
        ) as response:
            assert response.status == 303 and response.headers["Location"] == "./"
            cookie = response.headers["Set-Cookie"]
            assert "Secure" in cookie and "HttpOnly" in cookie and "SameSite=Strict" in cookie and TOKEN not in cookie
        headers = {"Origin": client.origin}
        async with client.session.ws_connect(f"{client.url}socket", headers=headers, ssl=False) as page:
            await page.send_json({"type": "hello", "codec": None})
            await words(page, "welcome")
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await client.session.ws_connect(
                f"{client.url}socket", headers={"Origin": client.origin.replace("https", "http")}, ssl=False
            )

    access = AccessConfig(port=0, token=TOKEN, certificate=str(certificate), key=str(key))
    with KioskStage(ServerConfig(access)) as stage:
        assert stage.server.url.startswith("https://")
        converse(stage, talk)


@pytest.mark.parametrize(
    ("access", "reason"),
    [
        ({"host": "0.0.0.0"}, "needs a token"),
        ({"host": "192.168.1.5"}, "needs a token"),
        ({"token": "short"}, "at least 16 characters, got 5"),
        ({"key": "/x.pem"}, "key needs a certificate"),
    ],
)
def test_what_would_let_strangers_in_is_no_setting(access: dict[str, str], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        AccessConfig(**access)


def test_a_certificate_that_is_none_and_a_port_in_use_are_said_in_one_line() -> None:
    with (
        pytest.raises(ValueError, match="certificate and key must be PEM files"),
        KioskStage(ServerConfig(AccessConfig(port=0, certificate=__file__))),
    ):
        pass
    with socket.create_server(("127.0.0.1", 0)) as taken:
        stage = KioskStage(ServerConfig(AccessConfig(port=taken.getsockname()[1])))
        with pytest.raises(ValueError, match="cannot be used"):
            stage.server.start()


def test_an_address_elsewhere_is_called_by_its_names_only() -> None:
    gate = Gate(AccessConfig(host="0.0.0.0", token=TOKEN, names="robot.local, face"))
    assert [gate.refuses_host(host) for host in ("robot.local:80", "face", "10.0.0.7:8080", "[::1]:8080")] == [""] * 4
    assert "parameter access.names" in gate.refuses_host("evil.example")


def test_pictures_and_the_time_come_as_soon_as_a_page_says_hello() -> None:
    async def talk(client: Client) -> None:
        page = await client.connect()
        await page.send_json({"type": "clock", "sent": 12.5})
        answer = await words(page, "clock")
        assert answer["sent"] == 12.5 and abs(answer["now_ms"] - time.time() * 1000) < 1000
        assert [data[24:26] for data in await pictures(page, 3)] == [b"\xff\xd8"] * 3

    with KioskStage() as stage:
        converse(stage, talk)


@pytest.mark.parametrize(
    "message",
    [
        "no json",
        "[1, 2]",
        '{"no": "type"}',
        '{"type": "clock"}',
        '{"type": "clock", "sent": NaN}',
        '{"type": "unheard of"}',
        '{"type": "text", "text": ""}',
        '{"type": "text", "text": 7}',
        json.dumps({"type": "text", "text": "x" * 501}),
        '{"type": "say", "text": "engineers only"}',
        '{"type": "shown", "frames": [["x", 1]], "uncertainty_ms": 1}',
        '{"type": "shown", "frames": [["-5", 1]], "uncertainty_ms": 1}',
        '{"type": "shown", "frames": 3, "uncertainty_ms": 1}',
        "[" * 100_000,
        b"",
        bytes([CAMERA]) + bytes(100),
    ],
    ids=lambda message: str(message[:24]),
)
def test_a_message_that_makes_no_sense_is_refused_with_a_reason_and_the_page_goes_on(message: str | bytes) -> None:
    async def talk(client: Client) -> None:
        page = await client.connect()
        await (page.send_bytes(message) if isinstance(message, bytes) else page.send_str(message))
        assert "expected" in (await words(page, "refused"))["reason"]
        await page.send_json({"type": "clock", "sent": 1})
        await words(page, "clock")

    with KioskStage() as stage:
        converse(stage, talk)
        assert stage.asked == [] and stage.seen == []
        assert len(stage.log.lines) == 1  # once


@pytest.mark.parametrize(
    ("hello", "code"),
    [('{"type": "clock", "sent": 1}', 1008), ('{"type": "hello", "codec": "h266"}', 1008), ("x" * 600_000, 1009)],
)
def test_who_does_not_say_hello_or_says_too_much_is_let_go(hello: str, code: int) -> None:
    async def talk(client: Client) -> int:
        page = await client.session.ws_connect(f"{client.url}socket", headers={"Origin": client.origin})
        await page.send_str(hello)
        while not page.closed:
            await page.receive()
        return page.close_code

    with KioskStage() as stage:
        assert converse(stage, talk) == code


def test_who_sends_nonsense_again_and_again_is_let_go() -> None:
    async def talk(client: Client) -> int:
        page = await client.connect(codec=None)
        for _ in range(20):
            await page.send_str("nonsense")
        while not page.closed:
            await page.receive()
        return page.close_code

    with KioskStage() as stage:
        assert converse(stage, talk) == 1008


def test_camera_and_microphone_are_one_pages_until_it_gives_them_back() -> None:
    senses = {"type": "senses", "camera": True, "microphone": True, "echo_cancellation": True}

    async def talk(client: Client) -> None:
        first, second = await client.connect(), await client.connect()
        await first.send_json(senses)
        assert (await words(first, "senses"))["granted"]
        await second.send_json(senses)
        refusal = await words(second, "senses")
        assert not refusal["granted"] and "another page" in refusal["reason"]
        await first.close()
        granted = False
        while not granted:  # once the kiosk has noticed
            await asyncio.sleep(0.02)
            await second.send_json(senses)
            granted = (await words(second, "senses"))["granted"]

    with KioskStage() as stage:
        converse(stage, talk)
        assert [granted[1:] for granted in stage.granted[:3]] == [
            (True, True, True),
            (False, False, False),
            (True,) * 3,
        ]


def test_a_camera_that_was_not_granted_or_lives_in_another_time_is_refused() -> None:
    jpeg = cv2.imencode(".jpg", np.zeros((16, 16, 3), np.uint8))[1].tobytes()

    def packet(stamp_ns: int) -> bytes:
        return struct.pack("<BBHIqQ", CAMERA, 0, 0, 0, stamp_ns, 0) + jpeg

    async def talk(client: Client) -> list[str]:
        page = await client.connect(codec=None)
        await page.send_bytes(packet(time.time_ns()))
        reasons = [(await words(page, "refused"))["reason"]]
        await page.send_json({"type": "senses", "camera": True})
        await words(page, "senses")
        await page.send_bytes(packet(time.time_ns() - 20_000_000_000))  # a browser that was held up: dropped, no fault
        for off_s in (-3600, 60):
            await page.send_bytes(packet(time.time_ns() + off_s * 1_000_000_000))
            reasons.append((await words(page, "refused"))["reason"])
        await page.send_bytes(packet(time.time_ns()))
        await page.send_json({"type": "clock", "sent": 1})
        await words(page, "clock")
        return reasons

    with KioskStage() as stage:
        reasons = converse(stage, talk)
        assert "only from the page that was granted them" in reasons[0]
        assert all("expected a stamp of this moment" in reason for reason in reasons[1:])
        assert len(stage.pictures) == 1 and stage.server.stale == 1 and stage.server.refused == 3


def test_a_flood_of_pictures_and_lines_is_held_to_what_a_person_can_make() -> None:
    jpeg = cv2.imencode(".jpg", np.zeros((16, 16, 3), np.uint8))[1].tobytes()

    async def talk(client: Client) -> None:
        page = await client.connect(codec=None)
        await page.send_json({"type": "senses", "camera": True})
        for _ in range(200):
            await page.send_bytes(struct.pack("<BBHIqQ", CAMERA, 0, 0, 0, time.time_ns(), 0) + jpeg)
        for _ in range(12):
            await page.send_json({"type": "text", "text": "hello"})
        assert "at most one line a second" in (await words(page, "refused"))["reason"]

    with KioskStage() as stage:
        converse(stage, talk)
        assert 10 <= len(stage.pictures) <= 100
        assert 5 <= len(stage.asked) <= 8


def test_a_page_that_stops_reading_costs_the_others_nothing_and_the_memory_little() -> None:
    async def talk(client: Client) -> tuple[list[bytes], Any]:
        slow = await client.connect()
        slow._response.connection.transport.pause_reading()
        quick = await client.connect()
        began = time.monotonic()
        seen = await pictures(quick, 75)
        waiting = next(iter(stage.server.audience.pages.values())).waiting
        assert waiting.dropped > 20 and len(waiting.messages) < 200
        return seen, time.monotonic() - began

    with KioskStage(side=512) as stage:
        stage.background = np.random.default_rng(0).integers(0, 255, (512, 512, 3), np.uint8)  # 4 MB a second
        seen, took_s = converse(stage, talk)
        stamps = [int.from_bytes(data[8:16], "little") for data in seen]
        assert np.median(np.diff(stamps)) == 40_000_000  # the other page is not held up
        assert took_s < 30


def test_twenty_pages_get_every_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_of_the_server, "MOST_PICTURES", 1000)  # on a machine with other work all may fall behind

    async def talk(client: Client) -> None:
        pages = [await client.connect() for _ in range(20)]
        for seen in await asyncio.gather(*(pictures(page, 25) for page in pages)):
            stamps = [int.from_bytes(data[8:16], "little") for data in seen]
            assert np.diff(stamps).tolist() == [40_000_000] * 24

    with KioskStage() as stage:
        converse(stage, talk)


def test_one_page_too_many_is_refused() -> None:
    async def talk(client: Client) -> None:
        pages = [await client.connect() for _ in range(2)]
        with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
            await client.connect()
        assert len(pages) == 2

    with KioskStage(ServerConfig(AccessConfig(port=0), most_pages=2)) as stage:
        converse(stage, talk)


def picture(number: int, key: bool = False) -> CodedPicture:
    return CodedPicture(number, number, 8, 8, key, b"x")


def test_a_page_that_falls_behind_begins_again_with_a_key_picture() -> None:
    waiting = Waiting()
    waiting.show(picture(0))  # cannot be decoded
    assert waiting.take() is None
    waiting.show(picture(1, key=True))
    for number in range(2, 30):
        waiting.show(picture(number))
    assert waiting.needs_key and waiting.pictures == 0 and waiting.dropped > 0
    waiting.show(picture(30, key=True))
    waiting.show(picture(31))
    assert [int.from_bytes(waiting.take()[8:16], "little") for _ in range(2)] == [30, 31]
    assert waiting.take() is None


def test_speech_is_not_dropped_until_it_is_too_much_and_then_the_page_is_given_up() -> None:
    waiting = Waiting()
    waiting.show(picture(1, key=True))
    for number in range(MOST_OTHERS):
        waiting.tell(f"{number}")
        waiting.show(picture(number))
    assert waiting.pictures <= MOST_PICTURES and not waiting.overflown
    assert (
        sum(message is not None for message in [waiting.take() for _ in range(MOST_OTHERS)])
        >= MOST_OTHERS - MOST_PICTURES
    )
    for number in range(2 * MOST_OTHERS):
        waiting.tell(f"{number}")
    assert waiting.overflown and not waiting.messages


def test_a_rate_lets_a_burst_through_and_then_so_many_a_second() -> None:
    rate = Rate(per_s=10, burst=3)
    assert [rate.allows(100.0) for _ in range(4)] == [True, True, True, False]
    assert not rate.allows(100.05) and rate.allows(100.11)
