# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Shows the avatar in a window, or records a video of the whole conversation with both voices."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Bool

from avatar_forcing_ros.devices.movie import Recorder, RecordingConfig
from avatar_forcing_ros.devices.playback import VOICE_EARLY_MS, VOICE_LATE_MS, PlaybackConfig, VoicePlayback
from avatar_forcing_ros.devices.screen import Speaker, Window, has_screen
from avatar_forcing_ros.msg import AudioChunk as AudioChunkMessage
from avatar_forcing_ros.nodes import params, qos
from avatar_forcing_ros.nodes.audio_messages import AudioInput, AudioReader, listen_audio
from avatar_forcing_ros.nodes.conversions import read_for_video, read_image
from avatar_forcing_ros.nodes.diagnostics import DiagnosticsPublisher, Health, Level
from avatar_forcing_ros.nodes.managed_node import ManagedNode
from avatar_forcing_ros.nodes.recording_notice import RECORDING
from avatar_forcing_ros.nodes.ros_time import stamp_ns
from avatar_forcing_ros.nodes.running import run
from avatar_forcing_ros.session.errors import one_line
from avatar_forcing_ros.session.worker import Mailbox
from avatar_forcing_ros.signals import FPS, MILLISECOND
from avatar_forcing_ros.timeline.grid import SAMPLE_RATE

_LATE_PICTURES = 5 * FPS  # lateness is reported over the last five seconds
_LOOKS_S = 0.020  # a recording is not shown to anybody; a queue of pictures holds a fifth of a second
_WAITING = 64  # pictures and chunks that may wait while the disk is busy: two seconds


@dataclass(frozen=True)
class DisplayConfig:
    """Parameters of the display.

    Attributes:
        output: mp4 file to record to; empty records nothing.
        announce: announce a recording on the topic `recording`, so that the avatar's pictures show it.
        window: show a window; "auto" opens one if there is a screen and nothing is recorded.
        compressed: read compressed pictures, from an avatar on another computer.
        speaker: play the avatar's voice on this machine's loudspeaker.
        playback: how the loudspeaker keeps the voice in step with the pictures.
        user_audio: what comes on user_audio.
        recording: picture and sound of a recording.
    """

    output: str = ""
    announce: bool = True
    window: Literal["auto", "yes", "no"] = "auto"
    compressed: bool = False
    speaker: bool = False
    playback: PlaybackConfig = field(default_factory=PlaybackConfig)
    user_audio: AudioInput = field(default_factory=AudioInput)
    recording: RecordingConfig = field(default_factory=RecordingConfig)


