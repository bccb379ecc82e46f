# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Signed distances of ellipsoids, their smooth union, and soft sculpting brushes, as tables that numba can walk."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Table = NDArray[np.float64]
Vector = tuple[float, float, float]

MIRROR_SOFTNESS = 0.02
"""cm^2; keeps the mirrored halves from meeting in a crease."""


def blob(
    centre: Vector,
    radii: Vector,
    blend: float = 1.0,
    pitch: float = 0.0,
    yaw: float = 0.0,
    roll: float = 0.0,
    carve: bool = False,
    mirrored: bool | None = None,
) -> list[float]:
    """One row of a blob table: an ellipsoid that is joined to, or carved out of, the rows before it.

    Args:
        centre: its middle in cm; with `mirrored` it stands for both sides.
        radii: half axes in cm before rotation.
        blend: width in cm over which it melts into the rest.
        pitch: turn about x in degrees, positive leans its top to the camera.
        yaw: turn about y in degrees.
        roll: turn about z in degrees, positive leans its top to -x.
        carve: take it away instead of adding it.
        mirrored: whether it stands on both sides; by default whatever is off the middle does.
    """
    rotation = _rotation(math.radians(pitch), math.radians(yaw), math.radians(roll)).T
    both = centre[0] != 0.0 if mirrored is None else mirrored
    return [*centre, *radii, *rotation.ravel(), blend, -1.0 if carve else 1.0, float(both)]


def _rotation(pitch: float, yaw: float, roll: float) -> Table:
    cx, sx, cy, sy, cz, sz = *_cos_sin(pitch), *_cos_sin(yaw), *_cos_sin(roll)
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def _cos_sin(angle: float) -> tuple[float, float]:
    return math.cos(angle), math.sin(angle)


@njit(fastmath=True)
def soft_abs(x: float) -> float:
    """|x| without the corner at zero."""
    return math.sqrt(x * x + MIRROR_SOFTNESS)


@njit(fastmath=True)
def soft_min(a: float, b: float, blend: float) -> float:
    """The smaller of two distances, rounded where they are closer than `blend`."""
    share = max(blend - abs(a - b), 0.0) / blend
    return min(a, b) - share * share * blend * 0.25


@njit(fastmath=True)
def soft_max(a: float, b: float, blend: float) -> float:
    """The larger of two distances, rounded where they are closer than `blend`."""
    return -soft_min(-a, -b, blend)


@njit(fastmath=True)
def smooth_step(low: float, high: float, value: float) -> float:
    """0 below `low`, 1 above `high`, a smooth rise between."""
    share = min(max((value - low) / (high - low), 0.0), 1.0)
    return share * share * (3.0 - 2.0 * share)


@njit(fastmath=True)
def blob_distance(table: Table, x: float, y: float, z: float) -> float:
    """Distance in cm to the shape that a blob table describes; negative inside."""
    distance = 1e3
    mirrored_x = soft_abs(x)
    for i in range(table.shape[0]):
        row = table[i]
        dx = (mirrored_x if row[17] > 0.5 else x) - row[0]
        dy = y - row[1]
        dz = z - row[2]
        qx = (row[6] * dx + row[7] * dy + row[8] * dz) / row[3]
        qy = (row[9] * dx + row[10] * dy + row[11] * dz) / row[4]
        qz = (row[12] * dx + row[13] * dy + row[14] * dz) / row[5]
        inner = math.sqrt(qx * qx + qy * qy + qz * qz)
        slope = math.sqrt((qx / row[3]) ** 2 + (qy / row[4]) ** 2 + (qz / row[5]) ** 2)
        ellipsoid = inner * (inner - 1.0) / max(slope, 1e-6)
        distance = soft_min(distance, ellipsoid, row[15]) if row[16] > 0.0 else soft_max(distance, -ellipsoid, row[15])
    return distance


@njit(fastmath=True)
def brush_height(table: Table, x: float, y: float, z: float) -> float:
    """Height in cm that the soft brushes (centre, widths, height; mirrored) add to a surface here."""
    height = 0.0
    mirrored_x = soft_abs(x)
    for i in range(table.shape[0]):
        row = table[i]
        dx = (mirrored_x - row[0]) / row[3]
        dy = (y - row[1]) / row[4]
        dz = (z - row[2]) / row[5]
        spread = dx * dx + dy * dy + dz * dz
        if spread < 9.0:
            height += row[6] * math.exp(-spread)
    return height
