# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a motion space is: it reads a user's face into numbers and renders a portrait from numbers.

Two implement it: `facemesh` (any CPU, 18 named channels) and `autoencoder` (the published networks, 512 numbers).
The generator knows neither; it only knows how long the vectors are.
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
    """A picture cannot serve as portrait; the message says why in one line."""


@contextmanager
def naming_portrait(path: Path) -> Iterator[None]:
    """What is wrong with a portrait names its file."""
    try:
        yield
    except PortraitError as error:
        raise PortraitError(f"{path}: {error}") from None


class MotionEncoder(Protocol):
    """Reads one user's face out of a video, frame by frame. Holds that user's state (tracking, neutral face)."""

    def encode(self, frame: VideoFrame) -> MotionSample:
        """The user's motion; `valid` is false when no face was found. Stamps must not decrease."""
        ...

    def reset(self) -> None:
        """Forget the user: tracking, smoothing and the neutral face learnt so far."""
        ...

    def close(self) -> None:
        """Release what the tracker holds."""
        ...


@runtime_checkable
class AttendingEncoder(MotionEncoder, Protocol):
    """An encoder that can be shown whose face is meant."""

    def attend(self, place: FacePlace | None) -> None:
        """Read the face in a place from the next frame on; None: the largest one, as long as nothing else is said."""
        ...


class Portrait(Protocol):
    """A portrait that can be animated."""

    reference: NDArray[np.float32]
    """(M,) the portrait's own motion latent, the m_S of the paper."""
    remarks: tuple[str, ...]
    """What keeps the picture from being a good portrait, one line each."""

    def render(self, latent: NDArray[np.float32], frame_index: int = 0) -> NDArray[np.uint8]:
        """Picture of the portrait in this motion, (S, S, 3) uint8 RGB; the caller owns the array.

        `frame_index` counts frames of the epoch and drives what is not motion (breathing), so that equal input gives
        equal pixels.
        """
        ...


@runtime_checkable
class BlockPortrait(Portrait, Protocol):
    """A portrait that draws several pictures together for less than one by one."""

    at_once: int
    """How many at most; 1 where together they cost no less."""

    def render_together(self, latents: NDArray[np.float32]) -> list[NDArray[np.uint8]]:
        """Pictures of the portrait in these motions (B, M), as `render` draws them up to the last bits of rounding."""
        ...


class MotionSpace(Protocol):
    """Factory of encoders and portraits, with the meaning of the vectors."""

    name: str
    size: int
    """M, length of the avatar's motion latent."""
    user_size: int
    """U, length of what an encoder gives and the `user_motion` topic carries."""
    names: tuple[str, ...]
    """One name per number of an avatar's latent, or none where the numbers have no names."""

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
    """A motion space whose portraits may be prepared by another process than the one that draws them."""

    def prepare_portrait(self, image: NDArray[np.uint8], size: int) -> dict[str, NDArray[Any]]:
        """What drawing needs of a picture, as arrays; raises as `load_portrait`."""
        ...

    def take_over(self, prepared: Mapping[str, NDArray[Any]]) -> Portrait:
        """The portrait that was prepared."""
        ...
