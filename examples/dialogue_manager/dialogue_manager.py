#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A dialogue manager in one file: it listens, answers in chunks of speech, and knows how much of it was heard.

    ros2 run avatar_forcing_ros dialogue_manager       # beside the avatar; docs/dialogue.md says how to start both

It does not understand words: when the user has spoken and then pauses, it answers with its next line. (For a partner
who understands, use `ros2 run avatar_forcing_ros voice_agent_node`.) What is worth copying is how it deals with time:

* an answer is streamed on `speech` while it is still being synthesised, under one utterance id and in a thread of its
  own, so that an interruption is noticed at once and ends the synthesis;
* while the avatar speaks, the microphone picks up its voice, so this node does not listen. The avatar knows what it
  says, hears the user through it, and stops when the user speaks (its parameter `avatar.barge_in.enabled`);
* `avatar/playback` says when an utterance really began and ended, and where it was interrupted.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count, cycle
from typing import Any

import numpy as np
import rclpy
from avatar_forcing_ros.msg import AudioChunk, PlaybackEvent
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node

from avatar_forcing_ros import signals
from avatar_forcing_ros.audio.resample import Resampler
from avatar_forcing_ros.audio.voice_activity import VoiceActivity
from avatar_forcing_ros.nodes import qos
from avatar_forcing_ros.nodes.audio_messages import AudioReader, from_chunk, installed_kind, message_type
from avatar_forcing_ros.nodes.ros_time import stamp_ns

Voice = Callable[[str], Iterator[signals.AudioChunk]]
FRAME_S = 0.04  # one answer of voice activity
ROOM_TAIL_FRAMES = 15  # 0.6 s: how long the avatar's voice lingers in the room, and on its way, after its last word
ANSWERS = (
    "Hello, it is nice to meet you. What brings you here today?",
    "I see. Tell me a little more about that, please.",
    "That is interesting. I did not know it, and I am glad that you told me.",
    "I will remember that. Is there anything else that I can do for you?",
)


class TurnDetector:
    """Finds where a user's turn ends: voice, then a pause."""

    def __init__(self, voice_s: float, pause_s: float) -> None:
        self._voice_frames, self._pause_frames = round(voice_s / FRAME_S), round(pause_s / FRAME_S)
        self._activity, self._resampler = VoiceActivity(), Resampler(16_000)
        self.forget()

    def forget(self, spoken: bool = False) -> None:
        """Start again; `spoken` says that the user has already begun."""
        self._voiced, self._silent = self._voice_frames if spoken else 0, 0

    def push(self, chunk: signals.AudioChunk) -> bool:
        """Whether a turn has ended in the next piece of sound."""
        if chunk.sample_rate != self._resampler.rate:
            self._resampler = Resampler(chunk.sample_rate)
        ended = False
        for speaking in self._activity.push(self._resampler.push(chunk.samples)).speaking:
            self._voiced += bool(speaking)
            self._silent = 0 if speaking else self._silent + 1
            ended = ended or (self._voiced >= self._voice_frames and self._silent >= self._pause_frames)
        return ended


class DialogueManager(Node):
    """Listens on `user_audio`, answers on `speech`, follows `avatar/playback`.

    Args:
        voice: speaks a text, chunk by chunk.
    """

    def __init__(self, voice: Voice, **node_arguments: Any) -> None:
        super().__init__("dialogue_manager", **node_arguments)
        pause_s = self.declare_parameter("pause_s", 0.7).value
        voice_s = self.declare_parameter("voice_s", 0.3).value
        kind = self.declare_parameter("user_audio.kind", "auto").value
        self._voice, self._turn = voice, TurnDetector(voice_s, pause_s)
        self._lines, self._numbers = cycle(ANSWERS), count()
        self._saying, self._deaf_frames = "", 0
        self._speech = self.create_publisher(AudioChunk, "speech", qos.SPEECH)
        self.create_subscription(PlaybackEvent, "avatar/playback", self._follow, qos.EVENTS)
        kind = installed_kind() if kind == "auto" else kind
        self.get_logger().info(f"listening on user_audio ({kind}); answers each turn of the user, whatever they say")
        reader = AudioReader(kind, now_ns=lambda: self.get_clock().now().nanoseconds)
        self.create_subscription(
            message_type(kind), "user_audio", lambda message: self._hear(reader.read(message)), qos.MICROPHONE
        )

    def _hear(self, chunk: signals.AudioChunk) -> None:
        ended = self._turn.push(chunk)
        if self._saying or self._deaf_frames > 0:
            self._deaf_frames -= round(chunk.duration_ns / 1e9 / FRAME_S)
            self._turn.forget()
        elif ended:
            self._turn.forget()
            self.say(next(self._lines))

    def say(self, text: str) -> None:
        """Begin to speak; what is said last counts."""
        self._saying = f"answer {next(self._numbers)}"
        self.get_logger().info(f'{self._saying}: "{text}"')
        threading.Thread(target=self._speak, args=(self._saying, text), daemon=True).start()

    def _speak(self, utterance_id: str, text: str) -> None:
        """Send chunks as the voice makes them, until somebody interrupts."""
        seq, pieces = 0, self._voice(text)
        for seq, chunk in enumerate(pieces, start=1):
            if self._saying != utterance_id:
                return
            self._publish(signals.AudioChunk(None, chunk.samples, chunk.sample_rate, utterance_id, seq - 1))
        self._publish(signals.AudioChunk(None, np.zeros(0, np.float32), 16_000, utterance_id, seq, True))

    def _publish(self, chunk: signals.AudioChunk) -> None:
        self._speech.publish(from_chunk(chunk))

    def _follow(self, event: PlaybackEvent) -> None:
        if event.utterance_id != self._saying or event.event not in (PlaybackEvent.FINISHED, PlaybackEvent.INTERRUPTED):
            return
        interrupted = event.event == PlaybackEvent.INTERRUPTED
        position_s = stamp_ns(event.position) / 1e9
        self.get_logger().info(f"{self._saying}: {'interrupted' if interrupted else 'finished'} at {position_s:.2f} s")
        self._saying = ""
        # a user who interrupts is already speaking; after a last word, only its echo follows
        self._turn.forget(spoken=interrupted)
        self._deaf_frames = 0 if interrupted else ROOM_TAIL_FRAMES


def espeak(text: str, words_per_minute: int = 165) -> Iterator[signals.AudioChunk]:
    """Speech from espeak-ng, 100 ms at a time, while it is being made."""
    command = ["espeak-ng", "-s", str(words_per_minute), "--stdout", text]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        header = process.stdout.read(44)  # of a wav file: the rate stands in bytes 24 to 27
        rate = int.from_bytes(header[24:28], "little")
        try:
            while data := process.stdout.read(rate // 10 * 2):
                yield signals.AudioChunk(None, np.frombuffer(data, "<i2").astype(np.float32) / 32768, rate)
        finally:
            process.kill()  # after an interruption, the rest is not needed


def main() -> int:
    """Run the node with espeak-ng's voice."""
    if {"-h", "--help"} & set(sys.argv):
        print(__doc__)
        return 0
    if shutil.which("espeak-ng") is None:
        print("error: this example needs espeak-ng, which is not installed: apt-get install espeak-ng", file=sys.stderr)
        return 1
    rclpy.init()
    with suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(DialogueManager(espeak))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
