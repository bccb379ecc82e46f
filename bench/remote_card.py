# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Camera, display and understudy on one computer, the generator on another, and a network between them that loses.

    sudo python bench/remote_card.py [--seconds 60] [--delay-ms 20] [--jitter-ms 5] [--loss 0.01] [--raw] [--wired]

Both computers are namespaces of this machine (tools/far_apart.py), so their clocks agree. The nodes are those of
`avatar.launch.py side:=robot` and `side:=card`; a recording stands for the user. Figures are of what a subscriber
beside the display gets. --raw sends pictures as they are; --wired leaves out config/fastdds_remote.xml; --video keeps
what the display recorded. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
import wave
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from avatar_forcing_ros.msg import AudioChunk, FrameInfo
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

from avatar_forcing_ros.files.media import read_audio
from avatar_forcing_ros.graph import settings as graph
from avatar_forcing_ros.graph.demo_files import recorded_conversation
from avatar_forcing_ros.graph.environment import local_graph, shared_memory_profile
from avatar_forcing_ros.graph.processes import ProcessGroup
from avatar_forcing_ros.nodes import qos
from avatar_forcing_ros.nodes.ros_time import stamp_ns
from avatar_forcing_ros.timeline.grid import FRAME_NS

_MS = 1e6
_START_S = 120.0
_TOOL = Path(__file__).parents[1] / "tools" / "far_apart.py"


