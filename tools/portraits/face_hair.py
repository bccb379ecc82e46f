# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Brows and lashes: single hairs on the skin of the face."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from portraits.face import Lids, lid_edges
from portraits.lights import Image
from portraits.scene import Scene, skin_distance
from portraits.shapes import smooth_step
from portraits.strands import Strands


def curve_strands(
    points: Image,
    colour: Image,
    half_width: float,
    random: np.random.Generator,
    taper: float = 1.0,
) -> Strands:
    """Short single hairs through given (N, K, 3) points, with tapered tips."""
    count, k, _ = points.shape
    t = np.linspace(0, 1, k, dtype=np.float32)
    shape = np.clip((1.0 - t) * taper + 0.08, 0, 1) * np.clip(t / 0.15 + 0.4, 0, 1)
    tone = random.uniform(0.8, 1.25, (count, 1, 1)).astype(np.float32)
    colours = np.broadcast_to(colour, (count, k, 3)) * tone
    normals = np.broadcast_to(np.array([0, 0.35, 0.94], np.float32), points.shape)
    width = np.broadcast_to(half_width * shape, (count, k))
    return Strands(points.astype(np.float32), normals, colours.astype(np.float32), width, gloss=0.25)


@njit(fastmath=True)
def drop_on_skin(scene: Scene, x: float, y: float) -> float:
    """Z of the skin straight behind a point in front of the face."""
    z = 11.0
    for _ in range(80):
        gap = skin_distance(scene, x, y, z)
        if gap < 0.004:
            break
        z -= gap * 0.7
    return z


class Brows(NamedTuple):
    """The eyebrows."""

    inner_x: float = 1.30
    outer_x: float = 4.9
    y: float = 2.05
    """cm, height of the inner end."""
    arch: float = 0.62
    """cm by which the highest point stands above the inner end."""
    thickness: float = 0.68
    hairs: int = 1500


def brow_hairs(scene: Scene, brows: Brows, colour: Image, seed: int) -> Strands:
    """Both brows: hairs that fan up at the nose and lie flat towards the temple."""
    random = np.random.default_rng(seed)
    share = random.beta(1.2, 1.2, brows.hairs)
    side = np.where(np.arange(brows.hairs) % 2 == 0, 1.0, -1.0)
    level = random.uniform(-0.5, 0.5, brows.hairs)
    x = brows.inner_x + share * (brows.outer_x - brows.inner_x)
    peak = 0.66
    bow = np.where(share < peak, np.sin(share / peak * np.pi / 2), np.cos((share - peak) / (1 - peak) * np.pi / 3.3))
    body = brows.thickness * np.minimum(1.0, 0.78 + 1.6 * share) * np.clip((1.04 - share) / 0.55, 0.10, 1.0)
    y = brows.y + brows.arch * bow + level * body
    heading = (
        np.radians(52) * np.exp(-share / 0.17) + np.radians(16) - np.radians(48) * np.clip(share - 0.45, 0, 1) * 1.5
    )
    heading = heading - level * 0.55 + random.normal(0, 0.10, brows.hairs)
    length = random.uniform(0.42, 0.72, brows.hairs) * np.clip(1.1 - 0.35 * share, 0.5, 1)
    t = np.linspace(0, 1, 7)
    turn = heading[:, None] - 0.5 * t
    px = x[:, None] + np.cos(turn) * t * length[:, None]
    py = y[:, None] + np.sin(turn) * t * length[:, None]
    px = px * side[:, None]
    pz = np.array([drop_on_skin(scene, a, b) for a, b in zip(px.flat, py.flat, strict=True)]).reshape(px.shape)
    pz += 0.03 + 0.05 * np.sin(np.pi * t)
    return curve_strands(np.stack([px, py, pz], -1), colour, 0.021, random)


class Lashes(NamedTuple):
    """The eyelashes."""

    hairs: int = 19
    """Hairs on each lid."""
    length: float = 0.46
    """cm at the outer corner."""
    line: float = 0.085
    """cm, half the thickness of the dark line along the upper lid."""


def lash_hairs(scene: Scene, lashes: Lashes, colour: Image, seed: int) -> list[Strands]:
    """Dark line along the upper lid, and lashes that grow longer outwards."""
    random = np.random.default_rng(seed)
    parts = [_lid_line(scene, lashes, colour, random)]
    share = np.linspace(-0.15, 0.99, lashes.hairs) + random.normal(0, 0.012, lashes.hairs)
    rows = [_lash(scene.lids, lashes, u, side, random) for side in (1.0, -1.0) for u in share]
    return [*parts, curve_strands(np.array(rows), colour, 0.03, random)]


def _lid_line(scene: Scene, lashes: Lashes, colour: Image, random: np.random.Generator) -> Strands:
    lids, rows, widths = scene.lids, [], []
    u = np.linspace(-0.97, 1.05, 60)
    for side in (1.0, -1.0):
        x = lids.x + u * lids.half_width
        y = np.array([lid_edges(lids, min(a, lids.x + lids.half_width * 0.999))[0] for a in x]) + 0.03
        y += np.clip(u - 0.93, 0, 1) * 0.9
        rows.append(np.stack([x * side, y, _lid_z(lids, x, y) + 0.10], -1))
        widths.append(
            lashes.line * np.clip(0.35 + 0.75 * (u + 0.9) / 1.6, 0.25, 1) * np.clip((1.05 - u) / 0.10, 0.1, 1)
        )
    strands = curve_strands(np.array(rows), colour, lashes.line, random)
    return Strands(strands.points, strands.normals, strands.colour, np.array(widths, np.float32), gloss=0.2)


def _lid_z(lids: Lids, x: Image, y: Image) -> Image:
    reach = (lids.ball + lids.thickness) ** 2 - (x - lids.x) ** 2 - (y - lids.y) ** 2
    return lids.z + np.sqrt(np.maximum(reach, 0.9))


def _lash(lids: Lids, lashes: Lashes, u: float, side: float, random: np.random.Generator) -> Image:
    """(K, 3) one lash: out from the lid's edge, then bending up and outwards."""
    x = lids.x + u * lids.half_width
    y = lid_edges(lids, min(x, lids.x + lids.half_width * 0.999))[0] + 0.02
    length = lashes.length * (0.25 + 0.75 * smooth_step(-0.5, 0.95, u)) * random.uniform(0.8, 1.1)
    heading = math.radians(82 - 58 * smooth_step(-0.6, 1.0, u) + 14 * smooth_step(0.0, -0.9, u)) + random.normal(
        0, 0.07
    )
    t = np.linspace(0, 1, 9)
    bend = heading + (0.45 if u > -0.4 else -0.1) * (t - 0.3)
    px, py = x + np.cos(bend) * t * length, y + np.sin(bend) * t * length
    pz = _lid_z(lids, np.array([x]), np.array([y]))[0] + 0.12 + 0.45 * t
    return np.stack([px * side, py, pz], -1)
