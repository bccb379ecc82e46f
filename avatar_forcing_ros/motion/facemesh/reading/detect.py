# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Landmarks of the main face in a still picture, thorough rather than fast."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.landmarks import OVAL
from avatar_forcing_ros.motion.facemesh.reading.detector import FAR, detect
from avatar_forcing_ros.motion.facemesh.reading.mesh import Region, read_mesh
from avatar_forcing_ros.motion.facemesh.reading.tracker import FaceTracker
from avatar_forcing_ros.motion.space import PortraitError

LEAST_SCORE, LEAST_FAR_SCORE = 0.5, 0.6
"""Least score with which a detection, or a mesh, counts as a face."""
_LEAST_HINT = 0.3
"""Least score with which something may have been meant as a face."""
_DARK, _BRIGHT = 30, 225
"""Brightness, of 255, below which nearly all of a dark picture is, and above which nearly all of an overexposed one."""


@dataclass(frozen=True)
class DetectConfig:
    """How to look for a face in a still picture.

    Attributes:
        least_face_px: narrowest face, from ear to ear, that is worth animating.
        work_px: side of the square in which the landmarks are refined.
        margin: side of that square, relative to the face's longer side.
        passes: how often the tracker sees the picture; it settles within a few.
    """

    least_face_px: int = 64
    work_px: int = 640
    margin: float = 2.0
    passes: int = 6


@dataclass(frozen=True)
class Square:
    """A square part of a picture: left, top and side in pixels."""

    left: float
    top: float
    side: float


def find_face(image: NDArray[np.uint8], config: DetectConfig | None = None) -> NDArray[np.float64]:
    """Landmarks of the largest face, (478, 3) in picture space.

    Args:
        image: (H, W, 3) uint8 RGB.
        config: see `DetectConfig`.

    Raises:
        PortraitError: there is no face, or it is narrower than `least_face_px`.
    """
    config = config or DetectConfig()
    faces = _mesh_faces(image) or _small_faces(image, config)
    if not faces:
        why = _why_none(image, config)
        raise PortraitError(f"no face found: expected a picture of one person looking at the camera{why}")
    face = max(faces, key=_face_size)
    face = _refine(image, face, config)
    width = float(np.ptp(face[OVAL, 0]))
    if width < config.least_face_px:
        raise PortraitError(f"the face is {width:.0f} pixels wide: expected at least {config.least_face_px}")
    return face


def count_faces(image: NDArray[np.uint8], least_share: float = 0.5) -> int:
    """How many faces of a picture (H, W, 3) are at least this share as large as the largest."""
    near = [_face_size(face) for face in _mesh_faces(image)]
    far = [found.width for found in detect(image, LEAST_FAR_SCORE, FAR)]
    return max(sum(size >= least_share * max(sizes) for size in sizes) for sizes in (near, far))


def _why_none(image: NDArray[np.uint8], config: DetectConfig) -> str:
    """What is wrong with a picture in which no face was found, as the end of a sentence; empty where nothing shows."""
    darkest, brightest = np.percentile(image, (5, 95))
    if brightest < _DARK:
        return ", got a dark one"
    if darkest > _BRIGHT:
        return ", got one that is nearly white"
    hints = detect(image, _LEAST_HINT, FAR)
    if not hints:
        return ""
    if hints[0].width < config.least_face_px:
        return f"; what may be one is only about {hints[0].width:.0f} pixels wide: come closer, or use a larger picture"
    return "; what may be one is covered, blurred or turned away"


def _face_size(face: NDArray) -> float:
    return float(np.ptp(face[OVAL, :2], axis=0).max())


def _mesh_faces(image: NDArray[np.uint8], count: int = 4) -> list[NDArray[np.float64]]:
    """Landmarks of every face that the short-range detector finds."""
    meshes = [read_mesh(image, Region.of_detection(found)) for found in detect(image, LEAST_SCORE)[:count]]
    return [mesh.points for mesh in meshes if mesh.presence >= LEAST_SCORE]


def _small_faces(image: NDArray[np.uint8], config: DetectConfig) -> list[NDArray[np.float64]]:
    """A second try for small faces: the long-range detector, then the mesh on what it found."""
    faces = []
    for found in detect(image, LEAST_FAR_SCORE, FAR):
        side = config.margin * float((found.high - found.low).max())
        square = Square(float(found.middle[0]) - side / 2, float(found.middle[1]) - side / 2, side)
        faces += [_from_square(face, square, config) for face in _mesh_faces(_cut(image, square, config.work_px))[:1]]
    return faces


def _refine(image: NDArray[np.uint8], face: NDArray, config: DetectConfig) -> NDArray[np.float64]:
    """Landmarks again, on an enlarged crop and after the tracker has settled."""
    middle = (face[OVAL, :2].min(0) + face[OVAL, :2].max(0)) / 2
    side = config.margin * _face_size(face)
    square = Square(middle[0] - side / 2, middle[1] - side / 2, side)
    cut, tracker = _cut(image, square, config.work_px), FaceTracker()
    for _ in range(config.passes):
        found = tracker.track(cut)
    return _from_square(found, square, config) if found is not None else face


def _cut(image: NDArray[np.uint8], square: Square, side: int) -> NDArray[np.uint8]:
    """(side, side, 3) view of a square that may reach beyond the picture."""
    scale = side / square.side
    matrix = np.array([[scale, 0, -square.left * scale], [0, scale, -square.top * scale]])
    flags = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_LINEAR
    return cv2.warpAffine(image, matrix, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)


def _from_square(face: NDArray, square: Square, config: DetectConfig) -> NDArray[np.float64]:
    return face * (square.side / config.work_px) + [square.left, square.top, 0.0]
