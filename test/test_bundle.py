# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Model bundles: the shipped one is whole; a damaged, incomplete or foreign one is refused in one line."""

import re
import shutil

import numpy as np
import pytest
import torch
import yaml
from safetensors.numpy import save_file

from avatar_forcing_ros.bundle import (
    BILABIALS,
    DEFAULT_BUNDLE,
    MANIFEST,
    WEIGHTS,
    BundleError,
    find_bundle,
    load_bundle,
    sha256_of,
)
from avatar_forcing_ros.motion.facemesh.channels import CHANNELS


@pytest.fixture
def copy(tmp_path):
    """A copy of the shipped bundle to damage."""
    return shutil.copytree(find_bundle(DEFAULT_BUNDLE), tmp_path / "bundle")


def edit(folder, **changes):
    """Change keys of a manifest; None removes one."""
    path = folder / MANIFEST
    manifest = yaml.safe_load(path.read_text()) | changes
    path.write_text(yaml.safe_dump({key: value for key, value in manifest.items() if value is not None}))


def test_the_shipped_model_is_whole_and_says_where_it_comes_from():
    bundle = load_bundle()
    assert bundle.manifest.licence == "Apache-2.0" and bundle.manifest.origin
    assert bundle.space.size == len(CHANNELS) == len(bundle.latent_mean)
    assert all(torch.isfinite(p).all() for p in bundle.network.parameters())
    assert sum(file.stat().st_size for file in find_bundle(DEFAULT_BUNDLE).iterdir()) < 30e6


def test_normalization_is_undone_by_its_inverse():
    bundle = load_bundle()
    latents = np.random.default_rng(0).normal(size=(5, len(CHANNELS))).astype(np.float32)
    assert np.allclose(bundle.denormalize(bundle.normalize(latents)), latents, atol=1e-5)


def flip_a_byte(folder):
    data = bytearray((folder / WEIGHTS).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / WEIGHTS).write_bytes(data)


def edit_sampler(folder, **changes):
    edit(folder, sampler=yaml.safe_load((folder / MANIFEST).read_text())["sampler"] | changes)


def edit_network(folder, **changes):
    edit(folder, network=yaml.safe_load((folder / MANIFEST).read_text())["network"] | changes)


def append(folder, line):
    with (folder / MANIFEST).open("a") as file:
        file.write(f"{line}\n")


def forget_sum(folder, name):
    sums = yaml.safe_load((folder / MANIFEST).read_text())["weights"]
    edit(folder, weights={file: value for file, value in sums.items() if file != name})


def cut_with_its_sum(folder, name):
    (folder / name).write_bytes((folder / name).read_bytes()[:1000])
    sums = yaml.safe_load((folder / MANIFEST).read_text())["weights"]
    edit(folder, weights=sums | {name: sha256_of(folder / name)})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (flip_a_byte, "damaged or replaced: expected SHA-256 .*; copy the model's folder again"),
        (lambda folder: (folder / WEIGHTS).unlink(), "is missing; copy the model's folder again"),
        (lambda folder: (folder / MANIFEST).unlink(), "expected the name of a shipped model or a folder"),
        (lambda folder: (folder / MANIFEST).write_text("- a list"), "expected keys with values, got list"),
        (lambda folder: (folder / MANIFEST).write_text("a: [1"), "expected YAML"),
        (lambda folder: edit(folder, wings=2), "unknown key wings"),
        (lambda folder: edit_sampler(folder, steps=True), "steps must be a whole number, got True"),
        (
            lambda folder: edit_sampler(folder, steps="3"),
            "steps must be a whole number, got '3'; YAML's numbers have no",
        ),
        (lambda folder: edit_sampler(folder, guidance_user=float("nan")), "guidance_user must be a number, got nan"),
        (lambda folder: edit_sampler(folder, noise_scale=["big"]), "noise_scale must be a number, got 'big'"),
        (lambda folder: edit(folder, gains={"smile": True}), "gains.smile must be a number, got True"),
        (
            lambda folder: edit(folder, gains={"smiles": 1.2}),
            "gains: unknown smiles; motion space facemesh has .*smile,",
        ),
        (lambda folder: edit(folder, gains=[1.2]), r"gains must be keys with values, got \[1.2\]"),
        (lambda folder: edit(folder, name=["a"]), "name must be text"),
        (lambda folder: edit(folder, audio=["log_mel"]), "audio must be keys with values"),
        (
            lambda folder: edit(folder, audio={"features": "log_mel", "noise": 1}),
            "audio: unknown noise; known is noise_as",
        ),
        (lambda folder: edit_network(folder, depth=400_000), "describes a network of more than"),
        (lambda folder: append(folder, "name: another"), "the key 'name' stands there twice"),
        (lambda folder: forget_sum(folder, WEIGHTS), f"expected the SHA-256 of {WEIGHTS}"),
        (lambda folder: forget_sum(folder, "onnx/step.onnx"), "expected the SHA-256 of onnx/step.onnx"),
        (lambda folder: cut_with_its_sum(folder, WEIGHTS), "expected weights as safetensors"),
        (lambda folder: cut_with_its_sum(folder, BILABIALS), "bilabials.safetensors: Error while deserializing header"),
        (lambda folder: edit(folder, licence=None), "licence"),
        (lambda folder: edit(folder, motion_space="claymation"), "must be facemesh or autoencoder, got claymation"),
        (lambda folder: edit(folder, audio={"features": "chroma"}), "must be log_mel or wav2vec2, got chroma"),
        (lambda folder: edit(folder, network={"depth": 0}), "depth must be positive, got 0"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_a_bad_bundle_is_refused_in_one_line(copy, damage, message):
    damage(copy)
    with pytest.raises(BundleError, match=message) as refused:
        load_bundle(str(copy))
    assert "\n" not in str(refused.value)


def test_a_graph_that_cannot_be_opened_is_named(copy):
    cut_with_its_sum(copy, "onnx/step.onnx")
    bundle = load_bundle(str(copy))
    with pytest.raises(ValueError, match=r"step\.onnx: no graph of these weights: .*; export the model again"):
        bundle.make_engine(bundle.manifest.sampler)


def test_a_bundle_may_be_named_by_its_manifest_and_written_on_windows(copy):
    path = copy / MANIFEST
    text = re.sub("[0-9a-f]{64}", lambda found: found[0].upper(), path.read_text())
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert load_bundle(str(path)).manifest == load_bundle(str(copy)).manifest


def test_a_detector_of_closures_that_is_none_is_refused(copy):
    save_file({"first.weight": np.zeros((1, 1, 1), np.float32)}, copy / BILABIALS)
    sums = yaml.safe_load((copy / MANIFEST).read_text())["weights"]
    edit(copy, weights=sums | {BILABIALS: sha256_of(copy / BILABIALS)})
    with pytest.raises(BundleError, match="expected the weights of a detector"):
        load_bundle(str(copy))


def test_weights_of_another_size_are_refused(copy):
    edit(copy, network=yaml.safe_load((copy / MANIFEST).read_text())["network"] | {"depth": 3})
    with pytest.raises(BundleError, match=r"blocks\.3|layers\.3|Unexpected"):
        load_bundle(str(copy))


def test_a_damaged_file_of_a_shipped_model_is_named_with_the_command_that_mends_it(copy, monkeypatch):
    flip_a_byte(copy)
    monkeypatch.setattr("avatar_forcing_ros.bundle.resource", lambda *parts: copy.parent.joinpath(*parts[1:]))
    with pytest.raises(
        BundleError, match=rf"safetensors: damaged .*; bring it back with `git checkout models/{copy.name}`"
    ):
        load_bundle(copy.name)
