# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Two commands as if on two computers, with a network between them that delays and loses.

    python tools/far_apart.py --delay-ms 20 --jitter-ms 5 --loss 0.01 "commands of 10.77.0.1" "commands of 10.77.0.2"

Each command gets namespaces of its own: network, host name, shared memory and machine-id, so that no middleware takes
both for one computer. Their only link is an Ethernet (TAP devices) whose frames this process carries: each is late by
the delay, give or take the jitter, in order, and lost at random, both ways alike. With --netem the kernel does that
(`tc netem`, which also reorders); --rate-mbit makes the link as narrow as a Wi-Fi. Needs Linux and the right to make
namespaces (root). Ends when the first command ends, with its status; then the other is ended. The last line counts what
went each way.
"""

from __future__ import annotations

import argparse
import ctypes
import fcntl
import json
import os
import random
import selectors
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

_NAMESPACES, _NEW_PIDS = 0x00020000 | 0x04000000 | 0x08000000 | 0x40000000, 0x20000000  # mounts, UTS, IPC, network
"""Source: linux/sched.h."""
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000
"""Source: linux/mount.h."""
_TUNSETIFF, _IFF_TAP, _IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
"""Source: linux/if_tun.h."""
_FRAME = 65536
_QUEUE_S = 0.2
"""A narrow link's buffer; what does not fit is lost."""
_ENDING_S = 10.0
"""For commands to end after SIGINT."""


@dataclass(frozen=True)
class Link:
    """Of a link, each way: mean delay and the most that it is off, share lost, bits in a second (0: no limit)."""

    delay_s: float
    jitter_s: float
    loss: float
    rate: float = 0.0


@dataclass
class Way:
    """One direction of the link: frames on their way."""

    link: Link
    random: random.Random
    frames: int = 0
    octets: int = 0
    lost: int = 0
    _free_s: float = 0.0
    _due: deque[tuple[float, bytes]] = field(default_factory=deque)

    def take(self, frame: bytes, now_s: float) -> None:
        """A frame sets out, or is lost."""
        self.frames += 1
        self.octets += len(frame)
        sent_s = now_s
        if self.link.rate:
            sent_s = max(now_s, self._free_s) + 8 * len(frame) / self.link.rate
        if self.random.random() < self.link.loss or sent_s > now_s + _QUEUE_S:
            self.lost += 1
            return
        self._free_s = sent_s
        late_s = self.link.delay_s + self.link.jitter_s * self.random.uniform(-1, 1)
        earliest_s = self._due[-1][0] if self._due else 0.0
        self._due.append((max(earliest_s, sent_s + late_s), frame))

    def arrived(self, now_s: float) -> list[bytes]:
        """Frames whose time has come."""
        found = []
        while self._due and self._due[0][0] <= now_s:
            found.append(self._due.popleft()[1])
        return found

    def wait_s(self, now_s: float) -> float:
        """How long nothing arrives."""
        return max(0.0, self._due[0][0] - now_s) if self._due else 1.0


