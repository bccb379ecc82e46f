# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A portrait that can be animated."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh import kept_likenesses
from avatar_forcing_ros.motion.facemesh.channels import SIZE
from avatar_forcing_ros.motion.facemesh.drawing.render import FrameRenderer
from avatar_forcing_ros.motion.facemesh.preparing.report import Likeness
from avatar_forcing_ros.motion.space import PortraitError

LEAST_SIZE, MOST_SIZE = 64, 2048


class FaceMeshPortrait:
    """A portrait of the `facemesh` motion space; see `space.Portrait`.

    Attributes:
        reference: (18,) float32 zeros: pose and expression are relative to the portrait at rest.
        report: what was found in the picture.
        remarks: what keeps it from being a good portrait, one line each.
    """

    def __init__(self, likeness: Likeness) -> None:
        self.reference = np.zeros(SIZE, np.float32)
        self.report = likeness.report
        self.remarks = self.report.remarks()
        self._renderer = FrameRenderer(likeness.model)

    def render(self, latent: NDArray[np.float32], frame_index: int = 0) -> NDArray[np.uint8]:
        """(18,) motion latent -> (S, S, 3) uint8 RGB; `frame_index` drives breathing.

        Raises:
            ValueError: the latent is not 18 finite numbers.
        """
        return self._renderer.render(latent, frame_index)


def load_portrait(image: NDArray[np.uint8], size: int = 512) -> FaceMeshPortrait:
    """Prepare a portrait.

    Args:
        image: (H, W, 3) uint8 RGB with a face. The largest one is used, turned upright in quarter turns.
        size: S, side of the frames in pixels.

    Raises:
        PortraitError: there is no face, it is too small or too close to the picture's edge, or the array is no picture.
    """
    return FaceMeshPortrait(likeness_of(image, size))


def likeness_of(image: NDArray[np.uint8], size: int) -> Likeness:
    """What drawing needs from a picture, read anew or from the cache; see `load_portrait`."""
    _check(image, size)
    kept = kept_likenesses.find(image, size)
    if kept is not None:
        return kept
    from avatar_forcing_ros.motion.facemesh.likeness import read_likeness

    likeness = read_likeness(image, size)
    kept_likenesses.keep(image, size, likeness)
    return likeness


def _check(image: NDArray, size: int) -> None:
    if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        got = f"{getattr(image, 'shape', type(image).__name__)} {getattr(image, 'dtype', '')}"
        raise PortraitError(f"a portrait must be (H, W, 3) uint8 RGB, got {got.strip()}")
    if min(image.shape[:2]) < LEAST_SIZE:
        raise PortraitError(f"a portrait must be at least {LEAST_SIZE} pixels high and wide, got {image.shape[:2]}")
    if not LEAST_SIZE <= size <= MOST_SIZE:
        raise PortraitError(f"size must be within {LEAST_SIZE} and {MOST_SIZE} pixels, got {size}")


def plain_portrait(size: int = 512) -> FaceMeshPortrait:
    """A portrait of the canonical face in plain colours, which needs no picture and no detector."""
    from avatar_forcing_ros.motion.facemesh.likeness import plain_likeness

    return FaceMeshPortrait(plain_likeness(size))
