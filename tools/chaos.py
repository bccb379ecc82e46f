# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Does to a live avatar what a robot's months do, at random and for as long as asked, and looks what became of it.

    python tools/chaos.py --minutes 10                  # everything; a table at the end, exit status 1 when it failed
    python tools/chaos.py --minutes 60 --calm           # a soak: speech, a user, interrupts and portraits, nothing dies

Real processes, and a user of its own before camera and microphone. Nodes are killed and stopped, camera and microphone
go, change and lie, speech comes in bursts, portraits change, the avatar is interrupted. At the end every utterance must
have ended once, no gap between pictures may be longer than 200 ms, and no process may have grown. A line of JSON for
every half minute and fault goes to --log. The clock is set in `bench/virtual_day.py` only: the machine's own is not
ours, and libfaketime 0.9.10 breaks time.sleep of Python 3.11.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "bench"))

from avatar_forcing_ros.msg import AudioChunk  # noqa: E402
from avatar_forcing_ros.srv import SetPortrait  # noqa: E402
from never_off import FINAL, Audience, child_of  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from std_msgs.msg import Empty  # noqa: E402

from avatar_forcing_ros import signals  # noqa: E402
from avatar_forcing_ros.files.pictures import read_image  # noqa: E402
from avatar_forcing_ros.graph import settings  # noqa: E402
from avatar_forcing_ros.graph.environment import claim_domain, local_graph  # noqa: E402
from avatar_forcing_ros.graph.processes import ProcessGroup  # noqa: E402
from avatar_forcing_ros.nodes import qos  # noqa: E402
from avatar_forcing_ros.nodes.audio_messages import from_chunk  # noqa: E402
from avatar_forcing_ros.nodes.conversions import from_rgb  # noqa: E402
from avatar_forcing_ros.nodes.ros_time import to_stamp  # noqa: E402
from avatar_forcing_ros.testing import FilmedUser, speech_like  # noqa: E402
from avatar_forcing_ros.timeline.grid import FRAME_NS, SAMPLE_RATE  # noqa: E402

LONGEST_GAP_S = 0.2
GROWS_MB_H = 1.0
JUDGED_FROM_S = 600.0
"""A process fills its buffers and caches first; its growth is judged from this age on."""
PORTRAITS = sorted((ROOT / "models" / "portraits").glob("*.png"))


class User(FilmedUser):
    """Camera and microphone of somebody who moves and talks."""

    def __init__(self, audience: Audience) -> None:
        super().__init__(read_image(PORTRAITS[0]))
        node = self.node = audience._node
        self._camera = node.create_publisher(Image, "camera/image_raw", qos.SENSOR)
        self._microphone = node.create_publisher(AudioChunk, "user_audio", qos.STREAM)
        self.speech = node.create_publisher(AudioChunk, "speech", qos.SPEECH)
        self.interrupts = node.create_publisher(Empty, "speech/interrupt", qos.STREAM)
        self.portraits = node.create_client(SetPortrait, "generator/set_portrait")
        self._frames = 0
        self.set_well()
        self._timer = node.create_timer(0.04, self._frame)

    def set_well(self) -> None:
        """Everything works."""
        self.camera_every, self.size, self.ahead_s, self.people, self.microphone = 2, (480, 320), 0.0, 1, "well"

    def _frame(self) -> None:
        self._frames += 1
        now_ns = self.node.get_clock().now().nanoseconds + round(self.ahead_s * signals.NANOSECONDS)
        if self.camera_every and self._frames % self.camera_every == 0:
            self._camera.publish(from_rgb(self.picture(self._frames), to_stamp(now_ns), "camera"))
        if self.microphone != "gone":
            talks = self._frames % 250 < 100
            chunk = signals.AudioChunk(now_ns - FRAME_NS, self.sound(0.2 if talks else 0.0), SAMPLE_RATE)
            self._microphone.publish(from_chunk(chunk))


