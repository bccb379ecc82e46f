# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Our own characters are prepared once; no picture of anybody else is kept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from avatar_forcing_ros.files.pictures import read_image
from avatar_forcing_ros.motion.facemesh.channels import SIZE
from avatar_forcing_ros.motion.facemesh.drawing.mouth import _spline
from avatar_forcing_ros.motion.facemesh.portrait import load_portrait

PORTRAITS = sorted((Path(__file__).resolve().parents[1] / "models" / "portraits").glob("*.png"))
MOVED = np.full(SIZE, 0.2, np.float32)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "avatar_forcing_ros"


@pytest.mark.parametrize("path", PORTRAITS, ids=lambda path: path.stem)
def test_a_kept_character_is_drawn_as_before_and_says_the_same(path: Path, folder: Path) -> None:
    image = read_image(path)
    made = load_portrait(image, 128)
    assert len(list(folder.iterdir())) == 1
    found = load_portrait(image, 128)
    assert found.report == made.report
    assert np.array_equal(found.render(MOVED, 5), made.render(MOVED, 5))


def test_a_second_start_loads_nothing_that_reads_faces(folder: Path) -> None:
    start = (
        "import sys; from avatar_forcing_ros.motion.facemesh.portrait import load_portrait as load;"
        "from avatar_forcing_ros.files.pictures import read_image;"
        f"load(read_image({str(PORTRAITS[0])!r}), 128);"
        "print(*(name for name in ('onnxruntime', 'scipy') if name in sys.modules))"
    )
    said = [subprocess.run([sys.executable, "-c", start], capture_output=True, text=True, check=True) for _ in range(2)]
    assert [run.stdout.split() for run in said] == [["onnxruntime", "scipy"], []]


def test_a_damaged_or_unwritable_folder_does_no_harm(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = read_image(PORTRAITS[0])
    wanted = load_portrait(image, 128).render(MOVED)
    (kept,) = folder.iterdir()
    kept.write_bytes(kept.read_bytes()[:1000])
    assert np.array_equal(load_portrait(image, 128).render(MOVED), wanted)
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/nowhere")
    assert np.array_equal(load_portrait(image, 128).render(MOVED), wanted)


def test_no_other_picture_is_kept(folder: Path) -> None:
    image = read_image(PORTRAITS[0]).copy()
    image[0, 0] ^= 1
    load_portrait(image, 128)
    assert not folder.exists()


def test_the_lips_curve_is_scipys_spline() -> None:
    wanted = CubicSpline(np.arange(11), np.eye(11))(np.linspace(0, 10, 32))
    assert np.abs(_spline(11, 32) - wanted).max() < 1e-6
