# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How loud a speaker is, followed slowly, to bring speech to unit level without ever raising silence.

wav2vec2 was trained on utterances scaled to zero mean and unit variance. In a stream the utterance is not known yet,
and scaling each window by its own variance would turn a quiet room into a storm (forty times louder). So the level is
that of the speech heard lately, and frames without speech leave it as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class SpeechLevelConfig:
    """How the level is followed.

    Attributes:
        initial_dbfs: level assumed before anyone spoke.
        gate_dbfs: quieter frames are not speech; also the lowest level, so nothing quieter reaches unit variance.
        memory_frames: time constant in frames of speech (3 s).
    """

    initial_dbfs: float = -26.0
    gate_dbfs: float = -45.0
    memory_frames: float = 75.0

    def __post_init__(self) -> None:
        if not self.gate_dbfs <= self.initial_dbfs <= 0:
            raise ValueError(f"gate_dbfs <= initial_dbfs <= 0 must hold, got {self.gate_dbfs} and {self.initial_dbfs}")
        if self.memory_frames < 1:
            raise ValueError(f"memory_frames must be at least 1, got {self.memory_frames}")


class SpeechLevel:
    """Running level of one voice."""

    def __init__(self, config: SpeechLevelConfig | None = None) -> None:
        self.config = config or SpeechLevelConfig()
        self._gate = 10 ** (self.config.gate_dbfs / 10)
        self._power = 10 ** (self.config.initial_dbfs / 10)

    @property
    def rms(self) -> float:
        """The level as an amplitude."""
        return float(np.sqrt(self._power))

    def normalize(self, frame: NDArray[np.float32]) -> NDArray[np.float32]:
        """One video frame of sound at unit level: the frame counts first, then it is divided."""
        power = float(np.mean(np.square(frame, dtype=np.float64)))
        if power > self._gate:
            self._power += (power - self._power) / self.config.memory_frames
        return frame / np.float32(self.rms)
