# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How long a user waits for the offline voice agent's first sound, and how soon it is silent when they speak over it.

    python bench/voice_agent.py [--turns 20] [--voice espeak|piper] [--json]

Real processes on this machine, in real time: the generator with its model, and the agent with PocketSphinx. The user is
flite's voice slt (`apt-get install flite`), sent as a microphone of 40 ms pieces without echo, as from a browser that
cancels it. A turn of theirs ends at its last sample above -40 dB; the first sound of the answer is the first sample of
avatar/speech above -40 dB, by its presentation time. They speak over every answer, 1.2 to 2.4 s after it began: from
their first sample above -40 dB to the last of the answer.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rclpy
from avatar_forcing_ros.msg import AudioChunk, Caption, PlaybackEvent
from numpy.typing import NDArray
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from avatar_forcing_ros import signals
from avatar_forcing_ros.audio.resample import Resampler
from avatar_forcing_ros.files.media import read_audio
from avatar_forcing_ros.files.resources import resource
from avatar_forcing_ros.graph import settings
from avatar_forcing_ros.graph.environment import local_graph, own_domain
from avatar_forcing_ros.graph.processes import ProcessGroup
from avatar_forcing_ros.nodes import qos
from avatar_forcing_ros.nodes.audio_messages import AudioReader, from_chunk
from avatar_forcing_ros.nodes.ros_time import stamp_ns

SENTENCES = (
    "Hello, how are you today?", "What is your name?", "Can you tell me a joke, please?", "Where is the coffee?",
    "I like music and I play the guitar.", "What time is it?", "Who made you?", "I am looking for my friend.",
    "Are you a robot or a person?", "How old are you?", "What can you do?", "Is it raining outside?",
)  # fmt: skip
PIECE = 640
RATE = 16_000
FLOOR = 10 ** (-40 / 20)
PATIENCE_S = 30.0


@dataclass
class Heard:
    """What was presented of one utterance: when its first and last audible samples were, in ns."""

    first_ns: int = 0
    last_ns: int = 0


