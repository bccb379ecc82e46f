# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Finds the opening of an eye in a portrait, and paints a picture of that eye shut."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from avatar_forcing_ros.motion.facemesh.drawing.eyes import LOWER_LID_SHARE
from avatar_forcing_ros.motion.facemesh.landmarks import EyeLandmarks
from avatar_forcing_ros.motion.facemesh.preparing.matte import fill_smoothly


@dataclass(frozen=True)
class EyeConfig:
    """Lengths in interocular distances.

    Attributes:
        margin_up: how far above the opening to look for lashes.
        margin_side: how far the eye may reach past the landmarks to the sides.
        margin_down: how far it may reach below them.
        unlike_skin: colour difference, as a share of the skin's brightness, from which a pixel is eye rather than skin.
        lash: thickness of the lash line.
    """

    margin_up: float = 0.085
    margin_side: float = 0.09
    margin_down: float = 0.04
    unlike_skin: float = 0.16
    lash: float = 0.022


@dataclass(frozen=True)
class Opening:
    """The opening of an eye: the rows of its edges at each column, and the columns of its corners."""

    upper: NDArray[np.float64]
    lower: NDArray[np.float64]
    corners: NDArray[np.float64]

    def mask(self, height: int) -> NDArray[np.bool_]:
        """(height, W) true inside."""
        rows, columns = np.mgrid[0:height, 0 : len(self.upper)]
        beside = (columns < self.corners[0]) | (columns > self.corners[1])
        return (rows >= self.upper) & (rows <= self.lower) & ~beside


def landmark_opening(marks: NDArray, eye: EyeLandmarks, width: int) -> Opening:
    """The opening according to the landmarks (478, 2), in a patch `width` pixels wide."""
    columns = np.arange(width, dtype=float)
    upper, lower = (
        _edge(columns, marks[np.r_[eye.corners[0], row, eye.corners[1]]]) for row in (eye.upper_lid, eye.lower_lid)
    )
    return Opening(upper, np.maximum(lower, upper), marks[eye.corners, 0])


def _edge(columns: NDArray, points: NDArray) -> NDArray[np.float64]:
    """Row of a lid's edge at each column: smooth, and level beyond the corners."""
    points = points[np.argsort(points[:, 0])]
    keep = np.r_[True, np.diff(points[:, 0]) > 0.05]
    curve = PchipInterpolator(points[keep, 0], points[keep, 1])
    return curve(np.clip(columns, points[0, 0], points[-1, 0]))


