# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Head motion: slow drift, shifts of posture, and the beats of speech."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from avatar_forcing_ros.signals import FPS
from avatar_forcing_ros.simulation.phrases import SAMPLE_RATE, Phoneme, Phrase
from avatar_forcing_ros.simulation.pulses import Pulse, draw, frame_times, poisson_times, smooth_step
from avatar_forcing_ros.simulation.talk import Talk

POSE_CHANNELS = ("yaw", "pitch", "roll", "x", "y", "scale")
_VOWELS = frozenset("aeiouyæɑɐɔəɚɛɜɪøœʊʌʉɒ")


@dataclass(frozen=True)
class HeadStatistics:
    """Statistics of head motion.

    Attributes:
        drift_std: standard deviation of the slow motion of POSE_CHANNELS while speaking.
        listening_share: how much of it remains while silent. Source: Hadar et al., 1983 (little motion in silence).
        drift_slope: above `drift_corner_hz`, amplitude falls with this power of frequency. Source: 1/f spectra of
            postural motion, Duarte and Zatsiorsky, 2000.
        drift_corner_hz: below this the spectrum is flat, so that the head stays near its rest pose.
        drift_limit_hz: there is no drift above this. Source: Hadar et al., 1983 (slow motion below 1.8 Hz).
        beat_share: chance that a vowel carries a beat of the head. Source: Graf et al., 2002; Munhall et al., 2004.
        stressed_share: the same for the loudest third of a phrase's vowels. Source: Graf et al., 2002; Swerts and
            Krahmer, 2010 (beats and brows go with accents).
        brow_share: chance that such a beat comes with raised brows. Source: Flecha-Garcia, 2010.
        beat_rad: median depth of a beat.
        beat_yaw_share: yaw and roll of a beat, relative to its depth.
        shifts_per_minute: rate of posture shifts at any time. Source: Cassell et al., 2001 (most come when the turn
            changes).
        turn_shift_share: chance of a shift when either person begins to speak.
        shift_std: standard deviation of the postures.
        shift_s: least and greatest duration of a shift.
        lean: mean of `scale` while the other speaks; listeners lean in. Source: Trout and Rosenfeld, 1980.
    """

    drift_std: tuple[float, ...] = (0.045, 0.032, 0.034, 0.045, 0.025, 0.014)
    listening_share: float = 0.7
    drift_slope: float = 1.0
    drift_corner_hz: float = 0.06
    drift_limit_hz: float = 1.4
    beat_share: float = 0.12
    stressed_share: float = 0.55
    brow_share: float = 0.22
    beat_rad: float = 0.030
    beat_yaw_share: float = 0.5
    shifts_per_minute: float = 4.0
    turn_shift_share: float = 0.35
    shift_std: tuple[float, ...] = (0.018, 0.026, 0.036, 0.035, 0.02, 0.018)
    shift_s: tuple[float, float] = (0.6, 1.5)
    lean: float = 0.018


def drift(rng: np.random.Generator, frames: int, channels: int, statistics: HeadStatistics) -> NDArray[np.float64]:
    """(T, channels) random motion of unit variance with a 1/f-like amplitude spectrum."""
    padded = frames + 512
    frequency = np.fft.rfftfreq(padded, 1 / FPS)[:, None]
    amplitude = np.maximum(frequency, statistics.drift_corner_hz) ** -statistics.drift_slope
    amplitude /= 1 + (frequency / statistics.drift_limit_hz) ** 6
    spectrum = amplitude * (rng.normal(size=(len(frequency), channels, 2)) @ np.array([1, 1j]))
    spectrum[0] = 0
    motion = np.fft.irfft(spectrum, padded, axis=0)
    expected = np.sqrt(2 * 2 * (amplitude[1:] ** 2).sum()) / padded
    return motion[:frames] / expected


def activity(own: Talk, frames: int, statistics: HeadStatistics) -> NDArray[np.float64]:
    """(T,) how much the head moves: 1 while speaking, `listening_share` in silence, with soft transitions."""
    speaking = gaussian_filter1d(own.speaking(FPS)[:frames].astype(float), 0.4 * FPS)
    return statistics.listening_share + (1 - statistics.listening_share) * speaking


