# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What one person says, and when, on the clock of the conversation."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.simulation.phrases import SAMPLE_RATE, Phrase


@dataclass(frozen=True)
class Spoken:
    """A phrase and its time.

    Attributes:
        start_s: when it begins.
        phrase: what is said.
        turn_start: whether it is the first phrase of a turn.
        turn_end: whether it is the last phrase of a turn.
        backchannel: whether it is a backchannel, which is no turn.
        laugh: whether it is laughter, which is no turn.
    """

    start_s: float
    phrase: Phrase
    turn_start: bool = False
    turn_end: bool = False
    backchannel: bool = False
    laugh: bool = False

    @property
    def end_s(self) -> float:
        """When the last sound ends."""
        return self.start_s + self.phrase.duration_s


@dataclass(frozen=True)
class Talk:
    """Everything that one person says during `duration_s`, in order."""

    duration_s: float
    spoken: tuple[Spoken, ...] = field(default=())

    def sound(self) -> NDArray[np.float32]:
        """(N,) float32 samples at 16 kHz, exactly zero between phrases."""
        out = np.zeros(round(self.duration_s * SAMPLE_RATE), np.float32)
        for item in self.spoken:
            begin = round(item.start_s * SAMPLE_RATE)
            piece = item.phrase.samples[: max(0, len(out) - begin)]
            out[begin : begin + len(piece)] += piece
        return out

    def speaking(self, rate_hz: float) -> NDArray[np.bool_]:
        """(N,) whether the person speaks, sampled at `rate_hz`."""
        out = np.zeros(round(self.duration_s * rate_hz), bool)
        for item in self.spoken:
            out[int(item.start_s * rate_hz) : int(np.ceil(item.end_s * rate_hz))] = True
        return out

    @property
    def turns(self) -> tuple[Spoken, ...]:
        """Phrases that are neither backchannels nor laughter."""
        return tuple(item for item in self.spoken if not (item.backchannel or item.laugh))

    @property
    def backchannels(self) -> tuple[Spoken, ...]:
        """Backchannels."""
        return tuple(item for item in self.spoken if item.backchannel)

    @property
    def laughs(self) -> tuple[Spoken, ...]:
        """Bouts of laughter."""
        return tuple(item for item in self.spoken if item.laugh)
