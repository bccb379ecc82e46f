# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Cuts a square around head and shoulders out of a picture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.landmarks import OVAL, fit_head
from avatar_forcing_ros.motion.space import PortraitError

_SOFT_SHARE = 0.05  # share of the side over which what lies beyond the picture becomes blurred


@dataclass(frozen=True)
class CropConfig:
    """The square around head and shoulders.

    Attributes:
        half_side: half its side in interocular distances.
        least_half_side: how small it may become to stay within the picture; then the picture's edge is extended.
        eye_line: height of the eyes, as a share of the side from the top.
        slack: how far the eyes may move from their place to keep the square within the picture, as a share of the side.
        least_room: least space between the face and each edge of the picture, as a share of the face's width or height.
            With less, there is neither hair nor neck to animate.
        ample_room: with less room than this, some of what surrounds the head is made up.
    """

    half_side: float = 2.6
    least_half_side: float = 2.3
    eye_line: float = 0.45
    slack: float = 0.06
    least_room: float = 0.17
    ample_room: float = 0.35


@dataclass(frozen=True)
class Crop:
    """A square portrait.

    Attributes:
        image: (S, S, 3) uint8 RGB.
        landmarks: (478, 3) in its pixels.
        enlargement: its pixels per pixel of the picture.
        is_tight: whether the picture ends so close to the face that some of the square is made up.
    """

    image: NDArray[np.uint8]
    landmarks: NDArray[np.float64]
    enlargement: float
    is_tight: bool = False


def crop_head(image: NDArray[np.uint8], landmarks: NDArray, size: int, config: CropConfig | None = None) -> Crop:
    """Cut the square of `size` pixels around the head with `landmarks` (478, 3) out of `image` (H, W, 3).

    Raises:
        PortraitError: the face fills the picture.
    """
    config = config or CropConfig()
    room = _least_room(image, landmarks)
    if room < config.least_room:
        raise PortraitError(
            f"the face fills the picture: expected room of at least {config.least_room:.2f} of the face's size on each "
            f"side of it, got {max(room, 0):.2f}; use a picture of the whole head with some background"
        )
    head = fit_head(landmarks)
    height, width = image.shape[:2]
    side = 2 * head.scale * config.half_side
    side = max(min(side, height, width), 2 * head.scale * config.least_half_side)
    whole = int(np.ceil(side))
    left = _stay_within(head.offset[0] - side / 2, width - side, config.slack * side)
    top = _stay_within(head.offset[1] - config.eye_line * side, height - side, config.slack * side)
    cut = _cut_padded(image, left, top, whole)
    scale = size / whole
    square = cv2.resize(cut, (size, size), interpolation=cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA)
    centre_shift = 0.5 * scale - 0.5  # a pixel's position is its centre, not its corner
    moved = (landmarks - [left, top, 0]) * scale + [centre_shift, centre_shift, 0]
    return Crop(square, moved, scale, room < config.ample_room)


def _least_room(image: NDArray[np.uint8], landmarks: NDArray) -> float:
    """The narrowest strip between the face and an edge of the picture, as a share of the face's width or height."""
    low, high = landmarks[OVAL, :2].min(0), landmarks[OVAL, :2].max(0)
    beyond = np.array(image.shape[1::-1]) - high
    return float((np.minimum(low, beyond) / (high - low)).min())


def _stay_within(start: float, most: float, slack: float) -> int:
    """Move `start` into 0..`most`, but by no more than `slack`."""
    inside = np.clip(start, 0, max(most, 0))
    return int(np.floor(start + np.clip(inside - start, -slack, slack)))


def _cut_padded(image: NDArray[np.uint8], left: int, top: int, side: int) -> NDArray[np.uint8]:
    """A square that may reach beyond the picture, whose edge is extended there and more blurred further out.

    A mirrored edge would show a second face beside one that is close to the edge.
    """
    height, width = image.shape[:2]
    above, before = max(-top, 0), max(-left, 0)
    below, behind = max(top + side - height, 0), max(left + side - width, 0)
    padded = cv2.copyMakeBorder(image, above, below, before, behind, cv2.BORDER_REPLICATE)
    cut = padded[top + above : top + above + side, left + before : left + before + side]
    if not (above or before or below or behind):
        return cut
    inside = np.zeros((side, side), np.uint8)
    inside[above : side - below, before : side - behind] = 1
    outward = cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)[..., None] / (_SOFT_SHARE * side)
    soft = cv2.GaussianBlur(cut, (0, 0), _SOFT_SHARE * side / 2)
    return np.where(outward > 0, cut + (soft.astype(np.float32) - cut) * np.minimum(outward, 1), cut).astype(np.uint8)
