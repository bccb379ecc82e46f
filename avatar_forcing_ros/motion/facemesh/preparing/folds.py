# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Prepares the light and shade of folds: from nose to mouth, between the brows, and around the eyes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.drawing.folds import FoldPatch, Folds
from avatar_forcing_ros.motion.facemesh.landmarks import LEFT_EYE, RIGHT_EYE, EyeLandmarks

NOSE_WINGS = np.array([129, 358])
MOUTH_ENDS = np.array([61, 291])
BROW_INNER_ENDS = np.array([55, 285])


@dataclass(frozen=True)
class FoldConfig:
    """Lengths in interocular distances, shades as shares of brightness.

    Attributes:
        width: half the width of a fold's shadow.
        smile_shade: darkest shade of the fold beside the mouth, at a full smile.
        cheek_light: lightening of the cheek beside it.
        furrow_shade: darkest shade of the two lines between the brows.
        eye_shade: darkest shade of the lines beside the eyes and above the cheeks, at a full smile.
    """

    width: float = 0.034
    smile_shade: float = 0.11
    cheek_light: float = 0.045
    furrow_shade: float = 0.16
    eye_shade: float = 0.065


def cut_folds(image: NDArray[np.uint8], landmarks: NDArray, scale: float, config: FoldConfig | None = None) -> Folds:
    """Prepare the folds of a portrait (S, S, 3) with landmarks (478, 3) at `scale` pixels per interocular distance."""
    config = config or FoldConfig()
    marks = landmarks[:, :2]
    beside_mouth = [
        _curve(marks[wing], marks[end], np.sign(marks[end, 0] - marks[MOUTH_ENDS, 0].mean()) * scale)
        for wing, end in zip(NOSE_WINGS, MOUTH_ENDS, strict=True)
    ]
    inner = marks[BROW_INNER_ENDS]
    middle, lift = inner.mean(0), np.array([0.0, 0.16 * scale])
    furrows = [np.linspace(p - lift, p + 0.3 * lift, 12) for p in middle + 0.45 * (inner - middle)]
    return Folds(
        smile=_patch(image, beside_mouth, scale, config.width, -config.smile_shade, config.cheek_light),
        furrow=_patch(image, furrows, scale, 0.7 * config.width, -config.furrow_shade, 0.03),
        eyes=(_eye_lines(image, marks, RIGHT_EYE, scale, config), _eye_lines(image, marks, LEFT_EYE, scale, config)),
    )


def _eye_lines(
    image: NDArray[np.uint8], marks: NDArray, eye: EyeLandmarks, scale: float, config: FoldConfig
) -> FoldPatch:
    """Three short lines that fan out beside the eye, and the crease that the raised cheek makes below it."""
    middle = marks[eye.corners].mean(0)
    outer = max(marks[eye.corners], key=lambda corner: abs(corner[0] - marks[NOSE_WINGS, 0].mean()))
    outwards = np.sign(outer[0] - middle[0])
    t = np.linspace(0, 1, 10)[:, None]
    curves = []
    for slope in (-0.45, 0.05, 0.5):
        begin = outer + scale * np.array([0.14 * outwards, 0.14 * slope])
        curves.append(begin + t * scale * np.array([0.10 * outwards, 0.10 * slope]))
    across = np.linspace(-0.17, 0.22, 24)
    below = marks[eye.lower_lid, 1].max() + scale * (0.17 + 0.05 * (1 - (across / 0.22) ** 2))
    curves.append(np.column_stack([middle[0] + outwards * across * scale, below]))
    return _lines(image, curves, scale, (0.012, 0.012, 0.012, 0.045), -config.eye_shade)


def _lines(
    image: NDArray[np.uint8], curves: list[NDArray], scale: float, widths: tuple[float, ...], dark: float
) -> FoldPatch:
    """Shade only on the curves, fading towards their ends."""
    rows, columns, low, high = _window(image, np.vstack(curves), 0.08 * scale)
    shade = np.zeros(rows.shape, np.float32)
    for curve, width in zip(curves, widths, strict=True):
        gap = np.hypot(columns[..., None] - curve[:, 0], rows[..., None] - curve[:, 1]) / scale
        taper = np.sin(np.pi * (gap.argmin(-1) + 0.5) / len(curve))
        shade += dark * taper * np.exp(-((gap.min(-1) / width) ** 2))
    skin = image[low[1] : high[1], low[0] : high[0]].astype(np.float32)
    return FoldPatch(int(low[0]), int(low[1]), skin, _fade_rim(shade))


def _window(
    image: NDArray[np.uint8], points: NDArray, margin: float
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray, NDArray]:
    """Rows and columns of the pixels around some points, and the window's first and last corner."""
    low = np.floor(points.min(0) - margin).astype(int).clip(0)
    high = np.ceil(points.max(0) + margin).astype(int).clip(None, np.array(image.shape[1::-1]))
    rows, columns = np.mgrid[low[1] : high[1], low[0] : high[0]].astype(np.float32)
    return rows, columns, low, high


def _curve(wing: NDArray, end: NDArray, outwards: float) -> NDArray[np.float64]:
    """(24, 2) fold from the wing of the nose around the corner of the mouth, bent outwards."""
    downwards = abs(outwards)
    start = wing + np.array([0.03 * outwards, 0.0])
    stop = end + np.array([0.12 * outwards, 0.04 * downwards])
    bend = (start + stop) / 2 + np.array([0.07 * outwards, -0.02 * downwards])
    t = np.linspace(0, 1, 24)[:, None]
    return (1 - t) ** 2 * start + 2 * t * (1 - t) * bend + t**2 * stop


def _patch(
    image: NDArray[np.uint8], curves: list[NDArray], scale: float, width: float, dark: float, light: float
) -> FoldPatch:
    """Shade around the curves: dark on them, light on their outer side, fading towards their ends."""
    points = np.vstack(curves)
    rows, columns, low, high = _window(image, points, 0.2 * scale)
    shade = np.zeros(rows.shape, np.float32)
    for curve in curves:
        gap = np.hypot(columns[..., None] - curve[:, 0], rows[..., None] - curve[:, 1]) / scale
        nearest = gap.argmin(-1)
        taper = np.sin(np.pi * (nearest + 0.5) / len(curve)) ** 0.7
        outside = np.sign(curve[:, 0].mean() - points[:, 0].mean()) * (columns - curve[nearest, 0]) > 0
        distance = gap.min(-1)
        shade += dark * taper * np.exp(-((distance / np.where(outside, 0.7 * width, 1.3 * width)) ** 2))
        shade += light * taper * np.exp(-(((distance - 3.2 * width) / (2 * width)) ** 2)) * outside
    soft = cv2.GaussianBlur(shade, (0, 0), max(0.6, 0.012 * scale))
    skin = image[low[1] : high[1], low[0] : high[0]].astype(np.float32)
    return FoldPatch(int(low[0]), int(low[1]), skin, _fade_rim(soft))


def _fade_rim(shade: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bring the shade to zero at the patch's edge."""
    rows, columns = (np.minimum(np.arange(n), np.arange(n)[::-1]) / (0.12 * n) for n in shade.shape)
    return (shade * np.minimum(1, rows)[:, None] * np.minimum(1, columns)).astype(np.float32)