def _checked(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def apart(place: int, link: Link | None) -> int:
    """Leave the other processes' namespaces for new ones with one Ethernet device; its file descriptor.

    Args:
        place: 1 or 2, the last number of its address.
        link: what the kernel shall do to frames that leave, if it shall.

    Raises:
        OSError: not allowed.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    _checked(libc.unshare(_NAMESPACES), "namespaces")
    _checked(libc.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None), "private mounts")
    _checked(libc.mount(b"tmpfs", b"/dev/shm", b"tmpfs", 0, None), "shared memory")
    socket.sethostname(f"computer-{place}")
    if Path("/etc/machine-id").exists():
        with tempfile.NamedTemporaryFile("w") as other:
            other.write(f"{place:032x}\n")
            other.flush()
            _checked(libc.mount(other.name.encode(), b"/etc/machine-id", None, _MS_BIND, None), "machine-id")
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tap, _TUNSETIFF, struct.pack("16sH22x", b"far0", _IFF_TAP | _IFF_NO_PI))
    steps = [
        "ip link set lo up",
        f"ip addr add 10.77.0.{place}/24 dev far0",
        "ip link set far0 txqueuelen 10000 up",
        "ip route add default dev far0",
    ]
    if link is not None:
        loss = f"loss {100 * link.loss:g}%" if link.loss else ""
        rate = f"rate {link.rate:.0f}bit" if link.rate else ""
        steps.append(
            f"tc qdisc add dev far0 root netem limit 100000 delay {1e3 * link.delay_s:g}ms {1e3 * link.jitter_s:g}ms "
            f"{loss} {rate}"
        )
    for step in steps:
        subprocess.run(step.split(), check=True)
    return tap


@dataclass(frozen=True)
class Computer:
    """A process group in namespaces of its own, and the other end of its cable."""

    pid: int
    cable: int


def start(command: str, place: int, netem: Link | None) -> Computer:
    """A shell command on a computer of its own.

    Raises:
        OSError: not allowed.
    """
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            socket.send_fds(theirs, [b"."], [apart(place, netem)])
            _checked(ctypes.CDLL(None, use_errno=True).unshare(_NEW_PIDS), "process numbers")
            inner = os.fork()  # the first process of its namespace: with it all others end
            if inner == 0:
                _checked(ctypes.CDLL(None, use_errno=True).mount(b"proc", b"/proc", b"proc", 0, None), "/proc")
                os.execv("/bin/sh", ["sh", "-c", command])
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            os._exit(os.waitstatus_to_exitcode(os.waitpid(inner, 0)[1]) & 0xFF)
        except (OSError, subprocess.CalledProcessError) as error:
            theirs.sendall(str(error).encode())
        os._exit(1)
    theirs.close()
    said, descriptors, _, _ = socket.recv_fds(ours, 4096, 1)
    ours.close()
    if not descriptors:
        raise OSError(f"no second computer could be made of this one: {said.decode()} (it takes root)")
    return Computer(pid, descriptors[0])


def carry(computers: Sequence[Computer], ways: Sequence[Way]) -> int:
    """Carry frames until the first computer's command has ended; its status."""
    selector = selectors.DefaultSelector()
    for place, computer in enumerate(computers):
        selector.register(computer.cable, selectors.EVENT_READ, place)
    while True:
        for key, _ in selector.select(min(way.wait_s(time.monotonic()) for way in ways)):
            with suppress(BlockingIOError):
                while True:
                    ways[key.data].take(os.read(key.fd, _FRAME), time.monotonic())
        for way, other in zip(ways, reversed(computers), strict=True):
            for frame in way.arrived(time.monotonic()):
                os.write(other.cable, frame)
        ended, status = os.waitpid(computers[0].pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)


def end(computer: Computer) -> None:
    """Let a command end, or end it."""
    for ending, patience_s in ((signal.SIGINT, _ENDING_S), (signal.SIGKILL, _ENDING_S)):
        until = time.monotonic() + patience_s
        with suppress(ProcessLookupError, ChildProcessError):  # there is nobody left of it
            os.killpg(computer.pid, ending)
            while time.monotonic() < until:
                os.waitpid(-1, os.WNOHANG)
                os.killpg(computer.pid, 0)
                time.sleep(0.05)


def main() -> int:
    """Run both commands."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--delay-ms", type=float, default=20.0, help="each way (%(default)s)")
    parser.add_argument("--jitter-ms", type=float, default=5.0, help="most that it is off (%(default)s)")
    parser.add_argument("--loss", type=float, default=0.01, help="share of frames (%(default)s)")
    parser.add_argument("--rate-mbit", type=float, default=0.0, help="each way; 0: as it comes (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--netem", action="store_true", help="let the kernel delay and lose")
    parser.add_argument("first", help="shell command on 10.77.0.1; all ends with it")
    parser.add_argument("second", help="shell command on 10.77.0.2")
    args = parser.parse_args()
    link = Link(args.delay_ms / 1e3, args.jitter_ms / 1e3, args.loss, 1e6 * args.rate_mbit)
    carried = Link(0.0, 0.0, 0.0) if args.netem else link
    computers: list[Computer] = []
    began = time.monotonic()
    try:
        for place, command in enumerate((args.first, args.second), start=1):
            computers.append(start(command, place, link if args.netem else None))
        ways = [Way(carried, random.Random(args.seed + place)) for place in range(2)]
        status = carry(computers, ways)
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    finally:
        for computer in computers:
            end(computer)
    seconds = time.monotonic() - began
    told = [{"frames": way.frames, "lost": way.lost, "mbit_s": round(8e-6 * way.octets / seconds, 2)} for way in ways]
    print(json.dumps({"seconds": round(seconds, 1), "from_first": told[0], "from_second": told[1]}))
    return status


if __name__ == "__main__":
    sys.exit(main())
