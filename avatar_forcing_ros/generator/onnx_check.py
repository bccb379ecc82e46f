# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Compares exported graphs with the network that they were exported from, before anybody uses them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.compute.config import ComputeConfig
from avatar_forcing_ros.generator.motion_engine import MotionEngine, Sensed
from avatar_forcing_ros.generator.onnx_engine import MotionGraphs, OnnxEngine
from avatar_forcing_ros.generator.sampler import SamplerConfig
from avatar_forcing_ros.generator.torch_engine import TorchEngine
from avatar_forcing_ros.network.model import AvatarForcingNetwork

_ROUNDING = 1e-3
"""How far two engines' motion may lie apart, in standard deviations: a hundred times what float32 makes of sums in
another order. A graph that computes something else is further off by orders of magnitude."""


def require_equal(folder: Path, network: AvatarForcingNetwork, sampler: SamplerConfig, weights: str) -> None:
    """Check that the graphs in `folder`/onnx draw what torch draws, on some random blocks.

    Args:
        folder: folder of the bundle, with its graphs and weights.
        network: the same weights.
        sampler: the bundle's.
        weights: name of the file of weights.

    Raises:
        ValueError: they draw something else.
    """
    sizes, rng = network.config, np.random.default_rng(0)
    graphs = OnnxEngine(MotionGraphs(folder, folder / weights), sizes, sampler)
    engines: tuple[MotionEngine, ...] = (graphs, TorchEngine(network, sampler, ComputeConfig()))

    def some(*shape: int) -> NDArray[np.float32]:
        return rng.standard_normal(shape, np.float32)

    def sensed(frames: int, user_heard: bool) -> Sensed:
        own, user = (some(n, sizes.audio_feature_size) for n in (frames, sizes.recalled_frames + frames))
        return Sensed(own, user, user_heard, some(len(user), sizes.motion_size))

    past = (some(sizes.history_frames, sizes.motion_size), sensed(sizes.history_frames, True), some(sizes.motion_size))
    states = [engine.prime(*past) for engine in engines]
    for user_heard in (True, False):
        block = (
            sensed(sizes.window_frames, user_heard),
            some(sizes.block_frames, sizes.motion_size),
            np.full(sizes.block_frames, user_heard),
        )
        found, expected = (engine.draw(state, *block) for engine, state in zip(engines, states, strict=True))
        apart = float(np.abs(found - expected).max())
        if not apart <= _ROUNDING:
            raise ValueError(
                f"the exported graphs draw motion {apart:.2g} standard deviations from that of torch, expected at most "
                f"{_ROUNDING:g}: the exporter does not know this network"
            )
