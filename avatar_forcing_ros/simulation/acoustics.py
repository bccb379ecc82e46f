# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a microphone or a speech engine really delivers: random level, colour, room, noise and echo."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from avatar_forcing_ros.simulation.phrases import SAMPLE_RATE

Sound = NDArray[np.float32]


@dataclass(frozen=True)
class AcousticsConfig:
    """Ranges of the augmentation. Levels are root mean squares of speech, in dB against full scale.

    Attributes:
        level_db: least and greatest level of speech.
        colour_share: chance of a coloured frequency response.
        colour_db: standard deviation of its gain in each of eight bands.
        room_share: chance of reverberation.
        room_s: least and greatest reverberation time.
        room_db: least and greatest level of the reverberation.
        noise_share: chance of steady noise.
        noise_db: least and greatest level of the noise against speech.
        burst_per_minute: rate of knocks and bursts of noise, if there is noise.
        codec_share: chance of 8-bit companding and telephone bandwidth.
    """

    level_db: tuple[float, float] = (-42.0, -14.0)
    colour_share: float = 0.6
    colour_db: float = 4.0
    room_share: float = 0.4
    room_s: tuple[float, float] = (0.08, 0.5)
    room_db: tuple[float, float] = (-18.0, -4.0)
    noise_share: float = 0.8
    noise_db: tuple[float, float] = (-45.0, -8.0)
    burst_per_minute: float = 6.0
    codec_share: float = 0.08


def clean_speech_acoustics() -> AcousticsConfig:
    """Acoustics of the avatar's own speech, which mostly comes straight from a speech engine.

    Bursts are rare, because a burst of noise sounds like an `s`, and the mouth should open for the `s`.
    """
    return AcousticsConfig(
        level_db=(-48.0, -14.0), room_share=0.2, room_db=(-24.0, -8.0), noise_share=0.35, noise_db=(-50.0, -14.0),
        burst_per_minute=1.0, codec_share=0.03,
    )  # fmt: skip


def level_of(sound: Sound) -> float:
    """Root mean square of the parts that are not silent."""
    loud = sound[np.abs(sound) > 1e-4]
    return float(np.sqrt(np.mean(loud**2))) if len(loud) > 1000 else 0.05


def _shaped(sound: Sound, gains_db: NDArray[np.float64]) -> Sound:
    """Filter with gains given at eight frequencies from 0 to 8 kHz."""
    half = np.interp(np.linspace(0, 1, 65), np.linspace(0, 1, len(gains_db)) ** 1.5, gains_db)
    kernel = np.fft.fftshift(np.fft.irfft(10 ** (half / 20))) * np.hanning(128)
    return fftconvolve(sound, kernel, mode="same").astype(np.float32)


def _room(rng: np.random.Generator, sound: Sound, config: AcousticsConfig) -> Sound:
    """Add reverberation: the room's response is exponentially decaying noise."""
    duration = rng.uniform(*config.room_s)
    count = int(duration * SAMPLE_RATE)
    tail = rng.normal(size=count) * np.exp(-6.9 * np.arange(count) / count)
    tail *= 10 ** (rng.uniform(*config.room_db) / 20) / np.sqrt((tail**2).sum())
    tail[0] = 1.0
    return fftconvolve(sound, tail)[: len(sound)].astype(np.float32)


def noise(rng: np.random.Generator, count: int) -> Sound:
    """(count,) white, pink or brown noise, sometimes with mains hum or hum alone, of unit root mean square."""
    if rng.random() < 0.2:
        return _mains_hum(rng, count)
    piece = min(count, 10 * SAMPLE_RATE)
    spectrum = np.fft.rfft(rng.normal(size=piece))
    spectrum /= np.maximum(1, np.arange(len(spectrum))) ** rng.choice((0.0, 0.5, 1.0))
    spectrum[: int(40 * piece / SAMPLE_RATE)] = 0
    out = np.resize(np.fft.irfft(spectrum, piece), count)
    if rng.random() < 0.3:
        out = out / out.std() + np.sin(2 * np.pi * rng.uniform(50, 300) * np.arange(count) / SAMPLE_RATE)
    return (out / out.std()).astype(np.float32)


def _mains_hum(rng: np.random.Generator, count: int) -> Sound:
    """(count,) 50 or 60 Hz with falling harmonics, of unit root mean square."""
    phase = 2 * np.pi * float(rng.choice((50.0, 60.0))) * np.arange(count) / SAMPLE_RATE
    fall = rng.uniform(0.7, 2.0)
    out = sum(np.sin(order * phase + rng.uniform(0, 6.3)) / order**fall for order in range(1, 13))
    return (out / np.std(out)).astype(np.float32)


def _bursts(rng: np.random.Generator, count: int, level: float, per_minute: float) -> Sound:
    """Add knocks and bursts of noise."""
    out = np.zeros(count, np.float32)
    for _ in range(rng.poisson(per_minute * count / SAMPLE_RATE / 60)):
        length = int(rng.uniform(0.02, 1.5) * SAMPLE_RATE)
        start = int(rng.integers(0, max(1, count - length)))
        shape = np.exp(-np.arange(length) / (length * rng.uniform(0.1, 1.0)))
        out[start : start + length] += (level * rng.uniform(0.1, 1.0) * shape * noise(rng, length))[: count - start]
    return out


def _telephone(sound: Sound) -> Sound:
    """Telephone band and 8-bit mu-law. Source: ITU-T G.711."""
    companded = np.sign(sound) * np.log1p(255 * np.abs(np.clip(sound, -1, 1))) / np.log(256)
    stepped = np.round(companded * 127) / 127
    return (np.sign(stepped) * (256 ** np.abs(stepped) - 1) / 255).astype(np.float32)


def record(rng: np.random.Generator, sound: Sound, config: AcousticsConfig) -> Sound:
    """(N,) the sound as recorded. Digital silence stays digital silence if there is neither noise nor a room."""
    out = sound
    if rng.random() < config.colour_share:
        out = _shaped(out, rng.normal(0, config.colour_db, 8))
    if rng.random() < config.room_share:
        out = _room(rng, out, config)
    level = 10 ** (rng.uniform(*config.level_db) / 20)
    out = out * (level / level_of(out))
    if rng.random() < config.noise_share:
        noise_level = level * 10 ** (rng.uniform(*config.noise_db) / 20)
        out = out + noise_level * noise(rng, len(out))
        if rng.random() < 0.5:
            out = out + _bursts(rng, len(out), level, config.burst_per_minute)
    if rng.random() < config.codec_share:
        out = _telephone(out)
    return np.clip(out, -1, 1).astype(np.float32)