def find_socket(picture: NDArray[np.float32], opening: Opening, scale: float, config: EyeConfig) -> NDArray[np.bool_]:
    """(H, W) the opening, and whatever around it differs from the skin and is connected with it."""
    inside = opening.mask(len(picture))
    up, side, down = (max(1, round(m * scale)) for m in (config.margin_up, config.margin_side, config.margin_down))
    near = np.zeros((2 * max(up, down) + 1, 2 * side + 1), np.uint8)
    near[max(up, down) - down : max(up, down) + up + 1] = 1  # dilation reflects the element
    near = cv2.dilate(inside.astype(np.uint8), near) > 0
    skin = fill_smoothly(picture, ~near)
    unlike = np.abs(picture - skin).sum(-1) > config.unlike_skin * skin.sum(-1)
    _, labels = cv2.connectedComponents(((unlike & near) | inside).astype(np.uint8))
    own = np.bincount(labels[inside], minlength=2).argmax() if inside.any() else 0
    closed = cv2.morphologyEx((labels == own).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    return (closed > 0) & near


def lash_rows(picture: NDArray[np.float32], opening: Opening, scale: float) -> NDArray[np.float64]:
    """(W,) row of the darkest line at the upper edge or a little above it, where the lashes grow."""
    light = cv2.GaussianBlur(picture.sum(-1), (0, 0), max(0.6, 0.008 * scale))
    shifts = np.arange(-0.065 * scale, 0.01 * scale, 0.5)
    rows = opening.upper + shifts[:, None]
    columns = np.broadcast_to(np.arange(len(opening.upper)), rows.shape)
    found = cv2.remap(light, columns.astype(np.float32), rows.astype(np.float32), cv2.INTER_LINEAR)
    darkest = shifts[found.argmin(0)].astype(np.float32)
    smooth = cv2.GaussianBlur(cv2.medianBlur(darkest[None], 5), (0, 0), sigmaX=0.05 * scale, sigmaY=0.1)[0]
    return opening.upper + np.minimum(smooth + 0.01 * scale, 0)


def widen(
    opening: Opening,
    socket: NDArray[np.bool_],
    lash_rows: NDArray,
    marks: NDArray,
    eye: EyeLandmarks,
    scale: float,
    config: EyeConfig,
) -> Opening:
    """Move corners and edges outwards if the eye is larger than its landmarks, as in drawn characters."""
    columns = np.arange(socket.shape[1], dtype=float)
    filled = np.flatnonzero(socket.any(0))
    corners = np.array([max(filled[0], opening.corners[0] - config.margin_side * scale),
                        min(filled[-1], opening.corners[1] + config.margin_side * scale)])  # fmt: skip
    corners = np.array([min(corners[0], opening.corners[0]), max(corners[1], opening.corners[1])])
    last = len(socket) - 1 - socket[::-1].argmax(0)
    reach = np.where(socket.any(0), last, opening.lower) - opening.lower - 0.012 * scale
    reach = np.clip(reach, 0, config.margin_down * scale).astype(np.float32)
    middle = np.clip(1 - np.abs(2 * (columns - corners.mean()) / np.ptp(corners)) ** 4, 0, 1)
    lower = opening.lower + cv2.GaussianBlur(reach[None], (0, 0), 0.04 * scale)[0] * middle
    upper = opening.upper + (lash_rows - opening.upper) * middle
    rows = marks[eye.corners, 1]
    ends = np.stack([corners, rows], 1)
    upper, lower = (
        _edge(columns, np.vstack([ends[:1], _inner(columns, curve, opening.corners), ends[1:]]))
        for curve in (upper, lower)
    )
    return Opening(upper, np.maximum(lower, upper), corners)


def _inner(columns: NDArray, curve: NDArray, corners: NDArray, points: int = 9) -> NDArray[np.float64]:
    """(points, 2) the part of a curve between the eye's corners."""
    x = np.linspace(corners[0], corners[1], points + 2)[1:-1]
    return np.stack([x, np.interp(x, columns, curve)], 1)


def shut_eye(
    picture: NDArray[np.float32], socket: NDArray[np.bool_], opening: Opening, scale: float
) -> NDArray[np.float32]:
    """The patch with skin in place of the eye, shaded like the round lid of a shut eye."""
    reach = max(1, round(0.02 * scale))
    hole = cv2.dilate(socket.astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    skin = fill_smoothly(picture, 1.0 - hole)
    rows = np.arange(len(picture))[:, None]
    shut_edge = opening.lower - LOWER_LID_SHARE * (opening.lower - opening.upper)
    below_crease = np.clip((rows - opening.upper) / np.maximum(shut_edge - opening.upper, 1), 0, 1)
    roundness = np.sin(np.pi * np.clip(below_crease, 0, 1)) * (rows < shut_edge)
    under_crease = np.exp(-(((rows - opening.upper) / (0.035 * scale)) ** 2)) * (opening.lower - opening.upper > 1)
    shade = 1 + 0.04 * roundness - 0.05 * under_crease - 0.08 * below_crease**3 * (rows < shut_edge)
    soft = cv2.GaussianBlur(hole.astype(np.float32), (0, 0), max(0.8, 0.015 * scale))[..., None]
    return (picture + soft * (skin * shade[..., None] - picture)).astype(np.float32)


def lash_colour(picture: NDArray[np.float32], upper: NDArray, scale: float) -> NDArray[np.float32]:
    """(W, 3) the darkest colour in the strip just above the open lid's edge, smoothed along the columns."""
    soft = cv2.GaussianBlur(picture, (0, 0), max(0.6, 0.008 * scale))
    columns = np.arange(picture.shape[1])
    strip = [
        soft[np.round(upper + shift * scale).astype(int).clip(0, len(picture) - 1), columns]
        for shift in np.linspace(-0.035, 0.005, 6)
    ]
    darkest = np.min(strip, axis=0).astype(np.float32)
    return cv2.GaussianBlur(darkest[None], (0, 0), sigmaX=max(1.0, 0.06 * scale), sigmaY=0.1)[0]
