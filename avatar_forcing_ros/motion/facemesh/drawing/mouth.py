# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The inside of the mouth: teeth, tongue and the dark behind them, painted into the finished frame between the lips.

The upper teeth are fixed to the skull; the lower teeth and the tongue move with the jaw. The lips hide them as in real
life, so teeth appear only as the mouth opens. Units are interocular distances, with the origin in the middle of the
closed lips.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros import _drawing
from avatar_forcing_ros.motion.facemesh.drawing.teeth import (
    SPRITE_EDGE,
    SPRITE_HALF_WIDTH,
    SPRITE_HEIGHT,
    SPRITE_SCALE,
)

CURVE_POINTS = 32
"""Points per lip of the smooth outline."""


@dataclass(frozen=True)
class MouthConfig:
    """Where teeth and tongue are.

    Attributes:
        tooth_depth: distance of the teeth behind the lips.
        upper_edge: how far the upper incisors reach below the line of the closed lips.
        lower_edge: how far the lower incisors reach above the lower lip's inner edge.
        teeth_from: gap between the lips at which teeth begin to show.
        teeth_full: gap at which they show fully.
        pucker_hides: share of the teeth's brightness that a full pucker takes away.
    """

    tooth_depth: float = 0.10
    upper_edge: float = 0.065
    lower_edge: float = 0.015
    teeth_from: float = 0.03
    teeth_full: float = 0.09
    pucker_hides: float = 0.6


@dataclass(frozen=True)
class MouthLook:
    """Colours and tooth pictures of one portrait.

    Attributes:
        upper: (h, w, 4) float32, upper row, alpha 0..1; the incisors end `SPRITE_EDGE` below its top.
        lower: (h, w, 4) float32, lower row; the incisors begin at its top.
        cavity: (3,) float32, RGB of the dark.
        tongue: (3,) float32, RGB.
        lip: (3,) float32, RGB of the wet inner side of the lips.
        width: size of the teeth, 1 for an average mouth.
        seam: strength of a line painted between closed lips, for pictures that have none because the mouth was open.
    """

    upper: NDArray[np.float32]
    lower: NDArray[np.float32]
    cavity: NDArray[np.float32]
    tongue: NDArray[np.float32]
    lip: NDArray[np.float32]
    width: float
    seam: float


def _spline(knots: int, points: int) -> NDArray[np.float32]:
    """(points, knots) matrix that turns evenly spaced knots into a smooth curve: a cubic not-a-knot spline.

    Slopes at the knots follow from equal curvature on both sides; between knots the curve is a Hermite polynomial.
    (scipy has this, but loading it takes longer than a start may.)
    """
    steps = np.diff(np.eye(knots), axis=0)
    sides, wanted = 4 * np.eye(knots) + np.eye(knots, k=1) + np.eye(knots, k=-1), np.zeros((knots, knots))
    wanted[1:-1] = 3 * (steps[:-1] + steps[1:])
    sides[0, :2], wanted[0] = (1, 2), (5 * steps[0] + steps[1]) / 2
    sides[-1, -2:], wanted[-1] = (2, 1), (steps[-2] + 5 * steps[-1]) / 2
    slopes = np.linalg.solve(sides, wanted)
    at = np.linspace(0, knots - 1, points)
    left = np.minimum(at.astype(int), knots - 2)
    t = (at - left)[:, None]
    value, slope = t * t * (3 - 2 * t), t * (1 - t)
    curve = np.eye(knots)[left] + value * steps[left] + slope * ((1 - t) * slopes[left] - t * slopes[left + 1])
    return curve.astype(np.float32)


_SPLINE = _spline(11, CURVE_POINTS)


