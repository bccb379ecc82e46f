# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Jobs of several threads done together: a GPU does eight similar jobs in hardly more time than one.

The first thread to come does the jobs of all that have come and gives each its result. Jobs that come meanwhile are
done together after that. So groups form by themselves when there is much to do, and nobody waits when there is not.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


@dataclass
class _Ticket(Generic[Job, Result]):
    """A job that a thread waits for."""

    job: Job
    result: Result | None = None
    error: Exception | None = None
    done: bool = False


class Joined(Generic[Job, Result]):
    """Does jobs; may be called from any thread.

    Args:
        act: does several jobs and returns their results in order.
        most: how many jobs to do together at most.
        patience_s: how long the first of a group waits for the other users' jobs.

    Attributes:
        users: number of threads that may have jobs; if there is only one, it never waits.
        most: see above.
    """

    def __init__(self, act: Callable[[list[Job]], list[Result]], most: int, patience_s: float = 0.0) -> None:
        if most < 1:
            raise ValueError(f"most must be at least 1, got {most}")
        self.users = 1
        self.most = most
        self._act, self._patience_s = act, patience_s
        self._waiting: list[_Ticket[Job, Result]] = []
        self._changed = threading.Condition()
        self._busy = False

    def __call__(self, job: Job) -> Result:
        """Do a job, perhaps together with others.

        Raises:
            Exception: what `act` raises for this job alone. The jobs of a group that fails are done again one by one,
                so that a bad job does not affect the others.
        """
        ticket: _Ticket[Job, Result] = _Ticket(job)
        with self._changed:
            self._waiting.append(ticket)
            self._changed.notify_all()
        while not ticket.done:
            group = self._lead(ticket)
            try:
                self._perform(group)
            finally:
                if group:
                    self._resign()
        if ticket.error is not None:
            raise ticket.error
        return ticket.result  # type: ignore[return-value]

    def _lead(self, ticket: _Ticket[Job, Result]) -> list[_Ticket[Job, Result]]:
        """Wait until a job is done, or until no thread is at work; then return the jobs that the caller must do."""
        with self._changed:
            self._changed.wait_for(lambda: ticket.done or not self._busy)
            if ticket.done:
                return []
            self._busy = True
            enough = min(self.most, self.users)
            if self._patience_s and len(self._waiting) < enough:
                self._changed.wait_for(lambda: len(self._waiting) >= enough, self._patience_s)
            group, self._waiting = self._waiting[: self.most], self._waiting[self.most :]
            return group

    def _resign(self) -> None:
        with self._changed:
            self._busy = False
            self._changed.notify_all()

    def _perform(self, group: list[_Ticket[Job, Result]]) -> None:
        if not group:
            return
        try:
            results = self._act([ticket.job for ticket in group])
            for ticket, result in zip(group, results, strict=True):
                ticket.result, ticket.done = result, True
        except Exception as error:
            if len(group) > 1:
                for ticket in group:
                    self._perform([ticket])
            else:
                group[0].error, group[0].done = error, True
