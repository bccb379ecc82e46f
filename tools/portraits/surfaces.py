# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Colour and gloss of each material: skin with lips, blush and freckles, eyes, knitwear and the hair's inside."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from portraits.camera import View
from portraits.face import Lids, Mouth, lid_edges, lip_lines, lip_share
from portraits.palette import Palette, linear
from portraits.scene import CARUNCLE, CLOTH, EYE, HAIR, SKIN, Scene
from portraits.shapes import Table, blob_distance, smooth_step, soft_abs

Image = NDArray[np.float32]


@dataclass(frozen=True)
class Surface:
    """How each pixel answers light."""

    albedo: Image
    """(S, S, 3) linear RGB."""
    gloss: Image
    """(S, S) strength of the highlight, 1 for skin."""
    sharpness: Image
    """(S, S) exponent of the highlight."""


@njit(fastmath=True)
def _hash(ix: int, iy: int, iz: int) -> float:
    value = math.sin(ix * 127.1 + iy * 311.7 + iz * 74.7) * 43758.5453
    return value - math.floor(value)


@njit(fastmath=True)
def value_noise(x: float, y: float, z: float) -> float:
    """Smooth noise in 0..1 with features of size one."""
    ix, iy, iz = math.floor(x), math.floor(y), math.floor(z)
    fx, fy, fz = x - ix, y - iy, z - iz
    fx, fy, fz = fx * fx * (3 - 2 * fx), fy * fy * (3 - 2 * fy), fz * fz * (3 - 2 * fz)
    total = 0.0
    for corner in range(8):
        cx, cy, cz = corner & 1, (corner >> 1) & 1, corner >> 2
        weight = (fx if cx else 1 - fx) * (fy if cy else 1 - fy) * (fz if cz else 1 - fz)
        total += weight * _hash(ix + cx, iy + cy, iz + cz)
    return total


@njit(fastmath=True)
def _near(x: float, y: float, cx: float, cy: float, rx: float, ry: float) -> float:
    return math.exp(-(((soft_abs(x) - cx) / rx) ** 2) - ((y - cy) / ry) ** 2)


@njit(fastmath=True)
def skin_tints(lids: Lids, mouth: Mouth, holes: Table, position: Image, material: NDArray[np.int32]) -> Image:
    """(S, S, 5): lips, blush, shade around the eyes, fine unevenness, and the dark of nostrils and between the lips."""
    side = material.shape[0]
    tints = np.zeros((side, side, 5), np.float32)
    for row in range(side):
        for column in range(side):
            if material[row, column] != SKIN:
                continue
            x, y, z = position[row, column]
            tints[row, column, 3] = (
                value_noise(x * 1.3, y * 1.3, z * 1.3)
                + 0.5 * value_noise(x * 4.1, y * 4.1, z * 4.1)
                + 0.35 * value_noise(x * 11.0, y * 11.0, z * 11.0)
            ) / 1.85 - 0.5
            if z < 2.0:
                tints[row, column, 1] = smooth_step(6.3, 7.6, abs(x))
                continue
            above, below = lip_share(mouth, x, y)
            across = soft_abs(x) / mouth.half_width
            lip = smooth_step(1.10, 0.86, above) * smooth_step(1.10, 0.86, below)
            tints[row, column, 0] = lip * smooth_step(1.03, 0.90, across)
            tints[row, column, 1] = (
                0.9 * _near(x, y, 4.0, -2.9, 1.9, 1.4)
                + 0.55 * _near(x, y, 0.0, -3.3, 1.2, 0.8)
                + 0.25 * _near(x, y, 0.0, -8.4, 1.2, 0.8)
            )
            _, seam, _ = lip_lines(mouth, x)
            line = math.exp(-(((y - seam) / 0.055) ** 2)) * smooth_step(1.08, 0.9, across)
            tints[row, column, 4] = line + smooth_step(0.10, -0.16, blob_distance(holes, x, y, z))
            upper, lower = lid_edges(lids, x)
            edge = math.exp(-(((y - lower + 0.10) / 0.16) ** 2)) + 0.8 * math.exp(-(((y - upper - 0.12) / 0.25) ** 2))
            fade = smooth_step(1.3, 0.8, abs(soft_abs(x) - lids.x) / lids.half_width)
            tints[row, column, 2] = fade * edge + 0.5 * _near(x, y, lids.x - 0.6, lids.y + 0.1, 2.0, 1.3)
    return tints


def skin_colour(tints: Image, palette: Palette) -> Image:
    """(S, S, 3) linear RGB of the skin."""
    base, blush, lips = linear(palette.skin), linear(palette.blush), linear(palette.lips)
    warm = np.clip(tints[..., 1:2], 0, 1) * palette.blush_strength
    colour = base + (blush - base) * warm
    lidded = np.clip(tints[..., 2:3], 0, 1)
    colour = colour * (1.0 - lidded * np.array([0.10, 0.22, 0.20], np.float32))
    colour = colour * (1.0 + tints[..., 3:4] * np.array([0.10, 0.16, 0.16], np.float32))
    lip = tints[..., 0:1]
    colour = colour + (lips * (1.0 + 0.2 * tints[..., 3:4]) - colour) * lip * 0.88
    return colour * (1.0 - np.clip(tints[..., 4:5], 0, 1) * np.array([0.62, 0.80, 0.80], np.float32))


