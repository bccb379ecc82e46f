# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Recorded graphs draw what torch draws, with any weights, steps and guidance, and a bundle knows when to use them."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from avatar_forcing_ros.bundle import WEIGHTS, BundleError, load_bundle
from avatar_forcing_ros.compute.config import ComputeConfig
from avatar_forcing_ros.files.resources import resource
from avatar_forcing_ros.generator.motion_engine import MotionEngine, Sensed
from avatar_forcing_ros.generator.noise import block_noise
from avatar_forcing_ros.generator.onnx_check import require_equal
from avatar_forcing_ros.generator.onnx_engine import (
    DESCRIPTION,
    FOLDER,
    RULES,
    MotionGraphs,
    OnnxEngine,
    describe,
    fits,
)
from avatar_forcing_ros.generator.onnx_export import write_graphs
from avatar_forcing_ros.generator.sampler import AnchorConfig, SamplerConfig
from avatar_forcing_ros.generator.torch_engine import TorchEngine
from avatar_forcing_ros.network.config import NetworkConfig
from avatar_forcing_ros.network.model import AvatarForcingNetwork
from avatar_forcing_ros.testing import TINY_NETWORK

NETWORK = replace(TINY_NETWORK, condition_radius=0, newest_face=True)  # as shipped: a frame hears one condition
SIZE = NETWORK.motion_size
SAMPLER = SamplerConfig(
    steps=2, joint=True, guidance_avatar=1.0, guidance_user=2.0, anchor=AnchorConfig(frame_pull=0.1, gain=0.2),
    noise_scale=(0.7,) * SIZE, smoothing=(1.0,) * SIZE, settling_s=(2.0,) * SIZE, easing_frames=(1.0,) * SIZE,
    at_rest_in_silence=(1.0,) * 3 + (0.0,) * (SIZE - 3),
)  # fmt: skip


def random_network(seed: int, sizes: NetworkConfig = NETWORK) -> AvatarForcingNetwork:
    torch.manual_seed(seed)
    network = AvatarForcingNetwork(sizes)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network.eval().requires_grad_(requires_grad=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle's folder with graphs that were traced with weights which are not beside them."""
    folder = tmp_path_factory.mktemp("graphs")
    write_graphs(folder, random_network(1), SAMPLER, WEIGHTS)
    save_file(random_network(2).state_dict(), folder / WEIGHTS)
    return folder


def sensed(frames: int, seed: int, heard: bool = True, sizes: NetworkConfig = NETWORK) -> Sensed:
    rng, before = np.random.default_rng(seed), sizes.recalled_frames
    own, user = (rng.normal(size=(n, sizes.audio_feature_size)).astype(np.float32) for n in (frames, before + frames))
    return Sensed(own, user, heard, rng.normal(size=(before + frames, sizes.motion_size)).astype(np.float32))


def blocks(engine: MotionEngine, count: int = 5, sizes: NetworkConfig = NETWORK) -> NDArray[np.float32]:
    """What an engine draws of a conversation with pauses, and in which the microphone goes away."""
    rest = np.linspace(-0.5, 0.5, sizes.motion_size, dtype=np.float32)
    history = np.random.default_rng(0).normal(size=(sizes.history_frames, sizes.motion_size)).astype(np.float32)
    state, made = engine.prime(history, sensed(sizes.history_frames, 1, sizes=sizes), rest), []
    for n in range(count):
        noise = block_noise(3, 0, n, (sizes.block_frames, sizes.motion_size))
        silent = np.full(sizes.block_frames, n in (1, 2))
        made.append(engine.draw(state, sensed(sizes.window_frames, 10 + n, n != 3, sizes), noise, silent))
    return np.concatenate(made)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"steps": 3, "guidance_user": 1.0},  # one branch
        {"guidance_avatar": 1.5},  # three
        {"joint": False, "guidance_avatar": 2.0, "guidance_user": 1.0},
    ],
)
def test_graphs_draw_what_torch_draws_with_weights_steps_and_guidance_that_they_have_not_seen(
    folder: Path, change: dict[str, float]
) -> None:
    sampler = replace(SAMPLER, **change)  # type: ignore[arg-type]
    graphs = MotionGraphs(folder, folder / WEIGHTS)
    wanted = blocks(TorchEngine(random_network(2), sampler, ComputeConfig()))
    found = blocks(OnnxEngine(graphs, NETWORK, sampler))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-5)
    assert np.abs(wanted - blocks(TorchEngine(random_network(1), sampler, ComputeConfig()))).max() > 0.01


def test_whoever_exports_graphs_that_draw_something_else_is_told(folder: Path) -> None:
    require_equal(folder, random_network(2), SAMPLER, WEIGHTS)
    heavier = replace(SAMPLER, smoothing=(2.0,) * SIZE)
    with pytest.raises(ValueError, match="standard deviations from that of torch"):
        require_equal(folder, random_network(2), heavier, WEIGHTS)


