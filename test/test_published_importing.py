# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Import of the authors' weight files, good and bad. Sizes are tiny, names and layout are the published ones."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

pytest.importorskip("transformers", reason="transformers is not here: requirements/published.txt")

from avatar_forcing_ros.audio.wav2vec2 import PREFIX, Wav2Vec2Sizes
from avatar_forcing_ros.audio.wav2vec2 import published_shapes as wav2vec2_shapes
from avatar_forcing_ros.bundle import BundleError, load_bundle, read_manifest, sha256_of
from avatar_forcing_ros.commands.import_weights import add_arguments
from avatar_forcing_ros.compute.weights import WeightsError
from avatar_forcing_ros.motion.autoencoder.config import AutoencoderConfig
from avatar_forcing_ros.motion.autoencoder.published import published_shapes as autoencoder_shapes
from avatar_forcing_ros.network.config import NetworkConfig
from avatar_forcing_ros.network.model import AvatarForcingNetwork
from avatar_forcing_ros.network.published import published_shapes as network_shapes
from avatar_forcing_ros.published.importing import PublishedSizes, Sources, import_weights

SIZES = PublishedSizes(
    NetworkConfig(motion_size=24, audio_feature_size=48, condition_size=16, hidden_size=32, heads=2, depth=1),
    AutoencoderConfig(image_size=16, latent_size=24, coefficients=5, widest=16),
    Wav2Vec2Sizes(16, 3, 2, 24, 8, 8, 2),
)
FLOW, AUTOENCODER, SPEECH = "flow_transformer.pth", "motion_autoencoder.pth", "wav2vec2-base-960h"
MASK = "flow_transformer.alignment_mask"


