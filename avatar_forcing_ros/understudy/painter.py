# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Draws the understudy's mesh face in a process of its own.

What drawing imports and compiles holds Python's lock for up to a second; in the understudy's own process the face would
stand still meanwhile. The two talk through pipes: a line of JSON when the portrait is there, then a motion and its
number in, the number and a picture out. The painter ends when its input does, and so with the understudy.
"""

from __future__ import annotations

import json
import os
import select
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.files.pictures import read_image
from avatar_forcing_ros.motion.facemesh.channels import SIZE
from avatar_forcing_ros.session.errors import one_line
from avatar_forcing_ros.understudy.face import FACEMESH, MeshFace, keep

_ASKS, _ANSWERS = struct.Struct(f"<I{SIZE}f"), struct.Struct("<I")
_WAITS_S = 0.030
"""For a picture, of the 40 ms that a frame has; then the one before is shown again."""
_HANGS_S = 1.0


class PainterGoneError(RuntimeError):
    """The process that draws has ended, or hangs and was killed."""


class PaintedFace:
    """A portrait of the `facemesh` space, drawn by another process; a `Face` for one thread.

    Args:
        path: of the picture.
        size: side of the pictures in pixels.

    Attributes:
        sha256: of the portrait's pixels, once it is loaded.
        picture: the newest one, (S, S, 3) uint8 RGB.
    """

    space = FACEMESH

    def __init__(self, path: Path, size: int) -> None:
        command = [sys.executable, "-m", __name__, str(path), str(size)]
        # in a session of its own: Ctrl-C is for the understudy, which ends it
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True, bufsize=0
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._asks, self._answers = self._process.stdin.fileno(), self._process.stdout.fileno()
        self._number = self._filled = 0
        self._waiting_since_s: float | None = None
        self._rendered_s = 0.0

    def load(self) -> None:
        """Wait until the portrait is there and its first picture is drawn: a second, or many where nothing is cached.

        Raises:
            ValueError: the picture cannot be read or animated.
            PainterGoneError: the process ended before it said so; `stop` was called.
        """
        assert self._process.stdout is not None
        said = json.loads(_line(self._process.stdout) or "{}")
        if "error" in said:
            self.close()
            raise ValueError(said["error"])
        if "sha256" not in said:
            raise self._gone("ended before the portrait was there")
        self.sha256: str = said["sha256"]
        self._side = int(said["side"])
        self._answer = bytearray(_ANSWERS.size + self._side * self._side * 3)
        os.set_blocking(self._answers, False)
        self._ask(said["reference"])
        self._take(_HANGS_S)
        if self._waiting_since_s is not None:
            raise self._gone("gives no picture")

    def stop(self) -> None:
        """End the process; from any thread."""
        self._process.kill()

    def render(self, latent: NDArray[np.float32], frame_index: int) -> NDArray[np.uint8]:
        """The portrait in this motion, or the picture before when that takes too long.

        Raises:
            PainterGoneError: it can no longer draw; `picture` is the last one.
        """
        now_s = time.monotonic()
        if self._waiting_since_s is None:
            self._ask(latent.tolist())
        elif now_s - self._rendered_s > _HANGS_S:  # we were stopped ourselves, and it perhaps with us
            self._waiting_since_s = now_s
        self._rendered_s = now_s
        self._take(_WAITS_S)
        if self._waiting_since_s is not None and time.monotonic() - self._waiting_since_s > _HANGS_S:
            raise self._gone("hangs and is killed")
        return self.picture.copy()  # whoever gets it may draw on it

    def close(self) -> None:
        """End the process and forget it; for the thread that draws."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _ask(self, latent: list[float]) -> None:
        self._number = (self._number + 1) % 2**32
        try:
            os.write(self._asks, _ASKS.pack(self._number, *latent))
        except OSError:
            raise self._gone("has ended") from None
        self._waiting_since_s, self._filled = time.monotonic(), 0

    def _take(self, wait_s: float) -> None:
        """Read what has come of the answer, for so long at most."""
        until_s = time.monotonic() + wait_s
        view = memoryview(self._answer)
        while self._filled < len(view):
            if not select.select([self._answers], [], [], max(0.0, until_s - time.monotonic()))[0]:
                return
            count = os.readv(self._answers, [view[self._filled :]])
            if not count:
                raise self._gone("has ended")
            self._filled += count
        self._waiting_since_s = None
        pixels = np.frombuffer(self._answer, np.uint8, offset=_ANSWERS.size)
        self.picture = pixels.reshape(self._side, self._side, 3).copy()

    def _gone(self, how: str) -> PainterGoneError:
        self.close()
        return PainterGoneError(f"the understudy's painter {how}")


def _line(pipe: IO[bytes]) -> bytes:
    """A line of an unbuffered pipe, byte by byte, so that nothing behind it is taken."""
    line = b""
    while (byte := pipe.read(1)) not in (b"", b"\n"):
        line += byte
    return line


def paint(path: Path, size: int, asks: Any, answers: Any) -> None:
    """Draw what is asked for until nothing is."""
    try:
        face = MeshFace(read_image(path), size)
    except (OSError, ValueError) as error:
        answers.write(json.dumps({"error": one_line(error)}).encode() + b"\n")
        return
    keep(face.at_rest(), face.sha256, size)
    said = {"sha256": face.sha256, "side": len(face.at_rest()), "reference": face.reference.tolist()}
    answers.write(json.dumps(said).encode() + b"\n")
    answers.flush()
    while len(asked := asks.read(_ASKS.size)) == _ASKS.size:
        number, *latent = _ASKS.unpack(asked)
        picture = face.render(np.array(latent, np.float32), number)
        answers.write(_ANSWERS.pack(number))
        answers.write(np.ascontiguousarray(picture).data)
        answers.flush()


def main() -> None:
    """Run as the understudy's child, without its priority while loading."""
    os.setpriority(os.PRIO_PROCESS, 0, max(0, os.getpriority(os.PRIO_PROCESS, 0)))
    cv2.setNumThreads(1)
    try:
        paint(Path(sys.argv[1]), int(sys.argv[2]), sys.stdin.buffer, sys.stdout.buffer)
    except BrokenPipeError:  # the understudy has ended
        os._exit(0)


if __name__ == "__main__":
    main()