def test_graphs_ask_for_nothing_that_the_last_runtime_for_python_3_10_lacks(folder: Path) -> None:
    """ONNX Runtime 1.23 has no cosine of doubles, and all of ours are."""
    shipped = resource("models", "facemesh", "model.yaml").parent
    graphs = [
        onnx.load(path, load_external_data=False) for at in (folder, shipped) for path in (at / "onnx").glob("*.onnx")
    ]
    assert len(graphs) == 10
    assert {node.name for graph in graphs for node in graph.graph.node if node.op_type == "Cos"} == set()


def test_equal_input_gives_equal_motion_to_the_last_bit(folder: Path) -> None:
    once, again = (blocks(OnnxEngine(MotionGraphs(folder, folder / WEIGHTS), NETWORK, SAMPLER)) for _ in range(2))
    assert np.array_equal(once, again)


def test_a_block_that_fails_leaves_its_state_as_it_was(folder: Path) -> None:
    engine = OnnxEngine(MotionGraphs(folder, folder / WEIGHTS), NETWORK, SAMPLER)
    history = np.zeros((NETWORK.history_frames, SIZE), np.float32)
    state = engine.prime(history, sensed(len(history), 0), history[0])
    before, noise = dict(state.values), block_noise(0, 0, 0, (NETWORK.block_frames, SIZE))
    with pytest.raises(Exception, match="silent"):
        engine.draw(state, sensed(NETWORK.window_frames, 0), noise, np.zeros(1, bool))
    assert state.values == before


def test_graphs_of_another_sampler_are_left_alone(folder: Path) -> None:
    assert fits(folder, NETWORK, replace(SAMPLER, steps=7, guidance_user=3.0))
    assert not fits(folder, NETWORK, replace(SAMPLER, smoothing=(2.0,) * SIZE))
    assert not fits(folder, replace(NETWORK, depth=3), SAMPLER)
    assert not fits(folder, replace(NETWORK, newest_face=False), SAMPLER)
    assert not fits(folder.parent, NETWORK, SAMPLER)


def test_graphs_from_before_a_setting_was_added_fit_networks_without_it(tmp_path: Path) -> None:
    before = replace(NETWORK, newest_face=False)
    described = describe(before, SAMPLER)
    del described["network"]["newest_face"]
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / DESCRIPTION).write_text(json.dumps(described))
    assert fits(tmp_path, before, SAMPLER)
    assert not fits(tmp_path, NETWORK, SAMPLER)


@pytest.mark.parametrize("rules", [None, RULES - 1])
def test_graphs_that_ease_as_earlier_versions_did_are_left_alone(rules: int | None, tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    described = {key: value for key, value in (describe(NETWORK, SAMPLER) | {"rules": rules}).items() if value}
    (tmp_path / FOLDER / DESCRIPTION).write_text(json.dumps(described))
    assert not fits(tmp_path, NETWORK, SAMPLER)


def test_the_shipped_model_has_graphs_that_draw_what_torch_draws() -> None:
    bundle, plain = load_bundle(), load_bundle(compute=ComputeConfig(runtime="torch"))
    sizes, sampler = bundle.manifest.network, bundle.manifest.sampler
    found, wanted = bundle.make_engine(sampler), plain.make_engine(sampler)
    assert isinstance(found, OnnxEngine) and isinstance(wanted, TorchEngine)
    drawn = [bundle.denormalize(blocks(engine, sizes=sizes)) for engine in (found, wanted)]
    np.testing.assert_allclose(*drawn, rtol=0, atol=1e-4)


def test_a_damaged_graph_is_named(tmp_path: Path) -> None:
    for path in sorted(resource("models", "facemesh", "model.yaml").parent.rglob("*")):
        if path.is_file():
            copy = tmp_path / path.relative_to(resource("models", "facemesh", "model.yaml").parent)
            copy.parent.mkdir(exist_ok=True)
            copy.write_bytes(path.read_bytes())
    step = tmp_path / "onnx" / "step.onnx"
    step.write_bytes(step.read_bytes()[:-1])
    with pytest.raises(BundleError, match=r"step\.onnx: damaged or replaced"):
        load_bundle(str(tmp_path))


def test_an_avatar_runs_without_torch() -> None:
    program = """
import sys
from avatar_forcing_ros.avatar import Avatar
from avatar_forcing_ros.bundle import load_bundle
from avatar_forcing_ros.files.pictures import read_image
from avatar_forcing_ros.files.resources import default_portrait
avatar = Avatar(load_bundle(), read_image(default_portrait()))
avatar.start(0)
print(len(avatar.step(avatar.next_decision_ns)), "torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.strip()) == (0, "4 False"), done.stderr
