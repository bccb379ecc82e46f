# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How long hair lies: a flow over the hair's volume, away from the parting and around the face."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from portraits.lights import Image
from portraits.scene import Scene, hair_distance
from portraits.shapes import Vector, blob_distance, smooth_step

POINTS = 22
"""Points of a strand of long hair."""


class Comb(NamedTuple):
    """How long hair lies."""

    part_x: float = -2.2
    """cm, where the hair is parted."""
    locks: int = 620
    part_locks: int = 240
    """Locks that begin at the parting."""
    strands_per_lock: int = 90
    length: float = 9.0
    """cm of a strand."""
    lock_width: float = 0.62
    end_y: float = -9.0
    """cm, where the longest strands end."""
    hang_y: float = -7.4
    """cm, below which hair hangs free of the volume."""
    depth: float = 0.34
    """cm, depth below the surface at which strands begin and end."""
    wave: float = 0.0


@njit(fastmath=True)
def hair_normal(scene: Scene, x: float, y: float, z: float) -> Vector:
    """Unit normal of the hair's surface."""
    e = 0.05
    nx = hair_distance(scene, x + e, y, z) - hair_distance(scene, x - e, y, z)
    ny = hair_distance(scene, x, y + e, z) - hair_distance(scene, x, y - e, z)
    nz = hair_distance(scene, x, y, z + e) - hair_distance(scene, x, y, z - e)
    length = math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9
    return nx / length, ny / length, nz / length


@njit(fastmath=True)
def window_normal(scene: Scene, x: float, y: float, z: float) -> Vector:
    """Direction in which one leaves the opening for the face fastest, and its share of the flow there."""
    e = 0.05
    nx = blob_distance(scene.window, x + e, y, z) - blob_distance(scene.window, x - e, y, z)
    ny = blob_distance(scene.window, x, y + e, z) - blob_distance(scene.window, x, y - e, z)
    length = math.sqrt(nx * nx + ny * ny) + 1e-9
    return nx / length, ny / length, 0.0


@njit(fastmath=True)
def comb_direction(scene: Scene, comb: Comb, x: float, y: float, z: float, n: Vector) -> Vector:
    """Unit direction in which hair lies at a point of its surface with this normal."""
    side = math.tanh((x - comb.part_x) / 0.3)
    high = smooth_step(1.0, 9.5, y)
    vx, vy, vz = side * (0.15 + 1.5 * high), -1.0, 0.35 * high * smooth_step(2.0, 6.0, z)
    wx, wy, _ = window_normal(scene, x, y, z)
    inward = -(vx * wx + vy * wy)
    if inward > 0.0 and z > 0.0:
        near = smooth_step(2.6, 0.6, blob_distance(scene.window, x, y, z))
        vx, vy = vx + wx * inward * near, vy + wy * inward * near
    lean = vx * n[0] + vy * n[1] + vz * n[2]
    vx, vy, vz = vx - lean * n[0], vy - lean * n[1], vz - lean * n[2]
    length = math.sqrt(vx * vx + vy * vy + vz * vz) + 1e-9
    return vx / length, vy / length, vz / length


@njit(fastmath=True)
def length_above(scene: Scene, comb: Comb, start: Image, end: float) -> float:
    """Cm of combed hair from a start down to the height `end`."""
    x, y, z = start[0], start[1], start[2]
    length, step = 0.0, 0.25
    v = (0.0, -1.0, 0.0)
    while y > end and length < 40.0:
        if y > comb.hang_y:
            n = hair_normal(scene, x, y, z)
            off = hair_distance(scene, x, y, z)
            x, y, z = x - n[0] * off, y - n[1] * off, z - n[2] * off
            v = comb_direction(scene, comb, x, y, z, n)
        x, y, z = x + v[0] * step, y + v[1] * step, z + v[2] * step
        length += step
    return length


@njit(fastmath=True)
def guide_paths(scene: Scene, comb: Comb, starts: Image, lengths: Image, ends: Image) -> tuple[Image, Image]:
    """(L, K, 3) paths over the hair's surface from their starts down to y = `ends`, and the normals along them."""
    count = starts.shape[0]
    points = np.zeros((count, POINTS, 3), np.float32)
    normals = np.zeros((count, POINTS, 3), np.float32)
    substeps = 4
    for i in range(count):
        x, y, z = starts[i, 0], starts[i, 1], starts[i, 2]
        step = min(lengths[i], length_above(scene, comb, starts[i], ends[i])) / (POINTS * substeps)
        v = (0.0, -1.0, 0.0)
        for k in range(POINTS * substeps):
            n = hair_normal(scene, x, y, z)
            if y > comb.hang_y:
                off = hair_distance(scene, x, y, z)
                x, y, z = x - n[0] * off, y - n[1] * off, z - n[2] * off
                v = comb_direction(scene, comb, x, y, z, n)
            if k % substeps == 0:
                points[i, k // substeps] = (x, y, z)
                normals[i, k // substeps] = n
            x, y, z = x + v[0] * step, y + v[1] * step, z + v[2] * step
    return points, normals
