# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The way from the loudspeaker to the microphone, learnt while the avatar speaks, and how far it can be trusted.

A partitioned frequency-domain Kalman filter: the echo path is a long filter, cut into partitions of one block; each
coefficient has a variance that says how uncertain it is. The step of every coefficient follows from its variance, from
the sound presented and from everything else in the microphone, so the user's voice slows learning down instead of
spoiling it, and the same variances tell how much echo is still left after subtraction.

The published filter takes coefficients for independent of each other. Speech makes them depend on each other, and the
filter soon trusts itself too much: measured on simulated rooms, residual echo was 5 to 15 dB above its own estimate,
and learning stopped early. Here a step makes coefficients certain at a quarter of the published speed (`certainty`),
and the path is taken to change a little all the time; the estimate then holds within 3 dB, and the echo sinks faster.

Source: F. Kuech, E. Mabande, G. Enzner, "State-space architecture of the partitioned-block-based acoustic echo
controller", ICASSP 2014.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, rfft

Block = NDArray[np.float32]
_SILENT = 1e-9  # energy in the whole reach below which nothing was presented
_FLOOR = 1e-6  # energy of a spectrum's bin that a microphone has in silence
_LEAST_VARIANCE = 1e-10


@dataclass(frozen=True)
class EchoPathConfig:
    """How the path is learnt.

    Attributes:
        block_samples: samples per step at 16 kHz; shorter learns faster and costs more.
        reach_ms: length of the path: delay and reverberation together.
        assumed_db: level of the echo, relative to the avatar's speech, that is assumed before anything was heard.
        certainty: share of the certainty that a step would bring were all coefficients independent.
        persistence: share of the path that stays the same from step to step; lower follows changes faster.
        memory: share of the old value, per step, in the estimated level of everything that is not echo.
    """

    block_samples: int = field(default=320, metadata={"range": (16, 640)})
    reach_ms: int = field(default=600, metadata={"range": (1, 5000)})
    assumed_db: float = field(default=-5.0, metadata={"range": (-60.0, 40.0)})
    certainty: float = field(default=0.25, metadata={"range": (0.0, 1.0)})
    persistence: float = field(default=0.997, metadata={"range": (0.0, 1.0)})
    memory: float = field(default=0.8, metadata={"range": (0.0, 1.0)})

    def __post_init__(self) -> None:
        if self.reach_ms * 16 < self.block_samples:
            raise ValueError(f"reach_ms must be at least {self.block_samples // 16}, got {self.reach_ms}")
        for name in ("certainty", "persistence", "memory"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} must be within 0 and 1, got {getattr(self, name)}")

    @property
    def partitions(self) -> int:
        """Blocks in the reach."""
        return -(-self.reach_ms * 16 // self.block_samples)


@dataclass(frozen=True)
class Residual:
    """A block after subtraction.

    Attributes:
        samples: (B,).
        energy: (K,) of the samples in K bands from 100 Hz to 8 kHz.
        echo: (K,) what of it may be left of the echo, as far as the path is known.
    """

    samples: Block
    energy: NDArray[np.float32]
    echo: NDArray[np.float32]


class EchoPath:
    """Estimate of one echo path; B samples a block, P partitions, F = B + 1 frequencies."""

    def __init__(self, config: EchoPathConfig | None = None) -> None:
        self.config = config or EchoPathConfig()
        shape = (self.config.partitions, self.config.block_samples + 1)
        self._path = np.zeros(shape, np.complex64)
        self._variance = np.full(shape, 10 ** (self.config.assumed_db / 10) / self.config.partitions, np.float32)
        self._presented = np.zeros(shape, np.complex64)  # spectra of the sound presented, newest first
        self._power = np.zeros(shape, np.float32)  # of the same
        self._other = np.full(shape[1], 1e-3, np.float32)  # energy of all that is no echo
        self._newest = np.zeros(self.config.block_samples, np.float32)
        self._bands = _band_starts(self.config.block_samples)

    def present(self, block: Block) -> None:
        """The next (B,) samples go to the loudspeaker."""
        spectrum = rfft(np.concatenate([self._newest, block]))
        self._presented = np.concatenate([spectrum[None], self._presented[:-1]])
        self._power = np.concatenate([_energy(spectrum)[None], self._power[:-1]])
        self._newest = block

    def subtract(self, heard: Block) -> Residual | None:
        """The (B,) samples of the microphone that belong to the newest block, without their echo; then learn.

        Returns:
            None when nothing was presented within the reach.
        """
        if self._power.sum() < _SILENT:
            return None
        size = self.config.block_samples
        echo = irfft((self._path * self._presented).sum(0))[size:]
        samples = np.where(heard == 0, np.float32(0), heard - echo)  # exact zeros fill gaps: there is no echo in them
        error = rfft(np.concatenate([np.zeros(size, np.float32), samples]))
        left = 0.5 * (self._variance * self._power).sum(0)  # half: the block is half of its window
        self._learn(error, left)
        return Residual(samples, np.add.reduceat(_energy(error), self._bands), np.add.reduceat(left, self._bands))

    def _learn(self, error: NDArray[np.complex64], left: Block) -> None:
        """One Kalman step: every coefficient moves by what it may have to do with the error."""
        energy, config = _energy(error), self.config
        other = np.maximum(energy - left, 0.1 * energy)
        self._other = config.memory * self._other + (1 - config.memory) * other + np.float32(_FLOOR)
        gain = self._variance / (left + self._other)
        step = irfft(gain * self._presented.conj() * error, axis=1)
        step[:, config.block_samples :] = 0  # a partition is one block long
        self._path += rfft(step, axis=1)
        kept = config.persistence**2
        self._variance *= kept * (1 - 0.5 * config.certainty * gain * self._power)
        self._variance += (1 - kept) * _energy(self._path)
        np.maximum(self._variance, _LEAST_VARIANCE, out=self._variance)


def _band_starts(block: int) -> NDArray[np.intp]:
    """First frequency of each band: 50 Hz wide where the pitch of voices lies, above 500 Hz half an octave and more."""
    hertz = np.concatenate([np.arange(100, 500, 50), np.geomspace(500, 8000, 8)[:-1]])
    return np.unique(np.rint(hertz / 8000 * block).astype(np.intp))


def _energy(spectrum: NDArray[np.complex64]) -> Block:
    return spectrum.real**2 + spectrum.imag**2
