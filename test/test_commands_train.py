# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The train command from nothing to a bundle that opens, in small; replay of conversations as live."""

from __future__ import annotations

import argparse
import ctypes.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from avatar_forcing_ros.bundle import WEIGHTS, load_bundle
from avatar_forcing_ros.commands.train import add_arguments, recipe_from, run
from avatar_forcing_ros.generator.sampler import SamplerConfig
from avatar_forcing_ros.network.model import AvatarForcingNetwork
from avatar_forcing_ros.train.export import Companions, write_bundle
from avatar_forcing_ros.train.recipe import smoke_recipe
from avatar_forcing_ros.train.scaling import LatentScale
from avatar_forcing_ros.train.streaming import Heard, stream_motion

SCALE = LatentScale(np.zeros(18, np.float32), np.full(18, 0.2, np.float32))


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(words)


def network() -> AvatarForcingNetwork:
    """A tiny network whose output depends on everything."""
    torch.manual_seed(0)
    made = AvatarForcingNetwork(smoke_recipe().network).eval()
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.15)
    return made


def heard(frames: int = 40) -> Heard:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(2, 1, frames, 320)).astype(np.float32)
    user = rng.normal(0, 0.2, (1, frames, 18)).astype(np.float32)
    return Heard(features[0], features[1], user, np.ones((1, frames), bool), np.zeros((1, 18), np.float32))


def changed_from(frame: int, name: str) -> int:
    """First frame of the avatar that differs when one of the inputs differs from `frame` on."""
    made, before = network(), heard()
    array = getattr(before, name).copy()
    array[:, frame:] += 1.0
    sampler = SamplerConfig(2, 1.0, 1.0, joint=True)
    first = stream_motion(made, SCALE, sampler, before)
    second = stream_motion(made, SCALE, sampler, replace(before, **{name: array}))
    return int(np.flatnonzero(np.abs(first - second).max(axis=(0, 2)) > 1e-6)[0])


@pytest.mark.parametrize(("name", "delay"), [("avatar_features", 0), ("user_motion", 6), ("user_features", 8)])
@pytest.mark.parametrize("frame", [12, 15])
def test_an_input_matters_from_the_block_of_its_position_on(name: str, delay: int, frame: int) -> None:
    assert changed_from(frame, name) == (frame + delay) // 4 * 4


def test_arguments_change_the_recipe() -> None:
    recipe = recipe_from(arguments("--steps", "7", "--batch", "3", "--conversations", "5", "--seed", "9"))
    assert (recipe.train.steps, recipe.train.batch, recipe.train.seed) == (7, 3, 9)
    assert recipe.corpus.conversations == 5


def test_outputs_that_would_cost_somebody_their_files_are_refused_before_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("precious")
    (tmp_path / "link").symlink_to(tmp_path / "data")
    (tmp_path / "data").mkdir()
    data = ("--data", str(tmp_path / "data"))
    for given, told in (
        (("--output", str(tmp_path / "file")), "got a file"),
        (("--output", str(tmp_path / "other")), "folder of other things"),
        (("--output", str(tmp_path / "link"), *data), "which is read"),
        (("--output", str(tmp_path / "m"), "--work", str(tmp_path / "link"), *data), "which is read"),
        (("--output", str(tmp_path / "m"), "--work", str(tmp_path / "file")), "got a file"),
    ):
        with pytest.raises(ValueError, match=told):
            run(arguments("--smoke", *given))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "file", "link", "other"]


def test_a_bundle_that_cannot_be_written_leaves_the_one_before(tmp_path: Path) -> None:
    sampler = SamplerConfig(2, 1.0, 1.0, joint=True)
    folder = tmp_path / "new" / "model"
    with pytest.raises(FileNotFoundError):
        write_bundle(folder, "m", network(), SCALE, sampler, "test", Companions(files=(tmp_path / "gone",)))
    assert list(tmp_path.iterdir()) == []
    write_bundle(folder, "m", network(), SCALE, sampler, "test")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(FileNotFoundError):
        write_bundle(folder, "other", network(), SCALE, sampler, "test", Companions(files=(tmp_path / "gone",)))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["model"]


@pytest.mark.skipif(ctypes.util.find_library("espeak-ng") is None, reason="espeak-ng is not installed")
def test_from_nothing_to_a_bundle_that_opens(tmp_path: Path) -> None:
    folders = ["--output", str(tmp_path / "m"), "--work", str(tmp_path / "w")]
    result = run(arguments("--smoke", "--workers", "1", "--threads", "1", *folders))
    bundle = load_bundle(str(tmp_path / "m"))
    assert result["steps"] == 12 and np.isfinite(result["jaw_open_corr"])
    assert bundle.network.config == smoke_recipe().network and bundle.latent_std.min() > 0
    assert len(list((tmp_path / "w" / "stage_1").glob("curves_*.png"))) == 2
    assert (tmp_path / "w" / "stage_1" / "metrics.csv").read_text().count("\n") == 4
    assert "preference_margin" in (tmp_path / "w" / "stage_2" / "metrics.csv").read_text()
    first, last = (load_file(folder / WEIGHTS) for folder in (tmp_path / "w" / "stage_1" / "bundle", tmp_path / "m"))
    assert any(not torch.equal(first[name], last[name]) for name in first)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--steps", "-1"), "--steps of at least 1, got -1"),
        (("--batch", "0"), "--batch of at least 1, got 0"),
        (("--tuning-steps", "-5"), "--tuning-steps of at least 0, got -5"),
        (("--threads", "0"), "--threads of at least 1, got 0"),
        (("--seed", "-1"), "--seed of at least 0, got -1"),
    ],
)
def test_numbers_that_cannot_be_are_refused_before_anything_is_simulated(
    words: tuple[str, str], told: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=told):
        run(arguments(*words, "--work", str(tmp_path / "work"), "--output", str(tmp_path / "bundle")))
    assert not (tmp_path / "work").exists()
