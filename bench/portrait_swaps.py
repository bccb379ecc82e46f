# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Changes the portrait again and again while the avatar speaks, with the real nodes: what does a viewer notice?

    python bench/portrait_swaps.py --swaps 100        # prints figures, with --json as a last JSON line
    python bench/portrait_swaps.py --known            # two pictures in turn, which are prepared already

The longest time between two pictures as they came and by their stamps, and whether what was said was ever cut off. No
picture comes twice: our characters, a corner of another grey, as PNG, JPEG and WebP of 1024 and 3000 pixels.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rclpy
from avatar_forcing_ros.msg import AudioChunk, FrameInfo, PlaybackEvent
from avatar_forcing_ros.srv import SetPortrait
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image

from avatar_forcing_ros import signals
from avatar_forcing_ros.files.resources import resource
from avatar_forcing_ros.graph import settings
from avatar_forcing_ros.graph.environment import claim_domain, local_graph
from avatar_forcing_ros.graph.processes import ProcessGroup
from avatar_forcing_ros.nodes import qos
from avatar_forcing_ros.nodes.audio_messages import from_chunk
from avatar_forcing_ros.nodes.ros_time import stamp_ns
from avatar_forcing_ros.portraits.consent import Consent, sha256_of_file
from avatar_forcing_ros.testing import speech_like

PATIENCE_S = 60.0
PIECE_S = 1.0
AHEAD_S = 3.0
"""Speech is sent so long before it is said, as a synthesiser does."""


class Viewer:
    """Sees and hears, says one long utterance, and changes the portrait."""

    def __init__(self, node: Node, executor: SingleThreadedExecutor) -> None:
        self.pictures_s: list[float] = []
        self.stamps: list[int] = []
        self.infos: list[FrameInfo] = []
        self.events: list[int] = []
        self._node, self._executor = node, executor
        node.create_subscription(Image, "avatar/image_raw", self._see, qos.PICTURE)
        node.create_subscription(FrameInfo, "avatar/frame_info", self.infos.append, qos.STREAM)
        node.create_subscription(PlaybackEvent, "avatar/playback", lambda m: self.events.append(m.event), qos.EVENTS)
        self._speech = node.create_publisher(AudioChunk, "speech", qos.SPEECH)
        self._client = node.create_client(SetPortrait, "generator/set_portrait")
        self._sent = 0

    def _see(self, message: Image) -> None:
        self.pictures_s.append(time.monotonic())
        self.stamps.append(stamp_ns(message.header.stamp))

    def spin_until(self, done: Any) -> None:
        """Let messages flow until something is so."""
        end = time.monotonic() + PATIENCE_S
        while not done():
            self._executor.spin_once(timeout_sec=0.02)
            if time.monotonic() > end:
                info = self.infos[-1] if self.infos else None
                raise TimeoutError(f"still waiting after {PATIENCE_S} s; the newest frame: {info}")

    def say_until(self, ahead_s: float, last: bool = False) -> None:
        """Send speech until so much of it lies ahead."""
        while self._sent * PIECE_S < ahead_s:
            sound = speech_like(PIECE_S, seed=self._sent)
            chunk = signals.AudioChunk(None, sound, 16_000, "long", self._sent, last and ahead_s - self._sent <= 1)
            self._speech.publish(from_chunk(chunk))
            self._sent += 1

    def swap(self, path: Path) -> float:
        """Change the portrait; seconds until the first picture of it."""
        began, sha256 = time.monotonic(), self.infos[-1].portrait_sha256
        answer = self._client.call_async(SetPortrait.Request(path=str(path)))
        self.spin_until(answer.done)
        if not answer.result().success:
            raise ValueError(answer.result().message)
        self.spin_until(lambda: self.infos[-1].portrait_sha256 != sha256)
        return time.monotonic() - began


