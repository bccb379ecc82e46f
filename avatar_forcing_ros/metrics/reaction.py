# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether one face answers the other: rate, delay and false alarms of events such as smiles and nods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.signals import FPS


@dataclass(frozen=True)
class OnsetConfig:
    """What counts as the onset of a rise.

    Attributes:
        rise: the signal has risen by this much within `rise_s`.
        rise_s: see `rise`.
    """

    rise: float = 0.12
    rise_s: float = 0.6


@dataclass(frozen=True)
class AnswerTime:
    """When an answer may come, in seconds after the event."""

    earliest_s: float = 0.2
    latest_s: float = 1.6

    @property
    def span_s(self) -> float:
        """How long an answer may take to come, from the earliest to the latest moment."""
        return self.latest_s - self.earliest_s


@dataclass(frozen=True)
class Responses:
    """How the events of one or several conversations were answered.

    Attributes:
        delays_s: one per answered event, from the event to its answer.
        events: how many there were.
        false_alarms: onsets that follow no event.
        free_s: time in which no answer was awaited, and false alarms may occur.
        span_s: length of the time in which an answer to an event is awaited.
    """

    delays_s: tuple[float, ...]
    events: int
    false_alarms: int
    free_s: float
    span_s: float

    @property
    def rate(self) -> float:
        """Share of events that were answered; NaN without events."""
        return len(self.delays_s) / self.events if self.events else float("nan")

    @property
    def median_delay_s(self) -> float:
        """NaN without answers."""
        return float(np.median(self.delays_s)) if self.delays_s else float("nan")

    @property
    def false_per_minute(self) -> float:
        """False alarms per minute of time in which no answer was awaited; NaN without such time."""
        return 60 * self.false_alarms / self.free_s if self.free_s > 0 else float("nan")

    @property
    def rate_beyond_chance(self) -> float:
        """Share of events that were answered, beyond chance: 0 for a face that ignores the other, 1 at best.

        A face that moves `false_per_minute` times without cause does so within the time of an answer with probability
        c = 1 - exp(-span rate); the result is (rate - c) / (1 - c). Source: the correction of Cohen, 1960 (kappa).
        """
        chance = 1 - float(np.exp(-self.span_s * self.false_per_minute / 60))
        return (self.rate - chance) / (1 - chance)


def pool(responses: Sequence[Responses]) -> Responses:
    """All events of several conversations together."""
    return Responses(
        delays_s=tuple(delay for r in responses for delay in r.delays_s),
        events=sum(r.events for r in responses),
        false_alarms=sum(r.false_alarms for r in responses),
        free_s=sum(r.free_s for r in responses),
        span_s=responses[0].span_s,
    )


def onsets(signal: NDArray, config: OnsetConfig | None = None) -> NDArray[np.float64]:
    """Times, in seconds, at which a (T,) signal rises clearly: one per rise, where half of `rise` is reached."""
    config = config or OnsetConfig()
    window = round(config.rise_s * FPS)
    times, frame = [], 0
    while frame < len(signal) - 1:
        piece = signal[frame : frame + window + 1]
        if piece.max() - piece[0] >= config.rise:
            times.append((frame + int(np.argmax(piece >= piece[0] + 0.5 * config.rise))) / FPS)
            frame = _summit(signal, frame, window)
        else:
            frame += 1
    return np.array(times)


def _summit(signal: NDArray, frame: int, window: int) -> int:
    """The frame at which a rise ends: nothing higher follows within `window`."""
    while (ahead := int(np.argmax(signal[frame : frame + window + 1]))) > 0:
        frame += ahead
    return frame + 1


def respond(
    events_s: Sequence[float],
    answers_s: NDArray,
    watched: NDArray[np.bool_],
    time: AnswerTime,
    excused_s: Sequence[float] = (),
) -> Responses:
    """Match answers to events: each event takes the first free answer in its time, each answer serves one event.

    Args:
        events_s: onsets of the events, ascending. An event counts if the whole time of its answer is watched.
        answers_s: onsets of the other face, ascending.
        watched: (T,) whether answers and false alarms count.
        time: when an answer may come.
        excused_s: other occasions, on which an onset is neither an answer nor a false alarm.

    Source: response rate and latency of mimicry as in Heerey and Crossley, 2013.
    """
    counted = [event for event in events_s if _is_watched(watched, event, time)]
    spare = list(answers_s)
    delays = []
    for event in counted:
        answer = next((a for a in spare if time.earliest_s <= a - event <= time.latest_s), None)
        if answer is not None:
            spare.remove(answer)
            delays.append(float(answer - event))
    free = watched & ~_waiting(len(watched), [*events_s, *excused_s], time)
    frames = np.minimum(np.array(spare, np.float64) * FPS, len(watched) - 1).astype(int)
    return Responses(tuple(delays), len(counted), int(free[frames].sum()), float(free.sum() / FPS), time.span_s)


def _frames_of(event_s: float, time: AnswerTime) -> slice:
    begin, end = (round((event_s + after) * FPS) for after in (time.earliest_s, time.latest_s))
    return slice(max(0, begin), max(0, end + 1))


def _is_watched(watched: NDArray[np.bool_], event_s: float, time: AnswerTime) -> bool:
    frames = _frames_of(event_s, time)
    return frames.stop <= len(watched) and bool(watched[frames].all())


def _waiting(frames: int, events_s: Sequence[float], time: AnswerTime) -> NDArray[np.bool_]:
    """(T,) whether an answer to any event is awaited."""
    out = np.zeros(frames, bool)
    for event in events_s:
        out[_frames_of(event, time)] = True
    return out