def _nostrils(head: Table) -> Table:
    """The carved rows of a head, grown a little and added, as the place that light hardly reaches."""
    holes = head[head[:, 16] < 0.0].copy()
    holes[:, 3:6] *= 1.15
    holes[:, 16] = 1.0
    return holes


def paint_freckles(albedo: Image, view: View, palette: Palette, seed: int) -> None:
    """Scatter freckles over nose and cheeks, in place."""
    random = np.random.default_rng(seed)
    skin = view.material == SKIN
    for _ in range(palette.freckles):
        x = random.normal(0.0, 2.6)
        y = -2.4 + random.normal(0.0, 0.75) + 0.05 * abs(x)
        size, depth = random.uniform(0.04, 0.085), random.uniform(0.12, 0.34)
        gap = (view.position[..., 0] - x) ** 2 + (view.position[..., 1] - y) ** 2
        near = skin & (gap < 9 * size * size) & (view.position[..., 2] > 3.0)
        strength = (depth * np.exp(-gap[near] / (size * size)))[:, None]
        albedo[near] *= 1.0 - strength * np.array([0.45, 0.75, 0.9], np.float32)


@dataclass(frozen=True)
class EyePixels:
    """Places on the eyeballs, in units of the iris' radius."""

    x: Image
    y: Image
    radius: Image
    angle: Image


def eye_pixels(view: View, lids: Lids) -> EyePixels:
    """(N,) places of the pixels of both eyeballs, x outwards to the viewer's right."""
    position = view.position[view.material == EYE]
    x = (position[:, 0] - np.sign(position[:, 0]) * lids.x) / lids.iris
    y = (position[:, 1] - lids.y - 0.12) / lids.iris
    return EyePixels(x, y, np.hypot(x, y), np.arctan2(y, x))


def _ramp(low: float, high: float, value: Image) -> Image:
    share = np.clip((value - low) / (high - low), 0.0, 1.0)
    return (share * share * (3.0 - 2.0 * share)).astype(np.float32)


def eye_colour(eyes: EyePixels, palette: Palette, seed: int) -> Image:
    """(N, 3) linear RGB of sclera, iris with its fibres, and pupil."""
    random = np.random.default_rng(seed)
    dark, light = linear(palette.iris), linear(palette.iris_light)
    fibres = np.zeros_like(eyes.angle)
    for count in (17, 29, 41, 67, 97):
        bend = random.uniform(-0.7, 0.7)
        fibres += np.cos(count * eyes.angle + random.uniform(0, 6.28) + bend * 3 * eyes.radius) / 5.0
    glow = _ramp(-0.2, 0.9, 0.75 * (-eyes.y) + 0.35 * eyes.x) * _ramp(1.0, 0.55, eyes.radius)
    ring = np.exp(-(((eyes.radius - 0.50) / 0.16) ** 2))
    mix = np.clip(0.12 + 0.75 * glow + 0.30 * ring * (0.5 + 0.5 * glow) + 0.28 * fibres, 0, 1)[:, None]
    iris = (dark + (light - dark) * mix) * (1.0 + 0.25 * fibres[:, None])
    iris *= (1.0 - 0.78 * _ramp(0.80, 1.0, eyes.radius))[:, None]
    iris *= (1.0 - 0.97 * _ramp(0.43, 0.37, eyes.radius))[:, None]
    white = np.array([0.80, 0.775, 0.755], np.float32)
    far = _ramp(1.0, 2.3, eyes.radius)[:, None] * np.array([0.06, 0.22, 0.22], np.float32)
    edge = _ramp(0.95, 1.05, eyes.radius)[:, None]
    return (iris * (1.0 - edge) + white * (1.0 - far) * edge).astype(np.float32)


def describe(scene: Scene, view: View, palette: Palette, seed: int) -> Surface:
    """Colour and gloss of everything the camera sees."""
    side = view.material.shape[0]
    albedo = np.zeros((side, side, 3), np.float32)
    gloss, sharpness = np.zeros((side, side), np.float32), np.full((side, side), 20.0, np.float32)
    tints = skin_tints(scene.lids, scene.mouth, _nostrils(scene.head), view.position, view.material)
    skin = view.material == SKIN
    albedo[skin] = skin_colour(tints, palette)[skin]
    paint_freckles(albedo, view, palette, seed)
    dry = 1.0 - np.clip(tints[..., 4][skin] * 1.5, 0, 1)
    gloss[skin] = dry * (0.8 + 0.7 * tints[..., 0][skin]) + 0.5 * np.exp(-(((view.position[skin][:, 0]) / 1.2) ** 2))
    sharpness[skin] = 18.0 + 42.0 * tints[..., 0][skin]
    albedo[view.material == EYE] = eye_colour(eye_pixels(view, scene.lids), palette, seed)
    albedo[view.material == CARUNCLE] = 0.5 * (linear(palette.skin) + linear(palette.lips))
    gloss[view.material == CARUNCLE] = 1.0
    albedo[view.material == CLOTH] = linear(palette.cloth)
    albedo[view.material == HAIR] = 0.65 * linear(palette.hair) + 0.35 * linear(palette.hair_light)
    return Surface(albedo, gloss, sharpness)
