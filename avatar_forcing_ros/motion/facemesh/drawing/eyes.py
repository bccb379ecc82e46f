# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Lids and gaze, painted into the portrait's texture before it is bent: a lid that closes, an iris that moves.

A frame shows the photograph where nothing moves, and the three pictures that were prepared of each eye where something
does: the eye shut, the white without iris, and the whole iris.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.kernel import kernel, single

LOWER_LID_SHARE = 0.12
"""Part of the opening that the lower lid closes; the upper lid does the rest."""
SMILE_LOWER_LID = 0.55
"""What it closes more in a full smile, whose cheeks push it up: lids that only came down would look sleepy."""
LID_FOLLOWS_GAZE = 0.22
"""Closure of the upper lid when the eyes look fully down."""
SOFT_EDGE = 1.4
"""Rows over which the edge of a lid turns from skin to eye: sharper edges flicker as they move."""
LID_SHADOW = 0.30
"""What a lid that closes takes of the light on the eyeball under it, fading over `SHADOW_LASHES` lash lines."""
SHADOW_LASHES = 4.0
WHITE_UNDER_LID, WHITE_GAIN, WHITE_REACH = 0.72, 0.24, 0.35
"""Brightness of an eyeball right under the lid, and what it gains until `WHITE_REACH` of the opening below."""
LASH_STRENGTH = 0.85
"""Of the lash line on a closing lid; a drawn line at full strength looks like make-up."""


@dataclass(frozen=True)
class EyePatch:
    """One eye of a portrait, in texture pixels; curves hold one value for each of the patch's W columns.

    Attributes:
        left: first column of the patch in the texture.
        top: first row.
        open: (H, W, 3) float32, the picture.
        shut: (H, W, 3) float32, the eye replaced by skin.
        socket: (H, W) float32, 0..1: what is eye rather than skin, lashes included.
        white: (H, W, 3) float32, eyeball without iris.
        iris: (H, W, 4) float32, iris and its coverage 0..1.
        lashes: (W, 3) float32, colour of the lash line.
        upper: (W,) float32 row of the open upper lid's edge.
        lower: (W,) float32 row of the lower lid's edge; not above `upper`, equal to it beside the eye.
        lash: thickness of the lash line.
        gaze_side: columns that the iris moves at `gaze_x` 1.
        gaze_down: rows that the iris moves at `gaze_y` 1.
    """

    left: int
    top: int
    open: NDArray[np.float32]
    shut: NDArray[np.float32]
    socket: NDArray[np.float32]
    white: NDArray[np.float32]
    iris: NDArray[np.float32]
    lashes: NDArray[np.float32]
    upper: NDArray[np.float32]
    lower: NDArray[np.float32]
    lash: float
    gaze_side: float
    gaze_down: float

    def paint(self, texture: NDArray[np.uint8], blink: float, gaze_x: float, gaze_y: float, smile: float = 0.0) -> None:
        """Paint the eye into `texture` (S, S, 4); values as in `channels.py`."""
        closure = min(1.0, blink + LID_FOLLOWS_GAZE * max(gaze_y, 0.0) * (1 - blink))
        lower_share = LOWER_LID_SHARE + SMILE_LOWER_LID * max(smile, 0.0)
        height, width = self.socket.shape
        paint_eye(
            texture[self.top : self.top + height, self.left : self.left + width],
            self.open, self.shut, self.socket, self.white, self.iris, self.lashes, self.upper, self.lower,
            single(self.lash), single(closure), single(lower_share),
            single(gaze_x * self.gaze_side), single(gaze_y * self.gaze_down),
        )  # fmt: skip


@kernel
def paint_eye(
    target: NDArray, opened: NDArray, shut: NDArray, socket: NDArray, white: NDArray, iris: NDArray, lashes: NDArray,
    upper: NDArray, lower: NDArray, lash: float, closure: float, lower_share: float, side: float, down: float,
) -> None:  # fmt: skip
    """Paint one eye into `target` (H, W, 4) uint8; the other arrays are those of `EyePatch`, motions in pixels."""
    height, width = socket.shape
    gaze = min(1.0, 6.0 * (abs(side) + abs(down)) / (1.0 + lash))
    lid = min(1.0, 2.5 * closure)
    for column in range(width):
        gap = lower[column] - upper[column]
        between = min(1.0, max(0.0, gap / (1.5 * lash)))  # 0 beside the eye
        low_edge = lower[column] - lower_share * closure * gap
        edge = low_edge - (1.0 - closure) * (1.0 - LOWER_LID_SHARE * closure) * gap  # as open, whichever lid moves
        edge_row = min(height - 1, max(0, int(edge)))
        for row in range(height):
            ball = min(1.0, max(0.0, 0.5 + (row - edge) / SOFT_EDGE)) * min(
                1.0, max(0.0, 0.5 + (low_edge - row) / SOFT_EDGE)
            )
            ball *= between
            was_open = min(1.0, max(0.0, 0.5 + (row - upper[column]) / SOFT_EDGE))
            was_open *= min(1.0, max(0.0, 0.5 + (lower[column] - row) / SOFT_EDGE))
            skin = max(was_open * between * min(1.0, 20.0 * closure), lid * socket[row, column]) * (1.0 - ball)
            shadow = 1.0 - LID_SHADOW * closure * ball * max(0.0, 1.0 - max(0.0, row - edge) / (SHADOW_LASHES * lash))
            lit = min(1.0, max(0.0, row - upper[column]) / max(WHITE_REACH * gap, 1.0))
            shade = WHITE_UNDER_LID + WHITE_GAIN * lit
            line = lid * min(1.0, 1.5 * socket[edge_row, column]) * max(0.0, 1.0 - abs(row - edge + 0.2 * lash) / lash)
            if skin <= 0.0 and line <= 0.0 and (ball <= 0.0 or (gaze == 0.0 and closure == 0.0)):
                for c in range(3):
                    target[row, column, c] = np.uint8(opened[row, column, c])
                continue
            coverage = _sample(iris, row - down, column - side, 3) if gaze > 0.0 else 0.0
            for c in range(3):
                value = opened[row, column, c]
                if gaze > 0.0:
                    made = white[row, column, c] * shade
                    made += coverage * (_sample(iris, row - down, column - side, c) * (0.4 + 0.6 * shade) - made)
                    value += gaze * ball * (made - value)
                value *= shadow
                value += skin * (shut[row, column, c] - value)
                value += LASH_STRENGTH * line * (min(lashes[column, c], value) - value)
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
