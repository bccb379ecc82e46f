# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The mesh that carries a portrait: the face in depth, hair and shoulders around it, and how much each part moves.

Vertices 0..467 are MediaPipe's. Those after them lie outside the face and reach to the edge of the picture, where
nothing moves, so the mesh always covers the whole picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay

from avatar_forcing_ros.motion.facemesh.drawing.model import PortraitMesh
from avatar_forcing_ros.motion.facemesh.landmarks import (
    EYES,
    LOWER_LIP,
    OVAL,
    SKIN_LANDMARKS,
    UPPER_LIP,
    Similarity,
    canonical_face,
    fit_head,
)


@dataclass(frozen=True)
class MeshConfig:
    """Lengths are in interocular distances, except where noted.

    Attributes:
        spacing: distance between vertices outside the face.
        deepest: depth beyond which the face is flattened, so that cheeks do not smear when the head turns.
        flatten: share of the depth beyond `deepest` that remains.
        hair_depth: depth of hair, ears and neck.
        hair_reach: distance from the face's outline over which its depth becomes `hair_depth`.
        still_edge: width of the strip along the picture's edge in which motion fades to nothing if the person reaches
            the edge. If there is background in between, the motion fades there.
        neck_fade: length below the chin over which the head's motion fades.
        shoulder_share: share of the head's motion that the shoulders follow (no unit).
        outline_margin: least distance of the face's outline from the skin inside it.
        neck_pivot: height of the pivot between eyes (0) and chin (1).
    """

    spacing: float = 0.34
    deepest: float = 0.35
    flatten: float = 0.4
    hair_depth: float = 0.5
    hair_reach: float = 0.35
    still_edge: float = 0.8
    neck_fade: float = 1.25
    shoulder_share: float = 0.10
    outline_margin: float = 0.03
    neck_pivot: float = 0.75


def build_mesh(landmarks: NDArray, matte: NDArray[np.uint8], config: MeshConfig | None = None) -> PortraitMesh:
    """Build the mesh of a square portrait.

    Args:
        landmarks: (478, 3) in picture space of the square.
        matte: (S, S), above 0 where the person is.
        config: see `MeshConfig`.
    """
    config = config or MeshConfig()
    size = len(matte)
    head = fit_head(landmarks)
    landmarks = _unfold_outline(landmarks, config.outline_margin * head.scale)
    face = head.invert(landmarks[:SKIN_LANDMARKS])
    chin_row = landmarks[152, 1]
    strip = _free_strip(matte, chin_row, config.still_edge * head.scale)
    around = _vertices_around(landmarks[OVAL, :2], size, config.spacing * head.scale, strip)
    pixels = np.vstack([landmarks[:SKIN_LANDMARKS, :2], around])
    points = np.vstack([face, _place_in_depth(around, landmarks[OVAL], head, config)])
    excess = np.maximum(points[:, 2] - config.deepest, 0)
    points = _lift(pixels, points[:, 2] - (1 - config.flatten) * excess, head)
    freedom = _edge_fade(pixels, size, strip, config.still_edge * head.scale, chin_row)
    chin = face[152, 1]
    return PortraitMesh(
        head=head,
        points=points,
        pixels=pixels,
        follow=_follow_head(points, chin, freedom, config),
        breath=_breathing(points, chin, freedom),
        outside=_triangles_around(around, landmarks[OVAL, :2]),
        face=np.vstack([canonical_face().triangles, _closed_openings()]).astype(np.int32),
        pivot=np.array([0.0, config.neck_pivot * chin, config.hair_depth]),
    )


def _unfold_outline(landmarks: NDArray, margin: float) -> NDArray[np.float64]:
    """Move the outline outwards where inner skin vertices lie beyond it, as on a slightly turned face.

    Such a fold is invisible at rest but opens into slivers when the head turns.
    """
    unfolded = landmarks.astype(np.float64).copy()
    middle = landmarks[OVAL, :2].mean(0)
    inside = np.setdiff1d(np.arange(SKIN_LANDMARKS), OVAL)
    spokes = landmarks[OVAL, :2] - middle
    length = np.linalg.norm(spokes, axis=1, keepdims=True)
    direction = spokes / length
    along = (landmarks[inside, :2] - middle) @ direction.T
    aside = np.abs((landmarks[inside, :2] - middle) @ np.stack([-direction[:, 1], direction[:, 0]]))
    needed = np.where(aside < 2.5 * margin, along, 0).max(0)[:, None] + margin
    unfolded[OVAL, :2] = middle + direction * np.maximum(length, needed)
    return unfolded


@dataclass(frozen=True)
class FreeStrip:
    """Width, in pixels, of the strips beside and above the head in which its motion may fade."""

    left: float
    right: float
    top: float


def _free_strip(matte: NDArray[np.uint8], chin_row: float, still_edge: float) -> FreeStrip:
    """The background between the head and the picture's edges, or `still_edge` if there is none."""
    head = matte[: max(1, int(chin_row))] > 12
    columns, rows = np.flatnonzero(head.any(0)), np.flatnonzero(head.any(1))
    gaps = (columns[0], matte.shape[1] - 1 - columns[-1], rows[0])
    return FreeStrip(*(min(still_edge, float(gap)) if gap > 3 else still_edge for gap in gaps))


