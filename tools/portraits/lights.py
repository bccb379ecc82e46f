# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The studio: a large key light, a fill, two rims and a bright room, and what of them reaches each pixel."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from portraits.camera import Camera, View, light_openness, look
from portraits.scene import Scene
from portraits.shapes import Table

Image = NDArray[np.float32]


@dataclass(frozen=True)
class Lamp:
    """A light far away."""

    direction: tuple[float, float, float]
    colour: tuple[float, float, float]

    @property
    def unit(self) -> NDArray[np.float32]:
        """(3,) direction of length one."""
        vector = np.array(self.direction, np.float32)
        return vector / np.linalg.norm(vector)


KEY = Lamp((-0.50, 0.60, 0.80), (2.05, 1.92, 1.76))
FILL = Lamp((0.70, 0.05, 0.75), (0.34, 0.37, 0.42))
RIMS = (Lamp((0.85, 0.42, -0.42), (1.25, 1.20, 1.15)), Lamp((-0.9, 0.35, -0.45), (0.75, 0.82, 0.90)))
ROOM_RAYS = 14
ROOM_REACH_CM = 7.0
SKY, FLOOR = np.array([0.82, 0.86, 0.92], np.float32), np.array([0.46, 0.40, 0.37], np.float32)


@dataclass(frozen=True)
class Light:
    """What reaches each pixel."""

    key: Image
    """(S, S) share of the key light that is not shadowed."""
    room: Image
    """(S, S, 3) light from the room on a surface turned this way."""
    open: Image
    """(S, S) share of the room that a pixel sees; 1 is nothing in the way."""


def room_directions() -> Table:
    """(14, 3) unit vectors spread evenly over the half of the sphere before and above the head."""
    index = np.arange(ROOM_RAYS) + 0.5
    height = 1.0 - 1.55 * index / ROOM_RAYS
    angle = index * math.pi * (3.0 - math.sqrt(5.0))
    ring = np.sqrt(1.0 - height**2)
    spread = np.stack([ring * np.cos(angle), ring * np.sin(angle), height], axis=1)
    tilt = math.radians(25.0)
    turn = np.array([[1, 0, 0], [0, math.cos(tilt), math.sin(tilt)], [0, -math.sin(tilt), math.cos(tilt)]])
    return np.ascontiguousarray(spread @ turn.T)


def room_colour(directions: Table) -> NDArray[np.float32]:
    """(L, 3) colour of the room in each direction: bright above, warm below."""
    share = (0.5 + 0.5 * directions[:, 1:2]).astype(np.float32)
    return share * SKY + (1.0 - share) * FLOOR


def measure_light(scene: Scene, camera: Camera, view: View) -> Light:
    """Light for every pixel of `view`, traced at a quarter of its side and filled in along the surfaces."""
    small_camera = camera._replace(pixels=camera.pixels // 4)
    small = look(scene, small_camera)
    directions = np.vstack([room_directions(), KEY.unit[None].astype(np.float64)])
    room = light_openness(scene, small.position, small.normal, directions[:-1], ROOM_REACH_CM, 1.6)
    key = light_openness(scene, small.position, small.normal, directions[-1:], 16.0, 5.0)
    shares = fill_in(
        np.concatenate([room, key], axis=2),
        small.position,
        small.normal,
        small.material,
        view.position,
        view.normal,
        view.material,
    )
    facing = np.clip(view.normal @ directions[:-1].T.astype(np.float32), 0.0, 1.0)
    weight = np.maximum(facing.sum(-1, keepdims=True), 0.8)
    reached = facing * shares[..., :-1] / weight
    return Light(shares[..., -1], reached @ room_colour(directions[:-1]), reached.sum(-1))


@njit(fastmath=True)
def fill_in(
    shares: Image,
    position: Image,
    normal: Image,
    material: NDArray[np.int32],
    fine_position: Image,
    fine_normal: Image,
    fine_material: NDArray[np.int32],
) -> Image:
    """Carry values from a small picture to a large one, from neighbours that lie on the same surface."""
    side, small = fine_material.shape[0], material.shape[0]
    factor = side / small
    count = shares.shape[2]
    out = np.ones((side, side, count), np.float32)
    for row in range(side):
        for column in range(side):
            kind = fine_material[row, column]
            if kind == 0:
                continue
            p, n = fine_position[row, column], fine_normal[row, column]
            top, left = (row + 0.5) / factor - 0.5, (column + 0.5) / factor - 0.5
            total = 1e-9
            values = np.zeros(count, np.float32)
            for i in range(math.floor(top) - 1, math.floor(top) + 3):
                for j in range(math.floor(left) - 1, math.floor(left) + 3):
                    if i < 0 or j < 0 or i >= small or j >= small or material[i, j] == 0:
                        continue
                    q, m = position[i, j], normal[i, j]
                    gap = (p[0] - q[0]) ** 2 + (p[1] - q[1]) ** 2 + (p[2] - q[2]) ** 2
                    turn = max(n[0] * m[0] + n[1] * m[1] + n[2] * m[2], 0.02)
                    spread = (i - top) ** 2 + (j - left) ** 2
                    weight = math.exp(-gap / 0.05 - spread / 1.2) * turn * turn
                    weight *= 1.0 if material[i, j] == kind else 1e-3
                    weight += 1e-12
                    total += weight
                    values += shares[i, j] * np.float32(weight)
            out[row, column] = values / np.float32(total)
    return out
