# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Lids and gaze, painted into the portrait's texture before it is bent: a lid that closes, an iris that moves.

Where nothing moves, a frame shows the photograph. Elsewhere it shows three prepared pictures of each eye: the shut eye,
the white without iris, and the whole iris.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros import _drawing

LOWER_LID_SHARE = 0.12
"""Share of the opening that the lower lid closes; the upper lid closes the rest."""


@dataclass(frozen=True)
class EyePatch:
    """One eye of a portrait, in texture pixels. Curves hold one value for each of the patch's W columns.

    Attributes:
        left: first column of the patch in the texture.
        top: first row.
        open: (H, W, 3) float32, the picture.
        shut: (H, W, 3) float32, the eye replaced by skin.
        socket: (H, W) float32, 0..1: 1 where there is eye, lashes included, rather than skin.
        white: (H, W, 3) float32, eyeball without iris.
        iris: (H, W, 4) float32, iris and its coverage 0..1.
        lashes: (W, 3) float32, colour of the lash line.
        upper: (W,) float32 row of the open upper lid's edge.
        lower: (W,) float32 row of the lower lid's edge; never above `upper`, equal to it beside the eye.
        lash: thickness of the lash line.
        gaze_side: by how many columns the iris moves at `gaze_x` 1.
        gaze_down: by how many rows the iris moves at `gaze_y` 1.
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
        """Paint the eye into `texture` (S, S, 4). Values are as in `channels.py`."""
        height, width = self.socket.shape
        _drawing.paint_eye(
            texture, len(texture), self.left, self.top,
            self.open, self.shut, self.socket, self.white, self.iris, self.lashes, self.upper, self.lower,
            height, width, self.lash, self.gaze_side, self.gaze_down, LOWER_LID_SHARE, blink, gaze_x, gaze_y, smile,
        )  # fmt: skip
