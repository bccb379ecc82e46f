# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Camera and ray marching: from the scene to what each pixel sees, and how open it lies to light."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from portraits.scene import NOTHING, Scene, material_at, scene_distance
from portraits.shapes import Table, Vector

COARSE = 8
"""Side in pixels of the squares for which a first, wide ray finds the free space."""
NEAR_PLANE, FAR_PLANE = 14.0, -13.0
"""cm, z between which the scene lies."""


class Camera(NamedTuple):
    """A pinhole camera on the z axis that looks at the plane z = `focus_z`."""

    pixels: int = 1024
    height_cm: float = 35.0
    """What the picture shows from top to bottom on the plane in focus."""
    centre_y: float = -2.1
    focus_z: float = 5.0
    distance: float = 120.0
    yaw: float = 0.0
    """rad; turns the camera around the head, for looking at the sculpture."""

    @property
    def pixels_per_cm(self) -> float:
        """Of the picture, for what lies in the plane in focus."""
        return self.pixels / self.height_cm


@dataclass(frozen=True)
class View:
    """What the camera sees: per pixel, (S, S, ...)."""

    position: NDArray[np.float32]
    """(S, S, 3) cm."""
    normal: NDArray[np.float32]
    """(S, S, 3) unit vectors; zero where nothing is."""
    material: NDArray[np.int32]
    """(S, S), the numbers of `scene`."""


@njit(fastmath=True)
def pixel_ray(camera: Camera, column: float, row: float) -> tuple[Vector, Vector]:
    """Start and unit direction of the ray through a point of the picture."""
    scale = camera.height_cm / camera.pixels
    x = (column - camera.pixels * 0.5) * scale
    y = (camera.pixels * 0.5 - row) * scale
    length = math.sqrt(x * x + y * y + camera.distance**2)
    dx, dy, dz = x / length, y / length, -camera.distance / length
    c, s = math.cos(camera.yaw), math.sin(camera.yaw)
    start_z = camera.distance + camera.focus_z
    return (s * start_z, camera.centre_y, c * start_z), (c * dx + s * dz, dy, c * dz - s * dx)


@njit(fastmath=True)
def project(camera: Camera, x: float, y: float, z: float) -> tuple[float, float]:
    """Column and row in the picture of a point (for the camera in front)."""
    scale = camera.distance / (camera.distance + camera.focus_z - z) * camera.pixels / camera.height_cm
    return x * scale + camera.pixels * 0.5, camera.pixels * 0.5 - (y - camera.centre_y) * scale


@njit(fastmath=True)
def march(scene: Scene, start: Vector, along: Vector, near: float, far: float, width: float) -> float:
    """Length at which a ray of this relative width meets the scene; `far` if it does not."""
    length = near
    for _ in range(160):
        gap = scene_distance(
            scene, start[0] + along[0] * length, start[1] + along[1] * length, start[2] + along[2] * length
        )
        if gap < 1.5 * width:
            return length
        length += (gap - width) * 0.7
        if length > far:
            return far
    return length


@njit(fastmath=True)
def surface_normal(scene: Scene, x: float, y: float, z: float, step: float) -> Vector:
    """Gradient of the distance from four points around."""
    a = scene_distance(scene, x + step, y - step, z - step)
    b = scene_distance(scene, x - step, y - step, z + step)
    c = scene_distance(scene, x - step, y + step, z - step)
    d = scene_distance(scene, x + step, y + step, z + step)
    nx, ny, nz = a - b - c + d, -a - b + c + d, -a + b - c + d
    length = math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-12
    return nx / length, ny / length, nz / length


@njit(fastmath=True)
def _coarse_lengths(scene: Scene, camera: Camera) -> Table:
    """(S/8, S/8) length of free space in front of each square of pixels."""
    side = camera.pixels // COARSE
    lengths = np.zeros((side, side))
    reach = camera.height_cm / camera.pixels * COARSE
    for row in range(side):
        for column in range(side):
            start, along = pixel_ray(camera, (column + 0.5) * COARSE, (row + 0.5) * COARSE)
            offset = camera.distance + camera.focus_z
            lengths[row, column] = march(scene, start, along, offset - NEAR_PLANE, offset - FAR_PLANE, reach)
    return lengths


@njit(fastmath=True)
def _trace(
    scene: Scene,
    camera: Camera,
    coarse: Table,
    position: NDArray[np.float32],
    normal: NDArray[np.float32],
    material: NDArray[np.int32],
) -> None:
    far = camera.distance + camera.focus_z - FAR_PLANE
    pixel = camera.height_cm / camera.pixels
    for row in range(camera.pixels):
        for column in range(camera.pixels):
            near = coarse[row // COARSE, column // COARSE]
            if near >= far:
                continue
            start, along = pixel_ray(camera, column + 0.5, row + 0.5)
            length = march(scene, start, along, near, far, 0.15 * pixel)
            if length >= far:
                continue
            x, y, z = start[0] + along[0] * length, start[1] + along[1] * length, start[2] + along[2] * length
            position[row, column] = (x, y, z)
            normal[row, column] = surface_normal(scene, x, y, z, 0.4 * pixel)
            material[row, column] = material_at(scene, x, y, z)


def look(scene: Scene, camera: Camera) -> View:
    """What the camera sees of the scene."""
    side = camera.pixels
    view = View(
        np.zeros((side, side, 3), np.float32),
        np.zeros((side, side, 3), np.float32),
        np.full((side, side), NOTHING, np.int32),
    )
    _trace(scene, camera, _coarse_lengths(scene, camera), view.position, view.normal, view.material)
    return view


@njit(fastmath=True)
def openness(
    scene: Scene,
    x: float,
    y: float,
    z: float,
    along: Vector,
    reach: float,
    softness: float,
) -> float:
    """Share of light from one direction that reaches a point: 1 free, 0 shadowed, soft in between."""
    free = 1.0
    length = 0.08
    while length < reach:
        gap = scene_distance(scene, x + along[0] * length, y + along[1] * length, z + along[2] * length)
        free = min(free, 0.5 + 0.5 * softness * gap / length)
        if free <= 0.0:
            return 0.0
        length += min(max(abs(gap) * 0.8, 0.06 + 0.10 * length), 1.5)
    return free * free * (3.0 - 2.0 * free)


@njit(fastmath=True)
def light_openness(
    scene: Scene,
    position: NDArray[np.float32],
    normal: NDArray[np.float32],
    directions: Table,
    reach: float,
    softness: float,
) -> NDArray[np.float32]:
    """(S, S, L): share of light that reaches each pixel from each direction (unit rows of `directions`)."""
    height, width, _ = position.shape
    shares = np.zeros((height, width, directions.shape[0]), np.float32)
    for row in range(height):
        for column in range(width):
            n = normal[row, column]
            if n[0] == 0.0 and n[1] == 0.0 and n[2] == 0.0:
                continue
            p = position[row, column] + n * 0.03
            for k in range(directions.shape[0]):
                d = directions[k]
                if n[0] * d[0] + n[1] * d[1] + n[2] * d[2] > -0.25:
                    along = (d[0], d[1], d[2])
                    shares[row, column, k] = openness(scene, p[0], p[1], p[2], along, reach, softness)
    return shares
