"""Numba kernels that touch every pixel: the backward map of a triangle mesh, and laying the person over the plate."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.kernel import kernel



@kernel
def draw_triangles(
    triangles: NDArray, x: NDArray, y: NDArray, u: NDArray, v: NDArray, whole: NDArray, fraction: NDArray
) -> None:
    """Write, for every pixel that a triangle covers, where in the texture its colour lies; later triangles cover earlier.

    Args:
        triangles: (T, 3) int32, in drawing order.
        x: (V,) float32 picture columns of the vertices.
        y: (V,) float32 picture rows.
        u: (V,) float32 texture columns of the vertices.
        v: (V,) float32 texture rows.
        whole: (S, S, 2) int16, written: whole texture column and row.
        fraction: (S, S) uint16, written: fractions in 32nds, `row * 32 + column`.
    """
    height, width = fraction.shape
    limit_u, limit_v = np.float32(32 * (width - 1)), np.float32(32 * (height - 1))
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        area = (x[b] - x[a]) * (y[c] - y[a]) - (y[b] - y[a]) * (x[c] - x[a])
        if abs(area) < 1e-4:
            continue
        # barycentric weights of b and c are linear in the pixel: wb = bx * dx + by * dy with (dx, dy) from vertex a
        bx, by = (y[c] - y[a]) / area, -(x[c] - x[a]) / area
        cx, cy = -(y[b] - y[a]) / area, (x[b] - x[a]) / area
        ux = 32 * (bx * (u[b] - u[a]) + cx * (u[c] - u[a]))
        uy = 32 * (by * (u[b] - u[a]) + cy * (u[c] - u[a]))
        vx = 32 * (bx * (v[b] - v[a]) + cx * (v[c] - v[a]))
        vy = 32 * (by * (v[b] - v[a]) + cy * (v[c] - v[a]))
        top = max(0, int(np.ceil(min(y[a], y[b], y[c]) - 1e-3)))
        bottom = min(height - 1, int(np.floor(max(y[a], y[b], y[c]) + 1e-3)))
        for row in range(top, bottom + 1):
            dy = row - y[a]
            first, last = _span(bx, by * dy, cx, cy * dy, x[a], width)
            if first > last:
                continue
            u0 = 32 * u[a] + uy * dy + ux * (first - x[a]) + np.float32(0.5)
            v0 = 32 * v[a] + vy * dy + vx * (first - x[a]) + np.float32(0.5)
            for k in range(last - first + 1):
                iu = int(min(max(u0 + ux * k, np.float32(0)), limit_u))
                iv = int(min(max(v0 + vx * k, np.float32(0)), limit_v))
                whole[row, first + k, 0] = iu >> 5
                whole[row, first + k, 1] = iv >> 5
                fraction[row, first + k] = ((iv & 31) << 5) | (iu & 31)


@numba.njit(fastmath=True, error_model="numpy", inline="always")
def _span(bx: float, b0: float, cx: float, c0: float, xa: float, width: int) -> tuple[int, int]:
    """First and last column of a row where all three barycentric weights are at least about zero."""
    low, high = 0.0, width - 1.0
    for k in range(3):
        slope, start = bx, b0
        if k == 1:
            slope, start = cx, c0
        elif k == 2:
            slope, start = -bx - cx, 1.0 - b0 - c0
        if abs(slope) < 1e-9:
            if start < -1e-4:
                high = -1.0
        else:
            edge = xa - (start + 1e-4) / slope
            if slope > 0:
                low = max(low, edge)
            else:
                high = min(high, edge)
    return int(np.ceil(low)), int(np.floor(high))


@kernel
def lay_over(person: NDArray, plate: NDArray, out: NDArray) -> None:
    """`out` = person over plate; (S, S, 4), (S, S, 3) and (S, S, 3), all uint8."""
    height, width, _ = out.shape
    for row in range(height):
        for column in range(width):
            alpha = np.uint32(person[row, column, 3])
            if alpha == 255:
                for c in range(3):
                    out[row, column, c] = person[row, column, c]
            elif alpha == 0:
                for c in range(3):
                    out[row, column, c] = plate[row, column, c]
            else:
                for c in range(3):
                    mixed = person[row, column, c] * alpha + plate[row, column, c] * (np.uint32(255) - alpha)
                    out[row, column, c] = (mixed * np.uint32(257) + np.uint32(32896)) >> np.uint32(16)
