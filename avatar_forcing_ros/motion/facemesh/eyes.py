"""Lids and gaze, painted into the portrait's texture before it is bent: a lid that closes, an iris that moves.

The upper lid is the skin between crease and lashes, stretched down; its lash line moves with it unchanged. The eyeball is
taken apart into a white without iris and an iris completed where lids hid it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from avatar_forcing_ros.motion.facemesh.gains import GAINS, ExpressionGains
from avatar_forcing_ros.motion.facemesh.kernel import kernel
from avatar_forcing_ros.motion.facemesh.landmarks import EyeLandmarks

LOWER_LID_SHARE = 0.12
"""Part of the opening that the lower lid closes; the upper lid does the rest."""
LID_FOLLOWS_GAZE = 0.25
"""Closure of the upper lid when the eyes look fully down."""


@dataclass(frozen=True)
class EyePatch:
    """One eye of a portrait, in texture pixels; curves hold one value for each of the patch's W columns.

    Attributes:
        left: first column of the patch in the texture.
        top: first row.
        skin: (H, W, 3) float32, the picture with the eye open.
        lid: (H, W, 3) float32, the picture smoothed along the lid, for stretching.
        white: (H, W, 3) float32, eyeball without iris.
        iris: (H, W, 4) float32, iris and its coverage 0..1.
        upper: (W,) float32 row of the open upper lid's edge.
        lower: (W,) float32 row of the lower lid's edge.
        crease: (W,) float32 row above which a closing lid moves nothing.
        lash: half the height of the strip of lashes that moves unchanged.
        gaze_side: columns that the iris moves at `gaze_x` 1.
        gaze_down: rows that the iris moves at `gaze_y` 1.
    """

    left: int
    top: int
    skin: NDArray[np.float32]
    lid: NDArray[np.float32]
    white: NDArray[np.float32]
    iris: NDArray[np.float32]
    upper: NDArray[np.float32]
    lower: NDArray[np.float32]
    crease: NDArray[np.float32]
    lash: float
    gaze_side: float
    gaze_down: float

    def paint(self, texture: NDArray[np.uint8], blink: float, gaze_x: float, gaze_y: float) -> None:
        """Paint the eye into `texture` (S, S, 4); values as in `channels.py`."""
        closure = min(1.0, blink + LID_FOLLOWS_GAZE * max(gaze_y, 0.0) * (1 - blink))
        height, width = self.skin.shape[:2]
        paint_eye(
            texture[self.top : self.top + height, self.left : self.left + width],
            self.skin, self.lid, self.white, self.iris, self.upper, self.lower, self.crease,
            np.float32(self.lash), np.float32(closure),
            np.float32(gaze_x * self.gaze_side), np.float32(gaze_y * self.gaze_down),
        )  # fmt: skip


def cut_eye(
    image: NDArray[np.uint8], landmarks: NDArray, eye: EyeLandmarks, scale: float, gains: ExpressionGains = GAINS
) -> EyePatch:
    """Prepare one eye.

    Args:
        image: (S, S, 3) uint8, the portrait.
        landmarks: (478, 3) in its pixels.
        eye: which eye.
        scale: pixels per interocular distance.
        gains: how far the iris moves.
    """
    outline = landmarks[eye.outline, :2]
    low = np.floor(outline.min(0) - [0.05 * scale, 0.22 * scale]).astype(int).clip(0)
    high = np.ceil(outline.max(0) + [0.05 * scale, 0.10 * scale]).astype(int).clip(None, np.array(image.shape[1::-1]))
    skin = image[low[1] : high[1], low[0] : high[0]].astype(np.float32)
    marks = landmarks[:, :2] - low
    columns = np.arange(skin.shape[1], dtype=float)
    upper, lower = (_edge(columns, marks[np.r_[eye.corners[0], row, eye.corners[1]]]) for row in (eye.upper_lid, eye.lower_lid))
    lower = np.maximum(lower, upper)
    reach = np.interp(columns, marks[eye.crease, 0], upper_gap(marks, eye))
    white, iris = _split_eyeball(skin, marks, eye, upper, lower, scale)
    return EyePatch(
        left=int(low[0]),
        top=int(low[1]),
        skin=skin,
        lid=_smooth_lid(skin, scale),
        white=white,
        iris=iris,
        upper=upper.astype(np.float32),
        lower=lower.astype(np.float32),
        crease=np.maximum(upper - np.maximum(reach, 0.06 * scale), 0).astype(np.float32),
        lash=max(1.0, 0.018 * scale),
        gaze_side=gains.gaze_side * scale,
        gaze_down=gains.gaze_down * scale,
    )


def upper_gap(marks: NDArray, eye: EyeLandmarks) -> NDArray[np.float64]:
    """(7,) height of the skin between the upper lid's edge and its crease."""
    return marks[eye.upper_lid, 1] - marks[eye.crease, 1]


