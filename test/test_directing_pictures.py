# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What is asked of a face is seen in its pictures: read back by face mesh, and the irises by their own pattern."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from avatar_forcing_ros.directing.expressions import BASIC, face_of_feeling, face_of_name
from avatar_forcing_ros.evaluation.viewer import Viewer, look_errors, nearest_of_others
from avatar_forcing_ros.files.pictures import read_image
from avatar_forcing_ros.motion.facemesh.portrait import load_portrait

PORTRAITS = Path(__file__).resolve().parents[1] / "models/portraits"


def astronaut() -> NDArray[np.uint8]:
    spec = find_spec("skimage")  # found, not imported: only its photograph is kept
    if not spec or not spec.origin:
        pytest.skip("scikit-image is not installed")
    return read_image(Path(spec.origin).parent / "data/astronaut.png")


PICTURES: dict[str, Callable[[], NDArray[np.uint8]]] = {
    "aria": lambda: read_image(PORTRAITS / "aria.png"),
    "milo": lambda: read_image(PORTRAITS / "milo.png"),
    "astronaut": astronaut,
}


@cache
def viewer(name: str) -> Viewer:
    return Viewer(load_portrait(PICTURES[name]()))


@cache
def seen(name: str) -> NDArray[np.float64]:
    """(6, 9) the basic expressions as they are seen in a portrait's pictures."""
    return np.stack([viewer(name).change(face_of_name(expression).added) for expression in BASIC])


def test_the_six_basic_expressions_are_told_apart_by_how_they_look_in_other_faces() -> None:
    found = nearest_of_others([seen(name) for name in PICTURES])
    np.testing.assert_array_equal(found, np.tile(np.arange(len(BASIC)), (len(PICTURES), 1)))


@pytest.mark.parametrize("name", PICTURES)
def test_what_is_felt_is_seen_the_more_the_more_it_is_felt(name: str) -> None:
    steps = np.linspace(-1, 1, 5)
    smiles = [viewer(name).channels(face_of_feeling(value, 0.0).added)["smile"] for value in steps]
    assert smiles == sorted(smiles) and smiles[0] < -0.3 and smiles[-1] > 0.8
    faces = [viewer(name).channels(face_of_feeling(0.0, value).added) for value in steps]
    awake = [face["brow_raise"] - face["blink_left"] - face["blink_right"] + face["jaw_open"] for face in faces]
    assert awake == sorted(awake) and awake[-1] > awake[2] + 0.3 > awake[0] + 0.6


@pytest.mark.parametrize(("name", "typical", "most"), [("astronaut", 3.0, 5.0), ("milo", 4.0, 8.0)])
def test_where_head_and_eyes_look_together_is_seen(name: str, typical: float, most: float) -> None:
    """Degrees sideways and up or down; a drawn character's eyes are read less surely than a photograph's."""
    ways = np.radians([(side, down) for side in (-30, -15, 0, 15, 30) for down in (-15, 0, 15)])
    errors = look_errors(viewer(name), ways)
    assert np.median(np.abs(errors).max(1)) < typical
    assert np.abs(errors).max() < most
