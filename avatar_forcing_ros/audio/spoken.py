# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Features of what an avatar is given to say: a sound that lasts and is no voice reads as silence.

Lips that follow the sound tremble in hum and hiss, which operators' microphones and poor synthesisers deliver between
words. A network of voice activity tells them from speech, some frames after it began; so what is pushed together is
judged together, as a block of speech is: a voice anywhere in it is heard from its first sound on, and a sound that has
just begun is heard until it can be judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.audio.log_mel import SILENT_MEAN, LogMelStream
from avatar_forcing_ros.audio.voice_activity import VoiceActivity, VoiceActivityConfig

_VOICE = -1


@dataclass(frozen=True)
class SpokenConfig:
    """When a sound counts as noise.

    Attributes:
        patience_frames: of sound by which it cannot be judged yet.
        quiet_frames: in a row after which a sound begins anew; steady hiss at the threshold is quiet in every other.
        activity: what counts as a voice. More does than in a conversation, whose thresholds keep out other people: here
            noise stays below 0.1, and speech that is half drowned in noise reaches 0.3.
    """

    patience_frames: int = 2
    quiet_frames: int = 12
    activity: VoiceActivityConfig = field(default_factory=lambda: VoiceActivityConfig(onset=0.3, release=0.2))


class SpokenStream:
    """Log-mel features of one stream at 16 kHz, causal but for what is pushed together."""

    def __init__(self, config: SpokenConfig | None = None) -> None:
        self.config = config or SpokenConfig()
        self._features = LogMelStream()
        self._activity = VoiceActivity(self.config.activity)
        self._voiceless = self._quiet = 0  # frames of sound since the last voice or pause, and of the pause

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take (N,) samples and return the rows they complete, (T, F); T may be 0."""
        past, frames = self._features.log_mel.config.past_samples, self._features.cut(samples)
        rows = self._features.features(frames)
        voiceless = [self._count(frame[past:], row) for frame, row in zip(frames, rows, strict=True)]
        rows[self._are_noise(voiceless)] = self._features.log_mel.silence
        return rows

    def _count(self, frame: NDArray[np.float32], row: NDArray[np.float32]) -> int:
        """For how many frames there has been sound without a voice, _VOICE where there is one."""
        void, quiet = not frame.any(), row.mean() < SILENT_MEAN
        if void:  # needs no network, and ends whatever there was
            self._activity.reset()
        elif self._activity.push(frame).speaking[0]:
            self._voiceless = self._quiet = 0
            return _VOICE
        self._quiet = self._quiet + 1 if quiet else 0
        if self._quiet >= (1 if void else self.config.quiet_frames):
            self._voiceless = 0
        elif not quiet:
            self._voiceless += 1
        return self._voiceless

    def _are_noise(self, voiceless: Sequence[int]) -> list[bool]:
        """Of rows that are judged together; a sound by what is known of it at its end."""
        found: list[bool] = []
        after: int | None = None
        for count in reversed(voiceless):
            if after is None or after < count:
                found.append(after != _VOICE and count > self.config.patience_frames)
            else:
                found.append(found[-1])
            after = count
        return found[::-1]


def spoken_frames(samples: NDArray[np.float32], block_frames: int = 4) -> NDArray[np.float32]:
    """Features (T, F) of a whole recording that an avatar says in blocks, (N,) at 16 kHz; T = N // 640."""
    stream, size = SpokenStream(), 640 * block_frames
    return np.concatenate(
        [stream.push(samples[start : start + size]) for start in range(0, max(len(samples), 1), size)]
    )
