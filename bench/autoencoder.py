# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How long the motion latent auto-encoder and wav2vec2 take at the published size.

    python bench/autoencoder.py [--threads 1 2] [--repeats 5] [--device cpu|cuda] [--bfloat16]

Prints a table, and as its last line one JSON object. CPU time says what the code costs even while others use the
machine, the median of wall time what this machine gave it. Weights are random: time does not depend on them. bfloat16
is measured where the device computes in it, or when asked for. A process for each number of threads, with huge pages
for large tensors (THP_MEM_ALLOC_ENABLE): without them a part of the time goes into page faults.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from avatar_forcing_ros.audio.wav2vec2 import Wav2Vec2Encoder, Wav2Vec2Sizes
from avatar_forcing_ros.motion.autoencoder.config import AutoencoderConfig
from avatar_forcing_ros.motion.autoencoder.model import MotionAutoencoder
from avatar_forcing_ros.motion.autoencoder.published import build_autoencoder, published_shapes
from avatar_forcing_ros.motion.autoencoder.runtime import quick_dtype
from avatar_forcing_ros.motion.autoencoder.warping import feature_tables

WINDOW_FRAMES = 60
"""50 frames of past and a block of 10: what one push of the stream costs."""


@dataclass(frozen=True)
class Timing:
    """Times in milliseconds: least and median CPU time, median wall time."""

    cpu_min_ms: float
    cpu_ms: float
    wall_ms: float


def measure(job: Callable[[], object], repeats: int, device: torch.device) -> Timing:
    """Time a job, after one run that is not counted."""
    cpu, wall = [], []
    for _ in range(repeats + 1):
        cpu_start, start = time.process_time(), time.perf_counter()
        job()
        if device.type == "cuda":
            torch.cuda.synchronize()
        cpu.append((time.process_time() - cpu_start) * 1e3)
        wall.append((time.perf_counter() - start) * 1e3)
    return Timing(*(round(x, 1) for x in (min(cpu[1:]), statistics.median(cpu[1:]), statistics.median(wall[1:]))))


def random_weights(config: AutoencoderConfig) -> dict[str, Tensor]:
    """Weights under published names, on the scale of an untrained network."""
    torch.manual_seed(0)
    state = {key: torch.randn(shape) for key, shape in published_shapes(config).items()}
    return {key: 0.1 * x + ("modulation" in key) if key.endswith("bias") else x for key, x in state.items()}


def time_autoencoder(model: MotionAutoencoder, repeats: int, device: torch.device) -> dict[str, Timing]:
    """A user's frame read, and a frame of a prepared portrait drawn."""
    side = model.config.image_size
    image = torch.rand(1, 3, side, side, device=device) * 2 - 1
    portrait = model.encode(image)
    features, motion = feature_tables(portrait.features), model.motion(portrait.coefficients)
    return {
        "encode": measure(lambda: model.encode(image), repeats, device),
        "decode": measure(lambda: model.decode(portrait.identity, features, motion), repeats, device),
    }


def time_audio(repeats: int, device: torch.device) -> Timing:
    """Features of one window of the stream."""
    encoder = Wav2Vec2Encoder(Wav2Vec2Sizes()).eval().to(device)
    samples = torch.randn(1, WINDOW_FRAMES * 640, device=device)
    return measure(lambda: encoder(samples), repeats, device)


@torch.inference_mode()
def measure_all(threads: int, repeats: int, device: torch.device, bfloat16: bool) -> dict[str, dict[str, float]]:
    """Every figure for one number of threads."""
    torch.set_num_threads(threads)
    narrow = [torch.bfloat16] if bfloat16 or quick_dtype(device) == torch.bfloat16 else []
    config, figures = AutoencoderConfig(), {}
    state = random_weights(config)
    for dtype in (torch.float32, *narrow):
        model = build_autoencoder(state, config, dtype).to(device)
        for name, timing in time_autoencoder(model, repeats, device).items():
            figures[f"{name} {str(dtype).removeprefix('torch.')}"] = asdict(timing)
    figures["wav2vec2 window"] = asdict(time_audio(repeats, device))
    return figures


def measure_in_child(arguments: list[str], threads: int) -> dict[str, dict[str, float]]:
    """Every figure for one number of threads, from a fresh process."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "THP_MEM_ALLOC_ENABLE": "1"}
    command = [sys.executable, __file__, *arguments, "--child", "--threads", str(threads)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--bfloat16", action="store_true", help="measure it where it is emulated, too")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(measure_all(args.threads[0], args.repeats, torch.device(args.device), args.bfloat16)))
        return
    passed_on = ["--repeats", str(args.repeats), "--device", args.device, *(["--bfloat16"] if args.bfloat16 else [])]
    figures = {}
    print(f"{'512 px':<20}{'threads':>8}{'CPU min ms':>12}{'CPU ms':>9}{'wall ms':>9}")
    for threads in args.threads:
        figures[str(threads)] = measure_in_child(passed_on, threads)
        for name, row in figures[str(threads)].items():
            print(f"{name:<20}{threads:>8}{row['cpu_min_ms']:>12.1f}{row['cpu_ms']:>9.1f}{row['wall_ms']:>9.1f}")
    machine = {"machine": platform.processor() or platform.machine(), "torch": torch.__version__}
    print(json.dumps({"device": args.device, "by_threads": figures, **machine}))


if __name__ == "__main__":
    main()
