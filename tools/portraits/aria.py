# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Aria: fair, freckled, with a chestnut bob and a teal jumper."""

from __future__ import annotations

import numpy as np

from portraits.camera import Camera
from portraits.character import TORSO, Character, face_brushes
from portraits.comb import Comb
from portraits.face import Lids, Mouth
from portraits.face_hair import Brows, Lashes
from portraits.palette import Palette
from portraits.scene import Collar, Scene
from portraits.shapes import blob

HEAD = [
    blob((0, 3.2, -1.6), (7.1, 7.6, 8.6)),  # cranium
    blob((0, -0.8, 0.6), (6.4, 6.0, 6.4), 2.0),  # temples and cheekbones
    blob((0, -4.6, 1.6), (4.6, 5.0, 5.4), 2.5),  # lower face
    blob((2.5, -5.6, 1.4), (1.9, 2.6, 3.0), 2.5),  # jaw
    blob((0, -8.35, 4.9), (1.6, 1.35, 1.6), 2.4),  # chin
    blob((2.8, -2.9, 4.5), (2.5, 2.2, 2.2), 2.0),  # cheeks
    blob((1.5, -5.6, 4.6), (2.1, 2.3, 2.2), 2.0),  # around the mouth
    blob((0, -5.4, 5.3), (2.2, 2.2, 1.9), 1.8),  # lips' mound
    blob((0, -1.5, 6.6), (0.72, 2.3, 0.95), 1.5, pitch=-25),  # bridge of the nose
    blob((0, -3.15, 7.9), (0.84, 0.76, 0.9), 0.9),  # tip of the nose
    blob((1.0, -3.45, 7.0), (0.52, 0.52, 0.75), 0.4),  # wings of the nose
    blob((0.54, -4.02, 7.8), (0.30, 0.22, 0.5), 0.16, roll=-25, carve=True),  # nostrils
    blob((0, -12.0, -1.8), (3.6, 9.0, 3.9), 1.6),  # neck
]
HAIR = [
    blob((0, 3.2, -1.5), (7.75, 8.6, 9.4)),  # crown
    blob((6.0, -3.3, -1.4), (2.2, 7.4, 4.4), 2.5, roll=-3),  # sides
    blob((0, -2.4, -4.6), (7.2, 5.8, 4.2), 2.0),  # nape
    blob((0, -17.9, -1.0), (16.0, 10.0, 16.0), 0.5, carve=True),  # cut straight
]
WINDOW = [
    blob((0.0, -2.4, 8.0), (6.55, 8.6, 9.0)),
    blob((-0.9, 2.5, 9.0), (4.7, 4.6, 6.0), 1.5, roll=-18, mirrored=False),
]


def aria() -> Character:
    """The default portrait."""
    lids, mouth = Lids(), Mouth()
    scene = Scene(
        head=np.array(HEAD),
        brushes=face_brushes(lids, mouth, wing=1.62),
        lids=lids,
        mouth=mouth,
        torso=np.array(TORSO),
        collar=Collar(),
        hair=np.array(HAIR),
        window=np.array(WINDOW),
    )
    palette = Palette(
        skin="#d39c82",
        blush="#cc5650",
        lips="#b4534f",
        iris="#4e2a14",
        iris_light="#b9783a",
        hair="#25140d",
        hair_light="#703f22",
        brows="#452b1d",
        lashes="#1a100c",
        cloth="#34777f",
        backdrop="#c3ccca",
        backdrop_light="#efede6",
        freckles=60,
    )
    return Character("aria", scene, palette, Comb(), Brows(), Lashes(), Camera(), seed=1)
