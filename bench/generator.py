# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How long one block of motion takes: every step, guidance and the pass that fills the cache.

    python bench/generator.py [--size bundled|published] [--repeats 60] [--threads 1] [--profile]

Prints a table, and as its last line one JSON object. CPU time says what the code costs even while others use the
machine, the median of wall time what this machine gave it. Weights are random: time does not depend on them.

The shipped model follows as an avatar runs it, by ONNX Runtime and by torch, a block of each in turn: their ratio holds
on a busy machine too.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

from avatar_forcing_ros.bundle import load_bundle
from avatar_forcing_ros.compute.config import ComputeConfig
from avatar_forcing_ros.generator.block_generator import BlockGenerator, GeneratorState
from avatar_forcing_ros.generator.motion_engine import MotionEngine, Sensed
from avatar_forcing_ros.generator.noise import block_noise
from avatar_forcing_ros.generator.sampler import SamplerConfig
from avatar_forcing_ros.network.conditions import Conditions
from avatar_forcing_ros.network.config import NetworkConfig
from avatar_forcing_ros.network.model import AvatarForcingNetwork
from avatar_forcing_ros.train.recipe import BUNDLED_SAMPLER, bundled_network_config

FPS = 25
SIZES = {
    "bundled": (bundled_network_config(), BUNDLED_SAMPLER),
    "published": (NetworkConfig(), SamplerConfig()),
}
SCALES = {"three branches": (2.0, 1.0), "user off": (2.0, 0.0), "speech alone": (1.0, 0.0)}


def cases(sampler: SamplerConfig) -> dict[str, SamplerConfig]:
    """The sampler as it is, and the branches of guidance that are added up separately."""
    separate = replace(sampler, joint=False)
    return {"as shipped": sampler} | {
        name: replace(separate, guidance_avatar=avatar, guidance_user=user) for name, (avatar, user) in SCALES.items()
    }


def inputs(config: NetworkConfig, frames: int) -> Conditions:
    """Random conditions of this many frames."""
    sizes = (config.condition_size, config.user_audio_size, config.user_motion_size)
    return Conditions(*(torch.randn(1, frames, size) for size in sizes))


def primed(generator: BlockGenerator) -> GeneratorState:
    """A state with a random past."""
    config = generator.network.config
    frames = -(-(config.cache_frames + config.lookahead_frames) // config.block_frames) * config.block_frames
    return generator.prime(
        torch.randn(1, frames, config.motion_size), inputs(config, frames), torch.randn(1, config.motion_size)
    )


@dataclass(frozen=True)
class Timing:
    """Times of single blocks in milliseconds: least and median CPU time, median wall time."""

    cpu_min_ms: float
    cpu_ms: float
    wall_ms: float


def time_blocks(generator: BlockGenerator, repeats: int) -> Timing:
    """Time single blocks, after three that are not counted."""
    config, state = generator.network.config, primed(generator)
    window = inputs(config, config.window_frames)
    noise = torch.randn(1, config.block_frames, config.motion_size)
    cpu, wall = [], []
    for _ in range(repeats + 3):
        cpu_start, start = time.process_time(), time.perf_counter()
        generator.generate(state, window, noise)
        cpu.append((time.process_time() - cpu_start) * 1e3)
        wall.append((time.perf_counter() - start) * 1e3)
    return Timing(*(round(x, 2) for x in (min(cpu[3:]), statistics.median(cpu[3:]), statistics.median(wall[3:]))))


def time_runtimes(repeats: int, threads: int) -> dict[str, Timing]:
    """A block of the shipped model by each runtime, in turn, from what was sensed to what is shown."""
    draws = {}
    for runtime, compute in {
        "by ONNX Runtime": ComputeConfig(threads=threads),
        "by torch": ComputeConfig(runtime="torch", threads=threads),
    }.items():
        bundle = load_bundle(compute=compute)
        draws[runtime] = _drawing(bundle.make_engine(bundle.manifest.sampler), bundle.manifest.network)
    cpu: dict[str, list[float]] = {runtime: [] for runtime in draws}
    wall: dict[str, list[float]] = {runtime: [] for runtime in draws}
    for n in range(repeats + 3):
        for runtime, draw in draws.items():
            cpu_start, start = time.process_time(), time.perf_counter()
            draw(n)
            cpu[runtime].append((time.process_time() - cpu_start) * 1e3)
            wall[runtime].append((time.perf_counter() - start) * 1e3)
    return {
        runtime: Timing(
            round(min(cpu[runtime][3:]), 2),
            round(statistics.median(cpu[runtime][3:]), 2),
            round(statistics.median(wall[runtime][3:]), 2),
        )
        for runtime in draws
    }


def _drawing(engine: MotionEngine, sizes: NetworkConfig) -> Callable[[int], object]:
    rng, before = np.random.default_rng(0), sizes.recalled_frames

    def sensed(frames: int) -> Sensed:
        own, user = (rng.normal(size=(n, sizes.audio_feature_size)) for n in (frames, before + frames))
        seen = rng.normal(size=(before + frames, sizes.motion_size))
        return Sensed(own.astype(np.float32), user.astype(np.float32), True, seen.astype(np.float32))

    history = rng.normal(size=(sizes.history_frames, sizes.motion_size)).astype(np.float32)
    state = engine.prime(history, sensed(len(history)), history[0])
    window, silent = sensed(sizes.window_frames), np.zeros(sizes.block_frames, bool)
    return lambda n: engine.draw(state, window, block_noise(0, 0, n, (sizes.block_frames, sizes.motion_size)), silent)


def profile_table(generator: BlockGenerator) -> str:
    """Where ten blocks spend their time."""
    time_blocks(generator, 3)
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        time_blocks(generator, 7)
    return profiler.key_averages().table(sort_by="self_cpu_time_total", row_limit=20, max_name_column_width=40)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=SIZES, default="bundled")
    parser.add_argument("--repeats", type=int, default=60)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--profile", action="store_true", help="print where the time goes instead")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    config, sampler = SIZES[args.size]
    network = AvatarForcingNetwork(config).freeze()
    if args.profile:
        print(profile_table(BlockGenerator(network, sampler)))
        return
    block_ms = 1000 * config.block_frames / FPS
    figures = {}
    block = f"{config.block_frames} frames ({block_ms:.0f} ms)"
    print(f"{args.size}: {block}, {sampler.steps} steps, {args.threads} thread(s)")
    print(f"{'guidance':<16}{'CPU min ms':>12}{'CPU ms':>9}{'wall ms':>9}{'of block':>10}")
    timings = {name: time_blocks(BlockGenerator(network, case), args.repeats) for name, case in cases(sampler).items()}
    if args.size == "bundled":
        timings |= time_runtimes(2 * args.repeats, args.threads)
    for name, timing in timings.items():
        figures[name] = asdict(timing)
        columns = f"{timing.cpu_min_ms:>12.1f}{timing.cpu_ms:>9.1f}{timing.wall_ms:>9.1f}"
        print(f"{name:<16}{columns}{timing.wall_ms / block_ms:>10.1%}")
    machine = {"machine": platform.processor() or platform.machine(), "torch": torch.__version__}
    print(json.dumps({"size": args.size, "threads": args.threads, "block_ms": block_ms, **figures, **machine}))


if __name__ == "__main__":
    main()
