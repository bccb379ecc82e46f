# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The processes of this machine that the understudy watches: whether one has ended, is ours, or is stopped."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from avatar_forcing_ros.graph.keeping import KEEP

_YOUNG_TICKS = 2 * os.sysconf("SC_CLK_TCK")
"""A generator needs longer than this until it shows anything without being sent on stage."""


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


@dataclass
class Stopped:
    """Notices who stays stopped (SIGSTOP) of the processes that were started together with this one.

    These are its parent, that one's children, and theirs: a keeper that was stopped before its node said a word is
    known to nobody else. A parent that has a terminal was stopped by whoever sits there (Ctrl-Z).
    """

    _since_s: dict[Life, float] = field(default_factory=dict)

    def overdue(self, now_s: float, patience_s: float) -> list[int]:
        """Those that have been stopped each time this was called for longer than `patience_s`."""
        stopped = [Life.of(pid) for pid in _relatives(os.getpid()) if _state(pid) == "T" and is_ours(pid)]
        self._since_s = {life: self._since_s.get(life, now_s) for life in stopped}
        return [life.pid for life, since_s in self._since_s.items() if now_s - since_s > patience_s]


def has_just_begun(program: str) -> bool:
    """Whether a node that is started beside this process is so young, or not there yet, that it cannot be at work.

    False if none of this program is started beside it, for then it may be on another computer.

    Args:
        program: what its command line contains.
    """
    parent, me = _parent(os.getpid()), Life.of(os.getpid())
    starters = [pid for pid in _children(parent) if pid != me.pid and program in _command(pid)]
    began = [Life.of(node).began for pid in starters for node in (_children(pid) if KEEP in _command(pid) else [pid])]
    return bool(starters) and all(ticks > me.began - _YOUNG_TICKS for ticks in began if ticks)


def _relatives(pid: int) -> list[int]:
    parent = _parent(pid)
    siblings = [child for child in _children(parent) if child != pid]
    has_terminal = int((_stat(parent) or "0" * 5)[4]) != 0
    return [*([] if has_terminal else [parent]), *siblings, *(one for each in siblings for one in _children(each))]


def _parent(pid: int) -> int:
    """0 if there is no such process."""
    return int((_stat(pid) or ["X", "0"])[1])


def _children(pid: int) -> list[int]:
    """Empty where the kernel does not tell (CONFIG_PROC_CHILDREN)."""
    try:
        return [
            int(child) for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()
        ]
    except OSError:
        return []


def _stat(pid: int) -> list[str]:
    """Of `/proc/<pid>/stat` what follows the name: state, parent, ...; empty if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _state(pid: int) -> str:
    return (_stat(pid) or ["X"])[0]


def _beginning(pid: int) -> int:
    return 0 if _state(pid) in ("Z", "X") else int((_stat(pid) or ["0"] * 20)[19])


def is_ours(pid: int) -> bool:
    """Whether a process belongs to this package; its number may have been reused meanwhile."""
    try:
        return b"avatar_forcing_ros" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def program_of(pid: int) -> str:
    """The beginning of a process's command line, for people."""
    return " ".join(_command(pid).split()[:3]) or "it has ended"


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ")
    except OSError:
        return ""


def with_stopped_parent(pid: int) -> list[int]:
    """A process, and its keeper if that is stopped, too, and could not restart it."""
    parent = _parent(pid)
    return [pid, parent] if _state(parent) == "T" and is_ours(parent) else [pid]
