# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Finds where a user's turn begins, pauses and ends, from voice activity and from whether the words sound finished."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.audio.resample import Resampler
from avatar_forcing_ros.audio.voice_activity import VoiceActivity, VoiceActivityConfig
from avatar_forcing_ros.signals import AudioChunk

Sound = NDArray[np.float32]
FRAME_SAMPLES = VoiceActivityConfig().frame_samples
FRAME_MS = 40
SAMPLE_RATE = 16_000

_OPEN_ENDS = frozenset({
    "a", "an", "the", "my", "your", "his", "her", "our", "their", "this", "that's", "i'm", "i", "am", "is",
    "are", "was", "and", "or", "but", "because", "so", "if", "when", "while", "that", "which", "who", "to",
    "of", "in", "on", "at", "for", "from", "with", "about", "like", "as", "than", "um", "uh", "er", "well",
})  # fmt: skip
"""English words after which people continue; a sentence that ends with one is rarely finished."""


@dataclass(frozen=True)
class TurnConfig:
    """When the user's turn begins and ends.

    Attributes:
        voice_ms: voice within twice this time begins a turn.
        prepare_ms: pause after which an answer is prepared, silently; it is discarded if the user continues.
        pause_ms: pause that ends a turn whose words sound finished.
        open_pause_ms: pause that ends a turn whose words do not ("I would like to ...").
        longest_ms: a turn is answered after this even without a pause, for example if a radio is on.
        tail_ms: how long the avatar's voice lingers in the room, and on its way, after its last word.
        before_ms: how much sound from before the detected start of a turn belongs to it.
        probability: voice probability from which a frame of 40 ms counts as voice.
        level_dbfs: quieter frames do not count as voice: people elsewhere in the room.
    """

    voice_ms: int = field(default=160, metadata={"range": (40, 2_000)})
    prepare_ms: int = field(default=160, metadata={"range": (40, 5_000)})
    pause_ms: int = field(default=320, metadata={"range": (80, 5_000)})
    open_pause_ms: int = field(default=1_000, metadata={"range": (80, 10_000)})
    longest_ms: int = field(default=30_000, metadata={"range": (1_000, 300_000)})
    tail_ms: int = field(default=400, metadata={"range": (0, 5_000)})
    before_ms: int = field(default=480, metadata={"range": (0, 2_000)})
    probability: float = field(default=0.5, metadata={"range": (0.0, 1.0)})
    level_dbfs: float = field(default=-50.0, metadata={"range": (-120.0, 0.0)})

    def __post_init__(self) -> None:
        if not self.prepare_ms <= self.pause_ms <= self.open_pause_ms:
            raise ValueError(
                "prepare_ms <= pause_ms <= open_pause_ms must hold, got "
                f"{self.prepare_ms}, {self.pause_ms} and {self.open_pause_ms}"
            )


class Moment(Enum):
    """A change in a turn."""

    BEGAN = "began"
    PAUSED = "paused"
    """The user has paused for long enough to prepare an answer."""
    WENT_ON = "went on"
    """The user has continued after PAUSED."""
    ENDED = "ended"


class Microphone:
    """Turns a user's microphone into frames of 40 ms at 16 kHz, each marked as with or without voice."""

    def __init__(self, config: TurnConfig) -> None:
        self._config = config
        self._resampler = Resampler(SAMPLE_RATE)
        self._activity = VoiceActivity()
        self._pending = np.zeros(0, np.float32)

    def push(self, chunk: AudioChunk) -> list[tuple[Sound, bool]]:
        """The frames that a chunk completes, each (640,) with whether it contains voice."""
        if chunk.sample_rate != self._resampler.rate:
            self._resampler = Resampler(chunk.sample_rate)
        samples = self._resampler.push(chunk.samples)
        probabilities = self._activity.push(samples).probability
        self._pending = np.concatenate([self._pending, samples])
        cut = len(probabilities) * FRAME_SAMPLES
        frames = self._pending[:cut].reshape(-1, FRAME_SAMPLES)
        self._pending = self._pending[cut:]
        floor = 10 ** (self._config.level_dbfs / 20)
        loud = frames.std(1, dtype=np.float64) >= floor  # ignores the constant offset of cheap microphones
        return list(zip(frames, (loud & (probabilities >= self._config.probability)).tolist(), strict=True))


class Turns:
    """Follows one user's turns, frame by frame.

    Attributes:
        open_ended: set it during a pause if the words do not sound finished, to wait longer.
        speaking: whether a turn has begun and has not ended.
    """

    def __init__(self, config: TurnConfig) -> None:
        self._config = config
        self._recent: deque[bool] = deque(maxlen=2 * config.voice_ms // FRAME_MS)
        self.forget()

    def forget(self) -> None:
        """Start again, with nobody speaking."""
        self._recent.clear()
        self.open_ended = self.speaking = self._paused = False
        self._silent_ms = self._length_ms = 0

    def interrupt(self) -> None:
        """Begin a turn, because the user is known to speak."""
        self.forget()
        self.speaking = True

    def push(self, voice: bool) -> Moment | None:
        """Take the next 40 ms; returns the change that they bring, if any."""
        if not self.speaking:
            return self._begin(voice)
        self._length_ms += FRAME_MS
        self._silent_ms = 0 if voice else self._silent_ms + FRAME_MS
        pause_ms = self._config.open_pause_ms if self.open_ended else self._config.pause_ms
        if self._silent_ms >= pause_ms or self._length_ms >= self._config.longest_ms:
            self.forget()
            return Moment.ENDED
        if voice and self._paused:
            self._paused = self.open_ended = False
            return Moment.WENT_ON
        if self._silent_ms >= self._config.prepare_ms and not self._paused:
            self._paused = True
            return Moment.PAUSED
        return None

    def _begin(self, voice: bool) -> Moment | None:
        self._recent.append(voice)
        if sum(self._recent) * FRAME_MS < self._config.voice_ms:
            return None
        self.interrupt()
        return Moment.BEGAN


def sounds_finished(text: str) -> bool:
    """Whether words could be a whole turn; False for no words."""
    words = text.lower().rstrip(".?! ").split()
    return bool(words) and words[-1] not in _OPEN_ENDS and not text.rstrip().endswith((",", "..."))
