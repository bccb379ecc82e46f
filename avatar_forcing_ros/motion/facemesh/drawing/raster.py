# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Numba kernels that touch every pixel: the backward map of a triangle mesh, and laying the person over the plate."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.kernel import kernel

FIXED_BITS = 10
"""Bits below the 32nds of a pixel in which texture positions are counted along a row."""
FIXED_ONE = np.float32(32 << FIXED_BITS)


@kernel
def draw_triangles(
    triangles: NDArray, x: NDArray, y: NDArray, u: NDArray, v: NDArray, whole: NDArray, fraction: NDArray
) -> None:
    """Write, for every pixel that a triangle covers, where in the texture its colour lies; the last triangle wins.

    Positions are counted in whole numbers, so that a row is a loop without branches, which compiles to vectors.

    Args:
        triangles: (T, 3) int32, in drawing order.
        x: (V,) float32 picture columns of the vertices.
        y: (V,) float32 picture rows.
        u: (V,) float32 texture columns of the vertices, within the texture.
        v: (V,) float32 texture rows, within the texture.
        whole: (S, S) int32, written: whole texture row << 16 | column, cv2's CV_16SC2.
        fraction: (S, S) uint16, written: fractions in 32nds, row * 32 + column, cv2's CV_16UC1.
    """
    height, width = fraction.shape
    most_u, most_v = np.int32((width - 1) * 32 << FIXED_BITS), np.int32((height - 1) * 32 << FIXED_BITS)
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        area = (x[b] - x[a]) * (y[c] - y[a]) - (y[b] - y[a]) * (x[c] - x[a])
        if abs(area) < 1e-4:
            continue
        top = max(0, int(np.ceil(min(y[a], y[b], y[c]) - 1e-3)))
        bottom = min(height - 1, int(np.floor(max(y[a], y[b], y[c]) + 1e-3)))
        if top > bottom:
            continue
        # texture position = position at vertex a + gradient * distance from it
        bx, by = (y[c] - y[a]) / area, (x[a] - x[c]) / area
        cx, cy = (y[a] - y[b]) / area, (x[b] - x[a]) / area
        ux = FIXED_ONE * (bx * (u[b] - u[a]) + cx * (u[c] - u[a]))
        uy = FIXED_ONE * (by * (u[b] - u[a]) + cy * (u[c] - u[a]))
        vx = FIXED_ONE * (bx * (v[b] - v[a]) + cx * (v[c] - v[a]))
        vy = FIXED_ONE * (by * (v[b] - v[a]) + cy * (v[c] - v[a]))
        half = np.float32(1 << (FIXED_BITS - 1))
        ua, va = FIXED_ONE * u[a] + half - ux * x[a] - uy * y[a], FIXED_ONE * v[a] + half - vx * x[a] - vy * y[a]
        step_u, step_v = np.int32(min(max(ux, -3e7), 3e7)), np.int32(min(max(vx, -3e7), 3e7))
        low0, low1, low2, high0, high1, high2 = _sides(y[a], y[b], y[c], area)
        slope_ab = _slope(x[a], y[a], x[b], y[b])
        slope_bc = _slope(x[b], y[b], x[c], y[c])
        slope_ca = _slope(x[c], y[c], x[a], y[a])
        for row in range(top, bottom + 1):
            at_ab = x[a] + slope_ab * (row - y[a])
            at_bc = x[b] + slope_bc * (row - y[b])
            at_ca = x[c] + slope_ca * (row - y[c])
            first = max(0, int(np.ceil(max(at_ab + low0, at_bc + low1, at_ca + low2) - 2e-3)))
            last = min(width - 1, int(np.floor(min(at_ab + high0, at_bc + high1, at_ca + high2) + 2e-3)))
            if first > last:
                continue
            start_u, start_v = np.int32(ua + uy * row + ux * first), np.int32(va + vy * row + vx * first)
            whole_row, fraction_row = whole[row, first : last + 1], fraction[row, first : last + 1]
            for k in range(last - first + 1):
                iu = min(max(start_u + step_u * np.int32(k), np.int32(0)), most_u) >> FIXED_BITS
                iv = min(max(start_v + step_v * np.int32(k), np.int32(0)), most_v) >> FIXED_BITS
                whole_row[k] = ((iv >> 5) << 16) | (iu >> 5)
                fraction_row[k] = ((iv & 31) << 5) | (iu & 31)


