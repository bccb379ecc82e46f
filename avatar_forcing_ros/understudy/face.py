# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The understudy's faces: at once a picture that breathes, a second later the portrait that idles. Nothing loads torch.

Each draws a frame from a motion and its number. A portrait of the `facemesh` space is drawn by the same renderer as the
generator's, so equal motion gives equal pixels, and in a process of its own (`painter.py`). Of other spaces,
whose networks are too heavy to be loaded twice, the picture itself is held and breathes.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.files.documents import read_mapping
from avatar_forcing_ros.files.pictures import fit_square, sha256_of_pixels
from avatar_forcing_ros.files.resources import PACKAGE, resource

FACEMESH = "facemesh"
_KEPT_PICTURES = 16
_BREATH_FRAMES, _BREATH = 96, 0.006
_SWAY_FRAMES, _SWAY = 275, 0.002
"""Lengths of a breath and a sway in frames, and how far they go, as shares of the side; they seldom coincide."""


class Face(Protocol):
    """A face that can be drawn; `sha256` is of the portrait's pixels, `space` whose motion it understands."""

    sha256: str
    space: str

    def render(self, latent: NDArray[np.float32], frame_index: int) -> NDArray[np.uint8]:
        """(S, S, 3) uint8 RGB."""
        ...

    def close(self) -> None:
        """It is drawn no more."""
        ...


class HeldFace:
    """A still picture with a breath: it grows and shrinks by half a per cent and sways by a pixel or two.

    Args:
        picture: (S, S, 3) uint8 RGB.
        sha256: of the portrait's pixels.
    """

    space = ""

    def __init__(self, picture: NDArray[np.uint8], sha256: str) -> None:
        self._picture, self.sha256 = picture, sha256

    def render(self, latent: NDArray[np.float32], frame_index: int) -> NDArray[np.uint8]:
        """The picture, at its place in the breath; its motion counts for nothing."""
        side = len(self._picture)
        turn = 2 * np.pi * (frame_index % _BREATH_FRAMES) / _BREATH_FRAMES
        grown = 1 + _BREATH * (1 - np.cos(turn)) / 2
        shift = (1 - grown) * side
        sway = _SWAY * side * np.sin(2 * np.pi * (frame_index % _SWAY_FRAMES) / _SWAY_FRAMES)
        placed = np.array([[grown, 0, shift / 2 + sway], [0, grown, shift]])
        return cv2.warpAffine(self._picture, placed, (side, side), borderMode=cv2.BORDER_REPLICATE)

    def close(self) -> None:
        """Nothing is held open."""


class MeshFace:
    """A portrait of the `facemesh` space.

    Args:
        image: (H, W, 3) uint8 RGB.
        size: S.

    Raises:
        PortraitError: the picture cannot be animated.
    """

    space = FACEMESH

    def __init__(self, image: NDArray[np.uint8], size: int) -> None:
        from avatar_forcing_ros.motion.facemesh.portrait import load_portrait

        self.sha256 = sha256_of_pixels(image)
        self._portrait = load_portrait(image, size)
        self.render(self._portrait.reference, 0)  # compiles

    def render(self, latent: NDArray[np.float32], frame_index: int) -> NDArray[np.uint8]:
        """The portrait in this motion."""
        return self._portrait.render(latent, frame_index)

    @property
    def reference(self) -> NDArray[np.float32]:
        """Its motion at rest."""
        return self._portrait.reference

    def at_rest(self) -> NDArray[np.uint8]:
        """The picture that `HeldFace` begins with the next time."""
        return self._portrait.render(self._portrait.reference, 0)


def first_face(image: NDArray[np.uint8], size: int) -> HeldFace:
    """What can be shown at once: how the portrait looked at rest the last time, or else its picture, cut square."""
    sha256 = sha256_of_pixels(image)
    kept = cv2.imread(str(_kept(sha256, size))) if _kept(sha256, size).is_file() else None
    if kept is not None and kept.shape == (size, size, 3):
        return HeldFace(np.ascontiguousarray(kept[..., ::-1]), sha256)
    return HeldFace(fit_square(image, size), sha256)


def motion_space_of(model: str) -> str:
    """The motion space that a model's file names, without loading the model.

    Raises:
        FileNotFoundError: there is no such model.
    """
    manifest = Path(model).expanduser() / "model.yaml"
    try:
        manifest = manifest if manifest.is_file() else resource("models", model, "model.yaml")
    except FileNotFoundError:
        expected = "expected the name of a shipped model or a folder with model.yaml"
        raise FileNotFoundError(f"no model '{model}': {expected}") from None
    return str(read_mapping(manifest)["motion_space"])


def forget(sha256: str) -> None:
    """Keep a portrait no longer, in no size."""
    with suppress(OSError):
        for path in _pictures().glob(f"{sha256[:32]}-*.png"):
            path.unlink()


def _pictures() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / PACKAGE / "faces"


def _kept(sha256: str, size: int) -> Path:
    return _pictures() / f"{sha256[:32]}-{size}.png"


def keep(picture: NDArray[np.uint8], sha256: str, size: int) -> None:
    """Keep a portrait's picture at rest for the next start, if there is a place for it; else that has a plainer one."""
    try:
        _pictures().mkdir(mode=0o700, parents=True, exist_ok=True)
        written = _kept(sha256, size).with_suffix(f".{os.getpid()}.png")
        if cv2.imwrite(str(written), np.ascontiguousarray(picture[..., ::-1])):
            written.replace(_kept(sha256, size))
        for old in sorted(_pictures().glob("*.png"), key=lambda path: path.stat().st_mtime)[:-_KEPT_PICTURES]:
            old.unlink(missing_ok=True)
    except OSError:
        return
