# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Two seconds of the shipped avatar in numbers, to hold one machine against another.

python tools/aarch64/two_seconds.py OUTPUT.npz               on each machine
python tools/aarch64/two_seconds.py --compare A.npz B.npz    largest differences; fails beyond the limits below
python tools/aarch64/two_seconds.py --drawing A.npz B.npz    the same for machines that drew one prepared portrait
"""

from __future__ import annotations

import platform
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np

from avatar_forcing_ros.avatar import Avatar, AvatarConfig
from avatar_forcing_ros.bundle import load_bundle
from avatar_forcing_ros.commands.render import START_NS, Inputs, presented_frames
from avatar_forcing_ros.files.media import AudioClip, read_audio
from avatar_forcing_ros.files.pictures import read_image
from avatar_forcing_ros.files.resources import default_portrait, resource
from avatar_forcing_ros.motion.facemesh.reading.tracker import FaceTracker
from avatar_forcing_ros.signals import MotionSample
from avatar_forcing_ros.timeline.grid import FRAME_NS

FRAMES = 50
LIMITS = {"landmarks": 0.5, "latents": 1e-3, "pictures": 2.0}
OF_ONE_PORTRAIT = {**LIMITS, "pictures": 0.01}
"""Landmarks in pixels; latents as channels; pictures in grey levels, as the mean over a picture. Both machines compute
in float32, but their matrix products add up in another order, and a square for landmarks follows from the last ones.
Where each machine prepared the portrait itself, a hundredth of a pixel moves the outlines of its layers; where both
drew the same one, only the renderer's own rounding is left."""


def measure() -> dict[str, np.ndarray]:
    """Landmarks of the portrait, motion latents (50, 18) and every tenth picture."""
    image = read_image(default_portrait())
    tracker = FaceTracker()
    landmarks = [tracker.track(image) for _ in range(3)]
    avatar = Avatar(load_bundle(), image, AvatarConfig())
    speech = read_audio(resource("examples", "demo", "avatar.flac"))
    said = AudioClip(speech.samples[: 2 * speech.sample_rate], speech.sample_rate)
    smiling = np.zeros(18, np.float32)
    smiling[7] = 0.8
    user = [MotionSample(START_NS + n * FRAME_NS, smiling) for n in range(-25, FRAMES)]
    frames = list(presented_frames(avatar, Inputs(said, None, user, FRAMES * FRAME_NS)))
    return {
        "landmarks": np.array(landmarks),
        "latents": np.array([frame.latent for frame in frames]),
        "pictures": np.array([avatar.render(frame) for frame in frames[::10]]),
        "machine": np.array(" ".join([platform.machine(), platform.python_version(), version("onnxruntime")])),
    }


def compare(first: Path, second: Path, limits: dict[str, float]) -> bool:
    """Print the differences; whether all lie within the limits."""
    a, b = np.load(first), np.load(second)
    print(f"{a['machine']} against {b['machine']}")
    fits = True
    for name, limit in limits.items():
        if a[name].shape != b[name].shape or not np.isfinite([a[name].sum(), b[name].sum()]).all():
            print(f"{name}: expected {a[name].shape} finite numbers, got {b[name].shape}")
            fits = False
            continue
        apart = np.abs(a[name].astype(np.float64) - b[name])
        worst = apart.mean(axis=(1, 2, 3)).max() if name == "pictures" else apart.max()
        print(f"{name}: {worst:.2g}, allowed {limit:g}; largest single difference {apart.max():.2g}")
        fits &= bool(worst <= limit)
    return fits


if __name__ == "__main__":
    if sys.argv[1].startswith("--"):
        limits = {"--compare": LIMITS, "--drawing": OF_ONE_PORTRAIT}[sys.argv[1]]
        sys.exit(not compare(Path(sys.argv[2]), Path(sys.argv[3]), limits))
    np.savez_compressed(sys.argv[1], **measure())