class Chaos:
    """What is done, and the record of it."""

    def __init__(self, processes: ProcessGroup, audience: Audience, log: Any, seed: int) -> None:
        self.processes, self.audience, self._log = processes, audience, log
        self.user, self.chance = User(audience), np.random.default_rng(seed)
        self._number = 0
        self.done: Counter[str] = Counter()
        self.usage: dict[int, list[tuple[float, float, int, int, str]]] = {}
        self.families: list[int] = []
        """How many processes there were, each time."""
        self._began = time.monotonic()

    def note(self, **what: Any) -> None:
        """A line of the log."""
        self._log.write(json.dumps({"t": round(time.monotonic() - self._began, 2), **what}) + "\n")
        self._log.flush()

    def rest(self, seconds: float) -> None:
        """Let time pass; what ends is started anew."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.processes.tend(lambda line: self.note(restarted=line[-300:]))
            time.sleep(0.05)

    def say(self, seconds: float, most_pieces: int = 20) -> None:
        """An utterance, in one piece or in many."""
        self._number += 1
        name, sound = f"chaos-{self._number}", speech_like(seconds, SAMPLE_RATE)
        pieces = np.array_split(sound, int(self.chance.integers(1, most_pieces + 1)))
        self.audience.seen.sent[name] = time.monotonic()
        for seq, piece in enumerate(pieces):
            chunk = signals.AudioChunk(None, piece, SAMPLE_RATE, name, seq, seq == len(pieces) - 1)
            self.user.speech.publish(from_chunk(chunk))

    def burst(self) -> None:
        """Forty utterances at once, then an interrupt; a publisher's queue holds 200 pieces."""
        for _ in range(40):
            self.say(0.4, most_pieces=3)
        self.rest(4)
        self.user.interrupts.publish(Empty())

    def interrupt(self) -> None:
        """In the middle of a sentence."""
        self.say(3.0)
        self.rest(float(self.chance.uniform(0.2, 2.0)))
        self.user.interrupts.publish(Empty())

    def swap(self) -> None:
        """Another portrait, or one that is none."""
        path = [*map(str, PORTRAITS), str(ROOT / "README.md"), "/no/such.png"][
            int(self.chance.integers(0, len(PORTRAITS) + 2))
        ]
        self.user.portraits.call_async(SetPortrait.Request(path=path))

    def stop(self, name: str, wakes: bool = True) -> Callable[[], None]:
        """SIGSTOP a node, for a while or for good."""

        def act() -> None:
            pid = child_of(self.processes.pid(name))
            os.kill(pid, signal.SIGSTOP)
            if wakes:
                self.rest(float(self.chance.uniform(0.1, 1.5)))
                try:
                    os.kill(pid, signal.SIGCONT)
                except ProcessLookupError:
                    return  # it was ended meanwhile

        return act

    def kill(self, name: str) -> Callable[[], None]:
        """Kill -9 a node."""
        return lambda: os.kill(child_of(self.processes.pid(name)), signal.SIGKILL)

    def wrong(self, **values: Any) -> Callable[[], None]:
        """Something is wrong with the senses for some seconds."""

        def act() -> None:
            for name, value in values.items():
                setattr(self.user, name, value)
            self.rest(float(self.chance.uniform(1, 5)))
            self.user.set_well()

        return act

    def faults(self) -> dict[str, Callable[[], None]]:
        """What can be done, by name."""
        names = ("generator_node", "motion_extraction_node", "understudy_node")
        return {
            **{f"kill {name}": self.kill(name) for name in names},
            **{f"stop {name}": self.stop(name) for name in names},
            **{f"stop {name} for good": self.stop(name, wakes=False) for name in names[:2]},
            "camera lost": self.wrong(camera_every=0),
            "camera slow": self.wrong(camera_every=6),
            "camera resized": self.wrong(size=(640, 360)),
            "camera of another time": self.wrong(ahead_s=3.0),
            "two people": self.wrong(people=2),
            "microphone lost": self.wrong(microphone="gone"),
            "microphone muted": self.wrong(microphone="muted"),
            "microphone clips": self.wrong(microphone="clips"),
            **self.everyday(),
        }

    def everyday(self) -> dict[str, Callable[[], None]]:
        """What nobody would call a fault."""
        return {"burst": self.burst, "interrupt": self.interrupt, "portrait": self.swap}

    def look(self) -> None:
        """Note what every process uses."""
        now = time.monotonic() - self._began
        line, count = {}, 0
        for node in self.processes.usage():
            for name, pid in _family(node, self.processes.pid(node)):
                try:
                    threads = len(list(Path(f"/proc/{pid}/task").iterdir()))
                    handles = len(list(Path(f"/proc/{pid}/fd").iterdir()))
                    memory = _memory_mb(pid)
                except OSError:
                    continue
                self.usage.setdefault(pid, []).append((now, memory, threads, handles, name))
                count += 1
                line[name] = {"pid": pid, "mb": round(memory, 1), "threads": threads, "handles": handles}
        self.families.append(count)
        seen = self.audience.seen
        self.note(processes=count, minute=round(now / 60, 1), frames=len(seen.pictures), said=self._number, **line)

    def leads(self) -> bool:
        """Whether the generator is on stage."""
        frames = self.audience.seen.frames
        return bool(frames) and frames[-1][2] == 0


def _family(name: str, pid: int) -> list[tuple[str, int]]:
    """A process and all that it has started, with the generation in their names."""
    try:
        # each thread has children of its own
        children = [
            int(child) for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()
        ]
    except OSError:
        children = []
    return [(name, pid), *(one for child in children for one in _family(f"{name} child", child))]