class Room(Node):
    """The user's microphone, and ears for the avatar.

    Attributes:
        says: what the user is yet to say.
        bounds_ns: first and last audible sample of what they said last.
        heard: what was presented of each utterance.
        events: of avatar/playback.
        understood: of what the user said.
    """

    def __init__(self, context: Context) -> None:
        super().__init__("room", context=context)
        self.says, self.bounds_ns = np.zeros(0, np.float32), None
        self.heard, self.events, self.understood = dict[str, Heard](), list[PlaybackEvent](), list[str]()
        self._lock, self._noise = threading.Lock(), np.random.default_rng(0)
        self._reader = AudioReader("AudioChunk")
        self._microphone = self.create_publisher(AudioChunk, "user_audio", qos.STREAM)
        self.create_subscription(AudioChunk, "avatar/speech", self._hear, qos.STREAM)
        self.create_subscription(PlaybackEvent, "avatar/playback", self.events.append, qos.EVENTS)
        self.create_subscription(Caption, "speech/caption", self._read, qos.STREAM)

    def speak(self, words: NDArray[np.float32]) -> None:
        """Say something, beginning with the next piece."""
        with self._lock:
            self.says, self.bounds_ns = words, None

    def listen_for_ever(self, stopped: threading.Event) -> None:
        """Send the microphone's pieces in real time, each when it has ended."""
        due_s = time.time()
        while not stopped.is_set():
            due_s += PIECE / RATE
            time.sleep(max(0.0, due_s - time.time()))
            begin_ns = int((due_s - PIECE / RATE) * 1e9)
            with self._lock:
                piece, self.says = self.says[:PIECE], self.says[PIECE:]
                self._note(piece, begin_ns)
            sound = (self._noise.standard_normal(PIECE) * 1e-4).astype(np.float32)
            sound[: len(piece)] += piece
            self._microphone.publish(from_chunk(signals.AudioChunk(begin_ns, sound, RATE)))

    def _note(self, piece: NDArray[np.float32], begin_ns: int) -> None:
        loud = np.flatnonzero(np.abs(piece) > FLOOR)
        if len(loud):
            first_ns, last_ns = (begin_ns + int(sample) * 10**9 // RATE for sample in (loud[0], loud[-1]))
            self.bounds_ns = (self.bounds_ns[0] if self.bounds_ns else first_ns, last_ns)

    def _hear(self, message: AudioChunk) -> None:
        chunk = self._reader.read(message)
        loud = np.flatnonzero(np.abs(chunk.samples) > FLOOR)
        if not len(loud) or not chunk.utterance_id:
            return
        begin_ns = stamp_ns(message.header.stamp)
        heard = self.heard.setdefault(chunk.utterance_id, Heard())
        heard.first_ns = heard.first_ns or begin_ns + int(loud[0]) * 10**9 // chunk.sample_rate
        heard.last_ns = begin_ns + int(loud[-1]) * 10**9 // chunk.sample_rate

    def _read(self, caption: Caption) -> None:
        if caption.speaker == Caption.USER:
            self.understood.append(caption.text)

    def ended(self, utterance_id: str) -> int:
        """How an utterance ended; 0 while it has not."""
        endings = (PlaybackEvent.FINISHED, PlaybackEvent.INTERRUPTED)
        mine = [event.event for event in self.events if event.utterance_id == utterance_id]
        return next((event for event in mine if event in endings), 0)


def wait(what: str, done: object, patience_s: float = PATIENCE_S) -> None:
    """Wait for something.

    Raises:
        RuntimeError: it does not come.
    """
    end_s = time.monotonic() + patience_s
    while not done():  # type: ignore[operator]
        if time.monotonic() > end_s:
            raise RuntimeError(f"no {what} after {patience_s:g} s")
        time.sleep(0.01)


def spoken(text: str, folder: Path) -> NDArray[np.float32]:
    """A sentence of the user's, (N,) at 16 kHz."""
    path = folder / "user.wav"
    subprocess.run(["flite", "-voice", "slt", "-t", text, "-o", path], check=True)
    clip = read_audio(path)
    return Resampler(clip.sample_rate).push(clip.samples)


def converse(room: Room, sentences: list[NDArray[np.float32]], turns: int) -> tuple[list[float], list[float]]:
    """(waits for an answer, times until silence), in ms."""
    waits, silences, rng = list[float](), list[float](), np.random.default_rng(1)
    room.speak(sentences[0])
    for turn in range(turns):
        known = set(room.heard)
        wait("answer", lambda: set(room.heard) - known)  # noqa: B023
        (utterance,) = set(room.heard) - known
        assert room.bounds_ns is not None
        waits.append((room.heard[utterance].first_ns - room.bounds_ns[1]) / 1e6)
        time.sleep(rng.uniform(1.2, 2.4))
        room.speak(sentences[(turn + 1) % len(sentences)])
        wait("end of the answer", lambda: room.ended(utterance))  # noqa: B023
        wait("microphone", lambda: room.bounds_ns)
        if room.ended(utterance) == PlaybackEvent.INTERRUPTED:  # else it had said all
            silences.append((room.heard[utterance].last_ns - room.bounds_ns[0]) / 1e6)
        print(
            f"turn {turn + 1}: waited {waits[-1]:.0f} ms; silent after {silences[-1:]} ms", file=sys.stderr, flush=True
        )
    return waits, silences


def main() -> None:
    """Measure, print for people, then one line for machines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--voice", default="espeak", choices=["espeak", "piper"])
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    environment = local_graph(own_domain())
    os.environ.update(environment)
    kiosk = resource("config", "kiosk.yaml")
    nodes = [
        settings.NodeProcess("generator_node", kiosk, {"understudy": False}),
        settings.NodeProcess("voice_agent_node", kiosk, {"voice.kind": args.voice}),
    ]
    with tempfile.TemporaryDirectory() as folder:
        sentences = [spoken(text, Path(folder)) for text in SENTENCES]
    context, stopped = Context(), threading.Event()
    rclpy.init(context=context)
    room, executor = Room(context), SingleThreadedExecutor(context=context)
    executor.add_node(room)
    threading.Thread(target=executor.spin, daemon=True).start()
    with ProcessGroup(nodes, environment | settings.PROCESS_ENVIRONMENT) as processes:
        threading.Thread(target=room.listen_for_ever, args=(stopped,), daemon=True).start()
        wait("avatar", lambda: room.count_publishers("avatar/speech") and room.count_publishers("speech"), 90)
        time.sleep(3)
        before, began_s = processes.usage(), time.monotonic()
        waits, silences = converse(room, sentences, args.turns)
        elapsed_s, after = time.monotonic() - began_s, processes.usage()
        stopped.set()
    executor.shutdown()
    rclpy.shutdown(context=context)
    found = {
        "turns": len(waits),
        "answer_ms_p50": round(float(np.median(waits))),
        "answer_ms_p95": round(float(np.percentile(waits, 95))),
        "interrupted": len(silences),
        "silent_ms_p50": round(float(np.median(silences))),
        "silent_ms_p95": round(float(np.percentile(silences, 95))),
        "agent_core_percent": round(
            100 * (after["voice_agent_node"].cpu_s - before["voice_agent_node"].cpu_s) / elapsed_s, 1
        ),
        "agent_mb": round(after["voice_agent_node"].memory_mb),
        "understood": len(room.understood),
    }
    for name, value in found.items():
        print(f"{name:<24}{value}")
    print("\n".join(room.understood), file=sys.stderr)
    reach = {"answer_ms_p50": 700, "silent_ms_p95": 300}
    if args.json:
        print(json.dumps({"bench": "voice_agent", "voice": args.voice, **found, "reach": reach}))


if __name__ == "__main__":
    main()
