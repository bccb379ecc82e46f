# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The curves that make a face: where the eyelids open and where the lips meet, drawn as seen from the front."""

from __future__ import annotations

import math
from typing import NamedTuple

from numba import njit

from portraits.shapes import smooth_step, soft_abs


class Lids(NamedTuple):
    """One eye (the other is its mirror image)."""

    x: float = 3.18
    """cm from the middle of the face to the middle of the opening."""
    y: float = 0.0
    z: float = 4.68
    """cm, middle of the eyeball."""
    ball: float = 1.58
    """cm, radius of the eyeball."""
    half_width: float = 1.60
    upper: float = 0.92
    """cm from the corner line up to the lid's edge."""
    lower: float = 0.60
    tilt: float = 0.16
    """cm by which the outer corner stands above the inner one, halved."""
    thickness: float = 0.15
    crease: float = 0.42
    """cm from the edge of the upper lid to its fold."""
    crease_depth: float = 0.095
    iris: float = 0.82
    """cm, radius of the iris."""


class Mouth(NamedTuple):
    """The closed mouth."""

    y: float = -5.75
    half_width: float = 2.55
    upper: float = 0.62
    """cm, height of the upper lip's red."""
    lower: float = 0.88
    upper_bulge: float = 0.30
    lower_bulge: float = 0.46
    lift: float = 0.20
    """cm by which the corners stand above the middle."""
    seam: float = 0.22
    """cm, depth of the line between the lips."""


@njit(fastmath=True)
def lid_edges(lids: Lids, x: float) -> tuple[float, float]:
    """Heights of the upper and lower lid's edge at mirrored `x`; equal outside the corners."""
    across = (soft_abs(x) - lids.x) / lids.half_width
    line = lids.y + lids.tilt * across
    if abs(across) >= 1.0:
        return line, line
    inner = across + 0.16 * (1.0 - across * across)
    outer = across - 0.14 * (1.0 - across * across)
    upper = lids.upper * (1.0 - abs(inner) ** 2.3) ** 0.82
    lower = lids.lower * (1.0 - abs(outer) ** 2.2) ** 0.95
    return line + upper, line - lower


@njit(fastmath=True)
def lid_opening(lids: Lids, x: float, y: float) -> float:
    """About the distance to the opening between the lids; negative inside it."""
    upper, lower = lid_edges(lids, x)
    beyond = abs(soft_abs(x) - lids.x) - lids.half_width
    inside = max(y - upper, lower - y) * 0.8
    return inside if beyond < 0.0 else math.sqrt(max(inside, 0.0) ** 2 + beyond * beyond)


@njit(fastmath=True)
def lid_fold(lids: Lids, x: float, y: float) -> float:
    """Depth in cm of the fold above the upper lid and of the softer one under the lower lid."""
    across = (soft_abs(x) - lids.x) / lids.half_width
    line = lids.y + lids.tilt * across
    fade = smooth_step(1.35, 0.6, across) * smooth_step(-1.25, -0.5, across)
    above = (y - line - (lids.upper + lids.crease) * (1.0 - 0.58 * across * across)) / 0.14
    below = (y - line + (lids.lower + 0.42) * (1.0 - 0.45 * across * across)) / 0.22
    return fade * (lids.crease_depth * math.exp(-above * above) + 0.035 * math.exp(-below * below))


@njit(fastmath=True)
def lip_lines(mouth: Mouth, x: float) -> tuple[float, float, float]:
    """Heights of the upper lip's border, the line between the lips and the lower lip's border."""
    across = min(soft_abs(x) / mouth.half_width, 1.0)
    rest = 1.0 - across * across
    seam = mouth.y + mouth.lift * across**2.2 - 0.07 * math.exp(-((across / 0.2) ** 2))
    bow = 1.0 - 0.24 * math.exp(-((across / 0.13) ** 2)) + 0.10 * math.exp(-(((across - 0.27) / 0.16) ** 2))
    upper = seam + mouth.upper * bow * rest**0.85 * (1.0 - 0.18 * across)
    lower = seam - mouth.lower * rest**0.9
    return upper, seam, lower


@njit(fastmath=True)
def lip_share(mouth: Mouth, x: float, y: float) -> tuple[float, float]:
    """How far from the seam (0) to the border (1) a point lies on the upper and on the lower lip; negative off it."""
    upper, seam, lower = lip_lines(mouth, x)
    return (y - seam) / max(upper - seam, 0.05), (seam - y) / max(seam - lower, 0.05)


@njit(fastmath=True)
def lip_profile(share: float) -> float:
    """Bulge of a lip from its seam (0) over its crest to its border (1) and out into the skin."""
    if share < 0.0 or share > 1.6:
        return 0.0
    arch = max(1.0 - ((share - 0.52) / 0.62) ** 2, 0.0) ** 0.75
    return max(arch, 0.22 * smooth_step(1.6, 0.9, share)) if share > 0.52 else arch


@njit(fastmath=True)
def lip_height(mouth: Mouth, x: float, y: float) -> float:
    """Height in cm that the lips add to the face here; negative in the seam."""
    across = soft_abs(x) / mouth.half_width
    if across > 1.25 or abs(y - mouth.y) > 2.2:
        return 0.0
    above, below = lip_share(mouth, x, y)
    fade = smooth_step(1.05, 0.35, across)
    _, seam, _ = lip_lines(mouth, x)
    line = math.exp(-(((y - seam) / 0.10) ** 2)) * mouth.seam * smooth_step(1.12, 0.85, across)
    bulge = mouth.upper_bulge * lip_profile(above) + mouth.lower_bulge * lip_profile(below)
    return fade * bulge - line
