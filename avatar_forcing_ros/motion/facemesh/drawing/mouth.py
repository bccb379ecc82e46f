# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The inside of the mouth: teeth, tongue and dark, painted into the finished frame where the lips part.

Upper teeth stand still in the skull, lower teeth and tongue move with the jaw; lips hide what they hide in life, so
teeth appear only as the mouth opens. Units are interocular distances with the origin in the middle of the closed lips.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from avatar_forcing_ros.motion.facemesh.drawing.teeth import SPRITE_EDGE, SPRITE_HEIGHT, tooth_colour
from avatar_forcing_ros.motion.facemesh.kernel import kernel, single

CURVE_POINTS = 32
"""Points per lip of the smooth outline."""


@dataclass(frozen=True)
class MouthConfig:
    """Where teeth and tongue are.

    Attributes:
        tooth_depth: distance of the teeth behind the lips.
        upper_edge: how far the upper incisors reach below the closed lips' line.
        lower_edge: how far the lower incisors reach above the lower lip's inner edge.
        teeth_from: gap between the lips from which teeth begin to show.
        teeth_full: gap at which they show fully.
        pucker_hides: share of the teeth's brightness that a full pucker takes.
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
        upper: (h, w, 4) float32 upper row, alpha 0..1, edge of the incisors `SPRITE_EDGE` below its top.
        lower: (h, w, 4) float32 lower row, edge of the incisors at its top.
        cavity: (3,) float32 RGB of the dark.
        tongue: (3,) float32 RGB.
        lip: (3,) float32 RGB of the lips' wet inner side.
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


_SPLINE = CubicSpline(np.arange(11), np.eye(11))(np.linspace(0, 10, CURVE_POINTS)).astype(np.float32)


@dataclass(frozen=True)
class MouthFrame:
    """Where the mouth is in one frame.

    Attributes:
        upper: (11, 2) inner edge of the upper lip, picture pixels, from the viewer's left.
        lower: (11, 2) inner edge of the lower lip.
        origin: (2,) picture position of the mouth's origin at the depth of the teeth.
        axes: (2, 2) columns are one unit right and one unit down of the skull, in pixels.
        drop: how far the lower jaw has gone down, units.
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
    unit = float(np.sqrt(abs(np.linalg.det(frame.axes))))
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
    inverse = np.linalg.inv(frame.axes)
    shift = inverse @ (low - frame.origin)
    teeth = float(np.clip((gap / unit - config.teeth_from) / (config.teeth_full - config.teeth_from), 0, 1))
    _fill_mouth(
        target[low[1] : high[1], low[0] : high[0]], mask, top, bottom,
        inverse.astype(np.float32), shift.astype(np.float32),
        look.upper, look.lower, look.cavity, look.tongue, look.lip,
        single(config.upper_edge), single(frame.drop - config.lower_edge),
        single(teeth * (1 - config.pucker_hides * frame.pucker)), single(presence), single(unit),
        single(look.width),
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


@kernel
def _fill_mouth(
    target: NDArray, mask: NDArray, top: NDArray, bottom: NDArray, inverse: NDArray, shift: NDArray,
    upper: NDArray, lower: NDArray, cavity: NDArray, tongue: NDArray, lip: NDArray,
    upper_edge: float, lower_edge: float, teeth: float, presence: float, unit: float, tooth_width: float,
) -> None:  # fmt: skip
    """Per-pixel part of `paint_mouth`: dark, tongue, lower teeth, upper teeth, then the shadow of the lips."""
    height, width = mask.shape
    centre = 0.5 * (width - 1)
    for row in range(height):
        for column in range(width):
            alpha = presence * mask[row, column] / 255.0
            if alpha <= 0.0:
                continue
            u = (shift[0] + inverse[0, 0] * column + inverse[0, 1] * row) / tooth_width
            v = shift[1] + inverse[1, 0] * column + inverse[1, 1] * row
            under_lip = max(0.0, (row - top[column]) / unit)
            over_lip = max(0.0, (bottom[column] - row) / unit)
            side = (column - centre) / centre
            inner_lip = 0.85 * max(0.0, 1.0 - min(under_lip, 1.3 * over_lip) / 0.022)
            shadow = (0.72 + 0.28 * min(1.0, under_lip / 0.06)) * (0.80 + 0.20 * min(1.0, over_lip / 0.04))
            shadow *= 1.0 - 0.35 * side * side * side * side
            deep = 1.0 - 0.50 * min(1.0, under_lip / 0.30)
            # the tongue lies behind the lower teeth: a back that falls off to the sides and rises as the jaw opens
            back = lower_edge - 0.04 - 0.11 * min(1.0, max(0.0, lower_edge / 0.3)) + 1.6 * u * u
            on_tongue = min(1.0, max(0.0, (v - back) / 0.05)) * min(1.0, max(0.0, (lower_edge - 0.03) / 0.10))
            groove = 1.0 - 0.14 * max(0.0, 1.0 - abs(u) / 0.05)
            relief = (0.60 + 0.40 * min(1.0, max(0.0, v - back) / 0.12)) * groove
            low = tooth_colour(lower, u, v - lower_edge + SPRITE_HEIGHT - SPRITE_EDGE)
            up = tooth_colour(upper, u, v - upper_edge + SPRITE_EDGE)
            light_low = 0.70 + 0.25 * min(1.0, under_lip / 0.25)
            for c in range(3):
                value = cavity[c] * deep
                value += on_tongue * (tongue[c] * relief - value)
                value += 0.95 * teeth * low[3] * (low[c] * light_low - value)
                value += teeth * up[3] * (up[c] - value)
                value *= shadow if c else 1.0 - 0.85 * (1.0 - shadow)  # light that went through skin is red
                value += inner_lip * (lip[c] - value)
                value = min(255.0, max(0.0, value))
                before = target[row, column, c]
                target[row, column, c] = np.uint8(before + alpha * (value - before) + 0.5)
