"""Does one face answer the other: rate, delay and false alarms of events such as smiles and nods."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Reaction:
    """How events are answered.

    Attributes:
        rate: share of events that were answered in time; NaN without events.
        median_delay_s: from onset to onset; NaN without answers.
        false_per_minute: onsets that follow no event.
    """

    rate: float
    median_delay_s: float
    false_per_minute: float


@dataclass(frozen=True)
class ReactionConfig:
    """What counts as an answer.

    Attributes:
        rise: an onset is where a signal has risen by this much within `rise_s`.
        rise_s: see `rise`.
        earliest_s: an answer does not come sooner after the event's onset.
        latest_s: nor later.
        frame_rate: of the signals in Hz.
    """

    rise: float = 0.12
    rise_s: float = 0.6
    earliest_s: float = 0.0
    latest_s: float = 1.6
    frame_rate: float = 25.0


def onsets(signal: NDArray, config: ReactionConfig) -> NDArray[np.float64]:
    """Times in seconds at which a (T,) signal has risen clearly: one per rise, where half of `rise` is reached."""
    window = round(config.rise_s * config.frame_rate)
    times, frame = [], 0
    while frame < len(signal) - 1:
        piece = signal[frame : frame + window + 1]
        if piece.max() - piece[0] >= config.rise:
            times.append((frame + int(np.argmax(piece >= piece[0] + 0.5 * config.rise))) / config.frame_rate)
            frame = _summit(signal, frame, window)
        else:
            frame += 1
    return np.array(times)


def _summit(signal: NDArray, frame: int, window: int) -> int:
    """The frame at which a rise ends: nothing higher follows within `window`."""
    while (ahead := int(np.argmax(signal[frame : frame + window + 1]))) > 0:
        frame += ahead
    return frame + 1


def reaction(
    events_s: NDArray, answers_s: NDArray, duration_s: float, config: ReactionConfig | None = None
) -> Reaction:
    """Match answers to events: each event takes the first answer in its time, each answer serves one event.

    Args:
        events_s: onsets of the events, ascending.
        answers_s: onsets of the other face, ascending.
        duration_s: length of the signals.
        config: what counts as an answer.

    Source: response rate and latency of mimicry as in Heerey and Crossley, 2013.
    """
    config = config or ReactionConfig()
    free, delays = list(answers_s), []
    for event in events_s:
        answer = next((a for a in free if config.earliest_s <= a - event <= config.latest_s), None)
        if answer is not None:
            free.remove(answer)
            delays.append(answer - event)
    return Reaction(
        rate=len(delays) / len(events_s) if len(events_s) else float("nan"),
        median_delay_s=float(np.median(delays)) if delays else float("nan"),
        false_per_minute=60 * len(free) / duration_s,
    )
