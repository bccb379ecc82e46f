# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One model for several avatars in a process: networks and recorded programs exist once; only those that fit start."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from avatar_forcing_ros.bundle import ModelBundle, load_bundle
from avatar_forcing_ros.compute.config import ComputeConfig
from avatar_forcing_ros.generator.motion_engine import MotionEngine
from avatar_forcing_ros.generator.sampler import SamplerConfig
from avatar_forcing_ros.motion.space import MotionSpace

Opened = TypeVar("Opened")
_log = logging.getLogger(__name__)
FIRST_GUESS_BYTES = 500_000_000
"""What an avatar is assumed to need on a GPU until one has been measured; the published network takes a fifth of it."""


class NoRoomError(ValueError):
    """There is no memory for another avatar; the message says how many there are and how much is missing."""


@dataclass(frozen=True)
class SharedBundle(ModelBundle):
    """A bundle whose engines serve several avatars at once.

    Attributes:
        avatars: how many there may be.
        engines: the engines made so far, by sampler.
    """

    avatars: int = 1
    engines: dict[SamplerConfig, MotionEngine] = field(default_factory=dict)
    lock: Any = field(default_factory=threading.Lock)

    def make_engine(self, sampler: SamplerConfig) -> MotionEngine:
        """The engine for a sampler; with torch, it generates blocks that are due at the same time together."""
        with self.lock:
            if sampler not in self.engines:
                self.engines[sampler] = self._new_engine(sampler)
            return self.engines[sampler]

    def _new_engine(self, sampler: SamplerConfig) -> MotionEngine:
        if self.graphs is not None:  # on a CPU one by one is as quick, and cores are used side by side
            return super().make_engine(sampler)
        from avatar_forcing_ros.generator.torch_engine import TorchEngine  # brings torch

        engine = TorchEngine(self.network, sampler, self.compute, joint=True)
        engine.expect(self.avatars)
        return engine


class SharedModels:
    """Opens each model once; thread-safe.

    Args:
        avatars: how many there may be.
        load: opens a model, as `load_bundle` does.
    """

    def __init__(self, avatars: int, load: Callable[[str, ComputeConfig], ModelBundle] = load_bundle) -> None:
        self._avatars, self._load = avatars, load
        self._bundles: dict[tuple[str, ComputeConfig], SharedBundle] = {}
        self._lock = threading.Lock()

    def open(self, model: str, compute: ComputeConfig) -> SharedBundle:
        """The model for one more avatar.

        Raises:
            BundleError: it cannot be opened.
        """
        with self._lock:
            if (model, compute) not in self._bundles:
                bundle = self._load(model, compute)
                own = {one.name: getattr(bundle, one.name) for one in fields(bundle)}
                self._bundles[model, compute] = SharedBundle(**own, avatars=self._avatars)
            else:
                runtime = getattr(self._bundles[model, compute].space, "runtime", None)
                if runtime is not None:
                    runtime.keeps_gpu = True  # whom it has no memory for is refused, and the others stay where they are
            return self._bundles[model, compute]

    def space_of(self, model: str) -> MotionSpace | None:
        """The motion space of a model that has been opened, or None."""
        with self._lock:
            return next((bundle.space for (name, _), bundle in self._bundles.items() if name == model), None)


def gpu_free_bytes() -> int | None:
    """What torch can still take of the GPU's memory; None where no network runs on one."""
    torch = sys.modules.get("torch")  # without it imported, there is nothing there
    if torch is None or not torch.cuda.is_available() or not torch.cuda.memory_reserved():
        return None
    return int(torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved() - torch.cuda.memory_allocated())


class Admission:
    """Lets avatars start while there is memory for them. The first one may always start.

    Args:
        free_bytes: gives how much of the GPU's memory is free; None if there is nothing to count.
    """

    def __init__(self, free_bytes: Callable[[], int | None] = gpu_free_bytes) -> None:
        self._free_bytes = free_bytes
        self._needed_bytes = FIRST_GUESS_BYTES
        self.admitted = 0

    def admit(self, begin: Callable[[], Opened]) -> Opened:
        """Let an avatar start.

        Args:
            begin: starts it; returns whether it has started.

        Raises:
            NoRoomError: there is no memory for it; the others are not affected.
        """
        before = self._free_bytes()
        if self.admitted and before is not None and before < self._needed_bytes:
            raise NoRoomError(
                f"no memory for another avatar: {self.admitted} fit on this GPU, number {self.admitted + 1} needs "
                f"about {self._needed_bytes / 1e9:.2f} GB and {before / 1e9:.2f} GB are free"
            )
        begun, after = begin(), self._free_bytes()
        if begun and self.admitted and before is not None and after is not None:
            seen = max(before - after, 1)
            known = self._needed_bytes if self._needed_bytes != FIRST_GUESS_BYTES else 0
            self._needed_bytes = max(known, round(1.2 * seen))
        self.admitted += bool(begun)
        return begun
