# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What touches every pixel of a frame, compiled from motion/facemesh/drawing/kernels.c.

Arrays are contiguous. S is the picture's side, at most 2048; a picture (S, S, 4) is RGB and the person's matte.
`positions` (S, S) uint32 say where in the texture a pixel's colour lies, in 32nds of a pixel: row << 16 | column.
`vertices` (V, 4) float32 hold column and row in the picture, column and row in the texture. `spans` (S, 2) int32 hold
the first column of each row that the person can reach, and the one after the last. An array of another length raises
ValueError.
"""

from numpy import float32, float64, int32, uint8, uint32
from numpy.typing import NDArray

def place(
    points: NDArray[float64],
    shares: NDArray[float64],
    head: NDArray[float64],
    turn: NDArray[float64],
    x: float,
    y: float,
    breath: float,
    vertices: NDArray[float32],
    depths: NDArray[float32],
    /,
) -> float:
    """Pose and project (V, 3) head-space points; the longest way of one from its place in the texture, in pixels.

    Args:
        points: head space.
        shares: (V, 3) share of the head's motion, of the breath, and enlargement by perspective at rest.
        head: (16,) of the portrait: rotation (9), offset (2), scale, pivot (3), distance of the viewer.
        turn: (3, 3) rotation and scale of the head about its pivot.
        x: how far it moves to the right, head space.
        y: how far down.
        breath: how far the shoulders rise.
        vertices: columns 0 and 1 are written.
        depths: (V,) written: distances in head space.
    """

def draw_map(
    outside: NDArray[int32],
    face: NDArray[int32],
    vertices: NDArray[float32],
    depths: NDArray[float32],
    nowhere: int,
    positions: NDArray[uint32],
    size: int,
    /,
) -> None:
    """Write all positions: `nowhere`, the triangles `outside` (T, 3), those of the `face` from back to front."""

def bend(
    texture: NDArray[uint8], positions: NDArray[uint32], spans: NDArray[int32], out: NDArray[uint8], size: int, /
) -> None:
    """`out` (S, S, 4) = `texture` where the positions say, within the spans; nothing beside them."""

def soften(
    person: NDArray[uint8], positions: NDArray[uint32], vertices: NDArray[float32], skin: int, size: int, /
) -> None:
    """Mix neighbours where one part of the mesh hides another, around the first `skin` vertices."""

def lay_over(
    person: NDArray[uint8],
    plate: NDArray[uint8],
    bare: NDArray[uint8],
    spans: NDArray[int32],
    out: NDArray[uint8],
    size: int,
    /,
) -> None:
    """`out` (S, S, 3) = person over `plate` (S, S, 4) within the spans; beside them `bare` (S, S, 3), the plate."""

def shade_fold(
    texture: NDArray[uint8],
    size: int,
    left: int,
    top: int,
    skin: NDArray[float32],
    shade: NDArray[float32],
    height: int,
    width: int,
    strength: float,
    /,
) -> None:
    """Paint a fold, see `drawing/folds.py`."""

def paint_eye(
    texture: NDArray[uint8],
    size: int,
    left: int,
    top: int,
    opened: NDArray[float32],
    shut: NDArray[float32],
    socket: NDArray[float32],
    white: NDArray[float32],
    iris: NDArray[float32],
    lashes: NDArray[float32],
    upper: NDArray[float32],
    lower: NDArray[float32],
    height: int,
    width: int,
    lash: float,
    gaze_side: float,
    gaze_down: float,
    lower_lid_share: float,
    blink: float,
    gaze_x: float,
    gaze_y: float,
    smile: float,
    /,
) -> None:
    """Paint an eye, see `drawing/eyes.py`."""

def fill_mouth(
    person: NDArray[uint8],
    size: int,
    left: int,
    top: int,
    mask: NDArray[uint8],
    upper_edge_rows: NDArray[float32],
    lower_edge_rows: NDArray[float32],
    height: int,
    width: int,
    inverse: NDArray[float32],
    shift: NDArray[float32],
    cavity: NDArray[float32],
    tongue: NDArray[float32],
    lip: NDArray[float32],
    upper: NDArray[float32],
    upper_height: int,
    upper_width: int,
    lower: NDArray[float32],
    lower_height: int,
    lower_width: int,
    upper_edge: float,
    lower_edge: float,
    teeth: float,
    presence: float,
    unit: float,
    tooth_width: float,
    sprite_scale: float,
    sprite_half_width: float,
    sprite_height: float,
    sprite_edge: float,
    /,
) -> None:
    """Paint the inside of the mouth, see `drawing/mouth.py`."""
