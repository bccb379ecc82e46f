# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A day of the avatar's life in minutes: the real session on a virtual clock, with all that happens in a day.

    python bench/virtual_day.py --hours 24 --lived 1     # a minute of each hour, with the tiny model of the tests

A user comes and goes, speech comes in pieces and in bursts, is interrupted and withdrawn, the conversation is reset,
senses fail, the clock is set back and forth. At the end every utterance must have ended once, no frame of the grid may
be missing but where the clock was set, the process may not have grown, and the face must move as it did in the morning.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from avatar_forcing_ros.avatar import Avatar, AvatarConfig
from avatar_forcing_ros.bundle import load_bundle
from avatar_forcing_ros.session.outlet import AvatarStatus, Shown
from avatar_forcing_ros.session.session import SessionConfig
from avatar_forcing_ros.session.virtual import VirtualRun
from avatar_forcing_ros.signals import FPS, NANOSECONDS, AudioChunk, MotionSample
from avatar_forcing_ros.testing import speech_like, tiny_bundle
from avatar_forcing_ros.timeline.grid import FRAME_NS, FRAME_SAMPLES, SAMPLE_RATE
from avatar_forcing_ros.timeline.playback import Playback, PlaybackEvent

START_NS = 1_700_000_000 * NANOSECONDS
FINAL = (Playback.FINISHED, Playback.INTERRUPTED)
GROWS_MB = 1.0
"""In the second half: in the first, buffers fill."""
DRIFTS = 1.2
"""How much more the face may move in the last quarter than in the first."""


@dataclass
class Day:
    """What an outlet has been told.

    Attributes:
        shown: frames so far.
        leaps: whether the clock was set since the newest frame that was late for it.
        missing: frames of the grid that were not shown, but where the clock was set.
        endings: utterance -> how often it ended.
        moves: minute that was lived -> sum of the motion's squares, frames.
    """

    shown: int = 0
    missing: int = 0
    leaps: int = 0
    endings: Counter[str] = field(default_factory=Counter)
    moves: dict[int, list[float]] = field(default_factory=dict)
    before_ns: int | None = None

    def note(self, shown: Shown) -> None:
        """A frame is shown."""
        stamp_ns = shown.frame.stamp_ns
        if self.before_ns is not None:
            gap = (stamp_ns - self.before_ns) // FRAME_NS - 1
            if gap > FPS and self.leaps:
                self.leaps = 0
            else:
                self.missing += max(0, gap)
        self.before_ns = stamp_ns
        hour = self.moves.setdefault(self.shown // (60 * FPS), [0.0, 0.0])
        hour[0] += float(np.square(shown.frame.latent).sum())
        hour[1] += 1
        self.shown += 1


class Outlet:
    """Tells a `Day`."""

    def __init__(self, day: Day) -> None:
        self._day = day

    def shown(self, shown: Shown) -> None:
        """A frame."""
        self._day.note(shown)

    def said(self, chunk: AudioChunk) -> None:
        """Speech."""

    def happened(self, event: PlaybackEvent) -> None:
        """An event."""
        if event.kind in FINAL:
            self._day.endings[event.utterance_id] += 1

    def changed(self, status: AvatarStatus, stamp_ns: int) -> None:
        """A status."""


class Life:
    """What happens, at random and the same for every seed."""

    def __init__(self, run: VirtualRun, day: Day, size: int, seed: int) -> None:
        self.run, self.day, self.size = run, day, size
        self.chance = np.random.default_rng(seed)
        self.sent: list[str] = []
        self._voice = speech_like(4.0, SAMPLE_RATE)
        self._noise = (1e-3 * self.chance.standard_normal(FRAME_SAMPLES)).astype(np.float32)
        self._frames = 0
        self.camera = self.microphone = self.talks = True

    def second(self) -> None:
        """A second passes, with what happens in it."""
        for _ in range(FPS):
            self._senses()
            self.run.run_until(self.run.now_ns + FRAME_NS)
        if self.chance.random() < 0.12:
            self._happen(str(self.chance.choice(_EVENTS, p=_CHANCES)))

    def _senses(self) -> None:
        session, now_ns, self._frames = self.run.session, self.run.now_ns, self._frames + 1
        if self.camera:
            moves = 0.2 * np.sin(self._frames / 20 + np.arange(self.size))
            session.see(MotionSample(now_ns, moves.astype(np.float32), 1.0))
        if self.microphone:
            at = self._frames * FRAME_SAMPLES % (len(self._voice) - FRAME_SAMPLES)
            sound = self._voice[at : at + FRAME_SAMPLES] if self.talks else self._noise
            session.hear(AudioChunk(now_ns - FRAME_NS, sound, SAMPLE_RATE))

    def _happen(self, what: str) -> None:
        session = self.run.session
        if what == "speech":
            self._say(float(self.chance.uniform(0.3, 3.5)))
        elif what == "burst":
            for _ in range(20):
                self._say(0.3)
        elif what == "interrupt":
            session.interrupt()
        elif what == "withdraw" and self.sent:
            session.withdraw(self.sent[-1])
        elif what == "reset":
            session.reset()
        elif what == "clock":
            self.leap(int(self.chance.choice([-3600, -5, 30, 7200])))
        else:
            setattr(self, what, not getattr(self, what))

    def leap(self, seconds: float) -> None:
        """The clock is set, or nobody has looked at it for long."""
        if seconds:
            self.day.leaps = 1
            self.run.now_ns += round(seconds * NANOSECONDS)
            self.run.session.advance()

    def _say(self, seconds: float) -> None:
        self.sent.append(f"day-{len(self.sent)}")
        pieces = np.array_split(self._voice[: int(seconds * SAMPLE_RATE)], int(self.chance.integers(1, 8)))
        for seq, piece in enumerate(pieces):
            self.run.session.say(AudioChunk(None, piece, SAMPLE_RATE, self.sent[-1], seq, seq == len(pieces) - 1))


_EVENTS = ("speech", "burst", "interrupt", "withdraw", "reset", "clock", "camera", "microphone", "talks")
_CHANCES = (0.55, 0.02, 0.1, 0.05, 0.01, 0.01, 0.06, 0.06, 0.14)


def memory_mb() -> float:
    """What this process has for itself."""
    gc.collect()
    rollup = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in rollup if line.startswith("Rss:")) / 1024


