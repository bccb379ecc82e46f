# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The kiosk: brings the avatar's face and voice to browsers, and the user's camera, microphone and text from them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Empty, String

from avatar_forcing_ros.audio.resample import Resampler
from avatar_forcing_ros.devices.playback import VOICE_EARLY_MS, VOICE_LATE_MS
from avatar_forcing_ros.messages.images import CAMERA_FRAME
from avatar_forcing_ros.messages.making import header
from avatar_forcing_ros.msg import AudioChunk as AudioChunkMessage
from avatar_forcing_ros.msg import AvatarState, Caption, FrameShown, PlaybackEvent
from avatar_forcing_ros.nodes import qos
from avatar_forcing_ros.nodes.audio_messages import AudioReader, from_chunk
from avatar_forcing_ros.nodes.conversions import to_rgb
from avatar_forcing_ros.nodes.diagnostics import DiagnosticsPublisher, Health, Level
from avatar_forcing_ros.nodes.engineer_desk import EngineerDesk
from avatar_forcing_ros.nodes.managed_node import ManagedNode
from avatar_forcing_ros.nodes.ros_messages import make
from avatar_forcing_ros.nodes.ros_time import stamp_ns, to_stamp
from avatar_forcing_ros.nodes.running import run
from avatar_forcing_ros.session.worker import Mailbox
from avatar_forcing_ros.signals import FPS, MILLISECOND, NANOSECONDS, AudioChunk
from avatar_forcing_ros.timeline.grid import SAMPLE_RATE
from avatar_forcing_ros.web.encoding import Codec, PictureEncoder, open_encoder
from avatar_forcing_ros.web.packets import CameraPicture, pack_speech
from avatar_forcing_ros.web.server import Server, ServerConfig, Shown

_STATES = {
    AvatarState.IDLE: "idle",
    AvatarState.LISTENING: "listening",
    AvatarState.SPEAKING: "speaking",
    AvatarState.DEGRADED: "degraded",
}
_EVENTS = {
    PlaybackEvent.STARTED: "started",
    PlaybackEvent.FINISHED: "finished",
    PlaybackEvent.INTERRUPTED: "interrupted",
    PlaybackEvent.STALLED: "stalled",
    PlaybackEvent.REFUSED: "refused",
}
"""The words of the pages for states and events."""
_KEY_PAUSE = 12
"""Fewest pictures between two key pictures that pages ask for."""


@dataclass(frozen=True)
class WebConfig:
    """Parameters of the kiosk.

    Attributes:
        server: settings of the web server.
        video_kbit: bit rate of H.264 and VP8, in kbit/s.
        jpeg_quality: JPEG quality for browsers that decode neither H.264 nor VP8.
        portraits: folder of pictures that an engineer can choose from; empty uses the shipped ones.
    """

    server: ServerConfig = field(default_factory=ServerConfig)
    video_kbit: int = field(default=1500, metadata={"range": (100, 50_000)})
    jpeg_quality: int = field(default=80, metadata={"range": (1, 100)})
    portraits: str = ""


