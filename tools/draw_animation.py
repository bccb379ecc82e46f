# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Draws the README's moving picture: one of our characters as the user, and the avatar that answers it.

    .venv/bin/python tools/draw_animation.py docs/images/laughing_along.webp

The user's curves are written down below; the avatar's are what `avatar-forcing render` makes of that video.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.io import wavfile

from avatar_forcing_ros.files.media import read_video
from avatar_forcing_ros.files.movies import MovieWriter
from avatar_forcing_ros.files.pictures import read_image
from avatar_forcing_ros.files.resources import resource
from avatar_forcing_ros.motion.facemesh.channels import INDEX
from avatar_forcing_ros.motion.facemesh.space import FaceMeshSpace
from avatar_forcing_ros.signals import FPS

SECONDS, SIDE = 8, 240
KEYS = {  # seconds: value, with straight lines between
    "smile": {0: 0, 1.6: 0, 2.0: 0.5, 2.6: 0.5, 3.0: 1, 4.8: 1, 6.2: 0.1, 8: 0},
    "jaw_open": {0: 0, 2.6: 0, 2.9: 0.6, 4.6: 0.55, 5.0: 0, 8: 0},
    "upper_lip": {0: 0, 2.6: 0, 2.9: 0.4, 4.6: 0.4, 5.0: 0, 8: 0},
    "pitch": {0: 0, 2.7: 0, 3.1: -0.1, 4.6: -0.08, 5.4: 0, 8: 0},
    "roll": {0: 0, 1.0: 0.04, 2.6: 0.03, 4.0: -0.08, 6.0: 0.02, 8: 0},
}


def main(path: Path) -> None:
    """Write the animation to `path`, whose ending chooses its format."""
    with tempfile.TemporaryDirectory() as folder:
        user, avatar = Path(folder) / "user.mp4", Path(folder) / "avatar.mp4"
        _film_user(user)
        wavfile.write(Path(folder) / "silence.wav", 16_000, np.zeros(SECONDS * 16_000, np.int16))
        command = [sys.executable, "-m", "avatar_forcing_ros.cli", "render", "--no-label", "--user-video", str(user)]
        subprocess.run([*command, "--speech", f"{folder}/silence.wav", "--output", str(avatar)], check=True)
        pairs = zip(read_video(user), read_video(avatar), strict=False)
        frames = [np.hstack([_small(one.image), _small(other.image)]) for one, other in pairs][::2]
    first, *more = [Image.fromarray(frame) for frame in frames]
    first.save(path, save_all=True, append_images=more, duration=2000 // FPS, loop=0, quality=60, method=6)


def _film_user(path: Path) -> None:
    portrait = FaceMeshSpace().load_portrait(read_image(resource("models", "portraits", "milo.png")), 512)
    with MovieWriter(path, 512, 512) as writer:
        for n in range(SECONDS * FPS):
            latent = portrait.reference.copy()
            for name, keys in KEYS.items():
                latent[INDEX[name]] += np.interp(n / FPS, list(keys), list(keys.values()))
            writer.write_image(portrait.render(latent, n))
        writer.write_sound(np.zeros(SECONDS * 16_000, np.float32))


def _small(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