class DisplayNode(ManagedNode[DisplayConfig]):
    """Callbacks put messages into a mailbox; one thread draws, writes and plays them.

    A display that only records looks for messages fifty times a second; its pictures count as up to 20 ms later.
    """

    needed = False  # other nodes in its process continue when the window is closed
    live = ("playback.extra_latency_ms",)

    def __init__(self, **node_arguments: Any) -> None:
        super().__init__("display", DisplayConfig(), **node_arguments)

    def begin(self, undo: ExitStack) -> None:
        """Open the window or the recording, then subscribe."""
        cv2.setNumThreads(1)
        self._window: Window | None = None
        self._recorder: Recorder | None = None
        self._speaker: Speaker | None = None
        self._shown, self._unwritten = 0, ""
        self._late_ns: deque[int] = deque(maxlen=_LATE_PICTURES)
        self._todo: Mailbox[Callable[[], None]] = Mailbox(_WAITING)
        wants_window = self.config.window == "yes" or (
            self.config.window == "auto" and has_screen() and not self.config.output
        )
        if self.config.output:
            self._recorder = Recorder(Path(self.config.output).expanduser(), self.config.recording)
            undo.callback(self._finish_recording)
            if self.config.announce:
                self.advertise(Bool, RECORDING, qos.LATCHED).publish(Bool(data=True))
        if wants_window:
            self._todo.put(self._open_window)
        # what is only recorded may come later: to be woken for each message takes as long as to film
        self.polls = self._recorder is not None and not (wants_window or self.config.speaker)
        if self.polls:
            self._over = threading.Event()
            self._listen(undo)
            self.work("recording", self._turn_at_times, self._over.set)
        else:
            self.work("display", self._turn, self._todo.close)
            self._listen(undo)
        undo.callback(DiagnosticsPublisher(self, self._health).close)

    def _listen(self, undo: ExitStack) -> None:
        def come(message: Image | CompressedImage) -> None:
            late_ns = self._now_ns() - stamp_ns(message.header.stamp)
            self._todo.put(lambda: self._show(message, late_ns))

        if self.config.compressed:
            self.listen(CompressedImage, "avatar/image_raw/compressed", come, qos.PICTURE)
        else:
            self.listen(Image, "avatar/image_raw", come, qos.PICTURE)
        if self.config.speaker:
            speaker, reader = Speaker(SAMPLE_RATE, self._now_ns, self.config.playback), AudioReader("AudioChunk")
            undo.callback(speaker.close)
            self.listen(AudioChunkMessage, "avatar/speech", lambda m: speaker.voice.push(reader.read(m)), qos.STREAM)
            self._speaker = speaker
            undo.callback(params.when_set(self, self.guard("parameters", self._turn_latency)))
        if self._recorder is not None:
            self._listen_to_record(self._recorder)

    def _turn_latency(self, changes: list[Parameter]) -> None:
        """It is set by ear, while the avatar talks."""
        assert self._speaker is not None
        if any(change.name.startswith(self.live) for change in changes):
            self._speaker.voice.extra_latency_ms = params.read(self, DisplayConfig).playback.extra_latency_ms

    def _now_ns(self) -> int:
        return self.get_clock().now().nanoseconds

    def _listen_to_record(self, recorder: Recorder) -> None:
        ours = AudioInput(kind="AudioChunk")
        voice, said = recorder.add_user_sound, recorder.add_avatar_sound
        heard = self.config.user_audio
        listen_audio(self, "user_audio", heard, qos.MICROPHONE, lambda chunk: self._todo.put(lambda: voice(chunk)))
        listen_audio(self, "avatar/speech", ours, qos.STREAM, lambda chunk: self._todo.put(lambda: said(chunk)))
        camera = (
            (CompressedImage, "camera/image_raw/compressed") if self.config.compressed else (Image, "camera/image_raw")
        )
        self.listen(*camera, lambda m: self._todo.put(lambda: self._add_user_picture(m)), qos.SENSOR)

    def _turn(self) -> None:
        task = self._todo.take()
        if task is not None:
            self._do(task)
        elif self._window is not None:
            self._window.close()
            self._window = None

    def _turn_at_times(self) -> None:
        """Take in and record what has come meanwhile, and at the end what has come by then."""
        self._over.wait(_LOOKS_S)
        self.take_all()
        for task in self._todo.take_all():
            self.guard("recording", self._do)(task)

    def _do(self, task: Callable[[], None]) -> None:
        try:
            task()
        except OSError as error:  # the disk is full, or gone
            self._unwritten = f"the recording cannot be written: {one_line(error)}"
            raise

    def _open_window(self) -> None:
        self._window = Window("Avatar (generated by AI)", on_close=self.finish)

    def _show(self, message: Image | CompressedImage, late_ns: int) -> None:
        self._late_ns.append(late_ns)
        image = read_image(message)
        if self._window is not None:
            self._window.show(image)
        if self._recorder is not None:
            self._recorder.add_avatar_picture(stamp_ns(message.header.stamp), image)
        self._shown += 1

    def _add_user_picture(self, message: Image | CompressedImage) -> None:
        assert self._recorder is not None
        self._recorder.add_user_picture(stamp_ns(message.header.stamp), read_for_video(message))

    def _finish_recording(self) -> None:
        assert self._recorder is not None
        for task in self._todo.take_all():
            task()
        path = self._recorder.finish()
        if path is None:
            raise ValueError(f"{self.config.output}: not written: no picture of the avatar arrived")
        self.get_logger().info(f"recorded {self._recorder.pictures} pictures to {path}")

    def _health(self) -> Health:
        late_ms = np.percentile(self._late_ns, (50, 95)) / MILLISECOND if self._late_ns else (0.0, 0.0)
        values = {
            "shown": self._shown,
            "late_ms_median": round(float(late_ms[0]), 1),
            "late_ms_p95": round(float(late_ms[1]), 1),
            "dropped": self._todo.dropped,
            "faults": self.faults.count,
        }
        if self._unwritten:
            return Health(Level.ERROR, self._unwritten, values)
        if self._speaker is None:
            return Health(values=values)
        return voice_health(self._speaker.voice, values)


def voice_health(voice: VoicePlayback, values: Mapping[str, object]) -> Health:
    """The display's health including its loudspeaker: degraded if voice and lips are out of step."""
    behind_ms = voice.behind_ms
    values = {**values, "voice_behind_ms": behind_ms, "voice_late": voice.late, "voice_lost": voice.lost}
    if -VOICE_EARLY_MS <= behind_ms <= VOICE_LATE_MS:
        return Health(values=values)
    where = "behind" if behind_ms > 0 else "ahead of"
    return Health(Level.DEGRADED, f"the voice is heard {abs(behind_ms):.0f} ms {where} its pictures", values)


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(DisplayNode, args)


if __name__ == "__main__":
    raise SystemExit(main())
