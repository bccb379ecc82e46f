# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a motion space is: it reads a user's face into numbers, and renders a portrait from numbers.

There are two: `facemesh` (any CPU, 18 named channels) and `autoencoder` (the published networks, 512 numbers). The
generator knows neither; it only knows the length of the vectors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.signals import FacePlace, MotionSample, VideoFrame


class PortraitError(ValueError):
    """A picture cannot serve as a portrait; the message says why in one line."""


@contextmanager
def naming_portrait(path: Path) -> Iterator[None]:
    """Add the file's name to what is wrong with a portrait."""
    try:
        yield
    except PortraitError as error:
        raise PortraitError(f"{path}: {error}") from None


class MotionEncoder(Protocol):
    """Reads one user's face from a video, frame by frame, and holds that user's state (tracking, neutral face)."""

    def encode(self, frame: VideoFrame) -> MotionSample:
        """The user's motion; `valid` is false if no face was found. Stamps must not decrease."""
        ...

    def reset(self) -> None:
        """Forget the user: tracking, smoothing and the neutral face learnt so far."""
        ...

    def close(self) -> None:
        """Release the tracker's resources."""
        ...


@runtime_checkable
class AttendingEncoder(MotionEncoder, Protocol):
    """An encoder that can be told whose face to read."""

    def attend(self, place: FacePlace | None) -> None:
        """From the next frame on, read the face in this place; None returns to the largest face."""
        ...


@runtime_checkable
class CountingEncoder(MotionEncoder, Protocol):
    """An encoder that tells how many faces there are, and when it reads another one."""

    people: int
    """Number of faces in the picture, without those that never move."""
    still: int
    """Number of those, as on posters: they are not read."""
    person: int
    """Grows when another person is read."""


class Portrait(Protocol):
    """A portrait that can be animated."""

    reference: NDArray[np.float32]
    """(M,) the portrait's own motion latent, the m_S of the paper."""
    remarks: tuple[str, ...]
    """What keeps the picture from being a good portrait, one line each."""

    def render(self, latent: NDArray[np.float32], frame_index: int = 0) -> NDArray[np.uint8]:
        """Picture of the portrait in this motion, (S, S, 3) uint8 RGB; the caller owns the array.

        `frame_index` counts frames of the epoch. It drives what is not motion (breathing), so equal input gives equal
        pixels.
        """
        ...


@runtime_checkable
class BlockPortrait(Portrait, Protocol):
    """A portrait that draws several pictures together faster than one by one."""

    at_once: int
    """The most pictures to draw together; 1 if that is no faster."""

    def render_together(self, latents: NDArray[np.float32]) -> list[NDArray[np.uint8]]:
        """Pictures of the portrait in these motions (B, M), as `render` draws them up to the last bits of rounding."""
        ...


class MotionSpace(Protocol):
    """Makes encoders and portraits, and gives the meaning of the vectors."""

    name: str
    size: int
    """M, length of the avatar's motion latent."""
    user_size: int
    """U, length of an encoder's output, which the topic `user_motion` carries."""
    names: tuple[str, ...]
    """One name for each number of an avatar's latent; empty if they have no names."""

    def expand_user(self, user: NDArray[np.float32]) -> NDArray[np.float32]:
        """(..., U) user motion -> (..., M) motion latents."""
        ...

    def make_encoder(self) -> MotionEncoder:
        """A fresh encoder for one user."""
        ...

    def load_portrait(self, image: NDArray[np.uint8], size: int = 512) -> Portrait:
        """Prepare a portrait from a picture, (H, W, 3) uint8 RGB.

        Raises:
            PortraitError: no face, a face too small, or a picture that cannot be used.
        """
        ...


@runtime_checkable
class PreparingSpace(MotionSpace, Protocol):
    """A motion space in which one process may prepare portraits for another that draws them."""

    def prepare_portrait(self, image: NDArray[np.uint8], size: int) -> dict[str, NDArray[Any]]:
        """What drawing needs from a picture, as arrays; raises the errors of `load_portrait`."""
        ...

    def take_over(self, prepared: Mapping[str, NDArray[Any]]) -> Portrait:
        """The portrait from prepared arrays."""
        ...
