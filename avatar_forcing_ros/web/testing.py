# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A kiosk without an avatar, for tests and benches: it sends flashes and clicks, and records what pages send.

    with KioskStage() as stage:
        page.goto(stage.server.url)

Once a second, a picture is white and its speech begins with a click, so that the offset between the two can be
measured.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.session.worker import Faults
from avatar_forcing_ros.signals import FPS, MILLISECOND, NANOSECONDS, AudioChunk
from avatar_forcing_ros.web.access import AccessConfig
from avatar_forcing_ros.web.encoding import Codec, PictureEncoder, open_encoder
from avatar_forcing_ros.web.packets import CameraPicture, pack_speech
from avatar_forcing_ros.web.server import Server, ServerConfig, Shown

FRAME_NS = NANOSECONDS // FPS
FRAME_SAMPLES = 640
CLICK_EVERY = 25
"""Frames."""
AHEAD_NS = 40_000_000
"""Speech is sent this long before its stamp, as the generator does."""
FREE_PORT = ServerConfig(AccessConfig(port=0))


class Log:
    """Keeps the lines logged to it."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def error(self, message: str) -> None:
        """Keep a line."""
        self.lines.append(message)

    def debug(self, message: str) -> None:
        """Ignore debug lines."""


class KioskStage:
    """A `Server` and its owner. Leaving the context stops it.

    Args:
        config: settings of the server.
        side: side of the pictures in pixels.
        drift_ppm: how much faster its clock runs than this machine's, in millionths.

    Attributes:
        server: the server.
        log: lines that were logged.
        pictures: pictures from a page's camera.
        sounds: chunks from a page's microphone.
        ages_ms: age by stamp of these pictures and chunks on arrival.
        asked: requests of pages.
        seen: (page, stamp, time shown), in nanoseconds, of pictures that pages reported.
        voice_behind_ms: delays of the voice that pages reported.
        granted: what pages said about their camera and microphone.
        speaks: whether there is a voice.
        background: background of the pictures that are not white.
        sent_bytes: bytes of pictures by codec, regardless of the number of pages.
        published: when the picture of each frame was passed to the server.
    """

    def __init__(self, config: ServerConfig = FREE_PORT, side: int = 256, drift_ppm: float = 0.0) -> None:
        self.log = Log()
        self.server = Server(config, self, Faults(self.log), self.log.error)
        self.pictures: list[CameraPicture] = []
        self.sounds: list[AudioChunk] = []
        self.ages_ms: dict[str, list[float]] = {"picture": [], "sound": []}
        self.asked: list[tuple[str, Mapping[str, Any]]] = []
        self.seen: list[tuple[str, int, int]] = []
        self.voice_behind_ms: list[float] = []
        self.granted: list[tuple[str, bool, bool, bool]] = []
        self.speaks = True
        self.published: dict[int, int] = {}
        self.sent_bytes: dict[Codec, int] = {}
        self._drift, self._set_ns = 1 + drift_ppm * 1e-6, 0
        self._began_ns = time.time_ns()
        self._encoders: dict[Codec, PictureEncoder] = {}
        self.background = _picture(side, 40)
        self._white = _picture(side, 255)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._play, name="kiosk stage", daemon=True)

    def __enter__(self) -> KioskStage:
        self.server.start()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()
        self.server.stop()

    def set_clock(self, by_s: float) -> None:
        """Set its clock forward or back at once."""
        self._set_ns += round(by_s * NANOSECONDS)

    def wait_for(self, done: Callable[[], object], patience_s: float = 60.0) -> None:
        """Wait until a condition holds.

        Raises:
            AssertionError: it does not hold within `patience_s`.
        """
        end_s = time.monotonic() + patience_s
        while not done():
            assert time.monotonic() < end_s, f"still waiting after {patience_s} s; log: {self.log.lines}"
            time.sleep(0.02)

    def picture(self, frame: int) -> NDArray[np.uint8]:
        """The picture of a frame: white once a second, else dark with a moving bar."""
        if frame % CLICK_EVERY == 0:
            return self._white
        image = self.background.copy()
        left = frame * 4 % (image.shape[1] - 8)
        image[:16, left : left + 8] = 200
        return image

    def sound(self, frame: int) -> NDArray[np.float32]:
        """The speech of a frame: a quiet tone, and once a second a click of 5 ms."""
        positions = np.arange(frame * FRAME_SAMPLES, (frame + 1) * FRAME_SAMPLES)
        tone = 0.02 * np.sin(2 * np.pi * 200 / 16_000 * (positions % 16_000)).astype(np.float32)
        if frame % CLICK_EVERY == 0:
            tone[:80] += 0.7 * np.sin(2 * np.pi * 1000 / 16_000 * np.arange(80)).astype(np.float32)
        return tone

    def _play(self) -> None:
        frame, set_ns = self.now_ns() // FRAME_NS + 2, 0
        while not self._stopping.is_set():
            if set_ns != self._set_ns:
                frame, set_ns = self.now_ns() // FRAME_NS + 2, self._set_ns
            self._sleep_until(frame * FRAME_NS - AHEAD_NS)
            if self.speaks:
                self.server.tell(pack_speech(AudioChunk(frame * FRAME_NS, self.sound(frame), 16_000, "u", frame)))
            self._show(frame - 1)  # its time is now
            frame += 1

    def _show(self, frame: int) -> None:
        wanted = self.server.audience.wanted()
        self.published[frame] = self.now_ns()
        for codec, key in wanted.items():
            if codec not in self._encoders:
                self._encoders[codec] = open_encoder(codec, 1500, 80)
            picture = self._encoders[codec].encode(self.picture(frame), frame * FRAME_NS, key)
            self.sent_bytes[codec] = self.sent_bytes.get(codec, 0) + len(picture.data)
            self.server.show(codec, picture)

    def _sleep_until(self, time_ns: int) -> None:
        while 0 < (left_ns := time_ns - self.now_ns()) < NANOSECONDS and not self._stopping.is_set():
            time.sleep(min(left_ns / NANOSECONDS, 0.1))

    # --- the server's owner ----------------------------------------------------------------------------------------

    def now_ns(self) -> int:
        """This machine's time, with a drift, as it was set."""
        return self._began_ns + round((time.time_ns() - self._began_ns) * self._drift) + self._set_ns

    def welcome(self, engineer: bool) -> Sequence[Mapping[str, Any]]:
        """The least that a page needs."""
        may = {"camera": True, "microphone": True}
        return [{"type": "welcome", "now_ms": self.now_ns() / MILLISECOND, "fps": FPS, "may": may}]

    def see(self, picture: CameraPicture) -> None:
        """Note it."""
        self.pictures.append(picture)
        self.ages_ms["picture"].append((self.now_ns() - picture.stamp_ns) / MILLISECOND)

    def hear(self, chunk: AudioChunk) -> None:
        """Note it."""
        self.sounds.append(chunk)
        self.ages_ms["sound"].append((self.now_ns() - (chunk.stamp_ns or 0)) / MILLISECOND)

    def senses(self, page: str, camera: bool, microphone: bool, echo_cancelled: bool) -> None:
        """Note it."""
        self.granted.append((page, camera, microphone, echo_cancelled))

    def shown(self, page: str, frames: Sequence[Shown], uncertainty_ms: float, voice_behind_ms: float) -> None:
        """Note it."""
        self.seen += [(page, frame.stamp_ns, frame.shown_ns) for frame in frames]
        self.voice_behind_ms.append(voice_behind_ms)

    def ask(self, what: str, words: Mapping[str, Any]) -> None:
        """Note it."""
        self.asked.append((what, words))


def _picture(side: int, brightness: int) -> NDArray[np.uint8]:
    return np.full((side, side, 3), brightness, np.uint8)


def chromium() -> str | None:
    """Path of this system's Chromium, or None."""
    return shutil.which("chromium") or shutil.which("google-chrome")


CHROMIUM_ARGUMENTS = (
    "--no-sandbox",  # not available to root in a container
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-dev-shm-usage",
)
"""Arguments of a headless browser with fake camera and microphone, in which sound may start without a click."""
