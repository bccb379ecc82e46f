# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Splits a portrait into the person and the background: matte, foreground colours, background plate.

Wherever colours allow it, `image = matte * foreground + (1 - matte) * plate`. So an unmoved portrait is the picture
itself, and a moved one shows no rim of the old background.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh import networks
from avatar_forcing_ros.motion.facemesh.drawing.model import Layers

SEGMENTED = 256
"""Side, in pixels, of the picture that the segmentation network sees."""


@dataclass(frozen=True)
class MatteConfig:
    """Sizes are shares of the picture's side.

    Attributes:
        radius: neighbourhood in which the matte follows the picture's edges.
        edge_noise: variance of colour (0..1 squared) below which an edge is not followed.
        low: score of the segmentation below which a pixel is background.
        high: score above which a pixel belongs to the person.
        guard: by how much the person is widened before the plate is filled, so that no hair is left in it.
        mirror_band: width of the strip behind the person's outline that is filled with sharp, mirrored background.
    """

    radius: float = 1 / 50
    edge_noise: float = 4e-4
    low: float = 0.15
    high: float = 0.85
    guard: float = 1 / 40
    mirror_band: float = 1 / 7


def split_layers(image: NDArray[np.uint8], face: NDArray[np.bool_], config: MatteConfig | None = None) -> Layers:
    """Split a square portrait into layers.

    Args:
        image: (S, S, 3) uint8 RGB.
        face: (S, S), true where the face mesh has skin, which always belongs to the person.
        config: see `MatteConfig`.
    """
    config = config or MatteConfig()
    matte = person_matte(image, face, config)
    plate = background_plate(image, matte, config)
    colours = foreground_colours(image, matte, plate)
    return Layers(np.dstack([colours, np.round(matte * 255).astype(np.uint8)]), plate)


def person_matte(image: NDArray[np.uint8], face: NDArray[np.bool_], config: MatteConfig) -> NDArray[np.float32]:
    """(S, S) share of the person in each pixel, 0..1."""
    size = len(image)
    coarse = np.maximum(_segment(image), face)
    fine = guided_filter(image, coarse, max(2, round(config.radius * size)), config.edge_noise)
    matte = _smooth_step(config.low, config.high, fine)
    return np.maximum(_one_piece(matte, face), cv2.GaussianBlur(face.astype(np.float32), (0, 0), size / 256))


