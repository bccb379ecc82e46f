# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Combed hair: locks of strands that lie like roof tiles over the hair's volume."""

from __future__ import annotations

import numpy as np

from portraits.comb import POINTS, Comb, guide_paths
from portraits.lights import Image
from portraits.roots import front_starts, part_starts, surface_starts
from portraits.scene import Scene
from portraits.strands import Strands


def long_hair(scene: Scene, comb: Comb, dark: Image, light: Image, seed: int) -> Strands:
    """Locks of strands that lie like roof tiles over the hair's volume."""
    random = np.random.default_rng(seed)
    parted = part_starts(scene, comb, comb.part_locks, random)
    lowest = comb.hang_y + 3.5
    around, seen = comb.locks // 2, comb.locks - comb.locks // 2
    starts = np.concatenate(
        [surface_starts(scene, around, lowest, random), front_starts(scene, seen, lowest, random), parted]
    )
    lengths = (comb.length * random.uniform(0.6, 1.15, len(starts))).astype(np.float32)
    lengths[comb.locks :] *= 1.25
    ends = (comb.end_y + random.uniform(-0.2, 0.3, len(starts))).astype(np.float32)
    paths, normals = guide_paths(scene, comb, starts, lengths, ends)
    along = np.gradient(paths, axis=1)
    along /= np.linalg.norm(along, axis=-1, keepdims=True) + 1e-6
    aside = np.cross(along, normals)
    return _fill_locks(comb, paths, normals, aside, dark, light, random)


def _fill_locks(
    comb: Comb,
    paths: Image,
    normals: Image,
    aside: Image,
    dark: Image,
    light: Image,
    random: np.random.Generator,
) -> Strands:
    """Strands around each guide: a rounded lock, thin at its ends, darker at root and depth."""
    locks, per = paths.shape[0], comb.strands_per_lock
    free = (np.arange(locks) < comb.locks)[:, None, None]
    depth, root = np.where(free, comb.depth, 0.05), np.where(free, 0.12, 0.35)
    t = np.linspace(0, 1, POINTS, dtype=np.float32)
    spread = np.clip(random.normal(0, 0.45, (locks, per, 1)), -1, 1).astype(np.float32)
    taper = (0.35 + 0.65 * np.sin(np.pi * np.clip(t * (1.0 - root) + root, 0, 0.99)) ** 0.7) * comb.lock_width
    wander = 0.05 * np.sin(t * random.uniform(3, 9, (locks, per, 1)) + random.uniform(0, 6.28, (locks, per, 1)))
    across = (spread * taper + wander * comb.lock_width)[..., None]
    lift = random.uniform(-0.04, 0.12, (locks, 1, 1)) + random.uniform(-0.04, 0.02, (locks, per, 1))
    rise = np.clip(np.minimum(t / 0.30, (1.06 - t) / 0.22), 0, 1)
    sink = lift - np.where(t < 0.5, depth, comb.depth) * (1.0 - rise) ** 2 - 0.16 * spread**2
    points = paths[:, None] + aside[:, None] * across + normals[:, None] * sink[..., None]
    bent = normals[:, None] + aside[:, None] * (0.55 * spread)[..., None]
    bent = bent / np.linalg.norm(bent, axis=-1, keepdims=True)
    tone = random.uniform(-0.02, 0.50, (locks, 1, 1)) + random.uniform(-0.05, 0.42, (locks, per, 1)) + 0.15 * t
    shadow = 0.30 + 0.70 * np.clip((sink + 0.36) / 0.42, 0, 1) ** 1.2
    colour = (dark + (light - dark) * np.clip(tone, 0, 1)[..., None]) * shadow[..., None]
    width = 0.026 * np.broadcast_to(np.minimum(1.0, (1.0 - t) / 0.15 + 0.12), sink.shape)
    order = np.argsort(lift[:, 0, 0] + 0.0 * t[0])
    flat = tuple(
        np.ascontiguousarray(a[order].reshape(-1, *a.shape[2:]), dtype=np.float32)
        for a in (points, bent, colour, width)
    )
    return Strands(flat[0], flat[1], flat[2], flat[3])