FAR = np.float32(1e9)


@numba.njit(inline="always", fastmath=True, error_model="numpy")
def _slope(xa: float, ya: float, xb: float, yb: float) -> float:
    """Columns per row along an edge; 0 for a level one, which bounds no row."""
    return (xb - xa) / (yb - ya) if abs(yb - ya) > 1e-6 else 0.0 * ya


@numba.njit(inline="always", fastmath=True, error_model="numpy")
def _sides(ya: float, yb: float, yc: float, area: float) -> tuple:
    """For each edge what to add to its column for a lower and an upper bound: 0 on the side it bounds, else far."""
    sign = np.float32(1.0) if area > 0 else np.float32(-1.0)
    falls_ab, falls_bc, falls_ca = sign * (yb - ya), sign * (yc - yb), sign * (ya - yc)
    zero = np.float32(0.0)
    return (
        zero if falls_ab < -1e-6 else -FAR, zero if falls_bc < -1e-6 else -FAR, zero if falls_ca < -1e-6 else -FAR,
        zero if falls_ab > 1e-6 else FAR, zero if falls_bc > 1e-6 else FAR, zero if falls_ca > 1e-6 else FAR,
    )  # fmt: skip


LEAST_JUMP = 4
"""Step of the texture position between neighbouring pixels, in pixels, that marks an edge in depth."""


@kernel
def soften_depth_edges(person: NDArray, whole: NDArray, left: int, top: int, right: int, bottom: int) -> None:
    """Mix neighbours where one part of the mesh hides another, which sampling the texture leaves jagged.

    Args:
        person: (S, S, 4) uint8 bent picture, changed within the given columns and rows.
        whole: (S, S) int32, see `draw_triangles`.
        left: first column.
        top: first row.
        right: column after the last.
        bottom: row after the last.
    """
    for row in range(top, bottom - 1):
        for column in range(left, right - 1):
            here = whole[row, column]
            beside, below = whole[row, column + 1], whole[row + 1, column]
            if abs((beside & 0xFFFF) - (here & 0xFFFF)) + abs((beside >> 16) - (here >> 16)) > LEAST_JUMP:
                _mix(person, row, column, row, column + 1)
            if abs((below & 0xFFFF) - (here & 0xFFFF)) + abs((below >> 16) - (here >> 16)) > LEAST_JUMP:
                _mix(person, row, column, row + 1, column)


@kernel
def _mix(person: NDArray, row: int, column: int, other_row: int, other_column: int) -> None:
    for c in range(4):
        a, b = np.int32(person[row, column, c]), np.int32(person[other_row, other_column, c])
        person[row, column, c] = np.uint8((2 * a + b + 1) // 3)
        person[other_row, other_column, c] = np.uint8((a + 2 * b + 1) // 3)


@kernel
def lay_over(person: NDArray, plate: NDArray, out: NDArray) -> None:
    """`out` = person over plate, each (N,) uint32 of four bytes a pixel, the last of them the person's matte.

    Two colours are mixed at once in each 32-bit number; exact where the matte is 0 or 255.
    """
    even = np.uint32(0x00FF00FF)
    for i in range(len(out)):
        front, back = person[i], plate[i]
        alpha = front >> np.uint32(24)
        alpha += alpha >> np.uint32(7)
        rest = np.uint32(256) - alpha
        low = (((front & even) * alpha + (back & even) * rest) >> np.uint32(8)) & even
        high = ((front >> np.uint32(8)) & even) * alpha + ((back >> np.uint32(8)) & even) * rest
        out[i] = low | (high & np.uint32(0xFF00FF00))