def drawn(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(8)
    return {key: torch.randn(shape, generator=random) for key, shape in shapes.items()}


def flow_state() -> dict[str, Tensor]:
    return drawn(network_shapes(AvatarForcingNetwork(SIZES.network)))


def speech_state() -> dict[str, Tensor]:
    """As the published folder has it: other prefix, a head, older names of the normalised weight, no mask embedding."""
    state = {key.removeprefix("audio_encoder."): x for key, x in drawn(wav2vec2_shapes(SIZES.wav2vec2)).items()}
    state.pop("wav2vec2.masked_spec_embed")
    conv = "wav2vec2.encoder.pos_conv_embed.conv"
    for old, new in (("weight_g", "original0"), ("weight_v", "original1")):
        state[f"{conv}.{old}"] = state.pop(f"{conv}.parametrizations.weight.{new}")
    return state | {"lm_head.weight": torch.zeros(32, 16), "lm_head.bias": torch.zeros(32)}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with the three downloads, all good."""
    torch.save(flow_state(), tmp_path / FLOW)
    torch.save(drawn(autoencoder_shapes(SIZES.autoencoder)), tmp_path / AUTOENCODER)
    (tmp_path / SPEECH).mkdir()
    torch.save(speech_state(), tmp_path / SPEECH / "pytorch_model.bin")
    (tmp_path / SPEECH / "config.json").write_text(json.dumps({"model_type": "wav2vec2", "hidden_size": 16}))
    return tmp_path


def do_import(files: Path) -> Path:
    sources = Sources(files / FLOW, files / AUTOENCODER, files / SPEECH)
    return import_weights(sources, files / "models" / "published", SIZES)


def test_an_imported_bundle_runs(files: Path) -> None:
    bundle = load_bundle(str(do_import(files)))
    assert bundle.space.name == "autoencoder"
    assert bundle.space.size == 24
    assert bundle.make_audio_stream().push(torch.zeros(1280).numpy()).shape == (2, 48)
    assert (bundle.latent_mean == 0).all()
    assert (bundle.latent_std == 1).all()


def test_values_arrive_unchanged(files: Path) -> None:
    network = load_bundle(str(do_import(files))).network
    expected = flow_state()["audio_encoder.audio_projection.0.weight"]
    assert torch.equal(network.audio_projection.linear.weight, expected)


def test_the_manifest_says_licence_origin_and_hashes(files: Path) -> None:
    folder = do_import(files)
    manifest = read_manifest(folder)
    assert manifest.licence == "CC-BY-NC-4.0"
    assert "2601.00664" in manifest.origin
    assert manifest.weights == {path.name: sha256_of(path) for path in folder.glob("*.safetensors")}
    assert len(manifest.weights) == 3


def test_a_replaced_file_of_a_bundle_is_noticed(files: Path) -> None:
    folder = do_import(files)
    path = folder / "autoencoder.safetensors"
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\1")
    with pytest.raises(BundleError, match="damaged or replaced"):
        load_bundle(str(folder))


def test_masks_may_be_in_the_file_and_must_agree(files: Path) -> None:
    frames = torch.arange(SIZES.network.clip_frames)
    mask = (frames[:, None] - frames).abs() <= SIZES.network.condition_radius
    torch.save(flow_state() | {MASK: mask}, files / FLOW)
    assert do_import(files).is_dir()
    torch.save(flow_state() | {MASK: ~mask}, files / FLOW)
    (files / "models" / "published").rename(files / "good")
    with pytest.raises(WeightsError, match=MASK):
        do_import(files)


def test_safetensors_and_current_names_are_read_too(files: Path) -> None:
    (files / SPEECH / "pytorch_model.bin").unlink()
    state = {key.removeprefix("audio_encoder."): x for key, x in drawn(wav2vec2_shapes(SIZES.wav2vec2)).items()}
    save_file(state, files / SPEECH / "model.safetensors")
    assert do_import(files).is_dir()


class Evil:
    """Unpickling this would run a command."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.system, (f"touch {self.witness}",)


def truncate(files: Path) -> None:
    path = files / FLOW
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def swap(files: Path) -> None:
    (files / FLOW).rename(files / "other")
    (files / AUTOENCODER).rename(files / FLOW)
    (files / "other").rename(files / AUTOENCODER)


def change(name: str, edit: Callable[[dict[str, Tensor]], object]) -> Callable[[Path], None]:
    def do(files: Path) -> None:
        state = torch.load(files / name, weights_only=True)
        edit(state)
        torch.save(state, files / name)

    return do


AE_KEY = "motion_autoencoder.dec.input.input"
FLOW_KEY = "flow_transformer.x_embedder.proj.bias"
SPEECH_BIN = f"{SPEECH}/pytorch_model.bin"
BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing file": (lambda f: (f / FLOW).unlink(), "flow_transformer.pth: no such file"),
    "folder": (lambda f: ((f / FLOW).unlink(), (f / FLOW).mkdir()), "got a folder"),
    "empty": (lambda f: (f / FLOW).write_bytes(b""), "flow_transformer.pth: expected a weight file, got an empty"),
    "web page": (lambda f: (f / FLOW).write_text("<html>quota exceeded</html>"), "got a web page: download the file"),
    "text": (lambda f: (f / FLOW).write_text("hi"), "flow_transformer.pth: expected a weight file of PyTorch"),
    "truncated": (truncate, "flow_transformer.pth: damaged"),
    "swapped": (swap, "are the files swapped"),
    "malicious": (lambda f: torch.save({"a": Evil(f / "witness")}, f / AUTOENCODER), "motion_autoencoder.pth: refused"),
    "not a dict": (lambda f: torch.save([torch.zeros(1)], f / FLOW), "expected tensors by name, got list"),
    "nested": (lambda f: torch.save({"state_dict": flow_state()}, f / FLOW), "got dict under 'state_dict'"),
    "missing key": (change(AUTOENCODER, lambda s: s.pop(AE_KEY)), "expected keys of motion_autoencoder"),
    "missing flow key": (change(FLOW, lambda s: s.pop(FLOW_KEY)), f"1 missing, first {FLOW_KEY}"),
    "unexpected key": (change(AUTOENCODER, lambda s: s.update(extra=torch.zeros(1))), "1 unexpected, first extra"),
    "wrong shape": (change(FLOW, lambda s: s.update({FLOW_KEY: torch.zeros(3)})), rf"{FLOW_KEY} must be \(32,\)"),
    "not finite": (change(FLOW, lambda s: s[FLOW_KEY].fill_(float("nan"))), "must be finite"),
    "integers": (change(AUTOENCODER, lambda s: s.update({AE_KEY: s[AE_KEY].int()})), "floating-point"),
    "other wav2vec2": (
        lambda f: (f / SPEECH / "config.json").write_text('{"model_type": "wav2vec2", "hidden_size": 1024}'),
        "expected wav2vec2 of hidden_size 16 .*, got 1024",
    ),
    "no wav2vec2": (lambda f: (f / SPEECH / "config.json").unlink(), "expected a wav2vec2 folder with config.json"),
    "another model": (lambda f: (f / SPEECH / "config.json").write_text('{"model_type": "bert"}'), "wav2vec2 model"),
    "no speech weights": (lambda f: (f / SPEECH_BIN).unlink(), "got neither"),
    "damaged speech": (change(SPEECH_BIN, lambda s: s.pop(next(iter(s)))), "1 missing"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_get_one_line_and_leave_nothing(files: Path, case: str) -> None:
    spoil, message = BAD[case]
    spoil(files)
    before = sorted(files.rglob("*"))
    with pytest.raises(WeightsError, match=message) as error:
        do_import(files)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400
    assert sorted(files.rglob("*")) in (before, sorted([*before, files / "models"]))
    assert not (files / "witness").exists()


def test_an_existing_folder_is_not_touched(files: Path) -> None:
    (files / "models" / "published").mkdir(parents=True)
    with pytest.raises(WeightsError, match="does not exist yet"):
        do_import(files)


def test_tensors_of_another_size_are_told_apart(files: Path) -> None:
    other = AutoencoderConfig(image_size=32, latent_size=24, coefficients=5, widest=16)
    torch.save(drawn(autoencoder_shapes(other)), files / AUTOENCODER)
    with pytest.raises(WeightsError, match=r"image_size=16.* got .*image_size=32"):
        do_import(files)


def test_half_precision_becomes_float32(files: Path) -> None:
    change(AUTOENCODER, lambda s: s.update({AE_KEY: s[AE_KEY].half()}))(files)
    assert load_bundle(str(do_import(files))).space.size == 24


def test_the_command_names_the_files() -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    arguments = ["--flow-transformer", "a", "--motion-autoencoder", "b", "--wav2vec2", "c", "--output", "d"]
    assert vars(parser.parse_args(arguments)) == {
        "flow_transformer": Path("a"),
        "motion_autoencoder": Path("b"),
        "wav2vec2": Path("c"),
        "output": Path("d"),
    }


def test_prefix_of_speech_weights_is_the_published_one() -> None:
    assert all(key.startswith(PREFIX) for key in wav2vec2_shapes(SIZES.wav2vec2))
