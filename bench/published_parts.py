# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the benches of the published network share: random weights as files, conversations that run on them, figures."""

from __future__ import annotations

import statistics
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from avatar_forcing_ros.compute.config import ComputeConfig
from avatar_forcing_ros.generator.block_generator import BlockGenerator
from avatar_forcing_ros.generator.state import GeneratorState
from avatar_forcing_ros.motion.autoencoder.config import AutoencoderConfig
from avatar_forcing_ros.motion.autoencoder.published import published_shapes
from avatar_forcing_ros.motion.autoencoder.runtime import AutoencoderRuntime
from avatar_forcing_ros.network.conditions import Conditions
from avatar_forcing_ros.network.config import NetworkConfig
from avatar_forcing_ros.network.model import AvatarForcingNetwork
from avatar_forcing_ros.network.placement import settle

SIZES = {"published": (NetworkConfig(), AutoencoderConfig())}
SIZES["tiny"] = (
    NetworkConfig(motion_size=32, audio_feature_size=48, condition_size=16, hidden_size=64, heads=2, depth=2),
    AutoencoderConfig(image_size=64, latent_size=32, widest=32),
)


@dataclass
class Report:
    """Figures by name, and which parts failed: one that does costs its own figures and no others.

    Attributes:
        deadline: `time.perf_counter()` after which no further part begins.
    """

    deadline: float = float("inf")
    figures: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def part(self, name: str, job: Callable[[], dict[str, float] | None]) -> None:
        """Do a job and take up the figures that it gives; print how long it took, and all of an error."""
        began = time.perf_counter()
        if began > self.deadline:
            self.failed[name] = "no time left"
            print(f"-- {name}: left out, no time left", flush=True)
            return
        print(f"-- {name}", flush=True)
        try:
            found = job() or {}
            for figure, value in found.items():
                print(f"   {figure:<52}{value:>12.4g}", flush=True)
            self.figures |= found
        except Exception as error:
            self.failed[name] = f"{type(error).__name__}: {str(error)[:300]}"
            traceback.print_exc()
        print(f"   ({time.perf_counter() - began:.1f} s)", flush=True)


def write_weights(folder: Path, sizes: str) -> None:
    """Files of both networks with random weights; the last layer of a fresh network is zeros and would say nothing."""
    network_config, config = SIZES[sizes]
    torch.manual_seed(0)
    network = AvatarForcingNetwork(network_config)
    for parameter in network.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.02)
    save_file(network.state_dict(), folder / "network.safetensors")
    save_file(random_autoencoder(config), folder / "motion_autoencoder.safetensors")


def random_autoencoder(config: AutoencoderConfig) -> dict[str, torch.Tensor]:
    """Weights under published names, on the scale of an untrained network."""
    torch.manual_seed(0)
    state = {key: torch.randn(shape) for key, shape in published_shapes(config).items()}
    return {key: 0.1 * x + ("modulation" in key) if key.endswith("bias") else x for key, x in state.items()}


def load_network(folder: Path, sizes: str, device: torch.device) -> AvatarForcingNetwork:
    """The motion network where it runs."""
    with torch.device("meta"):
        network = AvatarForcingNetwork(SIZES[sizes][0])
    network.load_state_dict(load_file(folder / "network.safetensors"), assign=True)
    return settle(network, device)


def random_conditions(config: NetworkConfig, batch: int, frames: int) -> Conditions:
    """Random conditions of so many frames."""
    widths = (config.condition_size, config.user_audio_size, config.user_motion_size)
    return Conditions(*(torch.randn(batch, frames, width) for width in widths))


def primed(generator: BlockGenerator, batch: int) -> GeneratorState:
    """A state with a random past."""
    config = generator.network.config
    history = torch.randn(batch, config.history_frames, config.motion_size)
    conditions = random_conditions(config, batch, config.history_frames)
    return generator.prime(history, conditions, torch.randn(batch, config.motion_size))


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
        self._motions: NDArray[np.float32] = np.zeros((self.count, self._frames, config.motion_size), np.float32)
        self._motions += np.stack([portrait.reference for portrait in self._portraits])[:, None]

    def read_one(self) -> None:
        """One picture of one user."""
        self.runtime.read(self._pictures[0, :1])

    def read(self) -> None:
        """The users' pictures of a block as cameras give them: of all users, one after the other."""
        for pictures in self._pictures:
            self.runtime.read(pictures)

    def read_together(self) -> None:
        """The pictures of one user's block in one batch."""
        self.runtime.read(np.ascontiguousarray(self._pictures[:, 0]))

    def generate(self) -> None:
        """The avatars' motion of a block."""
        self.generator.generate(self._state, self._conditions, self._noise).cpu()

    def draw_one(self) -> None:
        """One picture of one avatar."""
        self.runtime.draw(self._portraits[0], self._motions[0, :1])

    def draw_together(self) -> None:
        """All pictures of one avatar's block in one batch."""
        self.runtime.draw(self._portraits[0], self._motions[0])

    def draw(self) -> None:
        """The avatars' pictures of a block: the first of each as soon as can be, then the rest together."""
        self.runtime.draw_several([(p, m[:1]) for p, m in zip(self._portraits, self._motions, strict=True)])
        self.runtime.draw_several([(p, m[1:]) for p, m in zip(self._portraits, self._motions, strict=True)])

    def block(self) -> None:
        """Everything."""
        self.read()
        self.generate()
        self.draw()


def make_hall(folder: Path, sizes: str, device: torch.device, compute: ComputeConfig, count: int = 1) -> Hall:
    """Networks from files and conversations on them."""
    runtime = AutoencoderRuntime(folder / "motion_autoencoder.safetensors", device, compute)
    return Hall(runtime, BlockGenerator(load_network(folder, sizes, device), compute=compute), count)


def wall_ms(job: Callable[[], Any], repeats: int, device: torch.device, before: int = 2) -> list[float]:
    """Wall times in milliseconds after some that are not counted; a GPU is waited for."""
    times = []
    for _ in range(repeats + before):
        start = time.perf_counter()
        job()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append((time.perf_counter() - start) * 1e3)
    return times[before:]


def median_ms(job: Callable[[], Any], repeats: int, device: torch.device, before: int = 2) -> float:
    """Their median."""
    return round(statistics.median(wall_ms(job, repeats, device, before)), 3)


def percentile(times: Sequence[float], share: float) -> float:
    """The time that such a share of all stays within."""
    return round(float(np.percentile(times, 100 * share, method="higher")), 1)


def kernel_times(job: Callable[[], Any]) -> dict[str, list[float]]:
    """Microseconds of each kernel that a job runs on the GPU, by name."""
    job()
    torch.cuda.synchronize()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profiler:
        job()
        torch.cuda.synchronize()
    found: dict[str, list[float]] = {}
    for event in profiler.events():
        if event.device_type == torch.autograd.DeviceType.CUDA:
            found.setdefault(event.name, []).append(event.time_range.elapsed_us())
    return found


def error_of(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """Relative difference; NaN where anything is."""
    return float((found.double() - wanted.double()).norm() / wanted.double().norm())


def gpu_gb() -> float:
    """Memory that this process holds on the GPU as torch knows it, in 10^9 bytes."""
    return round(torch.cuda.memory_reserved() / 1e9, 2)
