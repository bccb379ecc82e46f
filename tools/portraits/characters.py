"""The characters: the numbers that make one face different from another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from portraits.camera import Camera
from portraits.face import Lids, Mouth
from portraits.groom import Brows, Comb, Lashes
from portraits.palette import Palette
from portraits.scene import Collar, Scene
from portraits.shapes import blob

ARIA_HEAD = [
    blob((0, 3.2, -1.6), (7.1, 7.6, 8.6)),
    blob((0, -0.8, 0.6), (6.4, 6.0, 6.4), 2.0),
    blob((0, -4.6, 1.6), (4.6, 5.0, 5.4), 2.5),
    blob((2.5, -5.6, 1.4), (1.9, 2.6, 3.0), 2.5),
    blob((0, -8.35, 4.9), (1.6, 1.35, 1.6), 2.4),
    blob((2.8, -2.9, 4.5), (2.5, 2.2, 2.2), 2.0),
    blob((1.5, -5.6, 4.6), (2.1, 2.3, 2.2), 2.0),
    blob((0, -5.4, 5.3), (2.2, 2.2, 1.9), 1.8),
    blob((0, -1.5, 6.6), (0.72, 2.3, 0.95), 1.5, pitch=-25),
    blob((0, -3.15, 7.9), (0.9, 0.8, 0.9), 1.0),
    blob((1.0, -3.45, 7.0), (0.52, 0.52, 0.75), 0.4),
    blob((0.52, -3.98, 7.75), (0.27, 0.19, 0.42), 0.22, carve=True),
    blob((0, -12.0, -1.8), (3.6, 9.0, 3.9), 1.6),
]
FACE_BRUSHES = np.array([
    [3.3, 0.1, 6.4, 2.2, 1.35, 2.6, -0.62],    # socket
    [3.2, 2.3, 6.4, 2.4, 0.8, 2.6, 0.22],      # brow ridge
    [1.1, 0.3, 6.6, 0.7, 1.2, 1.5, -0.25],     # inner corner beside the nose
    [0.0, -4.9, 7.6, 0.26, 0.55, 1.5, -0.10],  # philtrum
    [0.0, -7.3, 7.2, 1.2, 0.5, 1.5, -0.12],  # fold under the lower lip
    [2.55, -5.7, 6.6, 0.35, 0.5, 1.5, -0.10],   # beside the mouth's corner
    [2.1, -4.2, 6.6, 0.5, 0.9, 1.5, -0.10],    # from nose to cheek
    [3.6, -2.6, 6.2, 1.6, 1.0, 2.0, 0.18],     # apple of the cheek
], dtype=np.float64)
TORSO = [
    blob((0, -23.0, -2.5), (12.0, 9.0, 6.8)),
    blob((8.5, -20.6, -3.2), (7.0, 4.2, 4.6), 3.0, roll=-14),
    blob((3.2, -15.8, -3.2), (4.6, 2.2, 3.6), 2.4, roll=-20),
]
BOB = [
    blob((0, 3.2, -1.5), (8.1, 8.8, 9.4)),
    blob((6.7, -2.6, -1.2), (2.3, 6.9, 4.4), 2.0, roll=-5),
    blob((0, -3.2, -5.0), (7.2, 7.6, 4.2), 2.0),
]
BOB_WINDOW = [
    blob((0.0, -2.4, 8.0), (6.55, 8.6, 9.0)),
    blob((-0.9, 2.5, 9.0), (4.7, 4.6, 6.0), 1.5, roll=-18, mirrored=False),
]


@dataclass(frozen=True)
class Character:
    """One portrait's shapes and colours."""

    name: str
    scene: Scene
    palette: Palette = Palette()
    comb: Comb | None = None
    brows: Brows = Brows()
    lashes: Lashes = Lashes()
    camera: Camera = Camera()
    exposure: float = 1.0
    seed: int = 1


CHARACTERS = {
    "aria": Character("aria", Scene(
        np.array(ARIA_HEAD), FACE_BRUSHES, Lids(), Mouth(), np.array(TORSO), Collar(),
        np.array(BOB), np.array(BOB_WINDOW)), comb=Comb()),
}