def environment(args: argparse.Namespace) -> dict[str, str]:
    """Of every process of either computer."""
    found = {**local_graph(args.domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET", **graph.PROCESS_ENVIRONMENT}
    return found | shared_memory_profile(far=not args.wired)


def nodes_of(args: argparse.Namespace) -> list[graph.NodeProcess]:
    """What runs on a computer; the recording stands for camera, microphone and dialogue manager."""
    recorded = recorded_conversation()
    avatar = graph.AvatarChoice(args.model, "", require_consent=False)
    raw: dict[str, graph.Value] = {"output.raw": True, "output.compressed": False} if args.raw else {}
    changes: dict[str, dict[str, graph.Value]] = {
        "generator_node": raw | {"user_audio.kind": "AudioChunk"},
        "understudy_node": raw,
        "display_node": {"window": "no", "output": args.video, "announce": False, "compressed": not args.raw,
                         "user_audio.kind": "AudioChunk"},
        "motion_extraction_node": {"compressed": not args.raw},
    }  # fmt: skip
    nodes = [
        replace(node, parameters={**node.parameters, **changes[node.executable]})
        for node in graph.live(avatar, side=args.side)
    ]
    if args.side == "robot":
        (like,) = [node for node in nodes if node.executable == "display_node"]
        said: dict[str, graph.Value] = {
            **vars(recorded),
            "speech": args.speech,
            "width": 640,
            "height": 480,
            "rate_hz": 25.0,
        }
        said |= {
            "compressed": not args.raw,
            "wait_for_readers": True,
            "encoding": "nv12",
            "duration_s": 600.0,
        }
        nodes.append(replace(like, executable="media_source_node", parameters=said, respawns=False))
    return nodes


class Beside(Node):
    """A subscriber beside the display."""

    def __init__(self, raw: bool, context: Context) -> None:
        super().__init__("beside", context=context)
        self.pictures: dict[int, int] = {}
        self.doubles = 0
        self.infos: dict[int, FrameInfo] = {}
        self.speech: list[tuple[int, int, int]] = []
        self.told: dict[str, dict[str, str]] = {}
        kind, topic = (Image, "avatar/image_raw") if raw else (CompressedImage, "avatar/image_raw/compressed")
        self.create_subscription(kind, topic, self._picture, qos.PICTURE)
        self.create_subscription(FrameInfo, "avatar/frame_info", self._info, qos.STREAM)
        self.create_subscription(AudioChunk, "avatar/speech", self._speech, qos.STREAM)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._diagnostics, 50)

    def _now_ns(self) -> int:
        return self.get_clock().now().nanoseconds

    def _picture(self, message: Any) -> None:
        stamp = stamp_ns(message.header.stamp)
        self.doubles += stamp in self.pictures
        self.pictures.setdefault(stamp, self._now_ns())

    def _info(self, message: FrameInfo) -> None:
        self.infos.setdefault(stamp_ns(message.header.stamp), message)

    def _speech(self, message: AudioChunk) -> None:
        self.speech.append((stamp_ns(message.header.stamp), len(message.data), self._now_ns()))

    def _diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self.told[status.name] = {value.key: value.value for value in status.values} | {"message": status.message}

    def figures(self, begin_ns: int, end_ns: int) -> dict[str, Any]:
        """Of the pictures that came between two moments."""
        came = sorted((at, stamp) for stamp, at in self.pictures.items() if begin_ns <= at < end_ns)
        at, stamps = (np.array(column) for column in zip(*came, strict=True))
        gaps, late = np.diff(at) / _MS, (at - stamps) / _MS
        infos = [self.infos[stamp] for stamp in stamps if stamp in self.infos]
        leader = [info for info in infos if info.on_stage == FrameInfo.LEADER]
        ages = [
            (stamp_ns(i.header.stamp) - stamp_ns(i.user_motion_until)) / _MS
            for i in leader
            if stamp_ns(i.user_motion_until)
        ]
        spoken = [(stamp, arrived) for stamp, _, arrived in self.speech if begin_ns <= arrived < end_ns]
        frames = np.round((stamps - stamps[0]) / FRAME_NS).astype(int)
        together = [
            (arrived - self.pictures[near]) / _MS
            for stamp, arrived in spoken
            for near in [min(self.pictures, key=lambda s: abs(s - stamp))]
            if abs(near - stamp) < FRAME_NS
        ]
        ends = [stamp + round(samples * 1e9 / 16000) for stamp, samples, _ in self.speech]
        holes = sum(1 for end, (begin, _, _) in zip(ends, self.speech[1:], strict=False) if 0 < begin - end < 200 * _MS)
        return {
            "pictures per second": round(len(came) / (end_ns - begin_ns) * 1e9, 2),
            "pictures missing": int(frames[-1] + 1 - len(frames)),
            "pictures twice": self.doubles,
            "longest gap ms": round(float(gaps.max()), 1),
            "gaps over 100 ms": int((gaps > 100).sum()),
            "gaps over 200 ms": int((gaps > 200).sum()),
            "shown after its time ms": spread(late),
            "generator says it published late by ms": spread([info.lateness_ms for info in leader]),
            "display says ms": [self._of("display", "late_ms_median"), self._of("display", "late_ms_p95")],
            "user seen ms before the picture": spread(ages),
            "who was shown": dict(
                Counter("generator" if i.on_stage == FrameInfo.LEADER else "understudy" for i in infos)
            ),
            "speech came after its picture ms": spread(together),
            "chunks of speech": len(spoken),
            "holes in speech": holes,
        }

    def _of(self, node: str, key: str) -> float:
        return float(next((values[key] for name, values in self.told.items() if node in name and key in values), "nan"))


def spread(values: Any) -> list[float]:
    """Median, 95 % and most."""
    return [round(float(x), 1) for x in np.percentile(values, (50, 95, 100))] if len(values) else []


def robot(args: argparse.Namespace) -> int:
    """Run the robot's nodes, and look; the other computer runs meanwhile."""
    variables = environment(args)
    os.environ.update(variables)
    context = Context()
    rclpy.init(context=context)
    beside, executor = Beside(args.raw, context), SingleThreadedExecutor(context=context)
    executor.add_node(beside)

    def spin(seconds: float, until: Any = lambda: False) -> bool:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not until():
            executor.spin_once(timeout_sec=0.1)
        return bool(until())

    with ProcessGroup(nodes_of(args), variables) as processes:
        seen = spin(_START_S, lambda: any(stamp_ns(info.user_motion_until) for info in beside.infos.values()))
        spin(3.0)
        traffic = [received_and_sent()]
        begin = beside.get_clock().now().nanoseconds
        spin(args.seconds)
        end = beside.get_clock().now().nanoseconds
        traffic.append(received_and_sent())
        spin(1.0)  # what tells of the last pictures
        rates = [round(8e-6 * (b - a) / args.seconds, 1) for a, b in zip(*traffic, strict=True)]
        found = beside.figures(begin, end) | {"Mbit/s to the robot": rates[0], "Mbit/s from the robot": rates[1]}
        if args.video:
            processes.end("display_node", 60)
    print(json.dumps({"user was seen": seen, **found}), flush=True)
    return 0


def received_and_sent() -> tuple[int, int]:
    """Bytes of the cable since it was laid."""
    folder = Path("/sys/class/net/far0/statistics")
    if folder.exists():
        return int((folder / "rx_bytes").read_text()), int((folder / "tx_bytes").read_text())
    row = next(line for line in Path("/proc/net/dev").read_text().splitlines() if "far0:" in line)
    numbers = row.split(":")[1].split()
    return int(numbers[0]), int(numbers[8])


def card(args: argparse.Namespace) -> int:
    """Run what computes, until it is ended."""
    variables = environment(args)
    with suppress(KeyboardInterrupt), ProcessGroup(nodes_of(args), variables) as processes:  # how it is ended
        while True:
            processes.tend(lambda line: print(line, file=sys.stderr))
            time.sleep(0.5)
    return 0


def main() -> int:
    """Both, or one of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--delay-ms", type=float, default=20.0)
    parser.add_argument("--jitter-ms", type=float, default=5.0)
    parser.add_argument("--loss", type=float, default=0.01)
    parser.add_argument("--rate-mbit", type=float, default=0.0)
    parser.add_argument("--model", default="")
    parser.add_argument("--raw", action="store_true", help="pictures as they are")
    parser.add_argument("--wired", action="store_true", help="Fast DDS as on one computer")
    parser.add_argument("--video", default="", help="mp4 file that the display records")
    parser.add_argument("--domain", type=int, default=77)
    parser.add_argument("--speech", default="", help=argparse.SUPPRESS)
    parser.add_argument("--side", choices=["robot", "card"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        return {"robot": robot, "card": card}[args.side](args)
    link = [
        f"--{name}={vars(args)[name.replace('-', '_')]:g}" for name in ("delay-ms", "jitter-ms", "loss", "rate-mbit")
    ]
    with tempfile.TemporaryDirectory() as folder:
        speech = Path(folder) / "speech.wav"
        clip = read_audio(recorded_conversation().speech)
        repeats = 1 + round((args.seconds + _START_S) * clip.sample_rate / len(clip.samples))
        with wave.open(str(speech), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(clip.sample_rate)
            file.writeframes((np.tile(clip.samples, repeats) * 32767).astype("<i2").tobytes())
        one = shlex.join([sys.executable, __file__, *sys.argv[1:], "--speech", str(speech), "--side"])
        return subprocess.run([sys.executable, _TOOL, *link, f"exec {one} robot", f"exec {one} card"]).returncode


if __name__ == "__main__":
    sys.exit(main())
