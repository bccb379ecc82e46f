# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Draws motion with ONNX Runtime: the same network as exported graphs, without torch and a third cheaper on a CPU.

A bundle may contain its network's passes as graphs (`onnx/*.onnx`, written by `onnx_export`). The graphs hold no
weights; ONNX Runtime is given those of `model.safetensors`. Inputs and outputs are arrays with names, and the outputs
of one graph are inputs of another:

    modulation  flow times -> rows of modulation
    prime       a past, and what was sensed in it -> a state
    open        a state, and what was sensed in a window -> keys and values that all steps of a block share
    step        noisy frames -> velocity, for each branch of guidance
    finish      drawn frames -> frames to show, and the state after them

Solver and guidance are not part of the graphs, so one set of graphs serves any number of steps and any scale.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnxruntime import InferenceSession, OrtValue, SessionOptions
from safetensors.numpy import load_file

from avatar_forcing_ros.flow.path import CLEAN_TIME
from avatar_forcing_ros.flow.solver import euler_steps
from avatar_forcing_ros.generator.causes import contributions
from avatar_forcing_ros.generator.motion_engine import Array, Sensed
from avatar_forcing_ros.generator.sampler import SamplerConfig
from avatar_forcing_ros.network.config import NetworkConfig

GRAPHS = ("modulation", "prime", "open", "step", "finish")
FILES = tuple(f"{name}.onnx" for name in GRAPHS)
FOLDER = "onnx"
DESCRIPTION = "graphs.json"
RULES = 2
"""Of what the graphs contain; it rises when `poise`, `smoothing` or `anchor` computes something else than before."""
AFTER = "next_"
"""Prefix of the state's arrays in the output of `finish`, because a graph's inputs and outputs need different names."""

Arrays = dict[str, NDArray]


def describe(network: NetworkConfig, sampler: SamplerConfig) -> dict[str, Any]:
    """All settings that are fixed in the graphs; steps and guidance are not."""
    fixed = {key: value for key, value in asdict(sampler).items() if key not in ("steps", "joint")}
    fixed = {key: value for key, value in fixed.items() if not key.startswith("guidance_")}
    return json.loads(json.dumps({"rules": RULES, "network": asdict(network), "sampler": fixed}))


def fits(folder: Path, network: NetworkConfig, sampler: SamplerConfig) -> bool:
    """Whether a bundle's folder contains graphs that were made for this network and sampler."""
    try:
        found = json.loads((folder / FOLDER / DESCRIPTION).read_text())
    except (OSError, ValueError):
        return False
    if not isinstance(found, dict) or not isinstance(found.get("network", {}), dict):
        return False
    made_for = {
        "rules": found.get("rules"),
        "network": asdict(NetworkConfig()) | found.get("network", {}),
        "sampler": found.get("sampler"),
    }
    return bool(json.loads(json.dumps(made_for)) == describe(network, sampler))


@dataclass
class OnnxState:
    """The memory of one conversation; its arrays are replaced, never written to.

    Attributes:
        values: arrays by their names in the graphs.
        moved: (2, B, M), see `MotionEngine.moved`.
    """

    values: Arrays
    moved: NDArray[np.float32]


class MotionGraphs:
    """The opened graphs of one bundle; any number of engines and conversations may share them.

    Args:
        folder: folder of the bundle.
        weights: file of its weights.
        threads: threads for the arithmetic of one pass.
    """

    def __init__(self, folder: Path, weights: Path, threads: int = 1) -> None:
        tensors = {name: OrtValue.ortvalue_from_numpy(value) for name, value in load_file(weights).items()}
        taken = json.loads((folder / FOLDER / DESCRIPTION).read_text())["weights"]
        self._sessions = {
            name: _open(folder / FOLDER / f"{name}.onnx", {one: tensors[one] for one in taken[name]}, threads)
            for name in GRAPHS
        }
        self._takes = {name: [one.name for one in session.get_inputs()] for name, session in self._sessions.items()}
        self._gives = {name: [one.name for one in session.get_outputs()] for name, session in self._sessions.items()}

    def run(self, graph: str, values: Mapping[str, NDArray]) -> Arrays:
        """Run a graph on those of the values that it takes; returns its outputs by name."""
        made = self._sessions[graph].run(None, {name: values[name] for name in self._takes[graph]})
        return dict(zip(self._gives[graph], made, strict=True))


