# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Kills and stops real processes at random moments while the avatar speaks, and measures what a viewer notices.

    python bench/never_off.py --rounds 20            # each fault so often; prints a table, with --json a last JSON line
    python bench/never_off.py --rounds 20 --record out/never_off.jsonl --minutes 25    # again: goes on where it ended

With --record what was done before to the same code counts, and only what is missing is done.

Faults: kill -9 and SIGSTOP of the generator and of the motion node. Measured on the topics, from a process of its own:
the longest time between two frames of avatar/image_raw, the time until speech is heard again, endings per utterance,
and frames of two sources at once. What was heard of each utterance on avatar/speech is counted: an ending gives that as
its position, within two frames since pieces are padded, and nothing of the utterance comes after it.

Beside each gap stands what tells a fault of ours from one of the machine: the longest time between the same pictures as
they were published, how much too late a thread that only sleeps woke up here in the audience, and for how long the
threads of understudy and generator could have run but had no processor.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from avatar_forcing_ros.msg import AudioChunk, FrameInfo, MotionLatents, PlaybackEvent
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image

from avatar_forcing_ros import signals
from avatar_forcing_ros.graph import settings
from avatar_forcing_ros.graph.environment import claim_domain, local_graph
from avatar_forcing_ros.graph.processes import ProcessGroup
from avatar_forcing_ros.nodes import qos
from avatar_forcing_ros.nodes.audio_messages import from_chunk
from avatar_forcing_ros.nodes.ros_time import stamp_ns
from avatar_forcing_ros.testing import speech_like

UTTERANCE_S, PROBE_S = 4.0, 1.2
"""What is said when the fault comes, and after it."""
PADDING_S = 0.080
AHEAD_S = 0.100
"""What left before the fault has come by then."""
SLEEPS_S = 0.010
CALM_S = 2.5
"""After a fault: so long all is watched."""
LIVES_S = 10.5
"""Before a fault: so long the process has lived, for who fails sooner than that is started later and later."""
PATIENCE_S = 40.0
MOST_GAP_MS = 200.0
FINAL = (PlaybackEvent.FINISHED, PlaybackEvent.INTERRUPTED)


@dataclass
class Seen:
    """What a viewer and a dialogue manager have noticed.

    Attributes:
        pictures: when each picture came.
        frames: (when it came, its stamp, who drew it) of every frame.
        published: when each frame was published, in ROS time.
        motion: (stamp, latent).
        events: (when it came, utterance, event, position in s).
        heard: (when it came, utterance, seconds) of every piece of avatar/speech.
    """

    pictures: list[float] = field(default_factory=list)
    frames: list[tuple[float, int, int]] = field(default_factory=list)
    published: list[int] = field(default_factory=list)
    motion: list[tuple[int, Any]] = field(default_factory=list)
    events: list[tuple[float, str, int, float]] = field(default_factory=list)
    heard: list[tuple[float, str, float]] = field(default_factory=list)
    sent: dict[str, float] = field(default_factory=dict)