def main() -> int:
    """Run it; the exit status is 0 when nothing was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--hours", type=float, default=24)
    parser.add_argument("--lived", type=float, default=60, help="minutes of each hour; the clock leaps over the others")
    parser.add_argument("--model", default="", help="a model bundle instead of the tiny model of the tests")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    bundle = load_bundle(args.model) if args.model else tiny_bundle()
    side = np.full((64, 64, 3), 128, np.uint8)
    avatar = Avatar(bundle, side, AvatarConfig(image_size=64))
    day, faults = Day(), list[str]()
    config = SessionConfig(every_frame=True, draws_ahead=False)
    run = VirtualRun(avatar, START_NS, Outlet(day), lambda where, error: faults.append(f"{where}: {error}"), "", config)
    life = Life(run, day, len(bundle.space.names), args.seed)
    began, memory = time.perf_counter(), {}
    for hour in range(math.ceil(args.hours)):
        memory[hour] = memory_mb()
        for _ in range(round(60 * args.lived)):
            life.second()
        life.leap((60 - args.lived) * 60)
    run.session.interrupt()
    run.run_until(run.now_ns + 5 * NANOSECONDS)
    memory[args.hours] = memory_mb()
    result = verdict(args.hours, life, day, memory, faults)
    result["minutes"] = round((time.perf_counter() - began) / 60, 1)
    print(json.dumps(result))
    return 0 if result["ok"] else 1


def verdict(hours: float, life: Life, day: Day, memory: dict[float, float], faults: list[str]) -> dict[str, Any]:
    """What became of it; `wrong` says what must not be."""
    counts = Counter(day.endings[name] for name in life.sent)
    settled = [memory[hour] for hour in sorted(memory) if hour >= hours / 2]
    grown = settled[-1] - settled[0]
    energy = [total / frames for total, frames in day.moves.values()]
    part = max(1, len(energy) // 4)
    drift = np.mean(energy[-part:]) / np.mean(energy[:part]) if energy else 1.0
    wrong = [f"{n} utterances ended {times} times" for times, n in counts.items() if times != 1]
    wrong += [f"{day.missing} frames are missing"] * bool(day.missing)
    wrong += [f"it has grown by {grown:.2f} MB"] * (hours >= 6 and grown > GROWS_MB)
    wrong += [f"the face moves {drift:.2f} times as much as in the beginning"] * bool(drift > DRIFTS)
    wrong += [f"{len(faults)} faults, such as {fault}" for fault in faults[:1]]
    return {
        "ok": not wrong,
        "wrong": wrong,
        "hours": hours,
        "frames": day.shown,
        "utterances": len(life.sent),
        "endings": {str(times): n for times, n in counts.items()},
        "missing": day.missing,
        "grown_mb": round(grown, 2),
        "memory_mb": [round(memory[hour], 1) for hour in sorted(memory)],
        "moves_more": round(float(drift), 3),
    }


if __name__ == "__main__":
    raise SystemExit(main())
