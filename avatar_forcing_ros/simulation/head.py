"""Head motion: slow drift of posture, and the beats of speech."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from avatar_forcing_ros.simulation.pulses import FRAME_RATE, Pulse, draw
from avatar_forcing_ros.simulation.talk import Talk

POSE_CHANNELS = ("yaw", "pitch", "roll", "x", "y", "scale")
_VOWELS = frozenset("aeiouyæɑɐɔəɚɛɜɪøœʊʌʉɒ")


@dataclass(frozen=True)
class HeadStatistics:
    """Head motion.

    Attributes:
        drift_std: standard deviation of the slow motion of POSE_CHANNELS while speaking.
        listening_share: the same while silent, as a share. Source: Hadar et al., 1983 (little motion in silence).
        drift_slope: amplitude falls with this power of frequency above `drift_corner_hz`. Source: 1/f spectra of
            postural motion, Duarte and Zatsiorsky, 2000.
        drift_corner_hz: below it the spectrum is flat, so that the head stays around its rest pose.
        drift_limit_hz: no drift above it. Source: Hadar et al., 1983 (slow motion below 1.8 Hz).
        beat_share: chance that a vowel carries a beat of the head. Source: Graf et al., 2002; Munhall et al., 2004.
        beat_rad: median depth of a beat.
        beat_yaw_share: yaw and roll of a beat in units of its depth.
    """

    drift_std: tuple[float, ...] = (0.045, 0.030, 0.026, 0.045, 0.025, 0.012)
    listening_share: float = 0.5
    drift_slope: float = 1.0
    drift_corner_hz: float = 0.06
    drift_limit_hz: float = 1.4
    beat_share: float = 0.28
    beat_rad: float = 0.030
    beat_yaw_share: float = 0.5


def drift(rng: np.random.Generator, frames: int, channels: int, statistics: HeadStatistics) -> NDArray[np.float64]:
    """(T, channels) random motion of unit variance with a 1/f-like amplitude spectrum."""
    padded = frames + 512
    frequency = np.fft.rfftfreq(padded, 1 / FRAME_RATE)[:, None]
    amplitude = np.maximum(frequency, statistics.drift_corner_hz) ** -statistics.drift_slope
    amplitude /= 1 + (frequency / statistics.drift_limit_hz) ** 6
    spectrum = amplitude * (rng.normal(size=(len(frequency), channels, 2)) @ np.array([1, 1j]))
    spectrum[0] = 0
    motion = np.fft.irfft(spectrum, padded, axis=0)
    expected = np.sqrt(2 * 2 * (amplitude[1:] ** 2).sum()) / padded
    return motion[:frames] / expected


def activity(own: Talk, frames: int, statistics: HeadStatistics) -> NDArray[np.float64]:
    """(T,) how much the head moves: one while speaking, `listening_share` in silence, with soft borders."""
    speaking = gaussian_filter1d(own.speaking(FRAME_RATE)[:frames].astype(float), 0.4 * FRAME_RATE)
    return statistics.listening_share + (1 - statistics.listening_share) * speaking


def beats(rng: np.random.Generator, own: Talk, frames: int, statistics: HeadStatistics) -> NDArray[np.float64]:
    """(T, 3) yaw, pitch and roll of the beats of one's own speech."""
    pulses: tuple[list[Pulse], ...] = ([], [], [])
    for item in own.spoken:
        for phoneme in item.phrase.phonemes:
            if phoneme.symbol[:1] in _VOWELS and rng.random() < statistics.beat_share:
                start = item.start_s + phoneme.start_s - 0.08
                depth = statistics.beat_rad * np.exp(rng.normal(0, 0.5)) * (1 if rng.random() < 0.8 else -0.6)
                sides = rng.normal(0, statistics.beat_yaw_share * abs(depth), 2)
                for axis, size in enumerate((sides[0], depth, sides[1])):
                    pulses[axis].append(Pulse(start, 0.14, 0.04, 0.28, float(np.clip(size, -0.12, 0.12))))
    return np.stack([draw(axis, frames) for axis in pulses], axis=1)


def simulate_head(
    rng: np.random.Generator, own: Talk, frames: int, statistics: HeadStatistics | None = None
) -> NDArray[np.float64]:
    """(T, 6) head pose of one person in POSE_CHANNELS, around zero."""
    statistics = statistics or HeadStatistics()
    pose = drift(rng, frames, 6, statistics) * statistics.drift_std * activity(own, frames, statistics)[:, None]
    pose[:, :3] += beats(rng, own, frames, statistics)
    return pose