@dataclass(frozen=True)
class MouthFrame:
    """Where the mouth is in one frame.

    Attributes:
        upper: (11, 2) inner edge of the upper lip in picture pixels, from the viewer's left.
        lower: (11, 2) inner edge of the lower lip.
        origin: (2,) picture position of the mouth's origin at the depth of the teeth.
        axes: (2, 2) columns are one unit right and one unit down of the skull, in pixels.
        drop: how far the lower jaw has moved down, in units.
        pucker: the channel; rounded lips hide the teeth.
    """

    upper: NDArray[np.float32]
    lower: NDArray[np.float32]
    origin: NDArray
    axes: NDArray
    drop: float
    pucker: float


def paint_mouth(target: NDArray[np.uint8], frame: MouthFrame, look: MouthLook, config: MouthConfig) -> None:
    """Paint the inside of the mouth into `target` (S, S, 4), within the inner edges of the lips."""
    upper, lower = _SPLINE @ frame.upper, _SPLINE @ frame.lower
    (a, b), (c, d) = frame.axes.tolist()
    unit = abs(a * d - b * c) ** 0.5
    gap = float((lower[:, 1] - upper[:, 1]).max())
    presence = min(1.0, max(0.0, (gap - 0.75) / 2.0))
    if look.seam * (1 - presence) > 0:
        _draw_seam(target, (upper + lower) / 2, look, unit, 1 - presence)
    if presence == 0:
        return
    low = np.floor(np.minimum(upper.min(0), lower.min(0))).astype(int).clip(1) - 1
    high = np.ceil(np.maximum(upper.max(0), lower.max(0))).astype(int) + 2
    high = np.minimum(high, target.shape[1::-1])
    width, height = high - low
    if width < 3 or height < 3:
        return
    mask = np.zeros((height, width), np.uint8)
    outline = np.vstack([upper, np.maximum(lower, upper)[::-1]]) - low
    cv2.fillPoly(mask, [np.round(outline * 16).astype(np.int32)], 255, cv2.LINE_AA, shift=4)
    columns = np.arange(low[0], high[0], dtype=np.float32)
    top = np.interp(columns, upper[:, 0], upper[:, 1]).astype(np.float32) - np.float32(low[1])
    bottom = np.interp(columns, lower[:, 0], lower[:, 1]).astype(np.float32) - np.float32(low[1])
    inverse = np.array([[d, -b], [-c, a]]) / (a * d - b * c)
    shift = inverse @ (low - frame.origin)
    teeth = min(max((gap / unit - config.teeth_from) / (config.teeth_full - config.teeth_from), 0.0), 1.0)
    _drawing.fill_mouth(
        target, len(target), int(low[0]), int(low[1]), mask, top, bottom, int(height), int(width),
        inverse.astype(np.float32), shift.astype(np.float32), look.cavity, look.tongue, look.lip,
        look.upper, look.upper.shape[0], look.upper.shape[1], look.lower, look.lower.shape[0], look.lower.shape[1],
        config.upper_edge, frame.drop - config.lower_edge, teeth * (1 - config.pucker_hides * frame.pucker),
        presence, unit, look.width, SPRITE_SCALE, SPRITE_HALF_WIDTH, SPRITE_HEIGHT, SPRITE_EDGE,
    )  # fmt: skip


def _draw_seam(target: NDArray[np.uint8], line: NDArray, look: MouthLook, unit: float, strength: float) -> None:
    """A soft dark line where closed lips touch."""
    low = np.floor(line.min(0)).astype(int).clip(3) - 3
    high = np.minimum(np.ceil(line.max(0)).astype(int) + 4, target.shape[1::-1])
    if (high - low < 4).any():
        return
    mask = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
    points = np.round((line - low) * 16).astype(np.int32)
    cv2.polylines(mask, [points], False, 255, max(1, round(0.014 * unit)), cv2.LINE_AA, shift=4)
    share = cv2.GaussianBlur(mask, (0, 0), max(0.5, 0.006 * unit))[..., None] * np.float32(look.seam * strength / 255)
    patch = target[low[1] : high[1], low[0] : high[0], :3]
    patch[:] = patch + share * (0.75 * look.lip - patch)