def _vertices_around(oval: NDArray, size: int, spacing: float, strip: FreeStrip) -> NDArray[np.float64]:
    """(N, 2) in pixels: a ring close to the face, a grid beyond it, and the picture's edge."""
    middle = oval.mean(0)
    near = middle + (oval - middle) * 1.12
    count = max(4, round(size / spacing))
    axis = np.linspace(-0.5, size - 0.5, count + 1)  # a little beyond the outermost pixels
    across = np.union1d(axis, [0.5 * strip.left, strip.left, size - 1 - 0.5 * strip.right, size - 1 - strip.right])
    down = np.union1d(axis, [0.5 * strip.top, strip.top])
    grid = np.stack(np.meshgrid(across, down), -1).reshape(-1, 2)
    outline = (middle + (oval - middle) * 1.2).astype(np.float32)
    is_outside = np.array([cv2.pointPolygonTest(outline, (float(x), float(y)), False) < 0 for x, y in grid])
    near = near[(near > 1).all(1) & (near < size - 2).all(1)]
    return np.vstack([near, grid[is_outside]])


def _triangles_around(around: NDArray, oval: NDArray) -> NDArray[np.int32]:
    """Triangles between the face's outline and the picture's edge."""
    triangles = Delaunay(np.vstack([oval, around])).simplices
    corners = np.vstack([oval, around])[triangles]
    outline = oval.astype(np.float32)
    middle = corners.mean(1)
    keep = [cv2.pointPolygonTest(outline, (float(x), float(y)), False) < 0 for x, y in middle]
    numbers = np.concatenate([OVAL, SKIN_LANDMARKS + np.arange(len(around))])
    return numbers[triangles[np.array(keep)]].astype(np.int32)


def _closed_openings() -> NDArray[np.int32]:
    """Triangles over eyes and mouth, between the rows above and below."""
    rows = [(UPPER_LIP[3], LOWER_LIP[3])]
    for eye in EYES:
        left, right = eye.corners
        rows.append((np.r_[left, eye.upper_lid, right], np.r_[left, eye.lower_lid, right]))
    strips = []
    for upper, lower in rows:
        strips.append(np.stack([upper[:-1], upper[1:], lower[1:]], 1))
        strips.append(np.stack([upper[:-1], lower[1:], lower[:-1]], 1))
    triangles = np.vstack(strips)
    distinct = (np.diff(np.sort(triangles, axis=1), axis=1) > 0).all(1)
    return triangles[distinct].astype(np.int32)


def _place_in_depth(around: NDArray, oval: NDArray, head: Similarity, config: MeshConfig) -> NDArray[np.float64]:
    """Head-space points that project to `around`, with the outline's depth near it and the hair's further out."""
    gap = np.linalg.norm(around[:, None] - oval[None, :, :2], axis=-1) / head.scale
    weight = 1 / (gap + 0.05) ** 3
    nearby = weight @ head.invert(oval)[:, 2] / weight.sum(1)
    far = 1 - np.exp(-gap.min(1) / config.hair_reach)
    depth = nearby + (config.hair_depth - nearby) * far
    return _lift(around, depth, head)


def _lift(pixels: NDArray, depth: NDArray, head: Similarity) -> NDArray[np.float64]:
    """Head-space points of given depth (N,) that project to `pixels` (N, 2)."""
    plane = (pixels - head.offset[:2]) / head.scale - np.outer(depth, head.rotation[:2, 2])
    return np.column_stack([np.linalg.solve(head.rotation[:2, :2], plane.T).T, depth])


def _smooth_step(t: NDArray) -> NDArray:
    t = np.clip(t, 0, 1)
    return t * t * (3 - 2 * t)


def _edge_fade(pixels: NDArray, size: int, strip: FreeStrip, still_edge: float, chin_row: float) -> NDArray[np.float64]:
    """(V,) 0 on the picture's edge, 1 inside. Below the chin, `still_edge` replaces the narrow strips of the head."""
    x, y = pixels[:, 0], pixels[:, 1]
    below = _smooth_step((y - chin_row) / still_edge)
    left, right = (width + (still_edge - width) * below for width in (strip.left, strip.right))
    shares = np.stack([x / left, (size - 1 - x) / right, y / strip.top, (size - 1 - y) / still_edge])
    return _smooth_step(shares.min(0))


def _follow_head(points: NDArray, chin: float, freedom: NDArray, config: MeshConfig) -> NDArray[np.float64]:
    below = np.clip((points[:, 1] - (chin - 0.35)) / config.neck_fade, 0, 1)
    share = config.shoulder_share + (1 - config.shoulder_share) * (1 - _smooth_step(below))
    share *= freedom
    share[:SKIN_LANDMARKS] = 1.0
    return share


def _breathing(points: NDArray, chin: float, freedom: NDArray) -> NDArray[np.float64]:
    """(V,) share of the breathing: the shoulders rise most, the head a little."""
    share = (0.4 + 0.6 * _smooth_step((points[:, 1] - chin) / 0.8)) * freedom
    share[:SKIN_LANDMARKS] = 0.4 + 0.6 * _smooth_step((points[:SKIN_LANDMARKS, 1] - chin) / 0.8)
    return share
