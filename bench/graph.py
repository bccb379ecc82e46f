# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The whole graph on the demo conversation in real time: rate held, latencies, processor time and memory by process.

    python bench/graph.py [--model NAME] [--one-process] [--repeats 1]

The nodes run as `make demo` runs them, recording included. Latencies are read from FrameInfo: "camera picture -> its
motion in the generator" is transport and face tracking, from the exposure's stamp on; "camera picture -> frame that
reacts" is the age of the newest user motion used, at the presentation time of each frame. Processor time is that of all
threads of a process over 90 % of the conversation; memory is what a process holds, with shared pages shared out.
With repeats, the run with the median processor time counts. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from avatar_forcing_ros.graph import settings as graph
from avatar_forcing_ros.graph.demo_files import recorded_conversation
from avatar_forcing_ros.nodes.demo import RunReport, run_graph, table

REACH = {"fps": 25.0, "all_cpu_percent": 100.0, "all_memory_mb": 1500.0}


def main() -> None:
    """Run, print the table for people, then one line for machines."""
    args = parse_arguments()
    runs = sorted((run(args) for _ in range(args.repeats)), key=cpu_percent)
    result = runs[len(runs) // 2]
    print(table(result))
    figures = {
        "fps": round(result.latency.fps, 3),
        "missing_frames": result.latency.missing,
        "all_cpu_percent": round(cpu_percent(result), 1),
        "all_memory_mb": round(sum(result.memory_mb.values()), 1),
        "reach": REACH,
    }
    print(
        json.dumps(
            {"bench": "graph", "machine": platform.processor() or platform.machine(), **figures, **asdict(result)}
        )
    )


def run(args: argparse.Namespace) -> RunReport:
    """One run of the graph, into a video that nobody keeps."""
    recorded = recorded_conversation()
    with tempfile.TemporaryDirectory() as folder:
        nodes = graph.demo(graph.AvatarChoice(args.model, args.portrait), recorded, str(Path(folder) / "demo.mp4"))
        nodes = graph.one_process(nodes) if args.one_process else nodes
        return run_graph(nodes, recorded.length_s, say=lambda line: print(line, file=sys.stderr))


def cpu_percent(result: RunReport) -> float:
    """Of one core, all processes together."""
    return sum(result.cpu_percent.values())


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default="", help="name or folder of a model bundle")
    parser.add_argument("--portrait", default="", help="picture of a face")
    parser.add_argument("--one-process", action="store_true", help="all nodes in one process")
    parser.add_argument("--repeats", type=int, default=1, help="how many runs")
    return parser.parse_args()


if __name__ == "__main__":
    main()
