# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A session in virtual time, in one thread: the clock jumps to whatever is due next, so an hour takes far less.

Replays, tests and benches run on it. They may charge virtual time for deciding and drawing, so the speed of the machine
is just a number and every run is the same.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

from avatar_forcing_ros.avatar import Avatar
from avatar_forcing_ros.session.clock import VirtualClock
from avatar_forcing_ros.session.outbox import Outbox
from avatar_forcing_ros.session.outlet import Outlet
from avatar_forcing_ros.session.quality import QualityConfig, QualityLadder
from avatar_forcing_ros.session.session import OnError, Session, SessionConfig
from avatar_forcing_ros.signals import NANOSECONDS
from avatar_forcing_ros.timeline.grid import FRAME_NS


class VirtualRun:
    """A session whose time is moved by its caller.

    If several things are due at the same moment, a decision comes first, then presentation, then arrivals.

    Args:
        avatar: an avatar that has not started.
        start_ns: time at which the conversation begins.
        outlet: receives what is presented.
        report: called with errors.
        portrait_sha256: SHA-256 of the portrait's pixels.
        config: configuration of the session.
        quality: what to leave out when the machine cannot keep up.

    Attributes:
        now_ns: the current time.
        session: takes the input.
    """

    def __init__(
        self,
        avatar: Avatar,
        start_ns: int,
        outlet: Outlet,
        report: OnError,
        portrait_sha256: str = "",
        config: SessionConfig | None = None,
        quality: QualityConfig | None = None,
    ) -> None:
        self.now_ns = start_ns
        self._deciding, self._acting = VirtualClock(lambda: self.now_ns), VirtualClock(lambda: self.now_ns)
        self._outbox = Outbox(self._acting)
        block_s = avatar.bundle.manifest.network.block_frames * FRAME_NS / NANOSECONDS
        ladder = QualityLadder(quality or QualityConfig(fixed=0), block_s)
        self.session = Session(avatar, self._deciding, self._outbox, ladder, report, portrait_sha256, config)
        self.session.outlets.append(outlet)
        self._arrivals: list[tuple[int, int, Callable[[], None]]] = []
        self._number = count()
        self.session.turn()  # begins

    def at(self, time_ns: int, act: Callable[[], None]) -> None:
        """Schedule an action, such as the arrival of a message, for a time."""
        heapq.heappush(self._arrivals, (time_ns, next(self._number), act))

    def run_until(self, time_ns: int) -> None:
        """Move to a time, and take up what has arrived by then."""
        self._pass(time_ns, decides=True)
        self.session.advance()

    def set_clock(self, time_ns: int) -> None:
        """Be at another time at once; arrivals that were scheduled for another one never come."""
        self.now_ns = time_ns
        self._arrivals.clear()
        for clock in (self._deciding, self._acting):
            clock.wake()  # as waiting threads are, when a clock goes back

    def spend(self, duration_ns: int) -> None:
        """Let time pass during a decision; messages still arrive and things are still presented."""
        self._pass(self.now_ns + duration_ns, decides=False)

    def _pass(self, until_ns: int, decides: bool) -> None:
        while True:
            decision_ns = (self.now_ns if self._deciding.woken else self.session.next_decision_ns) if decides else None
            arrival_ns = self._arrivals[0][0] if self._arrivals else None
            due_ns = min(
                (t for t in (decision_ns, self._outbox.next_due_ns, arrival_ns) if t is not None), default=None
            )
            if due_ns is None or due_ns > until_ns:
                break
            self.now_ns = max(self.now_ns, due_ns)
            if due_ns == decision_ns:
                self.session.turn()
            elif due_ns == arrival_ns != self._outbox.next_due_ns:
                heapq.heappop(self._arrivals)[2]()
            else:
                self._outbox.act()
        self.now_ns = max(self.now_ns, until_ns)
