# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Draw the portraits that ship in models/portraits: `python tools/draw_portrait.py [NAME ...]`.

Everything is computed from the numbers in `portraits/aria.py` and `portraits/milo.py`; equal numbers give equal
pictures. A portrait takes a few minutes on one core.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from portraits.camera import look
from portraits.character import Character
from portraits.characters import CHARACTERS
from portraits.develop import develop
from portraits.groom import draw
from portraits.lights import measure_light
from portraits.shade import shade
from portraits.surfaces import describe

PORTRAITS = Path(__file__).resolve().parent.parent / "models" / "portraits"


def draw_portrait(character: Character, side: int, supersampling: int) -> NDArray[np.uint8]:
    """(side, side, 3) uint8 RGB picture of a character, computed at `supersampling` times the side."""
    camera = character.camera._replace(pixels=side * supersampling)
    view = look(character.scene, camera)
    light = measure_light(character.scene, camera, view)
    surface = describe(character.scene, view, character.palette, character.seed)
    picture = shade(view, light, surface, camera, character.scene.lids, character.palette, character.exposure)
    draw(picture, view, light, character, camera)
    return develop(picture, side, character.exposure, character.seed)


def main() -> None:
    """Draw the named characters, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=sorted(CHARACTERS), metavar="NAME", help=", ".join(CHARACTERS))
    parser.add_argument("--side", type=int, default=1024, help="pixels, a multiple of 32 (default 1024)")
    parser.add_argument("--supersampling", type=int, default=2, help="rays per pixel and direction (default 2)")
    parser.add_argument("--out", type=Path, default=PORTRAITS, help="folder (default models/portraits)")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.names) - set(CHARACTERS))
    if unknown:
        parser.error(f"no character called {', '.join(unknown)}; there are {', '.join(sorted(CHARACTERS))}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in arguments.names:
        picture = draw_portrait(CHARACTERS[name], arguments.side, arguments.supersampling)
        cv2.imwrite(str(arguments.out / f"{name}.png"), picture[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])


if __name__ == "__main__":
    main()