def _memory_mb(pid: int) -> float:
    """What only this process has; shares of what others map too change with them."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in rollup if line.startswith("Private_Dirty:")) / 1024


def verdict(chaos: Chaos, ended_s: float) -> dict[str, Any]:
    """What became of it; `wrong` says what must not be."""
    seen = chaos.audience.seen
    gaps = [(later - earlier, earlier) for earlier, later in pairwise(seen.pictures)]
    long = [(round(gap, 3), round(at - chaos._began, 1)) for gap, at in gaps if gap > LONGEST_GAP_S]
    endings = Counter(who for _, who, event, _ in seen.events if event in FINAL)
    counts = Counter(endings[name] for name, at in seen.sent.items() if at < ended_s - 60)
    stamps = [stamp for _, stamp, _ in seen.frames]
    growth, odd = {}, {}
    for samples in chaos.usage.values():
        times, memory, threads, handles, name = map(list, zip(*samples, strict=True))
        late = [n for n, at in enumerate(times) if at - times[0] >= JUDGED_FROM_S]
        if len(late) >= 10:
            slope = np.polyfit([times[n] / 3600 for n in late], [memory[n] for n in late], 1)[0]
            growth[name[0]] = round(float(slope), 2)
            odd[name[0]] = [threads[late[-1]] - threads[late[0]], handles[late[-1]] - handles[late[0]]]
    wrong = [f"a gap of {gap} s at {at} s" for gap, at in long]
    wrong += [f"{n} utterances ended {times} times" for times, n in counts.items() if times != 1]
    wrong += [f"{name} grows by {slope} MB an hour" for name, slope in growth.items() if slope > GROWS_MB_H]
    wrong += [f"{name} has {more} more threads and handles" for name, more in odd.items() if max(more) > 3]
    third = len(chaos.families) // 3 or 1
    first, last = (int(np.median(part)) for part in (chaos.families[:third], chaos.families[-third:]))
    wrong += [f"{first} processes became {last}"] if last > first + 1 else []
    return {
        "ok": not wrong,
        "wrong": wrong,
        "pictures": len(seen.pictures),
        "gap_ms_worst": round(1e3 * max((gap for gap, _ in gaps), default=0.0)),
        "gaps_over_200_ms": len(long),
        "stamps_back": sum(later <= earlier for earlier, later in pairwise(stamps)),
        "share_of_understudy": round(float(np.mean([who for *_, who in seen.frames] or [0])), 3),
        "utterances": len(seen.sent),
        "endings": {str(times): n for times, n in sorted(counts.items())},
        "mb_an_hour": growth,
        "threads_and_handles": odd,
        "processes": [first, last],
        "done": dict(chaos.done),
    }


def main() -> int:
    """Run it; the exit status is 0 when nothing was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--calm", action="store_true", help="nothing fails: a soak")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every-s", type=float, default=6.0, help="between two things done, in the mean")
    parser.add_argument("--domain", type=int, default=None, help="ROS domain (default: a free one)")
    parser.add_argument("--log", type=Path, default=Path("out/chaos.jsonl"))
    args = parser.parse_args()
    args.log.parent.mkdir(parents=True, exist_ok=True)
    environment = local_graph(0) | settings.PROCESS_ENVIRONMENT | {"ROS_DOMAIN_ID": str(args.domain or claim_domain())}
    os.environ.update(environment)
    nodes = [node for node in settings.live(settings.AvatarChoice()) if node.executable != "display_node"]
    audience = Audience()
    with args.log.open("w") as log, ProcessGroup(nodes, environment) as processes:
        chaos = Chaos(processes, audience, log, args.seed)
        while not chaos.leads():
            chaos.rest(0.1)
        chaos.rest(5)
        began = time.monotonic()
        looked = -1e9
        while time.monotonic() - began < 60 * args.minutes:
            if time.monotonic() - looked > 30:
                looked = time.monotonic()
                chaos.look()
            choice = chaos.everyday() if args.calm else chaos.faults()
            name = str(chaos.chance.choice(sorted(choice)))
            if chaos.leads():  # both at once is not what is promised
                chaos.say(float(chaos.chance.uniform(0.3, 3.0)))
                chaos.note(does=name)
                chaos.done[name] += 1
                choice[name]()
            chaos.rest(float(chaos.chance.exponential(args.every_s)) + 1.0)
        ended = time.monotonic()
        chaos.user.interrupts.publish(Empty())
        chaos.rest(5)
        chaos.look()
        result = verdict(chaos, ended)
        chaos.note(**result)
    audience.close()
    print(json.dumps(result, indent=1))
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
