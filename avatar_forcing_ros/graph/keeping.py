# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Keeps processes alive: when one ends that should not, another takes its place, with longer and longer delays.

`Restarts` decides when. `keep` forks, so that successors inherit what a process has imported and compiled: a generator
needs four seconds to start from nothing, and one from there. No ROS here.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

KEEP = "--keep"
"""Word on a node's command line that keeps it alive."""
AFTER = "--after"
"""Word on a node's command line, with seconds: it begins to load after this delay, because others are needed sooner."""
SAID_S = 60.0
"""How long a process says that it was restarted."""
_RESTARTED = "AVATAR_FORCING_RESTARTED"
_PR_SET_PDEATHSIG = 1
_GOES_FIRST = "500"
_SLICE_S = 0.1
_STOPPING = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class Restarted:
    """What a process knows about its predecessors.

    Attributes:
        count: how many of them have ended.
        reason: how the last one ended, as the end of a sentence.
        at_s: when this process began, on the machine's monotonic clock.
    """

    count: int = 0
    reason: str = ""
    at_s: float = 0.0

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables that tell a process."""
        return {_RESTARTED: f"{self.count} {self.at_s:.3f} {self.reason}"}

    @classmethod
    def of_this_process(cls) -> Restarted:
        """What this process was told."""
        try:
            count, at_s, reason = os.environ.get(_RESTARTED, "").split(" ", 2)
            return cls(int(count), reason, float(at_s))
        except ValueError:
            return cls()

    def complaint(self) -> str:
        """That it has been restarted, in one line; empty once it has lived for `SAID_S`."""
        if not self.count or time.monotonic() - self.at_s > SAID_S:
            return ""
        return f"restarted, {self.count} times so far: the process before {self.reason}"


@dataclass
class Restarts:
    """When the next process may start.

    Attributes:
        delays_s: delays before the first restart, the second and so on; the last one is kept.
        calm_s: if a process has lived for this long, the delays begin again with the first.
        count: number of restarts so far.
        reason: how the newest process ended.
    """

    delays_s: Sequence[float] = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
    calm_s: float = 10.0
    count: int = 0
    reason: str = ""
    _in_a_row: int = 0
    _began_s: float = 0.0

    def begin(self) -> dict[str, str]:
        """Note that a process begins now; returns the variables that tell it about its predecessors."""
        self._began_s = time.monotonic()
        return Restarted(self.count, self.reason, self._began_s).variables

    def ended(self, status: int) -> float:
        """Note how the last process ended (a signal's number is negative); returns how long to wait, in seconds."""
        self.reason = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        return self.after(time.monotonic() - self._began_s)

    def after(self, lived_s: float) -> float:
        """A process has ended after so long; how long to wait before the next."""
        self._in_a_row = 1 if lived_s >= self.calm_s else self._in_a_row + 1
        self.count += 1
        return self.delays_s[min(self._in_a_row, len(self.delays_s)) - 1]


def leave_on_signals() -> None:
    """SIGINT and SIGTERM end this process at once, with status 0, until it handles them itself.

    While it loads there is nothing to clean up, and an exception would be swallowed by compiled modules, or shown.
    While Python shuts down it ignores them: a terminal and launch both send SIGINT at Ctrl-C, and the second one would
    otherwise kill a process that ends well.
    """
    for number in _STOPPING:
        signal.signal(number, lambda _number, _frame: os._exit(0))
    atexit.register(_ignore_signals)


def _ignore_signals() -> None:
    for number in _STOPPING:
        signal.signal(number, signal.SIG_IGN)


def wait_for_turn(arguments: Sequence[str]) -> None:
    """Wait as `AFTER` says, unless the process is a successor."""
    if AFTER in arguments[:-1] and not Restarted.of_this_process().count:
        time.sleep(float(arguments[arguments.index(AFTER) + 1]))


def keep(play: Callable[[], int], restarts: Restarts | None = None, say: Callable[[str], None] | None = None) -> int:
    """Run something in a child process, and again whenever it ends unintentionally.

    SIGINT and SIGTERM are passed to the child. If the parent is killed, the child ends too, so that whatever started
    the parent can start it again.

    Args:
        play: runs in the child; its result is the exit status. If the first child ends with 1, it refuses to start.
        restarts: when the next one starts.
        say: called with what happens.

    Returns:
        Exit status of the last child.
    """
    before = Restarted.of_this_process()
    restarts = restarts or Restarts(count=before.count, reason=before.reason)
    say = say or _say
    stopping: list[int] = []
    child = 0

    def hand_on(number: int, _frame: object) -> None:
        stopping.append(number)
        if child:
            with suppress(ProcessLookupError):  # it has ended just now
                os.kill(child, number)

    for number in _STOPPING:
        signal.signal(number, hand_on)
    gc.freeze()  # what is shared with the children stays shared
    while True:
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)  # until each side knows what to do with them
        child = _fork(play, restarts.begin())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)
        if stopping:  # it came while there was nobody yet to hand it on to
            hand_on(stopping[-1], None)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        child = 0
        if stopping:
            return status if status >= 0 else int(-status not in stopping)
        if status == 0 or (status == 1 and restarts.count == before.count):
            return status
        delay_s = restarts.ended(status)
        say(f"the process {restarts.reason}; restart {restarts.count} in {delay_s:g} s")
        wake_s = time.monotonic() + delay_s
        while time.monotonic() < wake_s and not stopping:
            time.sleep(min(_SLICE_S, delay_s))
        if stopping:
            return 0


def _say(line: str) -> None:
    with suppress(OSError):  # the disk that the log is on is full
        print(line, file=sys.stderr, flush=True)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()


def _fork(play: Callable[[], int], variables: Mapping[str, str]) -> int:
    """Fork; returns the child's number, and never returns in the child."""
    parent = os.getpid()
    _flush()
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        for number in _STOPPING:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)
        os.environ |= variables
        with suppress(OSError):  # when memory runs out, this one goes: its keeper and the understudy stay
            Path("/proc/self/oom_score_adj").write_text(_GOES_FIRST)
        if os.getppid() == parent:
            status = play()
    except BaseException as error:
        import traceback

        with suppress(OSError):
            traceback.print_exception(error)
        status = 70  # the customary one of a fault in the program
    finally:
        _flush()
        os._exit(status)
