# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Starts the nodes of a graph as processes, measures them, and ends them: the part of ROS launch that a demo needs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

from avatar_forcing_ros.graph.keeping import Restarts
from avatar_forcing_ros.graph.settings import NodeProcess

_NOISE = "RTPS_TRANSPORT_SHM"  # what the middleware says of files that a killed process left, and mends
_LONG_LOG = 1 << 20
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class NodeFailedError(RuntimeError):
    """A node ended that should not have; the message contains its last lines."""


@dataclass(frozen=True)
class Usage:
    """What a process and its children have used; nodes that are kept alive run in children.

    Attributes:
        cpu_s: processor seconds since they began, in user and system mode.
        memory_mb: memory now, including their share of shared memory (PSS).
        threads: number of threads now.
    """

    cpu_s: float
    memory_mb: float
    threads: int


class ProcessGroup:
    """The processes of a graph, by the name of their executable. Leaving the context ends them all."""

    def __init__(self, nodes: Sequence[NodeProcess], environment: Mapping[str, str]) -> None:
        self._restarts = {node.executable: Restarts() for node in nodes}
        self._due_s: dict[str, float] = {}
        self._nodes, self._environment = nodes, {**os.environ, **environment}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._logs: dict[str, Path] = {}
        self._log_began: dict[str, int] = {}

    def __enter__(self) -> ProcessGroup:
        self._folder = ExitStack()
        with suppress(OSError):  # no disk has room: what the nodes say goes where we speak
            folder = self._folder.enter_context(tempfile.TemporaryDirectory(prefix="avatar_forcing_"))
            self._logs = {node.executable: Path(folder) / f"{node.executable}.log" for node in self._nodes}
        for node in self._nodes:
            self._start(node)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in self._running:
            self.end(name, patience_s=5)
        self._folder.close()

    def _start(self, node: NodeProcess) -> None:
        with ExitStack() as stack:
            log = self._open_log(node.executable, stack)
            self._running[node.executable] = subprocess.Popen(
                [sys.executable, "-m", node.module, *node.ros_arguments()],
                env=self._environment | self._restarts[node.executable].begin(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for us; we end them in order
            )

    def _open_log(self, name: str, stack: ExitStack) -> IO[bytes] | None:
        """The file of what a node says, begun anew when it has grown long; None if there can be none."""
        if name not in self._logs:
            return None
        path = self._logs[name]
        try:
            path.parent.mkdir(exist_ok=True)  # what clears old temporary files may have removed it in a quiet week
            long = path.exists() and path.stat().st_size > _LONG_LOG
            log = stack.enter_context(path.open("wb" if long else "ab"))
        except OSError:
            return None
        self._log_began[name] = log.tell()
        return log

    def ended(self, name: str) -> bool:
        """Whether a process has ended by itself."""
        return self._running[name].poll() is not None

    def tend(self, say: Callable[[str], None]) -> None:
        """Restart processes that have ended, after a delay that grows if they keep ending; call this often."""
        now_s = time.monotonic()
        for node in self._nodes:
            name = node.executable
            if not self.ended(name):
                continue
            if name not in self._due_s:
                delay_s = self._restarts[name].ended(self._running[name].returncode)
                self._due_s[name] = now_s + delay_s
                say(f"{name} ended: {self.last_lines(name)}; restart {self._restarts[name].count} in {delay_s:g} s")
            elif now_s >= self._due_s[name]:
                del self._due_s[name]
                self._start(node)

    def pid(self, name: str) -> int:
        """Number of a process."""
        return self._running[name].pid

    def check(self) -> None:
        """Check that no process has failed.

        Raises:
            NodeFailedError: one has; the message contains its last lines.
        """
        for name, process in self._running.items():
            if process.poll() not in (None, 0):
                raise NodeFailedError(f"{name} ended with status {process.returncode}: {self.last_lines(name)}")

    def end(self, name: str, patience_s: float) -> int:
        """End a process, first politely and then by force; returns its exit status."""
        process = self._running[name]
        for request, wait_s in ((signal.SIGINT, patience_s), (signal.SIGTERM, 2.0), (signal.SIGKILL, None)):
            if process.poll() is None:
                process.send_signal(request)
            try:
                return process.wait(wait_s)
            except subprocess.TimeoutExpired:
                continue
        raise AssertionError("a killed process ends")

    def usage(self) -> dict[str, Usage]:
        """What each running process uses."""
        return {name: _usage(process.pid) for name, process in self._running.items() if process.poll() is None}

    def last_lines(self, name: str, count: int = 3) -> str:
        """What a process said last since it started, in one line."""
        lines: list[str] = []
        with suppress(OSError, KeyError), self._logs[name].open(errors="replace") as log:
            log.seek(self._log_began[name])
            lines = [line for line in log.read().splitlines() if _NOISE not in line]
        return " | ".join(lines[-count:]) or "it said nothing"


def _usage(pid: int) -> Usage:
    shares = [share for one in _family(pid) if (share := _usage_alone(one)) is not None]
    return Usage(
        sum(share.cpu_s for share in shares),
        sum(share.memory_mb for share in shares),
        sum(share.threads for share in shares),
    )


def _usage_alone(pid: int) -> Usage | None:
    """None once it has ended."""
    folder = Path("/proc") / str(pid)
    try:
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        rollup = (folder / "smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return None
    user, system, threads = int(fields[11]), int(fields[12]), int(fields[17])
    shares_kb = next(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
    return Usage((user + system) / _TICKS_PER_S, shares_kb / 1024, threads)


def _family(pid: int) -> list[int]:
    """A process and all its descendants."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for one in found:  # grows meanwhile
        found += [child for child, parent in parents.items() if parent == one]
    return found
