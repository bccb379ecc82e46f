"""Cuts the square around head and shoulders out of a picture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.landmarks import fit_head


@dataclass(frozen=True)
class CropConfig:
    """The square around head and shoulders.

    Attributes:
        half_side: half its side, interocular distances.
        least_half_side: as small as it may become to stay within the picture; beyond that the picture is mirrored.
        eye_line: height of the eyes, share of the side from the top.
        slack: how far the eyes may be moved off their place to stay within the picture, share of the side.
    """

    half_side: float = 2.6
    least_half_side: float = 2.3
    eye_line: float = 0.45
    slack: float = 0.06


@dataclass(frozen=True)
class Crop:
    """A square portrait.

    Attributes:
        image: (S, S, 3) uint8 RGB.
        landmarks: (478, 3) in its pixels.
        enlargement: its pixels per pixel of the picture.
    """

    image: NDArray[np.uint8]
    landmarks: NDArray[np.float64]
    enlargement: float


def crop_head(image: NDArray[np.uint8], landmarks: NDArray, size: int, config: CropConfig | None = None) -> Crop:
    """Cut the square of `size` pixels around the head with `landmarks` (478, 3) out of `image` (H, W, 3)."""
    config = config or CropConfig()
    head = fit_head(landmarks)
    height, width = image.shape[:2]
    side = 2 * head.scale * config.half_side
    side = max(min(side, height, width), 2 * head.scale * config.least_half_side)
    whole = int(np.ceil(side))
    left = _stay_within(head.offset[0] - side / 2, width - side, config.slack * side)
    top = _stay_within(head.offset[1] - config.eye_line * side, height - side, config.slack * side)
    cut = _cut_mirrored(image, left, top, whole)
    scale = size / whole
    square = cv2.resize(cut, (size, size), interpolation=cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA)
    centre_shift = 0.5 * scale - 0.5  # a pixel's centre, not its corner, is its position
    moved = (landmarks - [left, top, 0]) * scale + [centre_shift, centre_shift, 0]
    return Crop(square, moved, scale)


def _stay_within(start: float, most: float, slack: float) -> int:
    """Move `start` into 0..`most`, by no more than `slack`."""
    inside = np.clip(start, 0, max(most, 0))
    return int(np.floor(start + np.clip(inside - start, -slack, slack)))


def _cut_mirrored(image: NDArray[np.uint8], left: int, top: int, side: int) -> NDArray[np.uint8]:
    """A square that may reach beyond the picture, which is mirrored there."""
    height, width = image.shape[:2]
    above, before = max(-top, 0), max(-left, 0)
    below, behind = max(top + side - height, 0), max(left + side - width, 0)
    padded = cv2.copyMakeBorder(image, above, below, before, behind, cv2.BORDER_REFLECT_101)
    return padded[top + above : top + above + side, left + before : left + before + side]
