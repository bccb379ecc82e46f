# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Reads portraits in a separate process, so that drawing never waits for them.

The libraries that decode a picture and find the face in it hold Python's lock for up to half a second, in which an
avatar of the same process would stand still. The process starts with the first request, has a lower priority than
drawing, and ends when it is no longer used. A line of JSON goes in; a line of JSON and arrays come out and are read as
data, because the picture may be a stranger's. A picture that kills the process or makes it hang costs only its request.
"""

from __future__ import annotations

import io
import json
import os
import resource
import select
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.files.pictures import PictureLimits
from avatar_forcing_ros.motion.space import MotionSpace, Portrait, PortraitError, PreparingSpace, naming_portrait
from avatar_forcing_ros.portraits.consent import Consent, Permitted, PortraitFile, open_portrait

KEEPS_S = 30.0
"""Somebody who tries portraits asks again soon, and then what reads faces is loaded already."""
PATIENCE_S = 120.0
_NICE = 5
_OWN_BYTES = 3 * 2**30
_BYTES_PER_PIXEL = 16
"""The most that reading a picture needs: its pixels, copies of them in other colours, and the file."""


@dataclass(frozen=True)
class Request:
    """What to read; see `consent.open_portrait`."""

    path: str
    require_consent: bool = True
    limits: PictureLimits = field(default_factory=PictureLimits)
    folder: str = ""


@dataclass(frozen=True)
class Read:
    """A portrait that may be shown, ready to be drawn."""

    file: Permitted
    portrait: Portrait


class PortraitReader:
    """Has portraits read by another process, one after the other; thread-safe.

    Args:
        size: side of the frames in pixels.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._idle: threading.Timer | None = None
        self._closed = False

    def read(self, request: Request, space: MotionSpace) -> Read:
        """Read a portrait for a motion space; a space that takes over no arrays prepares it here, from the pixels.

        Raises:
            ValueError: it cannot be read, must not be shown or cannot be animated, with the reason in words; or reading
                it ended the process or took longer than `PATIENCE_S`.
        """
        if not isinstance(space, PreparingSpace):
            chosen = self.pixels(request)
            with naming_portrait(chosen.path):
                return Read(chosen, space.load_portrait(chosen.image, self._size))
        file, arrays = self._file(request, space.name)
        with naming_portrait(file.path):
            return Read(file, space.take_over(arrays))

    def pixels(self, request: Request) -> PortraitFile:
        """A portrait's picture; raises what `read` raises."""
        file, arrays = self._file(request, "")
        return PortraitFile(file.path, file.sha256, file.consent, arrays["image"])

    def _file(self, request: Request, space: str) -> tuple[Permitted, dict[str, NDArray[Any]]]:
        with self._lock:
            if self._idle is not None:
                self._idle.cancel()
            try:
                said, arrays = self._ask(request, space)
            finally:
                self._idle = threading.Timer(KEEPS_S, self._end_idle)
                self._idle.daemon = True
                self._idle.start()
        if "error" in said:
            raise PortraitError(said["error"])
        return Permitted(Path(said["path"]), said["sha256"], _consent(said["consent"])), arrays

    def close(self) -> None:
        """End the process; a request that waits for it fails."""
        self._closed = True
        process = self._process
        if process is not None:
            process.kill()
        with self._lock:
            if self._idle is not None:
                self._idle.cancel()
            self._end()

    def _ask(self, request: Request, space: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        line = json.dumps({**asdict(request), "size": self._size, "space": space}).encode() + b"\n"
        try:
            was_there = self._process is not None
            try:
                return self._exchange(line)
            except EOFError:
                if not was_there or self._closed:
                    raise
            return self._exchange(line)  # it may have been ended meanwhile, for it gives its memory first
        except EOFError:
            why = "the node ends" if self._closed else "out of memory, or a fault of a decoder; use another picture"
            raise PortraitError(f"{request.path}: the process that reads portraits ended: {why}") from None
        except TimeoutError:
            self._end()
            raise PortraitError(f"{request.path}: not read within {PATIENCE_S:.0f} s; use a smaller picture") from None

    def _exchange(self, line: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        if self._process is None:
            if self._closed:
                raise EOFError
            self._process = _start()
            if self._closed:
                self._process.kill()
        until_s = time.monotonic() + PATIENCE_S
        assert self._process.stdin is not None and self._process.stdout is not None
        answers = self._process.stdout.fileno()
        try:
            os.write(self._process.stdin.fileno(), line)
            said = json.loads(_line(answers, until_s))
            content = _exactly(answers, int(said.get("bytes", 0)), until_s)
        except (EOFError, OSError) as error:
            if isinstance(error, TimeoutError):
                raise
            self._end()
            raise EOFError from None
        if not content:
            return said, {}
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return said, dict(arrays)

    def _end_idle(self) -> None:
        with self._lock:
            if self._idle is threading.current_thread():  # nobody has asked meanwhile
                self._end()

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            self._process = None


def _start() -> subprocess.Popen[bytes]:
    # in a session of its own: Ctrl-C is for the node, which ends it
    return subprocess.Popen(
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        bufsize=0,
    )


def _line(pipe: int, until_s: float) -> bytes:
    """A line from a pipe, read byte by byte so that nothing after it is taken."""
    line = bytearray()
    while not line.endswith(b"\n"):
        line += _exactly(pipe, 1, until_s)
    return bytes(line)


def _exactly(pipe: int, count: int, until_s: float) -> bytearray:
    """A number of bytes from a pipe.

    Raises:
        EOFError: there are fewer.
        TimeoutError: they have not come in time.
    """
    content = bytearray(count)
    view, filled = memoryview(content), 0
    while filled < count:
        if not select.select([pipe], [], [], max(0.0, until_s - time.monotonic()))[0]:
            raise TimeoutError
        more = os.readv(pipe, [view[filled:]])
        if not more:
            raise EOFError
        filled += more
    return content


def _consent(said: dict[str, Any] | None) -> Consent | None:
    if said is None:
        return None
    consent = Consent(**{**said, "expires": None})
    return replace(consent, expires=date.fromisoformat(said["expires"])) if said["expires"] else consent


# --- in the other process ------------------------------------------------------------------------------------------


def serve(asks: IO[bytes], answers: IO[bytes]) -> None:
    """Answer requests until there are no more."""
    while asked := asks.readline():
        try:
            said, arrays = _answer(json.loads(asked))
        except Exception as error:  # whatever it is, the caller gets it, and the next picture may be better
            said, arrays = {"error": _in_words(error)}, {}
        content = io.BytesIO()
        if arrays:
            np.savez(content, **arrays)  # type: ignore[arg-type]
        answers.write(json.dumps({**said, "bytes": content.tell()}).encode() + b"\n")
        answers.write(content.getbuffer())
        answers.flush()


def _answer(asked: dict[str, Any]) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    limits = PictureLimits(**asked["limits"])
    _bound_memory(limits)
    chosen = open_portrait(asked["path"], asked["require_consent"], limits, asked["folder"])
    consent = chosen.consent
    said = {
        "path": str(chosen.path),
        "sha256": chosen.sha256,
        "consent": consent and {**vars(consent), "expires": consent.expires.isoformat() if consent.expires else ""},
    }
    if not asked["space"]:
        return said, {"image": chosen.image}
    from avatar_forcing_ros.motion.facemesh.space import FaceMeshSpace  # the only one that prepares

    with naming_portrait(chosen.path):
        return said, FaceMeshSpace().prepare_portrait(chosen.image, asked["size"])


def _in_words(error: Exception) -> str:
    from avatar_forcing_ros.session.errors import describe

    if isinstance(error, MemoryError):
        return "the picture needs more memory than its limits allow; use a smaller one"
    return describe(error)


def _bound_memory(limits: PictureLimits) -> None:
    """Limit this process's memory, so that a decoder cannot take that of the rest of the machine."""
    most = _OWN_BYTES + _BYTES_PER_PIXEL * limits.pixels + limits.bytes
    with suppress(OSError, ValueError):  # a limit of the system's own is lower
        resource.setrlimit(resource.RLIMIT_DATA, (most, resource.getrlimit(resource.RLIMIT_DATA)[1]))


def main() -> None:
    """Run as a node's child, at a low priority."""
    os.setpriority(os.PRIO_PROCESS, 0, max(_NICE, os.getpriority(os.PRIO_PROCESS, 0)))
    with suppress(OSError):  # when memory runs out, this one goes
        Path("/proc/self/oom_score_adj").write_text("1000")
    import cv2

    cv2.setNumThreads(1)
    try:
        with os.fdopen(os.dup(1), "wb") as answers:
            os.dup2(2, 1)  # what a library has to say is no answer
            serve(sys.stdin.buffer, answers)
    except BrokenPipeError:  # the node has ended
        os._exit(0)


if __name__ == "__main__":
    main()
