# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Is somebody speaking? A probability and a steady yes or no per video frame, from a stream of samples.

The Silero network was chosen over a detector of energy and periodicity by measuring both on recorded and synthetic
voices and on sounds that are no voice. Both find 90 to 99 percent of speech frames, but the hand-made one also called
white and pink noise, tones, chords and clicks speech, and Silero none of them. It costs 1.3 MB and under a
millisecond a frame (`bench/audio.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.audio.silero import WINDOW_SAMPLES, SileroNetwork, SileroState


@dataclass(frozen=True)
class VoiceActivityConfig:
    """Thresholds between speech and the rest.

    Attributes:
        onset: probability at which speech begins.
        release: probability below which a pause begins; lower than `onset`, so that the answer does not flutter.
        hangover_frames: frames of pause before speech counts as over; 8 (320 ms) bridges stops and breaths.
        frame_samples: samples per video frame at 16 kHz.
    """

    onset: float = 0.5
    release: float = 0.35
    hangover_frames: int = 8
    frame_samples: int = 640

    def __post_init__(self) -> None:
        if not 0 < self.release <= self.onset < 1:
            raise ValueError(f"0 < release <= onset < 1 must hold, got release {self.release} and onset {self.onset}")
        if self.hangover_frames < 0 or self.frame_samples < WINDOW_SAMPLES:
            raise ValueError(
                f"hangover_frames must be >= 0 and frame_samples >= {WINDOW_SAMPLES}, got {self.hangover_frames} and "
                f"{self.frame_samples}"
            )


@dataclass(frozen=True)
class VoiceFrames:
    """Voice activity of T frames: `probability` (T,) float32 in [0, 1] and `speaking` (T,) bool with hangover."""

    probability: NDArray[np.float32]
    speaking: NDArray[np.bool_]


class VoiceActivity:
    """Voice activity of one stream at 16 kHz; causal, and the same for any chunking."""

    def __init__(self, config: VoiceActivityConfig | None = None, network: SileroNetwork | None = None) -> None:
        self.config = config or VoiceActivityConfig()
        self._network = network or SileroNetwork()
        self.reset()

    def reset(self) -> None:
        """Forget the stream."""
        self._state = SileroState.initial()
        self._pending = np.zeros(0, np.float32)
        self._until_frame_end = self.config.frame_samples
        self._hangover = 0

    def push(self, samples: NDArray[np.float32]) -> VoiceFrames:
        """Take (N,) samples and return the frames they complete; there may be none."""
        self._pending = np.concatenate([self._pending, samples.astype(np.float32, copy=False)])
        probabilities: list[float] = []
        speaking: list[bool] = []
        while len(self._pending) >= self._until_frame_end:
            probability = self._finish_frame()
            probabilities.append(probability)
            speaking.append(self._decide(probability))
        return VoiceFrames(np.array(probabilities, np.float32), np.array(speaking, np.bool_))

    def _finish_frame(self) -> float:
        """Loudest opinion of the windows that end within the frame: usually one, every fourth time two."""
        opinions = []
        consumed = 0
        while consumed + WINDOW_SAMPLES <= self._until_frame_end:
            window = self._pending[consumed : consumed + WINDOW_SAMPLES]
            opinion, self._state = self._network.step(window, self._state)
            opinions.append(opinion)
            consumed += WINDOW_SAMPLES
        self._pending = self._pending[consumed:]
        self._until_frame_end += self.config.frame_samples - consumed
        return max(opinions)

    def _decide(self, probability: float) -> bool:
        threshold = self.config.release if self._hangover else self.config.onset
        if probability >= threshold:
            self._hangover = self.config.hangover_frames + 1
        else:
            self._hangover = max(0, self._hangover - 1)
        return self._hangover > 0
