# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What ROS costs per frame: from a picture and a piece of speech as arrays to messages that the middleware has taken.

    python bench/overhead.py [--size 512] [--frames 500] [--rate 25]

Real time, real middleware, and a subscriber to all of it in a process of its own. Counted is everything that the
generator node does for a frame besides generating and drawing it: filling image, frame info, motion, speech and state,
and publishing them; waiting in the outbox is not. Wall time says what this machine gave; processor time, of all
threads of the process, what the code and the middleware need. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np

from avatar_forcing_ros.graph.environment import claim_domain, local_graph
from avatar_forcing_ros.graph.settings import PROCESS_ENVIRONMENT

REACH_P99_MS = 5.0
LISTENERS_PATIENCE_S = 60.0


@dataclass(frozen=True)
class Cost:
    """Of one frame, in milliseconds."""

    wall: float
    processor: float


def main() -> None:
    """Measure, print a table for people, then one line for machines."""
    args = parse_arguments()
    if args.listen:
        listen()
        return
    environment = local_graph(claim_domain()) | PROCESS_ENVIRONMENT
    if not environment.items() <= os.environ.items():  # the C library reads its share when the process begins
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **environment})
    with Listener():
        costs = measure(args)
    report(args, costs)


class Listener:
    """A process that takes everything that is published, as a display and a recorder would."""

    def __enter__(self) -> Listener:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--listen"], env={**os.environ}, stdin=subprocess.DEVNULL
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()


def listen() -> None:
    """Take messages until killed."""
    import rclpy
    from avatar_forcing_ros.msg import AudioChunk, FrameInfo, MotionLatents
    from rclpy.node import Node
    from sensor_msgs.msg import Image

    from avatar_forcing_ros.nodes import qos

    rclpy.init()
    node = Node("listener")
    node.create_subscription(Image, "avatar/image_raw", lambda _message: None, qos.PICTURE)
    topics = {"avatar/frame_info": FrameInfo, "avatar/motion": MotionLatents, "avatar/speech": AudioChunk}
    for topic, kind in topics.items():
        node.create_subscription(kind, topic, lambda _message: None, qos.STREAM)
    rclpy.spin(node)


def measure(args: argparse.Namespace) -> list[Cost]:
    """Publish frames at the rate of a conversation; what each of them cost."""
    import rclpy

    from avatar_forcing_ros.motion.facemesh.space import FaceMeshSpace
    from avatar_forcing_ros.nodes.managed_node import ManagedNode
    from avatar_forcing_ros.nodes.ros_outlet import publish_from
    from avatar_forcing_ros.session.outlet import SPEAKING, AvatarStatus, OutputConfig, Provenance, Shown
    from avatar_forcing_ros.signals import AudioChunk, AvatarFrame

    rclpy.init()
    node: ManagedNode = ManagedNode("overhead", OutputConfig())
    space = FaceMeshSpace()
    outlet = publish_from(node, space, OutputConfig())
    await_listener(node)
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 256, (args.size, args.size, 3), np.uint8) for _ in range(4)]
    speech = random.uniform(-0.5, 0.5, 640).astype(np.float32)
    costs = []
    for n in range(args.frames):
        now_ns = node.get_clock().now().nanoseconds
        frame = AvatarFrame(now_ns, n, n // 4, 0, np.zeros(len(space.names), np.float32), speech, "utterance")
        wall, processor = time.perf_counter(), time.process_time()
        outlet.said(AudioChunk(now_ns, speech, 16_000, "utterance", n))
        picture = pictures[n % 4]
        outlet.shown(Shown(frame, lambda picture=picture: picture, Provenance(now_ns, now_ns, now_ns, "0" * 64)))
        outlet.changed(AvatarStatus(SPEAKING, utterance_id="utterance"), now_ns)
        costs.append(Cost(1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - processor)))
        time.sleep(max(0.0, 1 / args.rate - (time.perf_counter() - wall)))
    node.close()
    rclpy.shutdown()
    return costs[args.frames // 10 :]


def await_listener(node: Any) -> None:
    """Wait until somebody takes the pictures.

    Raises:
        RuntimeError: nobody does.
    """
    end = time.monotonic() + LISTENERS_PATIENCE_S
    while not node.count_subscribers("avatar/image_raw"):
        if time.monotonic() > end:
            raise RuntimeError(f"no subscriber after {LISTENERS_PATIENCE_S:.0f} s")
        time.sleep(0.1)
    time.sleep(1.0)  # two sides of a connection learn of each other at different moments


def report(args: argparse.Namespace, costs: list[Cost]) -> None:
    """Print the figures."""
    rows = {"wall": [cost.wall for cost in costs], "processor": [cost.processor for cost in costs]}
    print(f"{len(costs)} frames of {args.size}x{args.size} at {args.rate:.0f} a second, one subscriber to everything")
    print(f"{'ms per frame':<16}{'least':>8}{'median':>8}{'95 %':>8}{'99 %':>8}")
    figures = {}
    for name, values in rows.items():
        least, p50, p95, p99 = (round(float(x), 2) for x in (min(values), *np.percentile(values, [50, 95, 99])))
        print(f"{name:<16}{least:>8.2f}{p50:>8.2f}{p95:>8.2f}{p99:>8.2f}")
        figures[f"{name}_ms"] = {"least": least, "p50": p50, "p95": p95, "p99": p99}
    setting = {"size": args.size, "frames": len(costs), "rate": args.rate}
    machine = platform.processor() or platform.machine()
    print(json.dumps({"bench": "overhead", "machine": machine, **setting, **figures, "reach": {"p99": REACH_P99_MS}}))


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--size", type=int, default=512, help="side of the pictures in pixels")
    parser.add_argument("--frames", type=int, default=500, help="how many frames")
    parser.add_argument("--rate", type=float, default=25.0, help="frames a second")
    parser.add_argument("--listen", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
