# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What happens to utterances while they are presented."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Playback(Enum):
    """What happened to an utterance."""

    STARTED = "started"
    FINISHED = "finished"
    INTERRUPTED = "interrupted"
    STALLED = "stalled"
    REFUSED = "refused"


@dataclass(frozen=True)
class PlaybackEvent:
    """An event of an utterance at `stamp_ns` (presentation time), after `position_ns` of it had been presented.

    `reason` says why part of it is not presented, if that is the publisher's mistake.
    """

    stamp_ns: int
    utterance_id: str
    kind: Playback
    position_ns: int
    reason: str = ""
