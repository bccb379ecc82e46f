# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`avatar-forcing evaluate` from its arguments to its pictures, in small."""

from __future__ import annotations

import argparse
import ctypes.util
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import wavfile

from avatar_forcing_ros.bundle import DEFAULT_BUNDLE, load_bundle
from avatar_forcing_ros.cli import main
from avatar_forcing_ros.commands.evaluate import add_arguments, run
from avatar_forcing_ros.evaluation.comparison import require_named_channels
from avatar_forcing_ros.evaluation.held_out import HeldOut, evaluate, held_out
from avatar_forcing_ros.evaluation.measures import ROWS
from avatar_forcing_ros.evaluation.reading import smile_reading
from avatar_forcing_ros.evaluation.real_clip import broadness_against_broadness, smile_against_smile, watch
from avatar_forcing_ros.files.movies import MovieWriter
from avatar_forcing_ros.files.pictures import read_image
from avatar_forcing_ros.files.resources import default_portrait
from avatar_forcing_ros.metrics.correlation import LaggedCorrelation
from avatar_forcing_ros.motion.facemesh.channels import INDEX
from avatar_forcing_ros.motion.facemesh.space import FaceMeshSpace
from avatar_forcing_ros.simulation.camera import Observed
from avatar_forcing_ros.simulation.filming import FilmStudio
from avatar_forcing_ros.testing import TINY_NETWORK, speech_like, tiny_bundle
from avatar_forcing_ros.train.export import write_bundle
from avatar_forcing_ros.train.scaling import LatentScale

SCALE = LatentScale(np.zeros(18, np.float32), np.full(18, 0.1, np.float32))


def arguments(*words: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args([str(word) for word in words])


def write_tiny(folder: Path, seed: int) -> Path:
    """A bundle on disk that moves without meaning."""
    made = tiny_bundle(seed)
    write_bundle(folder, "tiny", made.network, SCALE, made.manifest.sampler, "random numbers")
    return folder


@pytest.mark.skipif(ctypes.util.find_library("espeak-ng") is None, reason="espeak-ng is not installed")
def test_a_table_with_every_column_and_its_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[HeldOut] = []  # espeak-ng does not say a text twice alike, in a process that has said others between

    def noted(*given: Any) -> HeldOut:
        asked.append(held_out(*given))
        return asked[-1]

    def film(_: FilmStudio, rng: np.random.Generator, motion: np.ndarray) -> Observed:
        filmed.append(len(motion))
        return Observed(1.2 * motion, np.ones(len(motion), bool))

    filmed: list[int] = []
    monkeypatch.setattr(FilmStudio, "__init__", lambda *_: None)
    monkeypatch.setattr(FilmStudio, "film", film)
    monkeypatch.setattr("avatar_forcing_ros.commands.evaluate.held_out", noted)
    model, stage_1 = (write_tiny(tmp_path / name, seed) for seed, name in enumerate(("model", "stage_1")))
    small = ("--conversations", 1, "--seed", 5, "--seconds", 12, "--filmed", 1, "--output", tmp_path / "out")
    result = run(arguments(model, "--without-stage-2", stage_1, *small))
    names = ["truth", "model", "model, no user motion", "stage 1", "stage 1, no user motion", "nobody there"]
    assert list(result["columns"]) == names
    assert result["columns"]["truth"]["rpcc_expression"][0] == 0
    assert filmed == [12 * 25] and result["filmed"] == 1
    truth = evaluate(asked[0], asked[0].truth, load_bundle(model).network.config.block_frames)
    assert result["columns"]["truth"]["var_pose"][0] == pytest.approx(truth["var_pose"], rel=0.01)
    assert result["columns"]["model"]["noise_stillness"][0] > 0
    written = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert written["columns"] == result["columns"]
    assert [Path(path).name for path in result["pictures"]] == ["curves_0.png", "strip.png"]
    assert (tmp_path / "out" / "table.txt").read_text().count("\n") > len(ROWS)
    reading = smile_reading(asked[0].conversations)
    assert reading is not None and str(reading) in (tmp_path / "out" / "table.txt").read_text()
    assert result["user_smile_as_read"]["correlation"] == pytest.approx(reading.correlation, abs=1e-4)


def test_a_recording_is_rendered_and_watched(tmp_path: Path) -> None:
    wavfile.write(tmp_path / "said.wav", 16_000, speech_like(1.5))
    result = run(arguments("--conversations", 0, "--speech", tmp_path / "said.wav", "--output", tmp_path / "out"))
    found = result["recordings"]
    assert result["model"] == DEFAULT_BUNDLE and found["avatar_seen_share"] == 1
    assert -1 <= found["mouth_against_log_energy"]["correlation"] <= 1
    assert found["smile_against_user_smile"] is None
    assert (tmp_path / "out" / "recording.png").exists() and Path(found["video"]).exists()


def test_smiles_are_compared_at_the_delay_of_the_answer() -> None:
    rng = np.random.default_rng(0)
    user = np.convolve(rng.normal(size=400), np.ones(20) / 20, mode="same")
    assert smile_against_smile(user, 0.5 * np.roll(user, 9)) == LaggedCorrelation(pytest.approx(1, abs=0.01), 9)
    early = smile_against_smile(user, np.roll(user, -9))
    assert early is not None and early.value < 0.7  # an avatar that smiles first does not answer
    assert smile_against_smile(np.zeros(400), user) is None


def test_a_broad_mouth_is_measured_in_the_picture(tmp_path: Path) -> None:
    smile = 0.5 + 0.5 * np.sin(np.arange(50) / 5)
    face = FaceMeshSpace().load_portrait(read_image(default_portrait()), 256)
    with MovieWriter(tmp_path / "smiles.mp4", 256, 256) as movie:
        for n, one in enumerate(smile):
            movie.write_image(face.render(np.where(np.arange(18) == INDEX["smile"], one, 0).astype(np.float32), n))
    seen = watch(tmp_path / "smiles.mp4")
    assert np.corrcoef(seen.broadness, smile)[0, 1] > 0.95
    later = replace(seen, broadness=np.roll(seen.broadness, 7))
    assert broadness_against_broadness(seen, later) == LaggedCorrelation(pytest.approx(1), 7)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--conversations", "0"), "nothing to evaluate"),
        (("--clip-audio", "a.wav"), "--clip, which is missing"),
        (("--seconds", "1"), "--seconds of at least 10"),
        (("--output", __file__), "to be a folder, got a file"),
        (("--output", f"{__file__}/new"), "is a file"),
        (("--seconds", "nan"), "--seconds of at least 10"),
        (("--filmed", "2"), "--filmed within 0 (nobody) and 1 (everybody), got 2"),
        (("--filmed", "nan"), "--filmed within 0 (nobody) and 1 (everybody), got nan"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    words: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "--output", str(tmp_path), *words]) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_a_model_without_named_channels_is_refused() -> None:
    bundle = tiny_bundle(network=TINY_NETWORK)
    object.__setattr__(bundle, "space", type("Other", (), {"names": (), "name": "autoencoder"})())
    with pytest.raises(ValueError, match="18 facemesh channels, got motion space autoencoder"):
        require_named_channels(bundle)
