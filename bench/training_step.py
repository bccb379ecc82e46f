# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a step of stage 1 takes: float32 and bfloat16, one by one, recorded, compiled; for both sizes of network.

    python bench/training_step.py [--device cuda] [--steps 20] [--seconds 60] [--tiny]

Clips are random. Each part is printed as it is measured; one that fails costs its own figures alone. Last comes one
JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from typing import Any

import numpy as np
import stand_ins  # noqa: F401  what is absent must be stood in for before it is imported
import torch
from published_parts import Report, median_ms

from avatar_forcing_ros.network.config import NetworkConfig
from avatar_forcing_ros.train.corpus import Corpus
from avatar_forcing_ros.train.objective import ObjectiveConfig
from avatar_forcing_ros.train.on_gpu import DeviceClipSampler, GpuTrainer
from avatar_forcing_ros.train.recipe import bundled_network_config, full_recipe
from avatar_forcing_ros.train.scaling import LatentScale
from avatar_forcing_ros.train.trainer import TrainConfig, Trainer

_LEARNT = 40
"""Steps after which losses are compared."""


def random_corpus(network: NetworkConfig, frames: int) -> Corpus:
    """Two conversations whose motion follows the avatar's own features."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(2, frames, network.audio_feature_size)).astype(np.float16)
    motion = np.tanh(features[..., : network.motion_size]).astype(np.float32)
    still = np.zeros((2, network.motion_size), np.float32)
    return Corpus(motion, still, features, features[::-1], motion[::-1], np.ones((2, frames), bool))


def trainer_of(network: NetworkConfig, config: TrainConfig, device: torch.device) -> Trainer:
    """Stage 1 on random clips."""
    clips = replace(full_recipe().clips, frames=network.clip_frames)
    corpus = random_corpus(network, clips.frames + clips.recalled_frames + 100)
    scale = LatentScale.of(corpus.motion, np.ones(network.motion_size))
    kind = GpuTrainer if device.type == "cuda" else Trainer
    return kind(DeviceClipSampler(corpus, scale, clips, 0, device), network, config, str(device))


def measured(
    name: str, network: NetworkConfig, config: TrainConfig, device: torch.device, steps: int
) -> dict[str, float]:
    """Milliseconds of a step, memory, and what was learnt in a number of steps."""
    on_gpu = device.type == "cuda"
    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        torch.backends.cuda.matmul.allow_tf32 = True  # as the trainer sets it
    trainer, began = trainer_of(network, config, device), time.perf_counter()
    trainer.train_step()
    found = {
        "first step s": round(time.perf_counter() - began, 2),
        "step ms": median_ms(trainer.train_step, steps, device),
    }
    if on_gpu:
        recorded = trainer.quick_step()
        found["recorded step ms"] = median_ms(recorded, steps, device)
        found["peak GB"] = round(torch.cuda.max_memory_allocated() / 1e9, 2)
        while trainer.step < _LEARNT + 10:
            recorded()
        found["loss"] = float(np.mean([float(recorded()["loss"]) for _ in range(10)]))
    return {f"{name}: {figure}": value for figure, value in found.items()}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--steps", type=int, default=20, help="that are measured (%(default)s)")
    parser.add_argument("--seconds", type=float, default=120, help="after so long no further part begins")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tiny", action="store_true", help="a small network, to try the bench")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    plain = TrainConfig(batch=4 if args.tiny else 32)
    numbers = replace(plain, objective=ObjectiveConfig(has_channels=False))
    small = replace(bundled_network_config(), hidden_size=32, depth=1)
    sizes: dict[str, tuple[NetworkConfig, TrainConfig]] = (
        {"tiny": (small, plain)}
        if args.tiny
        else {"bundled": (bundled_network_config(), plain), "published": (NetworkConfig(), numbers)}
    )
    report = Report(deadline=time.perf_counter() + args.seconds)
    ways: dict[str, dict[str, Any]] = {"float32": {}, "bfloat16": {"precision": "bfloat16"}}
    if device.type == "cuda":
        ways["bfloat16, compiled"] = {"precision": "bfloat16", "compiled": True}
    for way, changes in ways.items():
        for size, (network, config) in sizes.items():
            name = f"{size}, {way}"

            changed = replace(config, **changes)
            report.part(name, lambda n=name, c=changed, size=network: measured(n, size, c, device, args.steps))
    print(json.dumps({"device": str(device), "torch": torch.__version__, **report.figures, "failed": report.failed}))
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
