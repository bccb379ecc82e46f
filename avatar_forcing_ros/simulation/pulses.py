# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Smooth pulses on the frame grid: what a smile, a raised brow, a blink or a nod looks like over time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.signals import FPS


@dataclass(frozen=True)
class Pulse:
    """A movement away from rest and back.

    Attributes:
        start_s: when it begins to rise.
        rise_s: duration of the rise.
        hold_s: duration of the plateau.
        fall_s: duration of the return.
        size: height of the plateau.
        felt: whether a smile reaches the eyes; polite smiles do not. Source: Ekman and Friesen, 1982.
    """

    start_s: float
    rise_s: float
    hold_s: float
    fall_s: float
    size: float
    felt: bool = False

    @property
    def end_s(self) -> float:
        """When it is back at rest."""
        return self.start_s + self.rise_s + self.hold_s + self.fall_s


def frame_times(frames: int) -> NDArray[np.float64]:
    """(T,) time of each frame's middle in seconds."""
    return (np.arange(frames, dtype=np.float64) + 0.5) / FPS


def smooth_step(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """0 below 0, 1 above 1, with zero slope at both."""
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def draw(pulses: Iterable[Pulse], frames: int) -> NDArray[np.float64]:
    """(T,) curve of pulses. Where several overlap, the one furthest from rest counts."""
    times, out = frame_times(frames), np.zeros(frames)
    for pulse in pulses:
        first = max(0, int(pulse.start_s * FPS) - 1)
        last = max(first, min(frames, int(pulse.end_s * FPS) + 2))
        local = times[first:last] - pulse.start_s
        falling = (local - pulse.rise_s - pulse.hold_s) / pulse.fall_s
        shape = pulse.size * smooth_step(local / pulse.rise_s) * (1 - smooth_step(falling))
        part = out[first:last]
        out[first:last] = np.where(np.abs(shape) > np.abs(part), shape, part)
    return out


def nod(frames: int, start_s: float, cycles: float, rate_hz: float, size: float) -> NDArray[np.float64]:
    """(T,) a head nod: down and back `cycles` times at `rate_hz`, each time half as deep as before."""
    local = frame_times(frames) - start_s
    inside = (local >= 0) & (local <= cycles / rate_hz)
    depth = size * 0.5 ** np.floor(np.clip(local * rate_hz, 0, cycles))
    return np.where(inside, depth * (1 - np.cos(2 * np.pi * rate_hz * local)) / 2, 0.0)


def poisson_times(rng: np.random.Generator, duration_s: float, per_minute: float, least_gap_s: float) -> list[float]:
    """Random times at a mean rate, never closer than `least_gap_s`."""
    times: list[float] = []
    mean_gap = max(0.05, 60 / per_minute - least_gap_s)
    now = float(rng.exponential(mean_gap))
    while now < duration_s:
        times.append(now)
        now += least_gap_s + float(rng.exponential(mean_gap))
    return times