class Audience:
    """Listens in a thread, and says one utterance after another."""

    def __init__(self) -> None:
        self.seen = Seen()
        self._context = Context()
        rclpy.init(context=self._context)
        self._node = Node("audience", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        seen = self.seen
        self._node.create_subscription(
            Image, "avatar/image_raw", lambda _bytes: seen.pictures.append(time.monotonic()), qos.PICTURE, raw=True
        )
        self._node.create_subscription(
            FrameInfo,
            "avatar/frame_info",
            self._note_frame,
            qos.STREAM,
        )
        self._node.create_subscription(
            MotionLatents,
            "avatar/motion",
            lambda m: seen.motion.append((stamp_ns(m.header.stamp), np.array(m.latent))),
            qos.STREAM,
        )
        self._node.create_subscription(
            PlaybackEvent,
            "avatar/playback",
            lambda m: seen.events.append(
                (time.monotonic(), m.utterance_id, m.event, m.position.sec + m.position.nanosec * 1e-9)
            ),
            qos.EVENTS,
        )
        self._node.create_subscription(
            AudioChunk,
            "avatar/speech",
            lambda m: seen.heard.append((time.monotonic(), m.utterance_id, len(m.data) / 2 / m.sample_rate)),
            qos.STREAM,
        )
        self._speech = self._node.create_publisher(AudioChunk, "speech", qos.SPEECH)
        self._thread = threading.Thread(target=self._executor.spin, daemon=True)
        self._thread.start()

    def _note_frame(self, info: FrameInfo) -> None:
        self.seen.frames.append((time.monotonic(), stamp_ns(info.header.stamp), info.on_stage))
        self.seen.published.append(stamp_ns(info.published))

    def say(self, name: str, seconds: float) -> None:
        """Send an utterance, all at once."""
        sound = speech_like(seconds, 16_000)
        self.seen.sent[name] = time.monotonic()
        self._speech.publish(from_chunk(signals.AudioChunk(None, sound, 16_000, name, 0, True)))

    def close(self) -> None:
        """Listen no more."""
        self._executor.shutdown()
        self._thread.join()
        self._node.destroy_node()
        rclpy.shutdown(context=self._context)


class Sentinel:
    """Watches the machine from this process: how late a thread wakes, and how long others wait to run.

    Args:
        pids: numbers of the processes to watch.
    """

    def __init__(self, pids: Callable[[], Sequence[int]]) -> None:
        self._pids = pids
        self._wakings: deque[tuple[float, float]] = deque(maxlen=6000)
        self._waits: deque[tuple[float, list[float]]] = deque(maxlen=1200)
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while True:
            asleep_s = time.monotonic()
            time.sleep(SLEEPS_S)
            now_s = time.monotonic()
            self._wakings.append((now_s, now_s - asleep_s - SLEEPS_S))
            if not self._waits or now_s - self._waits[-1][0] > 5 * SLEEPS_S:
                with suppress(OSError):  # a keeper has ended just now
                    self._waits.append((now_s, [waited_s(pid) for pid in self._pids()]))

    def late_ms(self, from_s: float, until_s: float) -> float:
        """The latest waking of those that were due, or came, in a stretch of time."""
        late = [late_s for at_s, late_s in list(self._wakings) if at_s >= from_s and at_s - late_s <= until_s]
        return 1e3 * max(late, default=0.0)

    def waited_ms(self, from_s: float, until_s: float) -> list[float]:
        """How long the threads of each process, all together, waited for a processor in that stretch and .1 s around.

        Empty if nothing is known; 0 for a process that took the place of another one.
        """
        around = [totals_s for at_s, totals_s in list(self._waits) if from_s - 0.1 <= at_s <= until_s + 0.1]
        ends = zip(around[0], around[-1], strict=True) if around else ()
        return [1e3 * max(0.0, last - first) for first, last in ends]


@dataclass(frozen=True)
class Outcome:
    """One fault: all times in milliseconds.

    Attributes:
        fault: what was done.
        gap_ms: longest time between two pictures as they came, from the fault until all was calm.
        gap_at_ms: when it began, since the fault.
        unpublished_ms: longest time between two of the pictures around it as they were published.
        late_ms: how much too late a thread of the audience woke up meanwhile.
        waited_ms: how long the threads of understudy and generator waited for a processor meanwhile.
        speaks_ms: from the fault until speech is heard again.
        away_ms: from the fault until the generator's frames were shown again; 0 when they never stopped.
        endings: of the utterance that was under way, its FINISHED and INTERRUPTED events.
        played_ms: the position that its ending gave.
        heard_ms: how much of it was heard.
        wrong: utterances that did not end once, or not at the position that was heard, or were heard after their end.
        doubles: frames with a stamp that had been shown before, or an older one.
    """

    fault: str
    gap_ms: float
    gap_at_ms: float
    unpublished_ms: float
    late_ms: float
    waited_ms: list[float]
    speaks_ms: float
    away_ms: float
    endings: int
    played_ms: float
    heard_ms: float
    wrong: int
    doubles: int


class Trial:
    """The processes, the audience, and the faults."""

    def __init__(self, processes: ProcessGroup, audience: Audience, seed: int) -> None:
        self._processes, self._audience, self._chance = processes, audience, np.random.default_rng(seed)
        self._number = 0
        generator = lambda: child_of(processes.pid("generator_node"))  # noqa: E731
        self._sentinel = Sentinel(lambda: (processes.pid("understudy_node"), generator()))
        self.verbose = False

    def _say(self, seconds: float) -> str:
        self._number += 1
        name = f"utterance-{self._number}"
        self._audience.say(name, seconds)
        return name

    def _until(self, done: Any, patience_s: float = PATIENCE_S) -> bool:
        end = time.monotonic() + patience_s
        while not done():
            if time.monotonic() > end:
                return False
            self._processes.tend(lambda line: print(f"    {line}", file=sys.stderr))
            time.sleep(0.01)
        return True

    def _began(self, name: str) -> float | None:
        return next((at for at, who, event, _ in self._audience.seen.events if (who, event) == (name, 0)), None)

    def _endings(self, name: str) -> list[tuple[float, float]]:
        return [(at, where) for at, who, event, where in self._audience.seen.events if who == name and event in FINAL]

    def _heard_s(self, name: str) -> float:
        return sum(seconds for _, who, seconds in self._audience.seen.heard if who == name)

    def _ended_rightly(self, name: str) -> bool:
        ends = [(at, kind, where) for at, who, kind, where in self._audience.seen.events if who == name]
        ends = [end for end in ends if end[1] in FINAL]
        if len(ends) != 1:
            return False
        at, kind, where = ends[0]
        length = UTTERANCE_S if name == self._spoken else PROBE_S
        late = any(who == name and came > at + AHEAD_S for came, who, _ in self._audience.seen.heard)
        whole = kind != PlaybackEvent.FINISHED or abs(where - length) < 1e-3
        return whole and not late and abs(where - self._heard_s(name)) <= PADDING_S + 1e-3

    def fault(self, name: str, pid_now: Callable[[], int], number: int, wakes_s: float = 0.0) -> Outcome:
        """Do something to a process while an utterance is said.

        Args:
            name: what it is called in the table.
            pid_now: of the process.
            number: of the signal.
            wakes_s: SIGCONT comes after this long; 0 sends none.
        """
        self._until(lambda: age_s(pid_now()) > LIVES_S)
        seen = self._audience.seen
        first = self._number + 1
        spoken = self._spoken = self._say(UTTERANCE_S)
        self._until(lambda: self._began(spoken) is not None, 5.0)
        time.sleep(float(self._chance.uniform(0.0, UTTERANCE_S - 0.2)))
        pid = pid_now()
        at = time.monotonic()
        with suppress(ProcessLookupError):  # it ended by itself just before, which comes to the same
            os.kill(pid, number)
        if wakes_s:
            time.sleep(wakes_s)
            with suppress(ProcessLookupError):  # it has been ended meanwhile
                os.kill(pid, signal.SIGCONT)
        after = self._speaks_after(at)
        led = lambda: [t for t, _, who in seen.frames if t > at + 0.3 and who == 0]  # noqa: E731
        self._until(lambda: bool(led()), 10.0)
        time.sleep(CALM_S)
        said = [f"utterance-{number}" for number in range(first, self._number + 1)]
        self._until(lambda: all(map(self._endings, said)), 10.0)
        time.sleep(2 * AHEAD_S)
        others = [t for t, _, who in seen.frames if t > at and who == 1]
        endings = self._endings(spoken)
        if self.verbose:
            self._explain(at)
        return Outcome(
            fault=name,
            **self._gap(at),
            speaks_ms=1e3 * (after - at),
            away_ms=1e3 * (max(others) - at) if others else 0.0,
            endings=len(endings),
            played_ms=1e3 * endings[0][1] if endings else -1,
            heard_ms=1e3 * self._heard_s(spoken),
            wrong=sum(not self._ended_rightly(name) for name in said),
            doubles=_doubles([(t, stamp) for t, stamp, _ in seen.frames if t > at - 0.5]),
        )

    def _gap(self, at: float) -> dict[str, Any]:
        """The longest gap between pictures since a fault, and what else was late then."""
        seen = self._audience.seen
        times = [t for t in seen.pictures if t > at - 0.5]
        first, last = max(pairwise(times), key=lambda pair: pair[1] - pair[0])
        near = [
            published
            for (came, *_), published in zip(seen.frames, seen.published, strict=False)
            if first - 0.3 < came < last + 0.3
        ]
        return {
            "gap_ms": 1e3 * (last - first),
            "gap_at_ms": 1e3 * (first - at),
            "unpublished_ms": max((later - earlier for earlier, later in pairwise(near)), default=0) / 1e6,
            "late_ms": self._sentinel.late_ms(first, last),
            "waited_ms": self._sentinel.waited_ms(first, last),
        }

    def _explain(self, at: float) -> None:
        """Every frame that came late, or with a stamp of before, in ms since the fault."""
        frames = [f for f in self._audience.seen.frames if f[0] > at - 0.2]
        for before, after in pairwise(frames):
            if after[0] - before[0] > 0.15 or after[1] <= before[1]:
                print(
                    f"    {1e3 * (before[0] - at):.0f} by {before[2]} -> {1e3 * (after[0] - at):.0f} by {after[2]}, "
                    f"stamps {(after[1] - before[1]) / 1e6:.0f} ms apart",
                    file=sys.stderr,
                )

    def _speaks_after(self, at: float) -> float:
        """When speech was heard after a fault; something new is sent until some of that has begun."""
        while time.monotonic() - at < PATIENCE_S:
            time.sleep(0.25)
            name = self._say(PROBE_S)
            self._until(lambda n=name: self._began(n) is not None or self._endings(n), UTTERANCE_S + 3.0)
            if self._began(name) is not None:
                return next(came for came, _, _ in self._audience.seen.heard if came > at + AHEAD_S)
        return float("inf")


def _doubles(frames: list[tuple[float, int]]) -> int:
    stamps = [stamp for _, stamp in frames]
    return sum(later <= earlier for earlier, later in pairwise(stamps))


def age_s(pid: int) -> float:
    """How long a process has lived."""
    try:
        began = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except OSError:
        return 0.0  # it has ended
    return time.clock_gettime(time.CLOCK_BOOTTIME) - began / os.sysconf("SC_CLK_TCK")


def waited_s(pid: int) -> float:
    """How long the threads of a process, all together, have waited for a processor; 0 if the kernel does not count."""
    total = 0
    for file in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(OSError):  # the thread has ended
            total += int(file.read_text().split()[1])
    return total * 1e-9


def child_of(pid: int) -> int:
    """The process that a keeper keeps; the process itself where there is none."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    children = path.read_text().split() if path.exists() else []
    return int(children[-1]) if children else pid


def table(outcomes: list[Outcome]) -> str:
    """For people."""
    lines = [
        f"{'fault':34}{'n':>4}{'gap ms, worst':>15}{'median':>8}{'speaks ms, worst':>18}{'median':>8}"
        f"{'endings':>16}{'position off ms':>17}{'wrong':>7}{'doubles':>9}"
    ]
    for name in dict.fromkeys(o.fault for o in outcomes):
        some = [o for o in outcomes if o.fault == name]
        gaps, speaks = [o.gap_ms for o in some], [o.speaks_ms for o in some]
        off = max((abs(o.played_ms - o.heard_ms) for o in some if o.endings), default=0.0)
        endings = dict(Counter(o.endings for o in some))
        lines.append(
            f"{name:34}{len(some):4}{max(gaps):15.0f}{np.median(gaps):8.0f}{max(speaks):18.0f}"
            f"{np.median(speaks):8.0f}{endings!s:>16}{off:17.0f}{sum(o.wrong for o in some):7}"
            f"{sum(o.doubles for o in some):9}"
        )
    lines += [
        f"  {o.fault}: {o.gap_ms:.0f} ms from {o.gap_at_ms:.0f} ms on, as published {o.unpublished_ms:.0f} ms; "
        f"meanwhile a sleeper here woke {o.late_ms:.0f} ms late, understudy and generator waited "
        f"{' and '.join(f'{ms:.0f}' for ms in o.waited_ms)} ms to run"
        for o in outcomes
        if o.gap_ms > MOST_GAP_MS
    ]
    return "\n".join(lines)


def _missing(chosen: list[str], done: list[Outcome], rounds: int) -> list[str]:
    """What is yet to be done, one kind after the other: while one process grows old enough another one is hurt."""
    left = Counter({name: rounds - sum(o.fault == name for o in done) for name in chosen})
    turns = [[name for name in chosen if left[name] > turn] for turn in range(rounds)]
    return [name for turn in turns for name in turn]


def _digest_of_the_code() -> str:
    package = Path(signals.__file__).parent
    files = sorted(package.rglob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


def _recorded(file: Path | None, code: str) -> list[Outcome]:
    """Outcomes of the same code."""
    if file is None or not file.exists():
        return []
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return [Outcome(**line["outcome"]) for line in lines if line["code"] == code]


def _record(file: Path, code: str, outcome: Outcome) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as lines:
        lines.write(json.dumps({"code": code, "date": time.strftime("%Y-%m-%d"), "outcome": asdict(outcome)}) + "\n")


def main() -> int:
    """Run the trials; the exit status is 0 only when every figure is reached."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="of each fault")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="faults of these names, or parts of names, with commas between")
    parser.add_argument("--verbose", action="store_true", help="with what the nodes say")
    parser.add_argument("--record", type=Path, help="file of outcomes, a line each, that is read and added to")
    parser.add_argument("--minutes", type=float, default=1e9, help="no fault begins later than this")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    environment = local_graph(claim_domain()) | settings.PROCESS_ENVIRONMENT
    os.environ.update(environment)
    nodes = [node for node in settings.live(settings.AvatarChoice()) if node.executable != "display_node"]
    audience = Audience()
    code = _digest_of_the_code()
    outcomes = _recorded(args.record, code)
    launched = time.monotonic()
    with ProcessGroup(nodes, environment) as processes:
        trial = Trial(processes, audience, args.seed)
        trial.verbose = args.verbose
        trial._until(lambda: audience.seen.pictures)
        face_s = audience.seen.pictures[0] - launched
        trial._until(lambda: any(who == 0 for *_, who in audience.seen.frames))
        lead_s = next((t for t, _, who in audience.seen.frames if who == 0), float("inf")) - launched
        print(f"launch -> face {face_s:.2f} s, generator on stage {lead_s:.2f} s", file=sys.stderr)
        time.sleep(3)

        def generator() -> int:
            return child_of(processes.pid("generator_node"))

        def motion() -> int:
            return child_of(processes.pid("motion_extraction_node"))

        faults = {
            "kill -9 generator": (generator, signal.SIGKILL, 0.0),
            "kill -9 motion node": (motion, signal.SIGKILL, 0.0),
            "SIGSTOP generator": (generator, signal.SIGSTOP, 0.0),
            "SIGSTOP motion node": (motion, signal.SIGSTOP, 0.0),
            "SIGSTOP generator for 0.5 s": (generator, signal.SIGSTOP, 0.5),
            "SIGSTOP motion node for 1 s": (motion, signal.SIGSTOP, 1.0),
            "SIGSTOP generator for 1.5 s": (generator, signal.SIGSTOP, 1.5),
            "kill -9 generator and its keeper": (lambda: processes.pid("generator_node"), signal.SIGKILL, 0.0),
            "kill -9 understudy": (lambda: processes.pid("understudy_node"), signal.SIGKILL, 0.0),
        }
        parts = args.only.split(",")
        chosen = [
            name for name in faults if any(part == name or (part not in faults and part in name) for part in parts)
        ]
        for name in _missing(chosen, outcomes, args.rounds):
            if time.monotonic() - launched > 60 * args.minutes:
                print(f"ended after {args.minutes:g} min; the same command goes on", file=sys.stderr)
                break
            pid, number, wakes_s = faults[name]
            outcomes.append(trial.fault(name, pid, number, wakes_s))
            print(f"  {outcomes[-1]}", file=sys.stderr, flush=True)
            if args.record:
                _record(args.record, code, outcomes[-1])
    audience.close()
    print(f"launch -> face {face_s:.2f} s, generator on stage {lead_s:.2f} s")
    print(table(outcomes))
    good = all(o.gap_ms <= MOST_GAP_MS and o.speaks_ms <= 5000 and not (o.wrong or o.doubles) for o in outcomes)
    if args.json:
        print(json.dumps({"ok": good, "face_s": face_s, "lead_s": lead_s, "outcomes": [asdict(o) for o in outcomes]}))
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
