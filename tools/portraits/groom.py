# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""All hair of a character, drawn into its picture."""

from __future__ import annotations

import numpy as np

from portraits.camera import Camera, View
from portraits.character import Character
from portraits.comb import Comb
from portraits.cropped_hair import cropped_hair
from portraits.face_hair import brow_hairs, lash_hairs
from portraits.lights import Image, Light
from portraits.long_hair import long_hair
from portraits.palette import linear
from portraits.scene import HAIR, NOTHING
from portraits.strands import Strands, draw_strands, shade_strands

HAIR_SINK_CM = 0.30
"""How deep below the hair's surface strands still show."""


def draw(picture: Image, view: View, light: Light, character: Character, camera: Camera) -> None:
    """Draw all of a character's hair into the picture, in place."""
    scene, palette = character.scene, character.palette
    depth = np.where(view.material == NOTHING, -1e3, view.position[..., 2]).astype(np.float32)
    depth[view.material == HAIR] -= HAIR_SINK_CM
    layers = [brow_hairs(scene, character.brows, linear(palette.brows), character.seed + 1)]
    layers += lash_hairs(scene, character.lashes, linear(palette.lashes), character.seed + 2)
    for strands in layers:
        draw_strands(picture, depth, strands, shade_strands(strands, view, light, camera), camera, slack=0.15)
    hair = _head_hair(character)
    draw_strands(picture, depth, hair, shade_strands(hair, view, light, camera), camera)


def _head_hair(character: Character) -> Strands:
    dark, light = linear(character.palette.hair), linear(character.palette.hair_light)
    if isinstance(character.hair, Comb):
        return long_hair(character.scene, character.hair, dark, light, character.seed)
    return cropped_hair(character.scene, character.hair, dark, light, character.seed)