def _edge(columns: NDArray, points: NDArray) -> NDArray[np.float64]:
    """Row of a lid's edge at each column, smooth, level beyond the corners."""
    points = points[np.argsort(points[:, 0])]
    curve = PchipInterpolator(points[:, 0], points[:, 1])
    return curve(np.clip(columns, points[0, 0], points[-1, 0]))


def _smooth_lid(skin: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    return cv2.GaussianBlur(skin, (0, 0), sigmaX=max(1.0, 0.04 * scale), sigmaY=max(0.5, 0.008 * scale))


def _split_eyeball(
    skin: NDArray[np.float32], marks: NDArray, eye: EyeLandmarks, upper: NDArray, lower: NDArray, scale: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """White (H, W, 3) and iris with coverage (H, W, 4)."""
    centre = marks[eye.iris[0]]
    radius = float(np.linalg.norm(marks[eye.iris[1:]] - centre, axis=1).mean())
    rows, columns = np.mgrid[0 : skin.shape[0], 0 : skin.shape[1]].astype(np.float32)
    distance = np.hypot(columns - centre[0], rows - centre[1]) / radius
    inset = 0.02 * scale
    inside = np.minimum(rows - upper - 1.5 * inset, lower - inset - rows)  # > 0 well inside the opening
    white = _complete_white(skin, (inside > 0) & (distance > 1.15), radius)
    profile = _radial_profile(skin, distance, (inside > -0.5) & (distance < 1.05))
    seen = np.clip(inside / max(inset, 1) + 0.5, 0, 1)[..., None] * np.clip((1.02 - distance) / 0.1, 0, 1)[..., None]
    colour = skin * seen + profile * (1 - seen)
    coverage = np.clip((1.1 - distance) * radius / 1.6 + 0.5, 0, 1)
    return white, np.dstack([colour, coverage]).astype(np.float32)


def _complete_white(skin: NDArray[np.float32], known: NDArray[np.bool_], radius: float) -> NDArray[np.float32]:
    """The white where the iris or a lid hid it, from what is seen of it; a plain off-white when nothing is seen."""
    if known.sum() < 8:
        return np.full_like(skin, 0.6 * skin.max())
    filled = cv2.inpaint(skin.astype(np.uint8), (~known).astype(np.uint8), 3, cv2.INPAINT_TELEA).astype(np.float32)
    smooth = cv2.GaussianBlur(filled, (0, 0), max(1.0, 0.25 * radius))
    share = cv2.GaussianBlur(known.astype(np.float32), (0, 0), max(0.7, 0.08 * radius))[..., None]
    return skin * share * known[..., None] + smooth * (1 - share * known[..., None])


def _radial_profile(skin: NDArray[np.float32], distance: NDArray, seen: NDArray[np.bool_], bins: int = 12) -> NDArray:
    """(H, W, 3) the iris as if it were the same in every direction: median colour by distance from its centre."""
    number = np.minimum((distance * bins / 1.05).astype(int), bins)
    rings = np.empty((bins + 1, 3), np.float32)
    rings[0] = skin[np.unravel_index(distance.argmin(), distance.shape)]
    for ring in range(bins + 1):
        here = seen & (number == ring)
        rings[ring] = np.median(skin[here], axis=0) if here.sum() > 2 else rings[max(ring - 1, 0)]
    place = np.clip(distance * bins / 1.05 - 0.5, 0, bins - 1e-3)
    low, share = place.astype(int), (place % 1)[..., None]
    return rings[low] * (1 - share) + rings[low + 1] * share


@kernel
def paint_eye(
    target: NDArray, skin: NDArray, lid: NDArray, white: NDArray, iris: NDArray,
    upper: NDArray, lower: NDArray, crease: NDArray, lash: float, closure: float, side: float, down: float,
) -> None:  # fmt: skip
    """Paint one eye into `target` (H, W, 4) uint8; the other arrays are those of `EyePatch`, motions in pixels."""
    height, width = upper.shape[0] and skin.shape[0], skin.shape[1]
    moved = min(1.0, 6.0 * (abs(side) + abs(down)) / (1.0 + lash))
    for column in range(width):
        gap = lower[column] - upper[column]
        low_edge = lower[column] - LOWER_LID_SHARE * closure * gap
        edge = upper[column] + closure * (low_edge - upper[column])
        fold = crease[column]
        stretch = (upper[column] - lash - fold) / max(edge - lash - fold, 1e-3)
        openness = min(1.0, max(0.0, gap))
        for row in range(height):
            cover = min(1.0, max(0.0, edge + 0.5 - row)) if gap > 0 else 1.0  # 1 on the upper lid
            under = min(1.0, max(0.0, row - low_edge + 0.5))  # 1 on the lower lid
            # where on the open picture this pixel of the lid lies
            source = row + 0.0
            if fold < row < edge - lash:
                source = fold + (row - fold) * stretch
            elif row >= edge - lash:
                source = row - (edge - upper[column])
            smooth = closure * min(1.0, max(0.0, (row - fold) / (1.0 + lash))) * min(1.0, max(0.0, (edge - lash - row) * 0.5))
            below = row + (lower[column] - low_edge) * max(0.0, 1.0 - max(0.0, row - lower[column]) / (3.0 * lash))
            shade = 1.0 - 0.35 * closure * max(0.0, 1.0 - max(0.0, row - edge) / (4.0 * lash))
            tint = 1.0 - 0.10 * closure * min(1.0, max(0.0, (row - fold) / max(edge - fold, 1.0)))
            coverage = _sample(iris, row - down, column - side, 3)
            for c in range(3):
                ball = skin[row, column, c]
                if moved > 0.0:
                    made = white[row, column, c]
                    made += coverage * (_sample(iris, row - down, column - side, c) - made)
                    ball += moved * openness * (made - ball)
                ball *= shade
                sharp = _sample(skin, source, column, c)
                top_lid = (sharp + smooth * (_sample(lid, source, column, c) - sharp)) * tint
                value = ball + under * (_sample(skin, below, column, c) - ball)
                value += cover * (top_lid - value)
                target[row, column, c] = np.uint8(min(255.0, max(0.0, value + 0.5)))


@kernel
def _sample(array: NDArray, row: float, column: float, channel: int) -> float:
    """Bilinear sample with the border repeated."""
    height, width = array.shape[0], array.shape[1]
    row = min(max(row, 0.0), height - 1.001)
    column = min(max(column, 0.0), width - 1.001)
    r, c = int(row), int(column)
    fr, fc = row - r, column - c
    above = array[r, c, channel] + fc * (array[r, c + 1, channel] - array[r, c, channel])
    below = array[r + 1, c, channel] + fc * (array[r + 1, c + 1, channel] - array[r + 1, c, channel])
    return above + fr * (below - above)
