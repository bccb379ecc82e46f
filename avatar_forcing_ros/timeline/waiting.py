# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Speech that has arrived and waits for its time, and how much of it may wait."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from avatar_forcing_ros.signals import NANOSECONDS, AudioChunk


@dataclass(frozen=True)
class SpeechLimits:
    """Limits on speech that waits, so that a publisher that never stops cannot fill the robot's memory.

    Attributes:
        waiting_s: seconds of speech that may wait; 0 is unlimited.
        utterances: number of utterances that may wait; 0 is unlimited.
    """

    waiting_s: int = field(default=1800, metadata={"range": (0, 86_400)})
    utterances: int = field(default=200, metadata={"range": (0, 100_000)})

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 0:
                raise ValueError(f"speech_limits.{name} must be at least 0, got {value}")


@dataclass(frozen=True, eq=False)
class Arrived:
    """A chunk that arrived at `received_ns` and is available to blocks decided at or after `counts_ns`."""

    counts_ns: int
    received_ns: int
    chunk: AudioChunk


class WaitingSpeech:
    """Chunks that no utterance has taken up yet.

    Args:
        limits: how much speech may wait.

    Attributes:
        items: the chunks, in order of arrival.
    """

    def __init__(self, limits: SpeechLimits) -> None:
        self._limits = limits
        self.items: list[Arrived] = []
        self._duration_ns = 0
        self._chunks_of: Counter[str] = Counter()

    def add(self, item: Arrived) -> None:
        """Note a chunk that waits from now on."""
        self.items.append(item)
        self._duration_ns += item.chunk.duration_ns
        self._chunks_of[item.chunk.utterance_id] += 1

    def remove(self, item: Arrived) -> None:
        """Note that a chunk waits no more."""
        who = item.chunk.utterance_id
        self.items.remove(item)
        self._duration_ns -= item.chunk.duration_ns
        self._chunks_of[who] -= 1
        if not self._chunks_of[who]:
            del self._chunks_of[who]

    def too_much(self, chunk: AudioChunk, queued_ns: int, queued: set[str]) -> str:
        """Why there is no room for another chunk, or an empty string.

        Args:
            chunk: the chunk.
            queued_ns: how much speech utterances have taken up that is not said yet.
            queued: ids of these utterances.
        """
        most_s, most = self._limits.waiting_s, self._limits.utterances
        wanted_s = (queued_ns + self._duration_ns + chunk.duration_ns) / NANOSECONDS
        if most_s and wanted_s > most_s:
            return (
                f"expected at most {most_s} s of speech to wait, got {wanted_s:.0f} s: "
                "send it when it is nearly its turn, or raise avatar.speech_limits.waiting_s"
            )
        waiting = queued | set(self._chunks_of)
        if most and chunk.utterance_id not in waiting and len(waiting) >= most:
            return (
                f"expected at most {most} utterances to wait, got another one: "
                "send it when it is nearly its turn, or raise avatar.speech_limits.utterances"
            )
        return ""
