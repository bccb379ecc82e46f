# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Short, tightly curled hair: small coils that stand off the hair's volume."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from portraits.comb import hair_normal
from portraits.lights import Image
from portraits.roots import front_starts, surface_starts
from portraits.scene import Scene
from portraits.strands import Strands


class Crop(NamedTuple):
    """How short, tightly curled hair grows."""

    coils: int = 26000
    length: float = 0.36
    """cm by which it stands off the surface."""
    curl: float = 0.075
    """cm, radius of the curls."""
    turns: float = 1.6
    lowest: float = -3.0
    """cm, height of the lowest hair."""


def cropped_hair(scene: Scene, crop: Crop, dark: Image, light: Image, seed: int) -> Strands:
    """Short coils all over the hair's volume."""
    random = np.random.default_rng(seed)
    half = crop.coils // 2
    roots = np.concatenate(
        [surface_starts(scene, half, crop.lowest, random), front_starts(scene, half, crop.lowest, random)]
    )
    normals = np.array([hair_normal(scene, *root) for root in roots.astype(np.float64)], np.float32)
    heading = normals + random.normal(0, 0.22, roots.shape).astype(np.float32)
    heading /= np.linalg.norm(heading, axis=-1, keepdims=True)
    side = np.cross(heading, random.normal(size=roots.shape))
    side /= np.linalg.norm(side, axis=-1, keepdims=True)
    other = np.cross(heading, side)
    t = np.linspace(0, 1, 10, dtype=np.float32)
    angle = 2 * np.pi * crop.turns * t + random.uniform(0, 6.28, (len(roots), 1))
    reach = (crop.length * random.uniform(0.6, 1.1, (len(roots), 1)) * t - 0.22)[..., None]
    coil = crop.curl * (np.cos(angle)[..., None] * side[:, None] + np.sin(angle)[..., None] * other[:, None])
    points = roots[:, None] + heading[:, None] * reach + coil
    tone = np.clip(random.uniform(-0.1, 0.7, (len(roots), 1)) + 0.5 * (t - 0.4), 0, 1)[..., None]
    colour = (dark + (light - dark) * tone) * (0.35 + 0.65 * t)[:, None]
    width = np.broadcast_to(0.022 * np.minimum(1.0, 1.3 - t), points.shape[:2])
    shade = normals[:, None] + 0.5 * coil / crop.curl
    shade /= np.linalg.norm(shade, axis=-1, keepdims=True)
    return Strands(points.astype(np.float32), shade.astype(np.float32), colour.astype(np.float32), width, gloss=0.5)