class WebNode(ManagedNode[WebConfig]):
    """Passes the avatar's output to a `Server`, and input from pages to the topics.

    Pictures are encoded in a thread of their own, once for each codec in use.
    """

    def __init__(self, **node_arguments: Any) -> None:
        super().__init__("web", WebConfig(), **node_arguments)

    def begin(self, undo: ExitStack) -> None:
        """Open the topics, then the server."""
        cv2.setNumThreads(1)
        self._state: dict[str, Any] = {"type": "state", "state": "idle", "detail": "", "on_stage": 0}
        self._told, self._behind_ms = "", math.nan
        self._pictures: Mailbox[Image] = Mailbox(2)
        self._encoders: dict[Codec, _Coding] = {}
        self._heard: _Heard | None = None
        self._senses = ""
        self.server = Server(self.config.server, self, self.faults, self.get_logger().warning)
        self._advertise()
        self._desk = EngineerDesk(
            self,
            self.config.portraits,
            lambda words: self.server.tell(words, engineers_only=True),
            lambda: self.server.audience.has_engineers,
            undo,
        )
        self.work("encoding", self._encode, self._pictures.close)
        self._listen()
        self.server.start()
        undo.callback(self.server.stop)
        undo.callback(DiagnosticsPublisher(self, self._health).close)
        self.get_logger().info(f"the kiosk is at {self.server.url}")

    def _advertise(self) -> None:
        self._camera = self.advertise(CompressedImage, "camera/image_raw/compressed", qos.PICTURE)
        self._microphone = self.advertise(AudioChunkMessage, "user_audio", qos.STREAM)
        self._text = self.advertise(String, "user_text", qos.SPEECH)
        self._say = self.advertise(String, "speech/say", qos.SPEECH)
        self._interrupt = self.advertise(Empty, "speech/interrupt", qos.STREAM)
        self._shown = self.advertise(FrameShown, "avatar/frame_shown", qos.STREAM)

    def _listen(self) -> None:
        reader, server = AudioReader("AudioChunk"), self.server
        self.listen(Image, "avatar/image_raw", self._pictures.put, qos.PICTURE)
        self.listen(AudioChunkMessage, "avatar/speech", lambda m: self._speak(reader.read(m)), qos.STREAM)
        self.listen(AvatarState, "avatar/state", self._change, qos.LATCHED)
        self.listen(PlaybackEvent, "avatar/playback", self._happen, qos.EVENTS)
        self.listen(Caption, "speech/caption", lambda m: server.tell(_caption(m)), qos.SPEECH)

    # --- from the avatar to pages ----------------------------------------------------------------------------------

    def _speak(self, chunk: AudioChunk) -> None:
        self.server.tell(pack_speech(chunk))
        self._desk.sound("avatar", chunk)

    def _happen(self, message: PlaybackEvent) -> None:
        words = _playback(message)
        self.server.tell(words)
        why = f": {message.reason}" if message.reason else ""
        self._desk.note("speech", f"{words['utterance']}: {words['event']} at {words['position_ms'] / 1000:.2f} s{why}")

    def _encode(self) -> None:
        message = self._pictures.take()
        if message is None:
            return
        wanted = self.server.audience.wanted()
        if not wanted:
            self._encoders.clear()
            return
        image = to_rgb(message)
        image = image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]
        for codec, key in wanted.items():
            coding = self._encoders.get(codec)
            if coding is None:
                coding = _Coding(open_encoder(codec, self.config.video_kbit, self.config.jpeg_quality))
                self._encoders[codec] = coding
            if picture := coding.encode(image, stamp_ns(message.header.stamp), key):
                self.server.show(codec, picture)

    def _change(self, message: AvatarState) -> None:
        self._state = {
            "type": "state",
            "state": _STATES.get(message.state, "idle"),
            "detail": message.detail,
            "on_stage": message.on_stage,
            "utterance": message.utterance_id,
        }
        self.server.tell(self._state)
        told = f"{self._state['state']}{f': {message.detail}' if message.detail else ''}"
        if told != self._told:
            self._told = told
            self._desk.note("avatar", told)

    # --- from pages to the topics, in the server's thread ----------------------------------------------------------

    def now_ns(self) -> int:
        """ROS time."""
        return self.get_clock().now().nanoseconds

    def welcome(self, engineer: bool) -> Sequence[Mapping[str, Any]]:
        """The first messages for a new page."""
        config = self.config.server
        may = {"camera": config.camera, "microphone": config.microphone}
        first = {"type": "welcome", "now_ms": self.now_ns() / MILLISECOND, "fps": FPS, "may": may, "engineer": engineer}
        return [first, self._state, *(self._desk.welcome() if engineer else ())]

    def see(self, picture: CameraPicture) -> None:
        """Publish a picture of the user's camera; the JPEG is not changed."""
        message = make(
            "sensor_msgs/CompressedImage",
            header=header(make, picture.stamp_ns, CAMERA_FRAME),
            format="rgb8; jpeg compressed bgr8",
            data=np.frombuffer(picture.jpeg, np.uint8),
        )
        self._camera.publish(message)

    def hear(self, chunk: AudioChunk) -> None:
        """Publish a chunk of the user's microphone, resampled from the browser's rate to 16 kHz."""
        if self._heard is None or self._heard.rate != chunk.sample_rate:
            self._heard = _Heard(chunk.sample_rate)
        if (converted := self._heard.push(chunk)) is not None:
            self._microphone.publish(from_chunk(converted))
            self._desk.sound("user", converted)

    def senses(self, page: str, camera: bool, microphone: bool, echo_cancelled: bool) -> None:
        """Note which of the user's camera and microphone a page provides from now on."""
        self._heard = None
        self._senses = " and ".join(name for name, there in (("camera", camera), ("microphone", microphone)) if there)
        line = f"{page} is the user's {self._senses}" if self._senses else f"{page} is only a viewer"
        line += "; its browser cancels echo" if microphone and echo_cancelled else ""
        self.get_logger().info(line)
        self._desk.note("page", line)
        if microphone and not echo_cancelled:
            self.get_logger().warning(
                f"the browser of {page} does not cancel the echo of its loudspeaker; the generator's echo gate does"
            )

    def shown(self, page: str, frames: Sequence[Shown], uncertainty_ms: float, voice_behind_ms: float) -> None:
        """Publish when a page showed frames."""
        self._behind_ms = voice_behind_ms
        for frame in frames:
            message = FrameShown(uncertainty_ms=uncertainty_ms, voice_behind_ms=voice_behind_ms)
            message.header.stamp, message.header.frame_id = to_stamp(frame.stamp_ns), page
            message.shown = to_stamp(frame.shown_ns)
            self._shown.publish(message)
            self._desk.shown(page, frame.stamp_ns, frame.shown_ns, voice_behind_ms, uncertainty_ms)

    def ask(self, what: str, words: Mapping[str, Any]) -> None:
        """Carry out a page's request."""
        if what in ("portrait", "dial"):
            self._desk.ask(what, words)
            return
        text = str(words.get("text", "")).strip()
        if what == "interrupt":
            self._interrupt.publish(Empty())
        else:
            (self._text if what == "text" else self._say).publish(String(data=text))
        self._desk.note("page", f"{what} {text}".strip())

    def _health(self) -> Health:
        pages = list(self.server.audience.pages.values())
        values = {
            "url": self.server.url,
            "pages": len(pages),
            "codecs": " ".join(self._encoders),
            "pictures_dropped": sum(page.waiting.dropped for page in pages),
            "voice_behind_ms": "" if math.isnan(self._behind_ms) else self._behind_ms,
            "refused": self.server.refused,
            "stale": self.server.stale,
            "faults": self.faults.count,
        }
        if not -VOICE_EARLY_MS <= self._behind_ms <= VOICE_LATE_MS and not math.isnan(self._behind_ms):
            where = "behind" if self._behind_ms > 0 else "ahead of"
            line = f"on a page the voice is heard {abs(self._behind_ms):.0f} ms {where} its pictures"
            return Health(Level.DEGRADED, line, values)
        return Health(Level.OK, f"{len(pages)} pages, the user's {self._senses}" if self._senses else "running", values)


