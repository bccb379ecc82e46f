# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Milo: dark skin, cropped curls, broad nose and jaw, and a mustard jumper."""

from __future__ import annotations

import numpy as np

from portraits.camera import Camera
from portraits.character import TORSO, Character, face_brushes
from portraits.cropped_hair import Crop
from portraits.face import Lids, Mouth
from portraits.face_hair import Brows, Lashes
from portraits.palette import Palette
from portraits.scene import Collar, Scene
from portraits.shapes import blob

HEAD = [
    blob((0, 3.2, -1.6), (7.2, 7.4, 8.6)),  # cranium
    blob((0, -0.8, 0.6), (6.5, 6.2, 6.4), 2.0),  # temples and cheekbones
    blob((0, -4.8, 1.6), (5.1, 5.2, 5.4), 2.5),  # lower face
    blob((3.3, -6.0, 1.2), (2.0, 2.6, 3.0), 2.5),  # jaw
    blob((0, -8.9, 4.7), (2.3, 1.4, 1.7), 2.4),  # chin
    blob((2.9, -2.7, 4.5), (2.5, 2.1, 2.2), 2.0),  # cheeks
    blob((1.6, -5.8, 4.6), (2.2, 2.4, 2.2), 2.0),  # around the mouth
    blob((0, -5.7, 5.4), (2.4, 2.3, 1.9), 1.8),  # lips' mound
    blob((0, -1.5, 6.5), (0.85, 2.3, 0.95), 1.5, pitch=-24),  # bridge of the nose
    blob((0, -3.2, 7.75), (1.05, 0.85, 0.95), 0.9),  # tip of the nose
    blob((1.28, -3.55, 6.95), (0.62, 0.58, 0.8), 0.45),  # wings of the nose
    blob((0.68, -4.12, 7.65), (0.36, 0.22, 0.5), 0.16, roll=-20, carve=True),  # nostrils
    blob((6.95, -1.0, -0.9), (0.5, 2.2, 1.35), 0.5, yaw=-32, roll=-11),  # ears
    blob((7.35, -0.8, -0.55), (0.42, 1.5, 0.8), 0.25, yaw=-32, roll=-11, carve=True),  # hollow of the ears
    blob((6.75, -1.5, 0.15), (0.35, 0.5, 0.4), 0.35),  # tragus
    blob((6.35, -2.9, -0.6), (0.5, 0.95, 0.6), 0.8),  # ear lobes
    blob((0, -12.0, -1.8), (4.5, 9.0, 4.5), 1.6),  # neck
]
LIDS = Lids(upper=0.84, lower=0.54, tilt=0.10)
MOUTH = Mouth(y=-6.0, half_width=2.75, upper=0.72, lower=0.96, upper_bulge=0.34, lower_bulge=0.48, lift=0.16)
HAIR = [
    blob((0, 2.8, -1.6), (7.55, 8.35, 9.0)),  # crown
    blob((6.3, 0.2, 1.1), (0.62, 2.7, 1.25), 0.9),  # sideburns
]
WINDOW = [
    blob((0, -2.6, 9.0), (6.8, 8.2, 7.8)),  # face
    blob((0, 2.3, 9.0), (6.5, 4.3, 6.8), 0.8),  # straight hairline
    blob((4.9, 0.8, 5.0), (1.25, 2.4, 3.5), 0.8),  # temples
    blob((7.2, -4.0, -1.3), (1.5, 4.6, 1.6), 0.6),  # ears
]


def milo() -> Character:
    """A second portrait, from other numbers."""
    scene = Scene(
        head=np.array(HEAD),
        brushes=face_brushes(LIDS, MOUTH, wing=1.95),
        lids=LIDS,
        mouth=MOUTH,
        torso=np.array(TORSO),
        collar=Collar(y=-14.3, radius=4.9, tube=0.7),
        hair=np.array(HAIR),
        window=np.array(WINDOW),
    )
    palette = Palette(
        skin="#80523a",
        blush="#8c4432",
        lips="#8a4a42",
        iris="#24130a",
        iris_light="#6b4222",
        hair="#0d0907",
        hair_light="#241811",
        brows="#120b08",
        lashes="#0c0706",
        cloth="#c98a3c",
        backdrop="#bcc8d0",
        backdrop_light="#e9eef0",
    )
    brows = Brows(inner_x=1.35, outer_x=5.1, y=2.0, arch=0.38, thickness=0.85)
    return Character("milo", scene, palette, Crop(), brows, Lashes(length=0.22, line=0.055), Camera(), seed=3)
