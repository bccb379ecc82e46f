# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Eyes: when people blink, and where they look while they speak and listen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.signals import FPS
from avatar_forcing_ros.simulation.pulses import Pulse, draw, frame_times, poisson_times
from avatar_forcing_ros.simulation.talk import Talk


@dataclass(frozen=True)
class BlinkStatistics:
    """Statistics of blinking.

    Attributes:
        free_per_minute: blinks without an external cause. All causes together give about 20 a minute, between rest (17)
            and conversation (26). Source: Bentivoglio et al., 1997.
        own_phrase_end_share: chance of a blink at the end of one's own phrase. Source: Nakano and Kitazawa, 2010.
        other_phrase_end_share: the same after the end of the other's phrase, `other_delay_s` later. Source: same.
        other_delay_s: least and greatest delay of that blink.
        gaze_shift_share: chance that a shift of gaze comes with a blink. Source: Evinger et al., 1994.
        closing_s, hold_s, opening_s: phases of one blink. Source: VanderWerf et al., 2003; Caffier et al., 2003.
        least_gap_s: shortest time between two blinks.
    """

    free_per_minute: float = 13.0
    own_phrase_end_share: float = 0.25
    other_phrase_end_share: float = 0.18
    other_delay_s: tuple[float, float] = (0.3, 0.55)
    gaze_shift_share: float = 0.15
    closing_s: float = 0.09
    hold_s: float = 0.06
    opening_s: float = 0.18
    least_gap_s: float = 0.7


@dataclass(frozen=True)
class GazeStatistics:
    """Statistics of gaze, toward the other (zero) and away.

    Attributes:
        listening_share: share of time spent looking at the other while listening. Source: Argyle and Cook, 1976 (75 %).
        speaking_share: the same while speaking (41 % there; more here, since a screen invites looking).
        look_s: mean length of a look. Source: Binetti et al., 2016 (3.3 s preferred).
        turn_start_share: chance of looking away when a turn starts. Source: Kendon, 1967.
        turn_start_s: least and greatest length of that look.
        side: least and greatest deviation to the side, as a share of the full range.
        up_down: least and greatest deviation downwards, likewise.
        jitter: standard deviation of small eye movements.
    """

    listening_share: float = 0.82
    speaking_share: float = 0.62
    look_s: float = 3.3
    turn_start_share: float = 0.55
    turn_start_s: tuple[float, float] = (0.6, 1.8)
    side: tuple[float, float] = (0.2, 0.6)
    up_down: tuple[float, float] = (-0.2, 0.35)
    jitter: float = 0.015


@dataclass(frozen=True)
class Gaze:
    """Gaze over time: `curve` (T, 2), horizontal and vertical, and the times at which it jumps."""

    curve: NDArray[np.float64]
    shifts_s: tuple[float, ...]


def _aversions(rng: np.random.Generator, own: Talk, statistics: GazeStatistics) -> list[tuple[float, float]]:
    """Times during which the person looks away."""
    spans = []
    for turn in own.turns:
        if turn.turn_start and rng.random() < statistics.turn_start_share:
            start = turn.start_s - rng.uniform(0.0, 0.3)
            spans.append((start, min(start + rng.uniform(*statistics.turn_start_s), turn.end_s)))
    speaking = own.speaking(FPS)
    now = float(rng.exponential(statistics.look_s))
    while now < own.duration_s:
        busy = speaking[min(int(now * FPS), len(speaking) - 1)]
        share = statistics.speaking_share if busy else statistics.listening_share
        away = float(np.clip(rng.exponential(statistics.look_s * (1 - share) / share), 0.3, 3.0))
        spans.append((now, now + away))
        now += away + 0.4 + float(rng.exponential(statistics.look_s))
    ends = [item.end_s for item in own.turns if item.turn_end]
    return [span for span in spans if not any(span[0] < end < span[1] for end in ends)]


def simulate_gaze(rng: np.random.Generator, own: Talk, frames: int, statistics: GazeStatistics | None = None) -> Gaze:
    """Where a person looks: away at the start of their turns, at the other at the end."""
    statistics = statistics or GazeStatistics()
    times, curve, shifts = frame_times(frames), np.zeros((frames, 2)), []
    for start, end in _aversions(rng, own, statistics):
        side = rng.uniform(*statistics.side) * rng.choice((-1, 1))
        inside = (times >= start) & (times < end)
        curve[inside] = side, rng.uniform(*statistics.up_down)
        shifts += [start, end]
    jitter = np.repeat(rng.normal(0, statistics.jitter, (frames // 8 + 1, 2)), 8, axis=0)[:frames]
    return Gaze(curve + jitter, tuple(shifts))


def blink_times(
    rng: np.random.Generator, own: Talk, other: Talk, gaze: Gaze, statistics: BlinkStatistics
) -> tuple[float, ...]:
    """When a person blinks, in order."""
    times = poisson_times(rng, own.duration_s, statistics.free_per_minute, statistics.least_gap_s)
    times += [i.end_s for i in own.spoken if rng.random() < statistics.own_phrase_end_share]
    delay = statistics.other_delay_s
    times += [i.end_s + rng.uniform(*delay) for i in other.spoken if rng.random() < statistics.other_phrase_end_share]
    times += [shift for shift in gaze.shifts_s if rng.random() < statistics.gaze_shift_share]
    kept: list[float] = []
    for time in sorted(times):
        if not kept or time - kept[-1] >= statistics.least_gap_s:
            kept.append(time)
    return tuple(kept)


def blink_curve(
    times: tuple[float, ...], frames: int, statistics: BlinkStatistics | None = None
) -> NDArray[np.float64]:
    """(T,) closure of the eyelids. Every blink has at least one frame with the eyes fully shut."""
    s = statistics or BlinkStatistics()
    return draw((Pulse(time, s.closing_s, s.hold_s, s.opening_s, 1.0) for time in times), frames)
