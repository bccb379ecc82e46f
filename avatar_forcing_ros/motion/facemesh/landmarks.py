# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Names for the 478 points of MediaPipe's face mesh, and the head space that encoder and renderer share.

*Head space*: origin between the eyes, unit the interocular distance (between the eye centres), x to the viewer's right,
y down, z away from the camera. *Picture space*: pixels, x right, y down, z in pixels away from the camera.

Source of the numbering: MediaPipe Face Mesh, `face_mesh_connections.py` (Apache-2.0) and its published index picture.
The canonical face is our own: see `tools/make_canonical_face.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

LANDMARKS = 478
"""Points of the refined mesh: 468 of the skin and 2 x 5 of the irises."""
SKIN_LANDMARKS = 468

RIGID = np.array([168, 6, 197, 195, 33, 133, 362, 263, 127, 356, 234, 454])
"""Nose bridge, eye corners, temples and ears. Neither jaw nor brows move them, so expression does not affect pose."""

# fmt: off
CHEEKS = np.array([50, 280, 205, 425, 117, 346])
OVAL = np.array([10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
                 152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109])
"""Outline of the face, clockwise in the picture from the middle of the forehead."""

UPPER_LIP = np.array([[61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291],
                      [76, 184, 74, 73, 72, 11, 302, 303, 304, 408, 306],
                      [62, 183, 42, 41, 38, 12, 268, 271, 272, 407, 292],
                      [78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308]])
"""(4, 11) rows from the outer to the inner edge, each from the viewer's left corner to the right one."""
LOWER_LIP = np.array([[61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291],
                      [76, 77, 90, 180, 85, 16, 315, 404, 320, 307, 306],
                      [62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292],
                      [78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308]])
# fmt: on
INNER_MOUTH = np.concatenate([UPPER_LIP[3], LOWER_LIP[3, -2:0:-1]])
"""(20,) edge of the opening between the lips, clockwise from the viewer's left corner."""
MOUTH_CORNERS = np.array([61, 291])
JAW_JOINTS = np.array([234, 454])
"""In front of the ears."""
CHIN = 152


@dataclass(frozen=True)
class EyeLandmarks:
    """Points of one eye. Every row runs from the viewer's left to the viewer's right.

    Attributes:
        corners: (2,) the eye's corners, viewer's left first.
        upper_lid: (7,) edge of the upper lid between the corners.
        lower_lid: (7,) edge of the lower lid, each below the point of `upper_lid` with the same index.
        crease: (7,) first row of skin above the upper lid.
        fold: (7,) second row of skin above the upper lid.
        iris: (5,) centre and four points of the rim.
        brow: (10,) upper edge of the eyebrow, then its lower edge.
    """

    corners: NDArray[np.int_]
    upper_lid: NDArray[np.int_]
    lower_lid: NDArray[np.int_]
    crease: NDArray[np.int_]
    fold: NDArray[np.int_]
    iris: NDArray[np.int_]
    brow: NDArray[np.int_]

    @property
    def outline(self) -> NDArray[np.int_]:
        """(16,) the eye's edge, clockwise in the picture from the corner at the viewer's left."""
        return np.concatenate([self.corners[:1], self.upper_lid, self.corners[1:], self.lower_lid[::-1]])


RIGHT_EYE = EyeLandmarks(
    corners=np.array([33, 133]),
    upper_lid=np.array([246, 161, 160, 159, 158, 157, 173]),
    lower_lid=np.array([7, 163, 144, 145, 153, 154, 155]),
    crease=np.array([247, 30, 29, 27, 28, 56, 190]),
    fold=np.array([113, 225, 224, 223, 222, 221, 189]),
    iris=np.array([468, 469, 470, 471, 472]),
    brow=np.array([70, 63, 105, 66, 107, 46, 53, 52, 65, 55]),
)
"""The person's own right eye, at the viewer's left."""
LEFT_EYE = EyeLandmarks(
    corners=np.array([362, 263]),
    upper_lid=np.array([398, 384, 385, 386, 387, 388, 466]),
    lower_lid=np.array([382, 381, 380, 374, 373, 390, 249]),
    crease=np.array([414, 286, 258, 257, 259, 260, 467]),
    fold=np.array([413, 441, 442, 443, 444, 445, 342]),
    iris=np.array([473, 474, 475, 476, 477]),
    brow=np.array([336, 296, 334, 293, 300, 285, 295, 282, 283, 276]),
)
EYES = (RIGHT_EYE, LEFT_EYE)


@dataclass(frozen=True)
class CanonicalFace:
    """The mean face.

    Attributes:
        points: (478, 3) float64 in head space, mirror-symmetric, mouth closed.
        triangles: (852, 3) int32, triangles of the skin, clockwise in the picture; eyes and mouth are holes.
        mirror: (478,) int32, the landmark on the other half of the face.
    """

    points: NDArray[np.float64]
    triangles: NDArray[np.int32]
    mirror: NDArray[np.int32]


@cache
def canonical_face() -> CanonicalFace:
    """The canonical face that ships with the package."""
    with files(__package__).joinpath("data/canonical_face.npz").open("rb") as file, np.load(file) as data:
        return CanonicalFace(
            data["points"].astype(np.float64), data["triangles"].astype(np.int32), data["mirror"].astype(np.int32)
        )


@dataclass(frozen=True)
class Similarity:
    """The map `scale * rotation @ p + offset`. `fit_head` returns one from head space to picture space.

    Attributes:
        scale: pixels per interocular distance.
        rotation: (3, 3), determinant +1.
        offset: (3,) picture position of the head's origin.
    """

    scale: float
    rotation: NDArray[np.float64]
    offset: NDArray[np.float64]

    def apply(self, points: NDArray) -> NDArray[np.float64]:
        """(..., 3) -> (..., 3)."""
        return self.scale * points @ self.rotation.T + self.offset

    def invert(self, points: NDArray) -> NDArray[np.float64]:
        """(..., 3) -> (..., 3), the inverse of `apply`."""
        return (points - self.offset) @ self.rotation / self.scale


def fit_similarity(source: NDArray, target: NDArray) -> Similarity:
    """The similarity that maps `source` to `target`, both (N, 3), with the least squared error.

    Source: Umeyama, "Least-squares estimation of transformation parameters between two point patterns", PAMI 1991.
    """
    source_mean, target_mean = source.mean(0), target.mean(0)
    a, b = source - source_mean, target - target_mean
    u, singular, vt = np.linalg.svd(b.T @ a)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = (u * sign) @ vt
    scale = float(singular @ sign / (a**2).sum())
    return Similarity(scale, rotation, target_mean - scale * rotation @ source_mean)


def fit_head(landmarks: NDArray) -> Similarity:
    """Pose of a head: landmarks (478, 3) in picture space -> similarity from head space to picture space."""
    return fit_similarity(canonical_face().points[RIGID], landmarks[RIGID])


def rotation_matrix(yaw: float, pitch: float, roll: float) -> NDArray[np.float64]:
    """(3, 3) rotation by angles in radians, with the signs of `channels.py`: first pitch, then yaw, then roll."""
    cy, sy, cp, sp, cr, sr = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    about_y = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


@dataclass(frozen=True)
class HeadAngles:
    """Angles in radians with the signs of `channels.py`."""

    yaw: float
    pitch: float
    roll: float


def head_angles(rotation: NDArray) -> HeadAngles:
    """The inverse of `rotation_matrix`."""
    return HeadAngles(
        yaw=float(np.arcsin(np.clip(rotation[2, 0], -1, 1))),
        pitch=float(np.arctan2(rotation[2, 1], rotation[2, 2])),
        roll=float(np.arctan2(rotation[1, 0], rotation[0, 0])),
    )
