# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which face an understudy draws now, and how another portrait takes its place without a frame that is missing."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.graph.keeping import Restarts
from avatar_forcing_ros.portraits.process import PortraitReader, Request
from avatar_forcing_ros.understudy.face import FACEMESH, Face, HeldFace, first_face
from avatar_forcing_ros.understudy.painter import PaintedFace, PainterGoneError


class Faces:
    """The face that is drawn now, and the portrait that is being loaded.

    One thread draws: it calls `draw` and `tend`. Another one loads: it calls `load` again and again. `want` and
    `stop_loading` may be called from any thread, and `close` when both have ended.

    Args:
        first: drawn until a portrait is loaded.
        path: the portrait that is wanted until `want` names another one.
        space: name of the motion space.
        size: side of the pictures in pixels.
        report: called with what was being done and the error, when drawing fails.

    Attributes:
        now: the face that is drawn.
        wanted: file and SHA-256 of the portrait that was wanted last; None before the first.
    """

    def __init__(
        self, first: Face, path: Path, space: str, size: int, report: Callable[[str, Exception], None]
    ) -> None:
        self.now = first
        self.wanted: tuple[str, str] | None = None
        self._path, self._space, self._size, self._report = path, space, size, report
        self._loaded = ""  # SHA-256 of the portrait that was loaded last
        self._load_now, self._closing = threading.Event(), False
        self._load_now.set()
        self._coming: PaintedFace | None = None
        self._retired: deque[Face] = deque()
        self._painters, self._paints_again_s = Restarts(), 0.0
        self._reader = PortraitReader(size)

    @property
    def is_still(self) -> bool:
        """Whether a still picture stands in for a portrait whose painter has died."""
        return self._painters.count > 0 and isinstance(self.now, HeldFace) and self._space == FACEMESH

    def want(self, path: str, sha256: str) -> None:
        """Load another portrait, unless it is the one that is there."""
        self.wanted = path, sha256
        if sha256 not in ("", self._loaded):
            self._load_now.set()

    # --- in the thread that draws ----------------------------------------------------------------------------------

    def draw(self, latent: NDArray[np.float32], number: int) -> tuple[Face, NDArray[np.uint8]]:
        """The face that was drawn, and its picture (S, S, 3); without a painter, its last picture until one is back.

        Args:
            latent: its motion, (M,).
            number: of the frame on the grid.
        """
        face = self.now
        try:
            return face, face.render(latent, number)
        except PainterGoneError as error:
            self._report("drawing", error)
            assert isinstance(face, PaintedFace)
            self.now = HeldFace(face.picture, face.sha256)
            self._load_again()
        return self.now, self.now.render(latent, number)

    def tend(self, now_s: float) -> None:
        """Close faces that are drawn no more, and load again when a painter may be tried again; call it often."""
        while self._retired and self._retired[0] is not self.now:
            self._retired.popleft().close()
        if self._paints_again_s and now_s >= self._paints_again_s:
            self._paints_again_s = 0.0
            self._load_now.set()

    def _load_again(self) -> None:
        """After a delay that grows when painters keep dying."""
        self._loaded, self._paints_again_s = "", time.monotonic() + self._painters.ended(1)

    # --- in the thread that loads ----------------------------------------------------------------------------------

    def load(self) -> None:
        """Wait until a portrait is wanted, and load it.

        Raises:
            ValueError: the picture cannot be read or animated; the face stays, and the picture is not tried again.
            PainterGoneError: the painter ended; another one is tried later.
        """
        self._load_now.wait()
        self._load_now.clear()
        if self._closing:
            return
        path, sha256 = self.wanted or (str(self._path), "")
        if sha256 and sha256 == self._loaded:
            return
        self._loaded = sha256 or "?"  # an unreadable picture is not tried again
        if self._space != FACEMESH:
            chosen = self._reader.pixels(Request(path, require_consent=False))  # the generator has checked consent
            held = first_face(chosen.image, self._size)
            self.now, self._loaded = held, held.sha256
            return
        self._painters.begin()
        self._coming = face = PaintedFace(Path(path), self._size)
        try:
            face.load()
        except PainterGoneError:
            if self._closing:
                return
            self._load_again()
            raise
        self._retired.append(self.now)
        self.now, self._loaded = face, face.sha256

    def stop_loading(self) -> None:
        """End the wait of `load`, and what it is doing."""
        self._closing = True
        self._load_now.set()
        if self._coming is not None:
            self._coming.stop()
        self._reader.close()

    def close(self) -> Face:
        """End all painters; returns a face that needs none, to begin with the next time."""
        while self._retired:
            self._retired.popleft().close()
        if isinstance(self.now, PaintedFace):
            self.now.close()
            self.now = HeldFace(self.now.picture, self.now.sha256)
        return self.now
