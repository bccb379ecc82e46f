# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What makes one portrait different from another, and the parts that all of them share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from portraits.camera import Camera
from portraits.comb import Comb
from portraits.cropped_hair import Crop
from portraits.face import Lids, Mouth
from portraits.face_hair import Brows, Lashes
from portraits.palette import Palette
from portraits.scene import Scene
from portraits.shapes import Table, blob


@dataclass(frozen=True)
class Character:
    """One portrait's shapes, colours and hair.

    Attributes:
        name: of the picture's file.
        scene: all shapes.
        palette: all colours.
        hair: how the hair lies over its volume.
        brows: the eyebrows.
        lashes: the eyelashes.
        camera: what the picture shows.
        exposure: gain on all light.
        seed: of everything random: hair, freckles, the fibres of the iris.
    """

    name: str
    scene: Scene
    palette: Palette
    hair: Comb | Crop
    brows: Brows
    lashes: Lashes
    camera: Camera
    exposure: float = 1.0
    seed: int = 1


def face_brushes(lids: Lids, mouth: Mouth, wing: float) -> Table:
    """The soft forms of a face around its features; `wing` is how far the nose's wings stand from the middle."""
    corner_x, corner_y = mouth.half_width + 0.22, mouth.y + mouth.lift + 0.04
    return np.array(
        [
            [lids.x + 0.1, 0.1, 6.4, 2.2, 1.35, 2.6, -0.62],  # socket
            [lids.x, 2.3, 6.4, 2.4, 0.8, 2.6, 0.22],  # brow ridge
            [1.1, 0.3, 6.6, 0.7, 1.2, 1.5, -0.25],  # inner corner beside the nose
            [wing, -3.3, 6.9, 0.20, 0.45, 0.9, -0.16],  # crease around the nose's wing
            [wing - 0.6, -4.0, 7.4, 0.35, 0.18, 0.8, -0.10],  # under the wing
            [corner_x, corner_y, 6.6, 0.26, 0.32, 1.5, -0.11],  # the mouth's corner
            [0.0, mouth.y + 0.85, 7.6, 0.26, 0.55, 1.5, -0.10],  # philtrum
            [0.0, mouth.y - 1.55, 7.2, 1.2, 0.5, 1.5, -0.12],  # fold under the lower lip
            [wing + 0.5, -4.2, 6.6, 0.5, 0.9, 1.5, -0.06],  # from nose to cheek
            [3.6, -2.6, 6.2, 1.6, 1.0, 2.0, 0.18],  # apple of the cheek
        ]
    )


TORSO = [
    blob((0, -23.0, -2.5), (12.0, 9.0, 6.8)),
    blob((8.5, -20.6, -3.2), (7.0, 4.2, 4.6), 3.0, roll=-14),
    blob((3.2, -15.8, -3.2), (4.6, 2.2, 3.6), 2.4, roll=-20),
]
