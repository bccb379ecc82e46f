# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Does the user want to speak while the avatar does? Decided on frames of the user's sound: a replay decides alike."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.audio.voice_activity import VoiceActivity, VoiceActivityConfig

FRAME_SAMPLES = VoiceActivityConfig().frame_samples


@dataclass(frozen=True)
class BargeInConfig:
    """When the user's voice interrupts the avatar.

    Attributes:
        enabled: whether the user's voice interrupts; if not, only the dialogue manager does.
        voice_frames: number of 40-ms frames with voice that interrupt.
        window_frames: number of newest frames to look at; more than `voice_frames` bridges gaps between syllables.
        probability: speech probability from which a frame counts as voice.
        level_dbfs: quieter frames do not count as voice: people elsewhere in the room, remains of the avatar's echo.
    """

    enabled: bool = False
    voice_frames: int = field(default=4, metadata={"range": (1, 50)})
    window_frames: int = field(default=6, metadata={"range": (1, 50)})
    probability: float = field(default=0.5, metadata={"range": (0.0, 1.0)})
    level_dbfs: float = field(default=-50.0, metadata={"range": (-120.0, 0.0)})

    def __post_init__(self) -> None:
        if not 1 <= self.voice_frames <= self.window_frames:
            raise ValueError(
                f"1 <= voice_frames <= window_frames must hold, got {self.voice_frames} and {self.window_frames}"
            )
        if not 0 < self.probability < 1:
            raise ValueError(f"probability must be within 0 and 1, got {self.probability}")


class BargeIn:
    """Listens to one user, whose sound is free of the avatar's own.

    Raises:
        ImportError: voice activity is not installed.
    """

    def __init__(self, config: BargeInConfig, activity: VoiceActivity | None = None) -> None:
        self.config = config
        self._activity = activity or VoiceActivity()
        self._voice: deque[bool] = deque(maxlen=config.window_frames)

    def push(self, sound: NDArray[np.float32]) -> None:
        """The next (N,) samples at 16 kHz, whole frames of 640."""
        probability = self._activity.push(sound).probability
        level = sound.reshape(-1, FRAME_SAMPLES).std(1, dtype=np.float64)  # cheap microphones add a constant
        loud = level >= 10 ** (self.config.level_dbfs / 20)
        self._voice.extend((loud & (probability >= self.config.probability)).tolist())

    def forget(self) -> None:
        """What was heard so far interrupts nothing: the avatar is not speaking."""
        self._voice.clear()

    @property
    def wanted(self) -> bool:
        """The user has spoken for long enough since `forget`."""
        return sum(self._voice) >= self.config.voice_frames
