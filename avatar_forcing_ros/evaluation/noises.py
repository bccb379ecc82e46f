# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Sounds without speech, to which the avatar's mouth must not move."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.audio.log_mel import LogMel
from avatar_forcing_ros.bundle import ModelBundle
from avatar_forcing_ros.motion.facemesh.channels import SIZE
from avatar_forcing_ros.simulation.phrases import SAMPLE_RATE
from avatar_forcing_ros.train.streaming import Heard

LEVELS_DBFS = (-60, -45, -30)


def _white(rng: np.random.Generator, samples: int) -> NDArray[np.float64]:
    return rng.standard_normal(samples)


def _pink(rng: np.random.Generator, samples: int) -> NDArray[np.float64]:
    """Noise whose power falls as one over frequency, like the noise of rooms."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    return np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1)), samples)


def _hum(rng: np.random.Generator, samples: int) -> NDArray[np.float64]:
    """Mains hum: 50 Hz and the harmonics that a bad power supply lets through."""
    seconds = np.arange(samples) / SAMPLE_RATE
    waves = [np.sin(2 * np.pi * (50 * k * seconds + rng.random())) / k for k in (1, 2, 3, 4, 6)]
    return np.sum(waves, axis=0)


_KINDS: dict[str, Callable[[np.random.Generator, int], NDArray[np.float64]]] = {
    "white noise": _white,
    "pink noise": _pink,
    "mains hum": _hum,
}


def noises(duration_s: float, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """(N,) samples at 16 kHz by name, of each kind at each level of LEVELS_DBFS (root mean square)."""
    rng = np.random.default_rng(seed)
    out: dict[str, NDArray[np.float32]] = {}
    for name, make in _KINDS.items():
        sound = make(rng, round(duration_s * SAMPLE_RATE))
        sound /= np.sqrt(np.mean(sound**2))
        out |= {f"{name} {level} dBFS": (10 ** (level / 20) * sound).astype(np.float32) for level in LEVELS_DBFS}
    return out


def as_speech(bundle: ModelBundle, sounds: list[NDArray[np.float32]]) -> Heard:
    """Conversations without a user, in which the avatar is given each of these sounds to say."""
    own = np.stack([bundle.make_speech_stream().push(sound) for sound in sounds])
    count, frames = own.shape[:2]
    return Heard(
        avatar_features=own,
        user_features=np.broadcast_to(LogMel().silence, own.shape),
        user_motion=np.zeros((count, frames, SIZE), np.float32),
        user_valid=np.zeros((count, frames), bool),
        reference=np.zeros((count, SIZE), np.float32),
    )
