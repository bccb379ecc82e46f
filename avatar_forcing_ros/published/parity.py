# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Holds this project's networks against values recorded from the published code, stage by stage.

A fixture is an .npz of inputs and outputs. Its weights are not in it: anyone makes them again, each from its published
key and the fixture's seed, and they enter through the same strict loader as real ones. The error of a stage is
norm(out - reference) / norm(reference).

A further stage is a function from a fixture to an error and a line in `STAGES`.
"""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from avatar_forcing_ros.files.inputs import instead, require_file
from avatar_forcing_ros.generator.block_generator import BlockGenerator
from avatar_forcing_ros.generator.roll_out import roll_out
from avatar_forcing_ros.network.conditions import Conditions
from avatar_forcing_ros.network.config import NetworkConfig
from avatar_forcing_ros.network.model import AvatarForcingNetwork
from avatar_forcing_ros.network.published import load_published, published_shapes

LIMIT = 2e-5
"""Errors above this are a real difference and not rounding; about 1e-6 is expected."""

SIZES: dict[str, NetworkConfig] = {
    "small": NetworkConfig(hidden_size=64, depth=2, heads=4, audio_feature_size=12 * 32),
    "full": NetworkConfig(),
}
"""Sizes that fixtures come in, told apart by the width of the conditions."""


@dataclass(frozen=True)
class Fixture:
    """Recorded inputs and outputs, and the rule that makes the weights they were recorded with.

    Attributes:
        arrays: by name, as float32 tensors.
        seed: of the weights.
        size: key of `SIZES`.
    """

    arrays: Mapping[str, Tensor]
    seed: int
    size: str

    @classmethod
    def load(cls, path: Path, seed: int | None = None, size: str | None = None) -> Fixture:
        """Read a fixture. Seed and size are taken from the file's name and its arrays where they are not given.

        Raises:
            ValueError: the file is missing or no fixture, or its seed or size cannot be told.
        """
        arrays = _read_arrays(path)
        return cls(arrays, _seed_of(path) if seed is None else seed, size or _size_of(arrays))

    def weights(self, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
        """Weights for published keys with these shapes."""
        return {key: torch.from_numpy(weight_by_name(key, shape, self.seed)) for key, shape in shapes.items()}

    @cached_property
    def network(self) -> AvatarForcingNetwork:
        """The network at the fixture's size, filled through the strict loader."""
        network = AvatarForcingNetwork(SIZES[self.size]).eval()
        load_published(network, self.weights(published_shapes(network)))
        return network

    def conditions(self, prefix: str) -> Conditions:
        """The three condition arrays that begin with this prefix."""
        return Conditions(*(self.arrays[f"{prefix}_{name}"] for name in _CONDITIONS))


@dataclass(frozen=True)
class Stage:
    """One comparison.

    Attributes:
        name: as reported.
        needs: arrays without which it is left out.
        error: what it finds.
        judged: counts towards the worst error; otherwise for information.
    """

    name: str
    needs: tuple[str, ...]
    error: Callable[[Fixture], float]
    judged: bool = True


@dataclass(frozen=True)
class ParityReport:
    """Errors by stage, in order, and the worst of the judged ones."""

    errors: dict[str, float]
    worst: float

    @property
    def passed(self) -> bool:
        """Every judged error is within `LIMIT`; a NaN is not."""
        return self.worst <= LIMIT

    def json(self) -> str:
        """One line with every stage and the worst."""
        return json.dumps(self.errors | {"worst": self.worst})


def relative_error(out: Tensor, reference: Tensor) -> float:
    """norm(out - reference) / norm(reference), summed in float64.

    Raises:
        ValueError: shapes differ.
    """
    if out.shape != reference.shape:
        raise ValueError(f"output must be {tuple(reference.shape)}, got {tuple(out.shape)}")
    reference = reference.double()
    return ((out.double() - reference).norm() / reference.norm()).item()


