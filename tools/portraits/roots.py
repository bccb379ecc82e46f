# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Where hair grows: points spread over the surface of the hair's volume and along the parting."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from portraits.comb import Comb
from portraits.lights import Image
from portraits.scene import Scene, hair_distance
from portraits.shapes import Vector

HAIR_MIDDLE = np.array([0.0, 0.5, -1.5])


def surface_starts(scene: Scene, count: int, lowest: float, random: np.random.Generator) -> Image:
    """(count, 3) points above y = `lowest`, spread over the hair's surface where it does not face backwards."""
    found: list[Vector] = []
    while len(found) < count:
        heading = random.normal(size=3)
        heading[2] = abs(heading[2]) - 0.25
        heading /= np.linalg.norm(heading)
        reach = _outer_hit(scene, heading)
        point = HAIR_MIDDLE + heading * reach
        if reach > 0.0 and point[1] > lowest:
            found.append(tuple(point))
    return np.array(found, np.float32)


def part_starts(scene: Scene, comb: Comb, count: int, random: np.random.Generator) -> Image:
    """(count, 3) points on both sides of the parting, from the forehead backwards."""
    lean = np.radians(random.uniform(-35.0, 80.0, count))
    target = comb.part_x + random.choice([-1.0, 1.0], count) * random.uniform(0.02, 0.12, count)
    found = []
    for angle, x in zip(lean, target, strict=False):
        heading, reach = np.array([x / 10.0, math.cos(angle), math.sin(angle)]), 10.0
        for _ in range(4):
            heading[0] = x / max(reach, 3.0)
            heading[1:] *= math.sqrt(1.0 - heading[0] ** 2) / np.linalg.norm(heading[1:])
            reach = _outer_hit(scene, heading)
        if reach > 0.0:
            found.append(HAIR_MIDDLE + heading * reach)
    return np.array(found, np.float32)


def front_starts(scene: Scene, count: int, lowest: float, random: np.random.Generator) -> Image:
    """(count, 3) points above y = `lowest`, spread over what one sees of the hair's surface from the front."""
    found: list[Vector] = []
    while len(found) < count:
        x, y = random.uniform(-10.5, 10.5), random.uniform(lowest, 13.0)
        z = _first_hit(scene, x, y)
        if z > -9.0:
            found.append((x, y, z))
    return np.array(found, np.float32)


@njit(fastmath=True)
def _first_hit(scene: Scene, x: float, y: float) -> float:
    z = 12.0
    while z > -10.0:
        gap = hair_distance(scene, x, y, z)
        if gap < 0.02:
            return z
        z -= max(gap * 0.7, 0.02)
    return -10.0


@njit(fastmath=True)
def _outer_hit(scene: Scene, heading: Image) -> float:
    """How far from the hair's middle its surface lies in this direction, seen from outside; -1 where there is none."""
    reach = 18.0
    while reach > 3.0:
        p = HAIR_MIDDLE + heading * reach
        gap = hair_distance(scene, p[0], p[1], p[2])
        if gap < 0.02:
            return reach
        reach -= max(gap * 0.7, 0.02)
    return -1.0
