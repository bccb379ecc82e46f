# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What each process of the graph uses while the avatar talks, listens, or rests because nobody is there.

    python bench/usage.py [--states talking listening rest] [--one-process] [--windows 5] [--window-s 4]

"talking" and "listening" are the demo, recording included, with and without its speech; "rest" is the live graph with
neither camera nor microphone, looked at once the face idles. Processor time is that of all threads, in user and system
mode, in percent of one core: the median over windows, with the least and the most. Memory is what a process holds, with
shared pages shared out. Children count: nodes that are kept alive run in one. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path

from avatar_forcing_ros.graph import settings
from avatar_forcing_ros.graph.demo_files import recorded_conversation
from avatar_forcing_ros.graph.environment import local_graph, own_domain
from avatar_forcing_ros.graph.processes import NodeFailedError, ProcessGroup, Usage
from avatar_forcing_ros.nodes.demo import START_PATIENCE_S, Listener
from avatar_forcing_ros.signals import FPS

TALKING, LISTENING, REST = "talking", "listening", "rest"
STATES = (TALKING, LISTENING, REST)
SETTLES_S = {TALKING: 2.0, LISTENING: 4.0, REST: 15.0}
"""After the first frame; the face idles after five seconds without anybody."""
REACH = {TALKING: (50, 700), REST: (10, None)}
REACH_ONE_PROCESS = {TALKING: (40, 500), REST: (10, None)}
"""Percent of a core and MB, of all processes but the understudy."""


@dataclass(frozen=True)
class Share:
    """Of one process: processor time in percent of one core by window, memory in MB, threads."""

    cpu_percent: list[float]
    memory_mb: float
    threads: int

    @property
    def median(self) -> float:
        """Percent of one core."""
        return statistics.median(self.cpu_percent)


def main() -> None:
    """Measure each state, print tables for people, then one line for machines."""
    args = parse_arguments()
    results = {}
    for state in args.states:
        shares = measure(state, args)
        results[state] = {name: asdict(share) | {"cpu_percent_median": share.median} for name, share in shares.items()}
        print(table(state, shares))
    machine = platform.processor() or platform.machine()
    reach = REACH_ONE_PROCESS if args.one_process else REACH
    print(
        json.dumps(
            {"bench": "usage", "machine": machine, "one_process": args.one_process, "states": results, "reach": reach}
        )
    )


def measure(state: str, args: argparse.Namespace) -> dict[str, Share]:
    """Run the graph in a state, and look at its processes in one window after the other."""
    with tempfile.TemporaryDirectory() as folder:
        nodes = nodes_of(state, str(Path(folder) / "video.mp4"))
        nodes = settings.one_process(nodes) if args.one_process else nodes
        if args.without_understudy:
            nodes = [node for node in nodes if node.executable != "understudy_node"]
        environment = local_graph(own_domain()) | settings.PROCESS_ENVIRONMENT
        os.environ.update(environment)
        with ProcessGroup(nodes, environment) as processes:
            wait_for_state(state, processes)
            if args.pids:
                print({node.executable: processes.pid(node.executable) for node in nodes}, file=sys.stderr)
            looks = [look(processes)]
            for _ in range(args.windows):
                time.sleep(args.window_s)
                processes.check()
                looks.append(look(processes))
            tell_of_quality(processes)
    return {name: share_of([(now, used[name]) for now, used in looks]) for name in looks[0][1]}


def nodes_of(state: str, video: str) -> list[settings.NodeProcess]:
    """The processes of a state."""
    if state == REST:
        return settings.live(settings.AvatarChoice())
    recorded = recorded_conversation()
    recorded = recorded if state == TALKING else replace(recorded, speech="")
    return settings.demo(settings.AvatarChoice(), recorded, video)


def wait_for_state(state: str, processes: ProcessGroup) -> None:
    """Wait until it has begun and start-up is over; nobody listens beside the graph afterwards."""
    with Listener(processes) as listener:
        seen = (lambda: bool(listener.frames)) if state == REST else listener.user_was_seen
        if not listener.spin_until(seen, START_PATIENCE_S):
            raise NodeFailedError(f"no frame after {START_PATIENCE_S:.0f} s")
    time.sleep(SETTLES_S[state])


def tell_of_quality(processes: ProcessGroup) -> None:
    """Say so where the machine was too busy for full quality at the end: what was measured is then too little."""
    with Listener(processes) as listener:
        listener.spin_until(lambda: len(listener.frames) >= FPS, 3.0)
        reduced = sum(frame.quality_level > 0 for frame in listener.frames)
    if reduced:
        print(f"too busy: {reduced} of the newest {len(listener.frames)} frames are at less than full quality")


def look(processes: ProcessGroup) -> tuple[float, dict[str, Usage]]:
    """The time in seconds, and what has been used by then."""
    return time.monotonic(), processes.usage()


def share_of(looks: Sequence[tuple[float, Usage]]) -> Share:
    """What one process used between looks."""
    pairs = pairwise(looks)
    percent = [round((after.cpu_s - before.cpu_s) / (end - start) * 100, 2) for (start, before), (end, after) in pairs]
    last = looks[-1][1]
    return Share(percent, round(last.memory_mb, 1), last.threads)


def table(state: str, shares: dict[str, Share]) -> str:
    """For people; the sum is taken window by window."""
    rows = [f"{state:<26}  CPU %   least    most      MB  threads"]
    rows += [_row(name, share) for name, share in shares.items()]
    rows.append(_row("all", _together(list(shares.values()))))
    if "understudy_node" in shares:
        rows.append(
            _row(
                "all but the understudy",
                _together([share for name, share in shares.items() if name != "understudy_node"]),
            )
        )
    return "\n".join(rows) + "\n"


def _together(shares: Sequence[Share]) -> Share:
    sums = [sum(window) for window in zip(*(share.cpu_percent for share in shares), strict=True)]
    return Share(sums, sum(share.memory_mb for share in shares), sum(share.threads for share in shares))


def _row(name: str, share: Share) -> str:
    least, most = min(share.cpu_percent), max(share.cpu_percent)
    return f"{name:<26}{share.median:7.1f} {least:7.1f} {most:7.1f} {share.memory_mb:7.0f} {share.threads:8d}"


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--states", nargs="+", choices=STATES, default=STATES, help="what the avatar does")
    parser.add_argument("--one-process", action="store_true", help="all nodes in one process")
    parser.add_argument("--without-understudy", action="store_true", help="at rest: nobody would step in")
    parser.add_argument("--windows", type=int, default=5, help="how many; the demo's conversation takes 26 s")
    parser.add_argument("--window-s", type=float, default=4.0, help="length of one in seconds")
    parser.add_argument("--pids", action="store_true", help="say the processes' numbers, for a profiler")
    return parser.parse_args()


if __name__ == "__main__":
    main()
