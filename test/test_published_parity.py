# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures of published values are read, judged and refused as they should be."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from avatar_forcing_ros.published import parity


@pytest.mark.shared
def test_the_network_agrees_with_the_published_one(shared: Path) -> None:
    report = parity.run(shared / "parity" / "small_seed7.npz")
    assert report.errors["dme"] < 1e-6
    assert report.errors["clip"] < 1e-6
    assert report.errors["rollout"] < 1e-6
    assert report.passed


@pytest.mark.shared
def test_weights_of_another_seed_do_not_agree(shared: Path) -> None:
    report = parity.run(shared / "parity" / "small_seed7.npz", seed=8, stages=parity.STAGES[:1])
    assert not report.passed
    assert report.worst > 0.1


@pytest.fixture
def fixture_file(tmp_path: Path) -> Path:
    """A fixture recorded from this implementation, so that it agrees exactly."""
    shapes = dict.fromkeys(("dme_avatar_audio", "dme_user_audio", "dme_user_motion"), (1, 50, 512))
    arrays = {name: parity.weight_by_name(name, shape, 0) * 50 for name, shape in shapes.items()}
    fixture = parity.Fixture({name: torch.from_numpy(x) for name, x in arrays.items()}, seed=3, size="small")
    arrays["dme_out"] = fixture.network.encode_conditions(fixture.conditions("dme")).detach().numpy()
    np.savez(tmp_path / "own_seed3.npz", **arrays)
    return tmp_path / "own_seed3.npz"


def test_only_stages_with_values_are_run_and_told(fixture_file: Path) -> None:
    told: list[str] = []
    report = parity.run(fixture_file, tell=lambda name, _: told.append(name))
    assert told == ["dme"]
    assert json.loads(report.json()) == {"dme": report.worst, "worst": report.worst}
    assert report.worst == 0


def test_a_stage_for_information_is_told_but_not_judged(fixture_file: Path) -> None:
    wild = parity.Stage("frames", ("dme_out",), lambda _: 1.0, judged=False)
    report = parity.run(fixture_file, stages=(*parity.STAGES, wild))
    assert report.errors["frames"] == 1
    assert report.passed


def test_a_result_that_is_no_number_does_not_pass(fixture_file: Path) -> None:
    broken = parity.Stage("broken", ("dme_out",), lambda _: float("nan"))
    assert not parity.run(fixture_file, stages=(*parity.STAGES, broken)).passed


def test_weights_depend_on_name_and_seed_and_follow_the_rule_of_their_kind() -> None:
    matrix = parity.weight_by_name("flow_transformer.a.weight", (400, 100), 1)
    assert matrix.dtype == np.float32
    assert matrix.std() == pytest.approx(0.1, rel=0.02)
    assert not np.array_equal(matrix, parity.weight_by_name("flow_transformer.b.weight", (400, 100), 1))
    assert not np.array_equal(matrix, parity.weight_by_name("flow_transformer.a.weight", (400, 100), 2))
    means = {key: parity.weight_by_name(key, (4000,), 1).mean() for key in ("x.bias", "x.weight")}
    assert means["x.bias"] == pytest.approx(0, abs=0.01)
    assert means["x.weight"] == pytest.approx(1, abs=0.01)
    decoder = "motion_autoencoder.dec.conv1.conv."
    assert parity.weight_by_name(decoder + "modulation.bias", (4000,), 1).mean() == pytest.approx(1, abs=0.01)
    assert parity.weight_by_name(decoder + "weight", (1, 64, 64, 3, 3), 1).std() == pytest.approx(1, rel=0.01)


def test_what_is_no_fixture_is_refused_in_one_line(fixture_file: Path, tmp_path: Path) -> None:
    text = tmp_path / "text_seed1.npz"
    text.write_text("not numbers")
    cut = tmp_path / "cut_seed1.npz"
    cut.write_bytes(fixture_file.read_bytes()[:1000])
    anonymous = shutil.copy(fixture_file, tmp_path / "anonymous.npz")
    refusals = {
        text: "got something else, or one that was cut",
        cut: "got something else, or one that was cut",
        tmp_path / "no.npz": "no such file",
        anonymous: "a seed must",
    }
    for path, reason in refusals.items():
        with pytest.raises(ValueError, match=reason) as refusal:
            parity.run(Path(path))
        assert "\n" not in str(refusal.value)


def test_sizes_that_are_not_known_are_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "odd_seed1.npz", dme_out=np.zeros((1, 50, 65)))
    with pytest.raises(ValueError, match=r"64 \(small\), 1024 \(full\), got 65"):
        parity.run(tmp_path / "odd_seed1.npz")
    np.savez(tmp_path / "none_seed1.npz", other=np.zeros(1))
    with pytest.raises(ValueError, match=r"dme_out, got only \['other'\]"):
        parity.run(tmp_path / "none_seed1.npz")
    with pytest.raises(ValueError, match="at least one stage"):
        parity.run(tmp_path / "none_seed1.npz", size="small")
