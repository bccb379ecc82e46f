# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Publishes video and sound from files or devices on the standard topics.

Pictures and sound from a file are stamped and sent as a device would do it now: a picture with the time of its
exposure, a chunk of sound with the time of its first sample. The avatar's speech is sent as a dialogue manager sends
it, in chunks without a stamp, faster than real time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
from rclpy.publisher import Publisher
from sensor_msgs.msg import CompressedImage, Image

from avatar_forcing_ros.devices.capture import Microphone, Webcam
from avatar_forcing_ros.devices.clips import Repeat
from avatar_forcing_ros.devices.playlist import Event, camera, conversation, dialogue_manager, microphone
from avatar_forcing_ros.files.media import MOST_SOUND_S, AudioClip, MediaError, has_audio, read_audio
from avatar_forcing_ros.messages.images import CAMERA_FRAME
from avatar_forcing_ros.msg import AudioChunk as AudioChunkMessage
from avatar_forcing_ros.nodes import qos
from avatar_forcing_ros.nodes.audio_messages import from_chunk
from avatar_forcing_ros.nodes.conversions import OutEncoding, compressed_from_rgb, from_rgb
from avatar_forcing_ros.nodes.diagnostics import DiagnosticsPublisher, Health, Level
from avatar_forcing_ros.nodes.links import DISCOVERY_S
from avatar_forcing_ros.nodes.managed_node import ManagedNode
from avatar_forcing_ros.nodes.ros_time import ClockWaiter, to_stamp
from avatar_forcing_ros.nodes.running import run
from avatar_forcing_ros.signals import NANOSECONDS, AudioChunk, VideoFrame

_TOPICS = {
    "camera": (Image, "camera/image_raw", qos.PICTURE),
    "user_audio": (AudioChunkMessage, "user_audio", qos.STREAM),
    "speech": (AudioChunkMessage, "speech", qos.SPEECH),
}
_COMPRESSED = CompressedImage, "camera/image_raw/compressed", qos.PICTURE


@dataclass(frozen=True)
class MediaSourceConfig:
    """Parameters of the media source.

    Attributes:
        video: video file that stands in for the camera; empty uses none.
        repeat: "no", "loop" or "ping-pong" (forwards and backwards, so that there is no cut).
        audio: sound file that stands in for the microphone; empty uses the video's own sound, if it has any and
            plays once.
        speech: sound file with what the avatar says; pauses separate utterances.
        webcam: number of a camera device; negative opens none.
        camera_device: path of a camera device instead of its number, such as /dev/avatar_camera; empty opens none.
        microphone: listen to the default microphone.
        width: width of the pictures sent, in pixels; 0 keeps their size.
        height: height of the pictures sent, in pixels; 0 keeps their size.
        rate_hz: maximum rate at which pictures are sent; 0 sends all.
        compressed: send pictures as JPEG, for readers on another computer.
        encoding: encoding of uncompressed pictures; nv12 has half the bytes of rgb8.
        chunk_ms: length of a chunk of the microphone.
        speech_chunk_ms: length of a chunk of speech.
        speech_speed: seconds of speech sent per second.
        duration_s: stop after this long; 0 stops after the last of the files that play once.
        most_sound_s: longer sound files are refused, because a file is held in memory as a whole.
        wait_for_readers: wait until every topic has a subscriber.
    """

    video: str = ""
    repeat: Repeat = "no"
    audio: str = ""
    speech: str = ""
    webcam: int = field(default=-1, metadata={"range": (-1, 255)})
    camera_device: str = ""
    microphone: bool = False
    width: int = field(default=0, metadata={"range": (0, 4096)})
    height: int = field(default=0, metadata={"range": (0, 4096)})
    rate_hz: float = field(default=0.0, metadata={"range": (0.0, 120.0)})
    compressed: bool = False
    encoding: OutEncoding = "rgb8"
    chunk_ms: int = field(default=40, metadata={"range": (5, 200)})
    speech_chunk_ms: int = field(default=100, metadata={"range": (10, 1000)})
    speech_speed: float = field(default=4.0, metadata={"range": (0.5, 1000.0)})
    duration_s: float = field(default=0.0, metadata={"range": (0.0, 1e6)})
    most_sound_s: float = field(default=MOST_SOUND_S, metadata={"range": (1.0, 86400.0)})
    wait_for_readers: bool = True

    def __post_init__(self) -> None:
        if self.video and _has_camera(self):
            raise ValueError("either video or webcam can stand in for the camera, got both")
        if self.audio and self.microphone:
            raise ValueError("either audio or microphone can be the user's voice, got both")


