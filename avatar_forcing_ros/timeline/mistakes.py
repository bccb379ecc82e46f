# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What publishers of speech get wrong: it is logged once, and complained of for a minute.

A mistake whose meaning is clear is only noted. Speech that is not played is refused, which an event says, too.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass, field
from enum import Enum

from avatar_forcing_ros.signals import NANOSECONDS
from avatar_forcing_ros.timeline.playback import Playback, PlaybackEvent
from avatar_forcing_ros.timeline.utterance import put_newest

_log = logging.getLogger(__name__)
_COMPLAINED_NS = 60 * NANOSECONDS  # a mistake is complained of for so long after it was last made


class Mistake(Enum):
    """Common mistakes of speech publishers; each is reported once, with what happens to the speech and a remedy."""

    UNNUMBERED = "every chunk has the same seq: increase seq within an utterance; they are played as they come"
    ALWAYS_ENDED = "it continues after end_of_utterance: set that on the last chunk only; it is played"
    NO_NEW_ID = "its seq starts again: give every utterance an id of its own; it is played as another utterance"
    NO_NEW_ID_AFTER_INTERRUPT = (
        "it comes again after an interrupt and may be the rest of what was interrupted: "
        "give every utterance an id of its own; it is NOT played"
    )
    BACKWARDS = "its seq goes back: increase seq by one with every chunk; what goes back is NOT played"
    AFTER_ITS_END = (
        "chunks come after its end_of_utterance: set that on the last chunk only; what comes after is NOT played"
    )
    FAR_AHEAD = "its stamp is more than ten minutes ahead, for which it waits: an empty stamp is said at once"
    MIXED = "chunks come after another utterance has begun: send one after the other; what comes late is NOT played"


@dataclass
class Mistakes:
    """What one conversation's publishers got wrong.

    Attributes:
        made: the mistakes, each with the latest utterance that showed it.
        unreadable: what was last refused as unreadable, and why, in one line, or empty.
        now_ns: time of the latest chunk or decision, which its owner sets.
    """

    made: dict[Mistake, str] = field(default_factory=dict)
    unreadable: str = ""
    now_ns: int = 0
    _made_ns: dict[Mistake | None, int] = field(default_factory=dict)  # None: it could not be read
    _told: OrderedDict[str, Mistake | None] = field(default_factory=OrderedDict)
    _events: list[PlaybackEvent] = field(default_factory=list)

    def note(self, mistake: Mistake, utterance_id: str) -> None:
        """Note a mistake; it is logged when it first occurs."""
        is_new, self.made[mistake] = mistake not in self.made, utterance_id
        self._made_ns[mistake] = self.now_ns
        if is_new:
            _log.warning("%s", self.complaint(mistake))

    def refuse(self, mistake: Mistake, utterance_id: str, received_ns: int) -> None:
        """Note a mistake because of which a part that arrived at `received_ns` is not played."""
        self.note(mistake, utterance_id)
        self._tell(mistake, utterance_id, mistake.value, received_ns)

    def refuse_unreadable(self, utterance_id: str, reason: str, received_ns: int) -> None:
        """Note that a part has arrived that cannot be taken, for this reason."""
        self.unreadable = f"speech {_whose(utterance_id)}: {reason}; it is NOT played"
        self.now_ns = self._made_ns[None] = received_ns
        self._tell(None, utterance_id, reason, received_ns)

    def _tell(self, mistake: Mistake | None, utterance_id: str, reason: str, received_ns: int) -> None:
        """Add an event for a part that is not played, once for each mistake in a row of an utterance."""
        if utterance_id not in self._told or self._told[utterance_id] is not mistake:
            put_newest(self._told, utterance_id, mistake)
            self._events.append(PlaybackEvent(received_ns, utterance_id, Playback.REFUSED, 0, reason))

    def forget(self, utterance_id: str) -> None:
        """An utterance of this id has ended: what is refused of another one is told again."""
        self._told.pop(utterance_id, None)

    def take_events(self) -> list[PlaybackEvent]:
        """The REFUSED events since the last call."""
        taken, self._events = self._events, []
        return taken

    def complaints(self) -> list[str]:
        """What went wrong in the last minute, a line for each mistake."""
        lately = [made for made, at_ns in list(self._made_ns.items()) if abs(self.now_ns - at_ns) <= _COMPLAINED_NS]
        return [self.unreadable if mistake is None else self.complaint(mistake) for mistake in lately]

    def complaint(self, mistake: Mistake) -> str:
        """A mistake that has occurred, in one line."""
        return f"speech {_whose(self.made[mistake])}: {mistake.value}"


def _whose(utterance_id: str) -> str:
    return f"of utterance {utterance_id[:80]!r}" if utterance_id else "without utterance_id"
