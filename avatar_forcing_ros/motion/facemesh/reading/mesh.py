# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The face mesh of one face: a rotated square of the picture -> 478 landmarks.

Source: Grishchenko et al., "Attention Mesh: High-fidelity Face Mesh Prediction in Real-time" (2020), with the same
squares as MediaPipe's face landmark graph.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh import networks
from avatar_forcing_ros.motion.facemesh.landmarks import LEFT_EYE, RIGHT_EYE
from avatar_forcing_ros.motion.facemesh.reading.detector import Detection

SIDE = 192
"""Side of the network's picture, in pixels."""
ROOM = 1.5
"""Side of the square, relative to the face's longer side."""
OUTER_CORNERS = (RIGHT_EYE.corners[0], LEFT_EYE.corners[1])


@dataclass(frozen=True)
class Region:
    """A square of a picture: middle and side in pixels, turned clockwise by `angle` radians."""

    x: float
    y: float
    side: float
    angle: float

    @staticmethod
    def around(low: NDArray, high: NDArray, line: NDArray) -> Region:
        """The square around a face's box; `line` (2,) runs along its eyes."""
        middle = (low + high) / 2
        return Region(
            float(middle[0]), float(middle[1]), ROOM * float((high - low).max()), float(np.arctan2(line[1], line[0]))
        )

    @staticmethod
    def of_detection(face: Detection) -> Region:
        """Where to look for the mesh of a face that was just detected."""
        return Region.around(face.low, face.high, face.keys[1] - face.keys[0])

    @staticmethod
    def of_landmarks(points: NDArray) -> Region:
        """Where to look for this mesh (478, 3) in the next picture of a video."""
        flat = points[:, :2]
        start, end = flat[list(OUTER_CORNERS)]
        return Region.around(flat.min(0), flat.max(0), end - start)


@dataclass(frozen=True)
class Mesh:
    """Landmarks of one face.

    Attributes:
        points: (478, 3) in picture space.
        presence: confidence that the square contains a face, 0..1.
    """

    points: NDArray[np.float64]
    presence: float


def read_mesh(image: NDArray[np.uint8], region: Region) -> Mesh:
    """The mesh of the face in a square of a picture (H, W, 3) uint8 RGB, which may reach beyond its edges."""
    scale = region.side / SIDE
    cos, sin = np.cos(region.angle), np.sin(region.angle)
    turn = scale * np.array([[cos, -sin], [sin, cos]])
    offset = np.array([region.x, region.y]) - turn @ [SIDE / 2, SIDE / 2]
    back = np.vstack([np.column_stack([turn, offset]), [0, 0, 1]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    cut = cv2.warpPerspective(image, back, (SIDE, SIDE), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    points, presence = networks.run("landmarks", cut)
    wide = points.astype(np.float64)
    return Mesh(np.column_stack([wide[:, :2] @ turn.T + offset, wide[:, 2] * scale]), float(presence[0]))