def weight_by_name(key: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """A parameter's value by the fixtures' rule, from its published key and a seed; float32."""
    state = np.random.RandomState(zlib.crc32(f"{seed}:{key}".encode()))
    a = state.standard_normal(shape).astype(np.float32)
    bias = key.endswith("bias")
    if key.startswith("motion_autoencoder."):
        if bias:
            a = 1 + 0.1 * a if "modulation" in key else 0.1 * a
    elif a.ndim >= 2:
        a = a / np.sqrt(np.prod(shape[1:]))
    else:
        a = 0.1 * a if bias else 1 + 0.1 * a
    return np.asarray(a, dtype=np.float32)


@torch.inference_mode()
def dme_error(fixture: Fixture) -> float:
    """Dual motion encoder on one window."""
    return relative_error(fixture.network.encode_conditions(fixture.conditions("dme")), fixture.arrays["dme_out"])


@torch.inference_mode()
def clip_error(fixture: Fixture) -> float:
    """One pass over a whole clip with a noise level per block."""
    arrays, c = fixture.arrays, fixture.network.encode_conditions(fixture.conditions("dme"))
    velocity = fixture.network.velocity(arrays["clip_x"], arrays["clip_t"], c, arrays["clip_wr"])
    return relative_error(velocity, arrays["clip_velocity"])


def rollout_error(fixture: Fixture) -> float:
    """Cold start and blocks with guidance, solver and cache, at the published settings."""
    arrays = fixture.arrays
    motion = roll_out(
        BlockGenerator(fixture.network), fixture.conditions("roll"), arrays["roll_wr"], arrays["roll_noise"]
    )
    return relative_error(motion, arrays["roll_motion"])


_CONDITIONS = ("avatar_audio", "user_audio", "user_motion")
_DME = tuple(f"dme_{name}" for name in _CONDITIONS)
_ROLL = tuple(f"roll_{name}" for name in (*_CONDITIONS, "wr", "noise", "motion"))

STAGES: tuple[Stage, ...] = (
    Stage("dme", (*_DME, "dme_out"), dme_error),
    Stage("clip", (*_DME, "clip_x", "clip_t", "clip_wr", "clip_velocity"), clip_error),
    Stage("rollout", _ROLL, rollout_error),
)


def run(
    path: Path,
    seed: int | None = None,
    size: str | None = None,
    stages: Iterable[Stage] = STAGES,
    tell: Callable[[str, float], None] | None = None,
) -> ParityReport:
    """Compare every stage that a fixture has values for.

    Args:
        path: the .npz.
        seed: of the weights; None takes it from the file's name, as in `small_seed7.npz`.
        size: key of `SIZES`; None detects it.
        stages: what to compare.
        tell: called with name and error as soon as a stage is done.

    Raises:
        ValueError: no fixture, or none with values for these stages.
    """
    fixture = Fixture.load(path, seed, size)
    errors: dict[str, float] = {}
    judged: list[float] = []
    for stage in stages:
        if not fixture.arrays.keys() >= set(stage.needs):
            continue
        errors[stage.name] = stage.error(fixture)
        if stage.judged:
            judged.append(errors[stage.name])
        if tell:
            tell(stage.name, errors[stage.name])
    if not judged:
        raise ValueError(f"{path} must hold values of at least one stage, got {sorted(fixture.arrays)}")
    return ParityReport(errors, float(np.max(judged)))  # np.max passes a NaN on


def _read_arrays(path: Path) -> dict[str, Tensor]:
    if not zipfile.is_zipfile(require_file(path, "a fixture (.npz)")):
        with path.open("rb") as start:
            came = instead(start.read(100)) or "something else, or one that was cut"
        raise ValueError(f"{path}: expected a fixture (.npz), got {came}")
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: torch.from_numpy(np.asarray(file[name], np.float32)) for name in file}
    except (OSError, ValueError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path}: expected a fixture (.npz), got one that cannot be read: {error}") from None


def _seed_of(path: Path) -> int:
    found = re.search(r"seed(\d+)", path.stem)
    if not found:
        raise ValueError(f"a seed must be given or be part of the name, as in small_seed7.npz, got {path.name}")
    return int(found[1])


def _size_of(arrays: Mapping[str, Tensor]) -> str:
    if "dme_out" not in arrays:
        raise ValueError(f"a size must be given or be told by the array dme_out, got only {sorted(arrays)}")
    width = arrays["dme_out"].shape[-1]
    for name, config in SIZES.items():
        if config.hidden_size == width:
            return name
    known = ", ".join(f"{config.hidden_size} ({name})" for name, config in SIZES.items())
    raise ValueError(f"conditions must be of a known width, {known}, got {width}")
