# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a renderer needs to know about a portrait. `preparing/` makes it once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.drawing.eyes import EyePatch
from avatar_forcing_ros.motion.facemesh.drawing.folds import Folds
from avatar_forcing_ros.motion.facemesh.drawing.mouth import MouthLook
from avatar_forcing_ros.motion.facemesh.landmarks import Similarity


@dataclass(frozen=True)
class Layers:
    """The parts of a portrait.

    Attributes:
        person: (S, S, 4) uint8, colours of the foreground and matte.
        plate: (S, S, 3) uint8, the background without the person.
    """

    person: NDArray[np.uint8]
    plate: NDArray[np.uint8]


@dataclass(frozen=True)
class PortraitMesh:
    """Geometry of one portrait at rest, as photographed.

    Attributes:
        head: similarity from head space to picture space.
        points: (V, 3) vertices in head space.
        pixels: (V, 2) their positions in the picture.
        follow: (V,) share of the head's motion, 1 on the head, 0 at the picture's edge.
        breath: (V,) share of the breathing motion.
        outside: (T, 3) int32 triangles around the face.
        face: (T, 3) int32 triangles of the face; flat ones close eyes and mouth.
        pivot: (3,) point about which the head turns, in head space.
    """

    head: Similarity
    points: NDArray[np.float64]
    pixels: NDArray[np.float64]
    follow: NDArray[np.float64]
    breath: NDArray[np.float64]
    outside: NDArray[np.int32]
    face: NDArray[np.int32]
    pivot: NDArray[np.float64]


@dataclass(frozen=True)
class PortraitModel:
    """Everything that is prepared for a portrait before its first frame.

    Attributes:
        layers: person and background plate, (S, S, ...).
        mesh: geometry as photographed.
        neutral: (V, 3) vertices in head space, with the photographed expression removed.
        basis: (E, V, 3) float32 expression basis.
        folds: folds of the skin.
        eyes: the right eye, the left eye.
        mouth: appearance of the inside of the mouth.
        texture_points: (V, 2) positions of the vertices' colours in the picture.
    """

    layers: Layers
    mesh: PortraitMesh
    neutral: NDArray[np.float64]
    basis: NDArray[np.float32]
    folds: Folds
    eyes: tuple[EyePatch, EyePatch]
    mouth: MouthLook
    texture_points: NDArray[np.float64]
