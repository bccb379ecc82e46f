# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Everything for a block of the published network: ten pictures of the user read, ten frames generated and drawn.

    python bench/published_block.py [--device cuda] [--conversations 1 4 16 32] [--repeats 20] [--plain-repeats 3]

Runs from a checkout, with torch, NumPy and safetensors alone. Without --device a GPU is taken when there is one, else
the CPU, where a block is far from real time: then one conversation and one repeat are the default. Pictures are read as
they come from a camera, one by one; of a block the first frame is drawn alone, so that it is not late, and the rest
together. Several conversations share network and programs: what is due together is done together. Prints a table, and
as its last line one JSON object. Weights are random: time does not depend on them.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from autoencoder import random_weights
from numpy.typing import NDArray
from safetensors.torch import save_file

from avatar_forcing_ros.compute.config import ComputeConfig
from avatar_forcing_ros.motion.autoencoder.config import AutoencoderConfig
from avatar_forcing_ros.motion.autoencoder.published import build_autoencoder, check_autoencoder
from avatar_forcing_ros.motion.autoencoder.runtime import AutoencoderRuntime
from avatar_forcing_ros.motion.autoencoder.warping import feature_tables
from avatar_forcing_ros.network.conditions import Conditions
from avatar_forcing_ros.network.config import NetworkConfig
from avatar_forcing_ros.network.model import AvatarForcingNetwork
from avatar_forcing_ros.network.placement import settle
from avatar_forcing_ros.stream.block_generator import BlockGenerator
from avatar_forcing_ros.stream.state import GeneratorState

FPS = 25
BLOCKS_COMPARED = 10
LARGEST_BATCH = 16
"""Pictures of several conversations that are read or drawn in one program."""


def random_network() -> AvatarForcingNetwork:
    """The published size, with weights that make it say something: the last layer begins as zeros."""
    torch.manual_seed(0)
    network = AvatarForcingNetwork(NetworkConfig())
    for parameter in network.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.02)
    return network


def random_conditions(config: NetworkConfig, batch: int, frames: int) -> Conditions:
    """Random conditions of so many frames."""
    sizes = (config.condition_size, config.user_audio_size, config.user_motion_size)
    return Conditions(*(torch.randn(batch, frames, size) for size in sizes))