class MediaSourceNode(ManagedNode[MediaSourceConfig]):
    """Sends the events of a recorded conversation when they are due, and what devices record."""

    def __init__(self, **node_arguments: Any) -> None:
        super().__init__("media_source", MediaSourceConfig(), **node_arguments)

    def begin(self, undo: ExitStack) -> None:
        """Open files and devices, and start to send."""
        cv2.setNumThreads(1)
        streams, self._end_ns = _open_files(self.config)
        self._events = conversation(*streams.values())
        self._next = next(self._events, None)  # opens the files, so that errors in them are reported now
        self._senders: dict[str, Publisher] = {
            name: self.advertise(*(_COMPRESSED if name == "camera" and self.config.compressed else _TOPICS[name]))
            for name in sorted(streams.keys() | _devices(self.config))
        }
        self._open_devices(undo)
        if self._next is not None:
            self._waiter, self._stopped = ClockWaiter(self.get_clock()), threading.Event()
            self._start_ns: int | None = None
            self._latest_ns = 0
            self.work("media source", self._turn, self._stop)

    def _open_devices(self, undo: ExitStack) -> None:
        self._webcam: Webcam | None = None
        self._microphone: Microphone | None = None
        device = self.config.camera_device or self.config.webcam
        if _has_camera(self.config):
            self._webcam = Webcam(device, self._now_ns, self._publish)
            self.work("webcam", self._webcam.turn, self._webcam.close)
        if self.config.microphone:
            self._microphone = Microphone(self.config.chunk_ms, self._now_ns, self._publish)
            undo.callback(self._microphone.close)
            self.work("microphone", self._microphone.turn, self._microphone.wake)
        undo.callback(DiagnosticsPublisher(self, self._health).close)

    def _health(self) -> Health:
        devices = {"camera": self._webcam, "microphone": self._microphone}
        parts = {name: device.complaint for name, device in devices.items() if device is not None}
        complaint = "; ".join(filter(None, parts.values()))
        values = {"faults": self.faults.count, "last_fault": self.faults.last}
        return Health(Level.DEGRADED if complaint else Level.OK, complaint or "running", values, parts)

    def _turn(self) -> None:
        if self._start_ns is None:
            self._start_when_read()
            return
        event = self._next
        ends = event is None or (self._end_ns is not None and event.time_ns > self._end_ns)
        due_ns = self._end_ns or 0 if event is None or ends else event.time_ns
        if not self._waiter.wait_until(self._start_ns + due_ns):
            self._start_ns -= max(0, self._latest_ns - self._now_ns())  # the clock was set back
        elif event is None or ends:
            self.finish()
            self._stopped.wait()
        else:
            self._publish(event.topic, _moved(event.content, self._start_ns))
            self._next = next(self._events, None)
        self._latest_ns = self._now_ns()

    def _start_when_read(self) -> None:
        if self.config.wait_for_readers:
            if not all(publisher.get_subscription_count() for publisher in self._senders.values()):
                self._stopped.wait(0.1)
                return
            self._stopped.wait(DISCOVERY_S)
        if self._waiter.wait_until(1):  # simulated time is 0 until somebody publishes it
            self._start_ns = self._latest_ns = self._now_ns()

    def _publish(self, topic: str, content: VideoFrame | AudioChunk) -> None:
        if isinstance(content, VideoFrame):
            stamp = to_stamp(content.stamp_ns)
            if self.config.compressed:
                message: object = compressed_from_rgb(content.image, stamp, CAMERA_FRAME)
            else:
                message = from_rgb(content.image, stamp, CAMERA_FRAME, self.config.encoding)
        else:
            message = from_chunk(content)
        self._senders[topic].publish(message)

    def _now_ns(self) -> int:
        return self.get_clock().now().nanoseconds

    def _stop(self) -> None:
        self._stopped.set()
        self._waiter.close()


def _open_files(config: MediaSourceConfig) -> tuple[dict[str, Iterator[Event]], int | None]:
    """Streams of events by topic, and when they end; None if only playing them will tell."""
    streams: dict[str, Iterator[Event]] = {}
    lengths: list[int] = []
    if config.video:
        streams["camera"] = camera(_file(config.video), config.repeat, config.width, config.height, config.rate_hz)
    if heard := config.audio or _own_sound(config):
        clip = read_audio(_file(heard), config.most_sound_s)
        lengths.append(_length_ns(clip))
        streams["user_audio"] = microphone(clip, config.chunk_ms)
    if config.speech:
        clip = read_audio(_file(config.speech), config.most_sound_s)
        lengths.append(_length_ns(clip))
        streams["speech"] = dialogue_manager(clip, config.speech_chunk_ms, config.speech_speed)
    if not streams and not _devices(config):
        raise MediaError("nothing to send: give video, audio, speech, webcam or microphone")
    if config.duration_s:
        return streams, round(config.duration_s * NANOSECONDS)
    return streams, max(lengths, default=None) if config.repeat != "no" else None


def _own_sound(config: MediaSourceConfig) -> str:
    plays_once = config.video and config.repeat == "no" and not config.microphone
    return config.video if plays_once and has_audio(_file(config.video)) else ""


def _devices(config: MediaSourceConfig) -> set[str]:
    """Topics that are fed by a device."""
    return ({"camera"} if _has_camera(config) else set()) | ({"user_audio"} if config.microphone else set())


def _has_camera(config: MediaSourceConfig) -> bool:
    return config.webcam >= 0 or bool(config.camera_device)


def _file(path: str) -> Path:
    return Path(path).expanduser()


def _length_ns(clip: AudioClip) -> int:
    return len(clip.samples) * NANOSECONDS // clip.sample_rate


def _moved(content: VideoFrame | AudioChunk, start_ns: int) -> VideoFrame | AudioChunk:
    """The content with its stamp, if any, moved from the conversation's time to the clock's."""
    return content if content.stamp_ns is None else replace(content, stamp_ns=content.stamp_ns + start_ns)


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(MediaSourceNode, args)


if __name__ == "__main__":
    raise SystemExit(main())