class _Coding:
    """An encoder, and the pictures since its last key picture."""

    def __init__(self, encoder: PictureEncoder) -> None:
        self._encoder, self._since_key, self._asked = encoder, _KEY_PAUSE, True

    def encode(self, image: Any, time_ns: int, key: bool) -> Any:
        self._asked, self._since_key = self._asked or key, self._since_key + 1
        now = self._asked and self._since_key >= _KEY_PAUSE
        picture = self._encoder.encode(image, time_ns, now)
        if picture.key:
            self._asked, self._since_key = False, 0
        return picture


class _Heard:
    """A browser's microphone at 16 kHz."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._resampler, self._seq = Resampler(rate), 0

    def push(self, chunk: AudioChunk) -> AudioChunk | None:
        """The samples that are settled so far, stamped with the time of the first one; None if there are none."""
        assert chunk.stamp_ns is not None
        held_back_ns = self._resampler.held_back * NANOSECONDS // SAMPLE_RATE
        samples = self._resampler.push(chunk.samples)
        if not len(samples):
            return None
        self._seq += 1
        return AudioChunk(chunk.stamp_ns - held_back_ns, samples, SAMPLE_RATE, seq=self._seq - 1)


def _playback(message: PlaybackEvent) -> dict[str, Any]:
    return {
        "type": "playback",
        "event": _EVENTS.get(message.event, ""),
        "utterance": message.utterance_id,
        "stamp_ms": stamp_ns(message.header.stamp) / MILLISECOND,
        "position_ms": stamp_ns(message.position) / MILLISECOND,
    }


def _caption(message: Caption) -> dict[str, Any]:
    return {
        "type": "caption",
        "speaker": "user" if message.speaker == Caption.USER else "avatar",
        "utterance": message.utterance_id,
        "position_ms": stamp_ns(message.position) / MILLISECOND,
        "text": message.text[:1000],
    }


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(WebNode, args)


if __name__ == "__main__":
    raise SystemExit(main())