def _segment(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(S, S) share of the person, 0..1, from a network that sees the picture at 256x256."""
    shrink = np.diag([SEGMENTED / image.shape[1], SEGMENTED / image.shape[0], 1.0])
    small = cv2.warpPerspective(image, shrink, (SEGMENTED, SEGMENTED), flags=cv2.INTER_LINEAR)
    person = networks.run("person", small)[0]
    return cv2.resize(person, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def _one_piece(matte: NDArray[np.float32], face: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Drop what is not connected with the face: other people, pictures on the wall."""
    _, labels = cv2.connectedComponents((matte > 0.05).astype(np.uint8))
    own = np.bincount(labels[face & (labels > 0)], minlength=2).argmax()
    return np.where(labels == own, matte, 0).astype(np.float32)


def _smooth_step(low: float, high: float, value: NDArray) -> NDArray[np.float32]:
    t = np.clip((value - low) / (high - low), 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)


def guided_filter(
    guide: NDArray[np.uint8], target: NDArray[np.float32], radius: int, edge_noise: float, shrink: int = 2
) -> NDArray[np.float32]:
    """Smooth `target` (S, S) so that its edges follow those of the colour picture `guide` (S, S, 3).

    The local linear maps from colour to target are fitted in pictures `shrink` times smaller and applied at full size.
    Source: He, Sun, Tang, "Guided image filtering", ECCV 2010, with a colour guide; He, Sun, "Fast guided filter".
    """
    size = (max(1, guide.shape[1] // shrink), max(1, guide.shape[0] // shrink))
    colour = cv2.resize(guide, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    small = cv2.resize(target, size, interpolation=cv2.INTER_AREA)
    window = (2 * max(1, radius // shrink) + 1,) * 2

    def mean(array: NDArray) -> NDArray:
        return cv2.boxFilter(array, cv2.CV_32F, window, borderType=cv2.BORDER_REFLECT)

    mean_colour, mean_target = mean(colour), mean(small)
    covariance = mean(colour * small[..., None]) - mean_colour * mean_target[..., None]
    sigma = np.empty((*small.shape, 3, 3), np.float32)
    for i, j in _PAIRS:
        product = mean(colour[..., i] * colour[..., j]) - mean_colour[..., i] * mean_colour[..., j]
        sigma[..., i, j] = sigma[..., j, i] = product
    slope = np.linalg.solve(sigma + edge_noise * np.eye(3, dtype=np.float32), covariance[..., None])[..., 0]
    level = mean_target - (slope * mean_colour).sum(-1)
    maps = cv2.resize(mean(np.dstack([slope, level])), guide.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return (maps[..., :3] * guide).sum(-1) / 255 + maps[..., 3]


_PAIRS = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))


def background_plate(image: NDArray[np.uint8], matte: NDArray[np.float32], config: MatteConfig) -> NDArray[np.uint8]:
    """(S, S, 3) the picture without the person: mirrored along the outline, blurred further in."""
    size = len(image)
    reach = 2 * round(config.guard * size) + 1
    hole = cv2.dilate((matte > 0.02).astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    if hole.all():
        return image.copy()
    smooth = fill_smoothly(image.astype(np.float32), 1.0 - hole)
    mirrored, depth = _mirror_fill(image, hole)
    share = _smooth_step(0.0, 1.0, depth / (config.mirror_band * size))[..., None]
    share = np.maximum(share, (mirrored.sum(-1) == 0)[..., None])
    inside = mirrored * (1 - share) + smooth * share
    soft = cv2.GaussianBlur(hole.astype(np.float32), (0, 0), size / 256)[..., None]
    return np.round(image * (1 - soft) + inside * soft).clip(0, 255).astype(np.uint8)


def fill_smoothly(colour: NDArray[np.float32], known: NDArray) -> NDArray[np.float32]:
    """Fill where `known` (S, S) is 0 from the surroundings, smoother further in: push-pull over a pyramid."""
    weight = known.astype(np.float32)[..., None]
    if min(colour.shape[:2]) <= 2:
        return np.broadcast_to((colour * weight).sum((0, 1)) / max(float(weight.sum()), 1e-6), colour.shape).copy()
    small_weight = cv2.pyrDown(weight[..., 0])[..., None]
    small = cv2.pyrDown(colour * weight) / np.maximum(small_weight, 1e-6)
    filled = fill_smoothly(small.astype(np.float32), np.minimum(small_weight[..., 0] * 4, 1))
    up = cv2.resize(filled, colour.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return colour * weight + up * (1 - weight)


def _mirror_fill(image: NDArray[np.uint8], hole: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mirror the background into the hole: each pixel copies the one as far outside; black if that is no background."""
    size = len(image)
    depth, labels = cv2.distanceTransformWithLabels(hole, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    outside = np.argwhere(hole == 0)
    nearest = outside[labels[hole == 0].argsort()][labels - 1].astype(np.float32)
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32)
    y, x = (cv2.GaussianBlur(2 * nearest[..., i] - axis, (0, 0), size / 200) for i, axis in ((0, rows), (1, columns)))
    source = np.dstack([image * (1 - hole)[..., None], (1 - hole) * 255]).astype(np.uint8)
    found = cv2.remap(source, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT).astype(np.float32)
    return np.where(found[..., 3:] > 250, found[..., :3], 0), depth


def foreground_colours(
    image: NDArray[np.uint8], matte: NDArray[np.float32], plate: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """(S, S, 3) colours of the person alone: from the mixing equation if it is well posed, else from neighbours."""
    alpha = matte[..., None]
    near = fill_smoothly(image.astype(np.float32), (matte > 0.97).astype(np.float32))
    solved = (image - (1 - alpha) * plate) / np.maximum(alpha, 0.05)
    trust = _smooth_step(0.1, 0.6, matte)[..., None]
    mixed = np.where(alpha > 0.995, image, solved * trust + near * (1 - trust))
    return np.round(mixed).clip(0, 255).astype(np.uint8)
