# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A spoken phrase with the times of its phonemes: the output of speech synthesis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000


@dataclass(frozen=True)
class Phoneme:
    """One speech sound.

    Attributes:
        start_s: when it begins, from the start of the phrase.
        end_s: when it ends.
        symbol: IPA; empty for a pause.
        word_start: whether it is the first of a word.
    """

    start_s: float
    end_s: float
    symbol: str
    word_start: bool = False


@dataclass(frozen=True)
class Phrase:
    """What somebody says in one breath: `samples` (N,) float32 at 16 kHz and its phonemes in order."""

    samples: NDArray[np.float32]
    phonemes: tuple[Phoneme, ...]

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / SAMPLE_RATE


def close_gaps(starts: list[tuple[float, str, bool]], duration_s: float) -> tuple[Phoneme, ...]:
    """Phonemes from (start, symbol, word_start). Each lasts until the next, the last one until the end."""
    ends = [start for start, _, _ in starts[1:]] + [duration_s]
    return tuple(
        Phoneme(start, end, symbol, word)
        for (start, symbol, word), end in zip(starts, ends, strict=True)
        if end > start
    )
