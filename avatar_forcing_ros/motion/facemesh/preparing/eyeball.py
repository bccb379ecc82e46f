# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Splits the open eye of a portrait into a white without iris and an iris completed where lids hid it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.landmarks import EyeLandmarks
from avatar_forcing_ros.motion.facemesh.preparing.eye_opening import Opening
from avatar_forcing_ros.motion.facemesh.preparing.matte import fill_smoothly


def split_eyeball(
    picture: NDArray[np.float32], marks: NDArray, eye: EyeLandmarks, opening: Opening, scale: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The white (H, W, 3), and the iris with its coverage (H, W, 4)."""
    guess = marks[eye.iris[0]]
    centre, radius = _fit_iris(picture, guess, float(np.linalg.norm(marks[eye.iris[1:]] - guess, axis=1).mean()))
    rows, columns = np.mgrid[0 : picture.shape[0], 0 : picture.shape[1]].astype(np.float32)
    distance = np.hypot(columns - centre[0], rows - centre[1]) / radius
    inset = 0.02 * scale
    inside = np.minimum(rows - opening.upper - 1.5 * inset, opening.lower - inset - rows)  # > 0 well inside the opening
    white = _complete_white(picture, (inside > 0) & (distance > 1.15), radius)
    profile = _radial_profile(picture, distance, (inside > -0.5) & (distance < 1.05))
    seen = np.clip(inside / max(inset, 1) + 0.5, 0, 1)[..., None] * np.clip((1.02 - distance) / 0.1, 0, 1)[..., None]
    colour = picture * seen + profile * (1 - seen)
    coverage = np.clip((1.08 - distance) * radius / 1.6 + 0.5, 0, 1)
    return white, np.dstack([colour, coverage]).astype(np.float32)


def _fit_iris(picture: NDArray[np.float32], centre: NDArray, radius: float) -> tuple[NDArray, float]:
    """Centre and radius, near the given ones, with the sharpest step from iris to white on the left and right."""
    light = cv2.GaussianBlur(picture.sum(-1), (0, 0), 0.8)
    angles = np.radians(np.r_[-30:31:10, 150:211:10])
    rays = np.stack([np.cos(angles), np.sin(angles)], 1)

    def sharpness(shift: float, factor: float) -> float:
        inner, outer = (centre + [shift * radius, 0] + rays * (factor + step) * radius for step in (-0.12, 0.12))
        a, b = (cv2.remap(light, p.astype(np.float32)[None], None, cv2.INTER_LINEAR)[0] for p in (inner, outer))
        return float(np.clip(b - a, -100, 200).mean())

    candidates = [(shift, factor) for factor in np.arange(0.85, 1.5, 0.05) for shift in (-0.2, -0.1, 0.0, 0.1, 0.2)]
    shift, factor = max(candidates, key=lambda c: sharpness(*c) - 20 * abs(c[0]) - 20 * abs(c[1] - 1))
    return centre + np.array([shift * radius, 0.0]), factor * radius


def _complete_white(picture: NDArray[np.float32], known: NDArray[np.bool_], radius: float) -> NDArray[np.float32]:
    """Fill the white where the iris or a lid hid it, from what is visible; a plain off-white if nothing is."""
    if known.sum() < 8:
        return np.full_like(picture, 0.6 * picture.max())
    smooth = cv2.GaussianBlur(fill_smoothly(picture, known), (0, 0), max(1.0, 0.25 * radius))
    share = cv2.GaussianBlur(known.astype(np.float32), (0, 0), max(0.7, 0.08 * radius))[..., None] * known[..., None]
    return (picture * share + smooth * (1 - share)).astype(np.float32)


def _radial_profile(
    picture: NDArray[np.float32], distance: NDArray, seen: NDArray[np.bool_], bins: int = 12
) -> NDArray[np.float32]:
    """(H, W, 3) the iris as if it were equal in every direction: the median colour at each distance from its centre."""
    number = np.minimum((distance * bins / 1.05).astype(int), bins)
    rings = np.empty((bins + 1, 3), np.float32)
    rings[0] = picture[np.unravel_index(distance.argmin(), distance.shape)]
    for ring in range(bins + 1):
        here = seen & (number == ring)
        rings[ring] = np.median(picture[here], axis=0) if here.sum() > 2 else rings[max(ring - 1, 0)]
    place = np.clip(distance * bins / 1.05 - 0.5, 0, bins - 1e-3)
    low, share = place.astype(int), (place % 1)[..., None]
    return rings[low] * (1 - share) + rings[low + 1] * share
