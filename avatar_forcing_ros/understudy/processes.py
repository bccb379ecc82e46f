# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The processes of this machine that the understudy watches: whether one has ended, is ours, or is stopped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Life:
    """A process, told apart from a later one with the same number.

    Attributes:
        pid: process number.
        began: when it started, in clock ticks since boot; 0 if it has ended.
    """

    pid: int
    began: int

    @classmethod
    def of(cls, pid: int) -> Life:
        """The process that has a number now."""
        return cls(pid, _beginning(pid))

    def goes_on(self) -> bool:
        """Whether it has not ended; a zombie counts as ended."""
        return 0 < self.began == _beginning(self.pid)


def _beginning(pid: int) -> int:
    try:
        state, *values = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if state in ("Z", "X") else int(values[18])


def is_ours(pid: int) -> bool:
    """Whether a process belongs to this package; its number may have been reused meanwhile."""
    try:
        return b"avatar_forcing_ros" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def with_stopped_parent(pid: int) -> list[int]:
    """A process, and its keeper if that is stopped, too, and could not restart it."""
    try:
        parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        state = Path(f"/proc/{parent}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return [pid]
    return [pid, parent] if state == "T" and is_ours(parent) else [pid]