def strangers(folder: Path, count: int) -> Iterator[Path]:
    """Portraits that nobody has seen before, with sidecars; written before the first is asked for."""
    kinds = [(name, *kind) for kind in ((".png", 1024), (".jpg", 3000), (".webp", 3000)) for name in ("milo", "aria")]
    paths = []
    for number in range(count):
        name, ending, side = kinds[number % len(kinds)]
        image = cv2.resize(cv2.imread(str(resource("models", "portraits", f"{name}.png"))), (side, side))
        image[:10, :10] = number  # another picture as far as anybody can tell
        paths.append(folder / f"{number}{ending}")
        cv2.imwrite(str(paths[-1]), image)
        said = Consent(
            "nobody", "models/portraits", "Apache-2.0", synthetic=True, sha256_file=sha256_of_file(paths[-1])
        )
        said.write(paths[-1].with_name(paths[-1].name + ".yaml"))
    return iter(paths)


def measure(viewer: Viewer, portraits: Iterator[Path], swaps: int) -> dict[str, Any]:
    """Swap so often while it speaks."""
    viewer.spin_until(lambda: viewer.infos and viewer.infos[-1].on_stage == FrameInfo.LEADER)
    began = time.monotonic()
    viewer.say_until(AHEAD_S)
    viewer.spin_until(lambda: viewer.infos[-1].utterance_id)
    first = len(viewer.pictures_s)
    took_s, swapped_s = [], []
    for _ in range(swaps):
        path = next(portraits)
        viewer.say_until(time.monotonic() - began + AHEAD_S)
        swapped_s.append(time.monotonic())
        took_s.append(viewer.swap(path))
    end = time.monotonic() + 1.0
    viewer.spin_until(lambda: time.monotonic() > end)
    infos = [info for info in viewer.infos if stamp_ns(info.header.stamp) >= viewer.stamps[first]]
    return {
        "swaps": swaps,
        "pictures": len(viewer.stamps) - first,
        "longest_gap_ms": round(float(np.diff(viewer.pictures_s[first:]).max()) * 1e3),
        "gaps_over_200_ms": int((np.diff(viewer.pictures_s[first:]) > 0.2).sum()),
        "gap_ms_of_a_swap_median": round(1e3 * float(np.median([_gap_s(viewer.pictures_s, at) for at in swapped_s]))),
        "longest_gap_of_stamps_ms": int(np.diff(viewer.stamps[first:]).max() // 1_000_000),
        "swap_s_median": round(float(np.median(took_s)), 2),
        "silent_frames": sum(not info.utterance_id for info in infos[:-25]),
        "epochs": len({info.epoch for info in infos}),
        "understudy_frames": sum(info.on_stage != FrameInfo.LEADER for info in infos),
        "events": dict(zip(*(values.tolist() for values in np.unique(viewer.events, return_counts=True)), strict=True)),
    }


def _gap_s(pictures_s: list[float], since_s: float) -> float:
    """The longest time between two pictures in the second after a swap was asked for."""
    return float(np.diff([at for at in pictures_s if since_s - 0.1 <= at <= since_s + 1.5]).max())


def main() -> int:
    """Start the nodes, swap and tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--swaps", type=int, default=100)
    parser.add_argument("--known", action="store_true", help="pictures that are prepared already")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    args = parser.parse_args()
    environment = local_graph(claim_domain()) | settings.PROCESS_ENVIRONMENT
    os.environ.update(environment)
    nodes = [node for node in settings.live(settings.AvatarChoice()) if node.executable != "display_node"]
    context = Context()
    known = cycle(resource("models", "portraits", f"{name}.png") for name in ("milo", "aria"))
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        portraits = known if args.known else strangers(Path(folder), args.swaps)
        running.enter_context(ProcessGroup(nodes, environment))
        rclpy.init(context=context)
        node = Node("viewer", context=context)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        try:
            figures = measure(Viewer(node, executor), portraits, args.swaps)
        finally:
            node.destroy_node()
            rclpy.shutdown(context=context)
    for name, value in figures.items():
        print(f"{name:<28}{value}")
    if args.json:
        print(json.dumps(figures))
    return 0 if figures["gaps_over_200_ms"] == 0 and not figures["silent_frames"] else 1


if __name__ == "__main__":
    sys.exit(main())