def _open(path: Path, weights: Mapping[str, OrtValue], threads: int) -> InferenceSession:
    options = SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3  # errors
    options.add_external_initializers(list(weights), list(weights.values()))
    try:
        return InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no class in common
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{path}: no graph of these weights: {reason}; export the model again") from None


class OnnxEngine:
    """A `MotionEngine` on exported graphs."""

    def __init__(self, graphs: MotionGraphs, network: NetworkConfig, sampler: SamplerConfig) -> None:
        self.sampler = sampler
        self._graphs = graphs
        self._offset, self._block = network.lookahead_frames, network.block_frames
        self._steps = euler_steps(sampler.steps)
        self._noise_scale = np.array(sampler.noise_scale or (1.0,), np.float32)
        self._contributions = contributions(sampler)
        self._shares = [branch.share for branch in sampler.branches]
        self._sees = {
            "sees_avatar": np.array([branch.sees_avatar for branch in sampler.branches], np.float32),
            "sees_user": np.array([branch.sees_user for branch in sampler.branches], np.float32),
        }
        times = np.array([CLEAN_TIME, *(step.t for step in self._steps)], np.float32)
        clean, *noisy = graphs.run("modulation", {"times": times})["modulation"]
        held = np.repeat(clean[None], self._offset, axis=0)
        self._clean = clean[None]
        self._modulations = [np.concatenate([held, np.repeat(row[None], self._block, axis=0)]) for row in noisy]

    def prime(self, history: Array, sensed: Sensed, rest: Array) -> OnnxState:
        """See `MotionEngine.prime`."""
        given = {"history": history[None], "reference": rest[None], "modulation": self._clean}
        values = {"reference": rest[None], **self._graphs.run("prime", given | _named(sensed) | self._sees)}
        return OnnxState(values, np.zeros((2, self._block, history.shape[1]), np.float32))

    def draw(self, state: OnnxState, sensed: Sensed, noise: Array, silent: NDArray[np.bool_]) -> Array:
        """See `MotionEngine.draw`."""
        values = state.values | self._sees | _named(sensed)
        values |= self._graphs.run("open", values)
        x = np.concatenate([state.values["tail"], (noise * self._noise_scale)[None]], axis=1)
        path = np.zeros((len(self._shares), *noise.shape), np.float32)  # of each guess
        for step, modulation in zip(self._steps, self._modulations, strict=True):
            values |= {"x": x, "modulation": modulation}
            guesses = self._graphs.run("step", values)["velocity"][:, self._offset :]
            block = step.apply(x[0, self._offset :], self._combined(guesses))
            path = step.apply(path, guesses)
            x = np.concatenate([x[:, : self._offset], block[None]], axis=1)
        values |= {"x": x, "modulation": self._clean, "silent": silent[None]}
        made = self._graphs.run("finish", values)
        shown: Array = made.pop("shown")[0]
        state.values = state.values | {name.removeprefix(AFTER): value for name, value in made.items()}
        state.moved = np.tensordot(self._contributions, path, 1)
        return shown

    def moved(self, state: OnnxState) -> Array:
        """See `MotionEngine.moved`."""
        return state.moved

    def _combined(self, guesses: Array) -> Array:
        """The guided velocity, (G, B, M) -> (B, M), summed in the order of `Guidance.combine`."""
        combined = guesses[0] * np.float32(self._shares[0])
        for share, guess in zip(self._shares[1:], guesses[1:], strict=True):
            combined = combined + np.float32(share) * guess
        return combined


def _named(sensed: Sensed) -> Arrays:
    """What was sensed, by its names in the graphs."""
    return {
        "own_voice": sensed.own_voice[None],
        "user_voice": sensed.user_voice[None],
        "user_heard": np.array([sensed.user_heard], np.float32),
        "user_motion": sensed.user_motion[None],
    }


@lru_cache(maxsize=4)
def open_graphs(folder: Path, weights: Path, threads: int) -> MotionGraphs:
    """The graphs of a bundle, opened once per process."""
    return MotionGraphs(folder, weights, threads)