def postures(
    rng: np.random.Generator, own: Talk, other: Talk, frames: int, statistics: HeadStatistics
) -> NDArray[np.float64]:
    """(T, 6) where the head rests. Each shift moves it to a new place; most come when the turn changes."""
    s, times = statistics, frame_times(frames)
    shifts = [(t, False) for t in poisson_times(rng, own.duration_s, s.shifts_per_minute, least_gap_s=2.0)]
    for talk, listens in ((other, True), (own, False)):
        starts = [i.start_s for i in talk.turns if i.turn_start and rng.random() < s.turn_shift_share]
        shifts += [(start + rng.uniform(0.1, 0.6), listens) for start in starts]
    place = rng.normal(0, s.shift_std)
    out = np.tile(place, (frames, 1))
    for start, listens in sorted(shifts):
        target = rng.normal(0, s.shift_std) + (np.array([0, 0, 0, 0, 0, s.lean]) if listens else 0)
        out += smooth_step((times - start) / rng.uniform(*s.shift_s))[:, None] * (target - place)
        place = target
    return out


@dataclass(frozen=True)
class Beats:
    """Beats of one's own speech: `motion` (T, 3), in yaw, pitch and roll, and the `brows` raised with some of them."""

    motion: NDArray[np.float64]
    brows: tuple[Pulse, ...]


def beats(rng: np.random.Generator, own: Talk, frames: int, statistics: HeadStatistics) -> Beats:
    """Beats of the head on vowels, mostly on loud ones."""
    pulses: tuple[list[Pulse], ...] = ([], [], [])
    brows = []
    for item in own.spoken:
        vowels = [phoneme for phoneme in item.phrase.phonemes if phoneme.symbol[:1] in _VOWELS]
        levels = np.array([_level(item.phrase, vowel) for vowel in vowels])
        stressed = levels >= np.quantile(levels, 2 / 3) if len(levels) else levels
        for phoneme, stress in zip(vowels, stressed, strict=True):
            if rng.random() < (statistics.stressed_share if stress else statistics.beat_share):
                start = item.start_s + phoneme.start_s - 0.08
                depth = statistics.beat_rad * np.exp(rng.normal(0, 0.5)) * (1 if rng.random() < 0.8 else -0.6)
                sides = rng.normal(0, statistics.beat_yaw_share * abs(depth), 2)
                for axis, size in enumerate((sides[0], depth, sides[1])):
                    pulses[axis].append(Pulse(start, 0.14, 0.04, 0.28, float(np.clip(size, -0.12, 0.12))))
                if stress and rng.random() < statistics.brow_share:
                    brows.append(Pulse(start - 0.04, 0.2, 0.12, 0.35, float(rng.uniform(0.2, 0.6))))
    return Beats(np.stack([draw(axis, frames) for axis in pulses], axis=1), tuple(brows))


def _level(phrase: Phrase, phoneme: Phoneme) -> float:
    """Mean power of a speech sound."""
    piece = phrase.samples[int(phoneme.start_s * SAMPLE_RATE) : int(phoneme.end_s * SAMPLE_RATE)]
    return float((piece**2).mean()) if len(piece) else 0.0


@dataclass(frozen=True)
class Head:
    """Head motion: `pose` (T, 6) in POSE_CHANNELS, around zero, and the `brows` raised with beats of the head."""

    pose: NDArray[np.float64]
    brows: tuple[Pulse, ...]


def simulate_head(
    rng: np.random.Generator, own: Talk, other: Talk, frames: int, statistics: HeadStatistics | None = None
) -> Head:
    """Head motion of one person who speaks and listens."""
    statistics = statistics or HeadStatistics()
    pose = drift(rng, frames, 6, statistics) * statistics.drift_std * activity(own, frames, statistics)[:, None]
    pose += postures(rng, own, other, frames, statistics)
    made = beats(rng, own, frames, statistics)
    pose[:, :3] += made.motion
    return Head(pose, made.brows)