def primed(generator: BlockGenerator, batch: int) -> GeneratorState:
    """A state with a random past."""
    config = generator.network.config
    frames = -(-(config.cache_frames + config.lookahead_frames) // config.block_frames) * config.block_frames
    history = torch.randn(batch, frames, config.motion_size)
    return generator.prime(history, random_conditions(config, batch, frames), torch.randn(batch, config.motion_size))


@dataclass
class Hall:
    """So many conversations whose blocks are due together, on one device."""

    runtime: AutoencoderRuntime
    generator: BlockGenerator
    count: int

    def __post_init__(self) -> None:
        config, side = self.generator.network.config, self.runtime.config.image_size
        random = np.random.default_rng(0)
        self._frames = config.block_frames
        self._pictures = random.integers(0, 256, (self._frames, self.count, side, side, 3), dtype=np.uint8)
        self._portraits = [self.runtime.prepare(picture) for picture in self._pictures[0]]
        self._conditions = random_conditions(config, self.count, config.window_frames)
        self._noise = torch.randn(self.count, config.block_frames, config.motion_size)
        self._state = primed(self.generator, self.count)
        self._motion: NDArray[np.float32] = np.zeros((self.count, self._frames, config.motion_size), np.float32)
        self._motion += np.stack([portrait.reference for portrait in self._portraits])[:, None]

    def read(self) -> None:
        """The users' pictures of a block, as they come."""
        for pictures in self._pictures:
            for start in range(0, self.count, LARGEST_BATCH):
                self.runtime.read(pictures[start : start + LARGEST_BATCH])

    def read_together(self) -> None:
        """The same, all of a conversation's in one batch."""
        for one in range(self.count):
            self.runtime.read(np.ascontiguousarray(self._pictures[:, one]))

    def generate(self) -> None:
        """The avatars' motion of a block."""
        self.generator.generate(self._state, self._conditions, self._noise).cpu()

    def draw(self) -> None:
        """The avatars' pictures of a block, one by one."""
        for portrait, motions in zip(self._portraits, self._motion, strict=True):
            for motion in motions:
                self.runtime.draw(portrait, motion[None])

    def draw_block(self) -> None:
        """The first frame of each alone, then the rest of each together."""
        for portrait, motions in zip(self._portraits, self._motion, strict=True):
            self.runtime.draw(portrait, motions[:1])
        for portrait, motions in zip(self._portraits, self._motion, strict=True):
            self.runtime.draw(portrait, motions[1:])

    def draw_together(self) -> None:
        """All of each together."""
        for portrait, motions in zip(self._portraits, self._motion, strict=True):
            self.runtime.draw(portrait, motions)

    def block(self) -> None:
        """Everything."""
        self.read()
        self.generate()
        self.draw_block()


def make_runtime(device: torch.device, compute: ComputeConfig) -> AutoencoderRuntime:
    """The auto-encoder with random weights."""
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "motion_autoencoder.safetensors"
        save_file(random_weights(AutoencoderConfig()), weights)
        return AutoencoderRuntime(weights, device, compute)


def wall_ms(job: Callable[[], None], repeats: int, device: torch.device) -> list[float]:
    """Wall times in milliseconds, after two that are not counted; a GPU is waited for."""
    times = []
    for _ in range(repeats + 2):
        start = time.perf_counter()
        job()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append((time.perf_counter() - start) * 1e3)
    return times[2:]


def parts(hall: Hall, repeats: int, device: torch.device) -> dict[str, float]:
    """Median of each part of a block of one conversation, in milliseconds."""
    jobs = {
        "pictures read": hall.read,
        "read together": hall.read_together,
        "motion generated": hall.generate,
        "pictures drawn": hall.draw,
        "drawn together": hall.draw_together,
        "whole block": hall.block,
    }
    return {name: round(statistics.median(wall_ms(job, repeats, device)), 2) for name, job in jobs.items()}


def motion_error(network: AvatarForcingNetwork, device: torch.device, compute: ComputeConfig) -> float:
    """Relative difference of ten blocks from those of float32, step by step, on the same device."""
    exact = AvatarForcingNetwork(network.config)
    exact.load_state_dict({name: x.float() for name, x in network.state_dict().items()})
    found = []
    for one, how in ((network, compute), (exact.to(device).freeze(), ComputeConfig(captured=False))):
        torch.manual_seed(1)
        generator = BlockGenerator(one, compute=how)
        state, made = primed(generator, 1), []
        for _ in range(BLOCKS_COMPARED):
            conditions = random_conditions(one.config, 1, one.config.window_frames)
            noise = torch.randn(1, one.config.block_frames, one.config.motion_size)
            made.append(generator.generate(state, conditions, noise))
        found.append(torch.cat(made, 1).cpu())
    return float((found[0] - found[1]).norm() / found[1].norm())


def picture_psnr_db(runtime: AutoencoderRuntime, device: torch.device) -> float:
    """Peak signal to noise ratio of a drawn picture against float32, step by step, on the same device."""
    config, state = check_autoencoder(random_weights(AutoencoderConfig()))
    exact = build_autoencoder(state, config, torch.float32).to(device)
    picture = np.random.default_rng(0).integers(0, 256, (1, config.image_size, config.image_size, 3), dtype=np.uint8)
    portrait = runtime.prepare(picture[0])
    drawn = runtime.draw(portrait, portrait.reference[None])[0].astype(np.float64)
    with torch.inference_mode():
        pixels = torch.from_numpy(picture).to(device).movedim(-1, 1).float() / 127.5 - 1
        encoding = exact.encode(pixels)
        motion = torch.from_numpy(portrait.reference[None]).to(device)
        wanted = exact.decode(encoding.identity, feature_tables(encoding.features), motion)
        wanted = ((wanted.clamp(-1, 1) + 1) * 127.5).round()[0].movedim(0, -1).cpu().numpy()
    return round(float(20 * np.log10(255 / max(1e-9, np.sqrt(((drawn - wanted) ** 2).mean())))), 1)


def gpu_gb() -> float:
    """Memory that torch holds on the GPU, in 10^9 bytes."""
    return round(torch.cuda.memory_reserved() / 1e9, 2)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--conversations", type=int, nargs="*", help="blocks due together (4, 16 and 32 on a GPU)")
    parser.add_argument("--repeats", type=int, help="blocks measured (20, 1 on a CPU)")
    parser.add_argument("--plain-repeats", type=int, default=3, help="the same step by step, on a GPU; 0 leaves it out")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    on_gpu = device.type == "cuda"
    repeats = args.repeats or (20 if on_gpu else 1)
    several = args.conversations if args.conversations is not None else [4, 16, 32] if on_gpu else []
    compute = ComputeConfig()
    network = settle(random_network(), device)
    block_ms = 1000 * network.config.block_frames / FPS
    figures: dict[str, float] = {}

    began = time.perf_counter()
    runtime, generator = make_runtime(device, compute), BlockGenerator(network, compute=compute)
    one = Hall(runtime, generator, 1)
    one.block()
    figures["first block s"] = round(time.perf_counter() - began, 1)
    figures |= parts(one, repeats, device)
    print(f"published network, a block of {block_ms:.0f} ms on {device}, {args.threads} thread(s)", flush=True)
    if on_gpu:
        figures["GPU GB, one conversation"] = gpu_gb()
        figures["bf16 motion error"] = motion_error(network, device, compute)
        figures["bf16 pictures PSNR dB"] = picture_psnr_db(runtime, device)
    for count in several:
        before = gpu_gb() if on_gpu else 0.0
        hall = Hall(runtime, generator, count)
        times = wall_ms(hall.block, max(3, repeats // 2), device)
        figures[f"{count} conversations"] = round(statistics.median(times), 1)
        figures[f"{count} conversations, slowest"] = round(max(times), 1)
        if on_gpu:
            figures[f"GPU GB, {count} conversations"] = max(before, gpu_gb())
        del hall
    if on_gpu and args.plain_repeats:
        plain = ComputeConfig(captured=False)
        hall = Hall(make_runtime(device, plain), BlockGenerator(network, compute=plain), 1)
        figures |= {f"step by step: {name}": x for name, x in parts(hall, args.plain_repeats, device).items()}
    for name, figure in figures.items():
        print(f"{name:<32}{figure:>12.4g}")
    chip = torch.cuda.get_device_name() if on_gpu else platform.processor() or platform.machine()
    print(json.dumps({"device": str(device), "chip": chip, "threads": args.threads, "block_ms": block_ms, **figures}))


if __name__ == "__main__":
    main()
