# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Hair as what it is: tens of thousands of thin curves, shaded along their length and drawn with a depth test."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from portraits.camera import Camera, View, project
from portraits.lights import FILL, KEY, RIMS, Image, Light
from portraits.scene import HAIR


@dataclass(frozen=True)
class Strands:
    """`N` curves of `K` points."""

    points: Image
    """(N, K, 3) cm."""
    normals: Image
    """(N, K, 3) unit normals of the volume that the strands cover."""
    colour: Image
    """(N, K, 3) linear RGB."""
    width: Image
    """(N, K) cm, half the thickness."""
    gloss: float = 1.0
    """Strength of the highlights."""

    @property
    def tangents(self) -> Image:
        """(N, K, 3) unit vectors along the strands."""
        along = np.gradient(self.points, axis=1)
        return (along / np.maximum(np.linalg.norm(along, axis=-1, keepdims=True), 1e-6)).astype(np.float32)


def shade_strands(strands: Strands, view: View, light: Light, camera: Camera) -> Image:
    """(N, K, 3) light along the strands.

    Source: Kajiya and Kay, Rendering fur with three dimensional textures, 1989; the second, tinted highlight that is
    shifted towards the tip follows Marschner et al., Light scattering from human hair fibers, 2003.
    """
    tangents = strands.tangents
    key, room, free = _light_at(strands, view, light, camera)
    total = 0.75 * room
    for lamp, share, wrap in ((KEY, key, 0.15), (FILL, free, 0.25)):
        facing = np.clip((strands.normals @ lamp.unit + wrap) / (1.0 + wrap), 0.0, 1.0)
        across = np.sqrt(np.clip(1.0 - (tangents @ lamp.unit) ** 2, 0.0, 1.0))
        total = total + (facing * across * share)[..., None] * np.array(lamp.colour, np.float32)
    out = strands.colour * total
    out += _highlight(strands, tangents, KEY.unit, 0.10, 70.0) * (key * 0.10)[..., None]
    tinted = np.sqrt(strands.colour) * (_highlight(strands, tangents, KEY.unit, -0.12, 18.0))
    out += tinted * (key * 0.26)[..., None]
    tinted = np.sqrt(strands.colour) * (_highlight(strands, tangents, FILL.unit, -0.05, 22.0))
    out += tinted * (free * 0.05)[..., None]
    edge = np.clip(1.0 - strands.normals[..., 2], 0.0, 1.0) ** 2
    for lamp in RIMS:
        facing = np.clip(strands.normals @ lamp.unit + 0.2, 0.0, 1.0) * edge * 0.30
        out += np.sqrt(strands.colour) * facing[..., None] * np.array(lamp.colour, np.float32)
    return out.astype(np.float32)


def _highlight(strands: Strands, tangents: Image, lamp: NDArray[np.float32], shift: float, sharpness: float) -> Image:
    """(N, K, 1) highlight of one lamp; `shift` moves it towards the root."""
    half = lamp + np.array([0, 0, 1], np.float32)
    half /= np.linalg.norm(half)
    leaning = tangents + shift * strands.normals
    leaning /= np.linalg.norm(leaning, axis=-1, keepdims=True)
    across = np.clip(1.0 - (leaning @ half) ** 2, 0.0, 1.0)
    facing = np.clip(strands.normals @ lamp * 1.6, 0.0, 1.0)
    return (across ** (sharpness * 0.5) * facing * strands.gloss)[..., None]


def _light_at(strands: Strands, view: View, light: Light, camera: Camera) -> tuple[Image, Image, Image]:
    """Key (N, K), room (N, K, 3) and openness (N, K) where a strand lies on the hair; full light elsewhere."""
    scale = camera.distance / (camera.distance + camera.focus_z - strands.points[..., 2]) * camera.pixels_per_cm
    side = camera.pixels
    column = np.clip(strands.points[..., 0] * scale + side * 0.5, 0, side - 1).astype(int)
    row = np.clip(side * 0.5 - (strands.points[..., 1] - camera.centre_y) * scale, 0, side - 1).astype(int)
    near = np.abs(view.position[row, column, 2] - strands.points[..., 2]) < 1.2
    near &= view.material[row, column] == HAIR
    key = np.where(near, light.key[row, column], 0.85)
    free = np.where(near, light.open[row, column], 0.8)
    room = np.where(near[..., None], light.room[row, column], np.float32(0.6))
    return key.astype(np.float32), room.astype(np.float32), free.astype(np.float32)


@njit(fastmath=True)
def _draw(
    picture: Image,
    depth: Image,
    camera: Camera,
    points: Image,
    colour: Image,
    width: Image,
    slack: float,
) -> None:
    side = picture.shape[0]
    for strand in range(points.shape[0]):
        for k in range(points.shape[1] - 1):
            a, b = points[strand, k], points[strand, k + 1]
            ax, ay = project(camera, a[0], a[1], a[2])
            bx, by = project(camera, b[0], b[1], b[2])
            scale = camera.pixels / camera.height_cm
            wa, wb = width[strand, k] * scale, width[strand, k + 1] * scale
            reach = max(wa, wb) + 1.0
            dx, dy = bx - ax, by - ay
            length = dx * dx + dy * dy + 1e-9
            for row in range(max(int(min(ay, by) - reach), 0), min(int(max(ay, by) + reach) + 1, side)):
                for column in range(max(int(min(ax, bx) - reach), 0), min(int(max(ax, bx) + reach) + 1, side)):
                    px, py = column + 0.5 - ax, row + 0.5 - ay
                    share = (px * dx + py * dy) / length
                    if (share < 0.0 and k > 0) or share > 1.0 + 0.5 / math.sqrt(length):
                        continue
                    share = min(max(share, 0.0), 1.0)
                    off = math.sqrt((px - share * dx) ** 2 + (py - share * dy) ** 2)
                    half = wa + (wb - wa) * share
                    cover = min(max(half + 0.5 - off, 0.0), 1.0) * min(1.0, 2.0 * half)
                    z = a[2] + (b[2] - a[2]) * share
                    if cover <= 0.0 or z < depth[row, column] - slack:
                        continue
                    for c in range(3):
                        value = colour[strand, k, c] + (colour[strand, k + 1, c] - colour[strand, k, c]) * share
                        picture[row, column, c] += (value - picture[row, column, c]) * cover
                    if cover > 0.5:
                        depth[row, column] = max(depth[row, column], z)


def draw_strands(
    picture: Image,
    depth: Image,
    strands: Strands,
    shaded: Image,
    camera: Camera,
    slack: float = 0.02,
) -> None:
    """Draw strands into the picture and its (S, S) depth in place; what lies `slack` cm deeper still shows."""
    points = np.ascontiguousarray(strands.points, dtype=np.float32)
    _draw(picture, depth, camera, points, shaded, strands.width.astype(np.float32), slack)
