"""Everything for one block of the published network: ten pictures of the user read, ten frames generated and drawn.

    python bench/published_block.py [--device cuda] [--conversations 1 4] [--repeats 20] [--threads 1]

Without --device a GPU is taken when there is one, else the CPU, where a block is far from real time: then one
conversation and one repeat are the default. Pictures are read one by one, as they come from a camera, and drawn one
by one, as they are shown; "drawn together" is what a batch of ten would take. Several conversations take turns on one
device. Set AVATAR_FORCING_COMPILE=1 for CUDA graphs. Prints a table, and as its last line one JSON object. Weights are
random: time does not depend on them.
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
from generator import inputs, primed
from safetensors.torch import save_file

from avatar_forcing_ros.motion.autoencoder.config import AutoencoderConfig
from avatar_forcing_ros.motion.autoencoder.runtime import AutoencoderRuntime
from avatar_forcing_ros.network.config import NetworkConfig
from avatar_forcing_ros.network.model import AvatarForcingNetwork
from avatar_forcing_ros.network.placement import settle
from avatar_forcing_ros.stream.block_generator import BlockGenerator

FPS = 25


@dataclass
class Conversation:
    """One user in front of one avatar."""

    runtime: AutoencoderRuntime
    generator: BlockGenerator

    def __post_init__(self) -> None:
        config, side = self.generator.network.config, self.runtime.config.image_size
        random = np.random.default_rng(0)
        self._pictures = random.integers(0, 256, (config.block_frames, side, side, 3), dtype=np.uint8)
        self._portrait = self.runtime.prepare(self._pictures[0])
        self._window = inputs(config, config.window_frames)
        self._noise = torch.randn(1, config.block_frames, config.motion_size)
        self._motions = np.repeat(self._portrait.reference[None], config.block_frames, axis=0)
        self._state = primed(self.generator)

    def read(self) -> None:
        """The user's pictures of a block, one by one."""
        for picture in self._pictures:
            self.runtime.coefficients(picture)

    def generate(self) -> None:
        """The avatar's motion of a block."""
        self.generator.generate(self._state, self._window, self._noise)

    def draw(self) -> None:
        """The avatar's pictures of a block, one by one."""
        for motion in self._motions:
            self.runtime.draw(self._portrait, motion[None])

    def draw_together(self) -> None:
        """The same in one batch."""
        self.runtime.draw(self._portrait, self._motions)

    def block(self) -> None:
        """Everything."""
        self.read()
        self.generate()
        self.draw()


def make_runtime(device: torch.device) -> AutoencoderRuntime:
    """The auto-encoder with random weights."""
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "motion_autoencoder.safetensors"
        save_file(random_weights(AutoencoderConfig()), weights)
        return AutoencoderRuntime(weights, device)


def wall_ms(job: Callable[[], None], repeats: int, device: torch.device) -> float:
    """Median wall time, after two that are not counted; a GPU is waited for."""
    times = []
    for _ in range(repeats + 2):
        start = time.perf_counter()
        job()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append((time.perf_counter() - start) * 1e3)
    return round(statistics.median(times[2:]), 2)


def measure(conversation: Conversation, repeats: int, device: torch.device) -> dict[str, float]:
    """Each part of a block, and all of it."""
    jobs = {
        "pictures read": conversation.read,
        "motion generated": conversation.generate,
        "pictures drawn": conversation.draw,
        "drawn together": conversation.draw_together,
        "one conversation": conversation.block,
    }
    return {name: wall_ms(job, repeats, device) for name, job in jobs.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--conversations", type=int, nargs="*", help="beside one (4 on a GPU)")
    parser.add_argument("--repeats", type=int, help="blocks measured (20, 1 on a CPU)")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    on_gpu = device.type != "cpu"
    repeats = args.repeats or (20 if on_gpu else 1)
    several = args.conversations if args.conversations is not None else [4] if on_gpu else []
    network = settle(AvatarForcingNetwork(NetworkConfig()), device)
    runtime, generator = make_runtime(device), BlockGenerator(network)
    figures = measure(Conversation(runtime, generator), repeats, device)
    for count in several:
        together = [Conversation(runtime, generator) for _ in range(count)]
        figures[f"{count} conversations"] = wall_ms(lambda some=together: [c.block() for c in some], repeats, device)
    block_ms = 1000 * network.config.block_frames / FPS
    print(f"published network, a block of {block_ms:.0f} ms on {device}, {args.threads} thread(s)")
    print(f"{'':<20}{'wall ms':>10}{'of block':>10}")
    for name, figure in figures.items():
        print(f"{name:<20}{figure:>10.1f}{figure / block_ms:>10.1%}")
    chip = torch.cuda.get_device_name() if device.type == "cuda" else platform.processor() or platform.machine()
    print(json.dumps({"device": str(device), "chip": chip, "threads": args.threads, "block_ms": block_ms, **figures}))


if __name__ == "__main__":
    main()
