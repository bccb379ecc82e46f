# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The scene as one distance function: skin, eyeballs, jumper and the volume of the hair."""

from __future__ import annotations

import math
from typing import NamedTuple

from numba import njit

from portraits.face import Lids, Mouth, lid_fold, lid_opening, lip_height
from portraits.shapes import Table, blob_distance, brush_height, soft_abs, soft_max, soft_min

NOTHING, SKIN, EYE, CLOTH, HAIR, CARUNCLE = 0, 1, 2, 3, 4, 5
FAR_FROM_DETAIL = 1.6
"""cm; further away than this the brushes, lids and lips are not looked at."""


class Collar(NamedTuple):
    """The rolled neck of the jumper: a tilted ring."""

    y: float = -13.7
    z: float = -1.8
    radius: float = 4.2
    tube: float = 0.8
    slope: float = 0.28
    """cm that the ring falls per cm towards the camera."""


class Scene(NamedTuple):
    """All shapes of one portrait; tables as `shapes.blob` writes them."""

    head: Table
    brushes: Table
    lids: Lids
    mouth: Mouth
    torso: Table
    collar: Collar
    hair: Table
    window: Table
    """What is cut out of the hair so that the face looks out."""


@njit(fastmath=True)
def skin_distance(scene: Scene, x: float, y: float, z: float) -> float:
    """Distance in cm to head, neck, lids and lips; negative inside, as everywhere here."""
    distance = blob_distance(scene.head, x, y, z)
    if distance > FAR_FROM_DETAIL:
        return distance - 0.6
    distance -= brush_height(scene.brushes, x, y, z)
    lids = scene.lids
    if z > 0.0 and y > -3.0 and y < 3.5:
        dx = soft_abs(x) - lids.x
        ball = math.sqrt(dx * dx + (y - lids.y) ** 2 + (z - lids.z) ** 2)
        distance = soft_min(distance, ball - lids.ball - lids.thickness, 0.55)
        distance += lid_fold(lids, x, y)
        distance = soft_max(distance, -lid_opening(lids, x, y), 0.12)
    if z > 3.0:
        distance -= lip_height(scene.mouth, x, y)
    return distance


@njit(fastmath=True)
def eye_distance(lids: Lids, x: float, y: float, z: float) -> float:
    """Distance in cm to the nearer eyeball."""
    dx = soft_abs(x) - lids.x
    return math.sqrt(dx * dx + (y - lids.y) ** 2 + (z - lids.z) ** 2) - lids.ball


@njit(fastmath=True)
def caruncle_distance(lids: Lids, x: float, y: float, z: float) -> float:
    """The pink corner of the eye."""
    dx = (soft_abs(x) - lids.x + lids.half_width * 0.93) / 1.5
    dy = y - lids.y + lids.tilt * 0.9
    return math.sqrt(dx * dx + dy * dy + (z - lids.z - 0.72 * lids.ball) ** 2) - 0.26


@njit(fastmath=True)
def cloth_distance(scene: Scene, x: float, y: float, z: float) -> float:
    """Distance in cm to the jumper."""
    distance = blob_distance(scene.torso, x, y, z)
    collar = scene.collar
    angle = math.atan2(x, z - collar.z)
    ring = math.sqrt(x * x + (z - collar.z) ** 2) - collar.radius
    drop = y - collar.y + collar.slope * (z - collar.z)
    tube = math.sqrt(ring * ring + drop * drop * 0.55) - collar.tube
    if min(distance, tube) > 2.0:
        return min(distance, tube) - 0.5
    rib = math.cos(angle * 64.0)
    distance -= knit_height(x, y)
    return soft_min(distance, (tube - 0.07 * abs(rib) ** 0.7) * 0.9, 0.12)


@njit(fastmath=True)
def knit_height(x: float, y: float) -> float:
    """Relief in cm of the jumper's stitches: columns of V shapes."""
    column = x * 2.6
    side = abs(column - math.floor(column) - 0.5)
    stitch = math.sin((y * 3.0 + side * 1.6) * 2.0 * math.pi)
    return 0.045 * (1.0 - (2.0 * side - 0.5) ** 2 * 3.0) + 0.025 * stitch


@njit(fastmath=True)
def hair_distance(scene: Scene, x: float, y: float, z: float) -> float:
    """Distance in cm to the hair's volume, in which strands lie."""
    if scene.hair.shape[0] == 0:
        return 1e3
    distance = blob_distance(scene.hair, x, y, z)
    if distance > 4.0 or scene.window.shape[0] == 0:
        return distance
    return soft_max(distance, -blob_distance(scene.window, x, y, z), 0.9)


@njit(fastmath=True)
def scene_distance(scene: Scene, x: float, y: float, z: float) -> float:
    """Distance in cm to whatever is nearest."""
    distance = skin_distance(scene, x, y, z)
    if distance < 3.0 and z > 4.0:
        distance = min(distance, eye_distance(scene.lids, x, y, z))
        distance = min(distance, caruncle_distance(scene.lids, x, y, z))
    if y < -9.0:
        distance = min(distance, cloth_distance(scene, x, y, z))
    return min(distance, hair_distance(scene, x, y, z))


@njit(fastmath=True)
def material_at(scene: Scene, x: float, y: float, z: float) -> int:
    """Which part of the scene is nearest."""
    best, material = skin_distance(scene, x, y, z), SKIN
    if z > 4.0:
        eye = eye_distance(scene.lids, x, y, z)
        if eye < best:
            best, material = eye, EYE
        corner = caruncle_distance(scene.lids, x, y, z)
        if corner < best:
            best, material = corner, CARUNCLE
    if y < -9.0:
        cloth = cloth_distance(scene, x, y, z)
        if cloth < best:
            best, material = cloth, CLOTH
    if hair_distance(scene, x, y, z) < best:
        material = HAIR
    return material
