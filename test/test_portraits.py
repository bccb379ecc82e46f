# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The portraits that ship: the face mesh reads each one as a frontal, symmetric, neutral face with open eyes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.landmarks import (
    EYES,
    MOUTH_CORNERS,
    OVAL,
    EyeLandmarks,
    canonical_face,
    fit_head,
    head_angles,
)
from avatar_forcing_ros.motion.facemesh.portrait import load_portrait
from avatar_forcing_ros.motion.facemesh.reading.detect import find_face

FOLDER = Path(__file__).resolve().parents[1] / "models" / "portraits"
PORTRAITS = sorted(FOLDER.glob("*.png"))
UPPER_LIP_MIDDLE, LOWER_LIP_MIDDLE = 13, 14
CHEEKS = [50, 280]
MOST_BYTES = 1_500_000


@dataclass(frozen=True)
class Read:
    """A portrait and what the face mesh finds in it."""

    image: NDArray[np.uint8]
    landmarks: NDArray[np.float64]

    @property
    def head(self) -> NDArray[np.float64]:
        """(478, 3) landmarks in head space."""
        return fit_head(self.landmarks).invert(self.landmarks)


@pytest.fixture(scope="module", params=PORTRAITS, ids=lambda path: path.stem)
def portrait(request: pytest.FixtureRequest) -> Read:
    return read(request.param)


def read(path: Path) -> Read:
    image = cv2.imread(str(path))[..., ::-1].copy()
    return Read(image, find_face(image))


@pytest.mark.parametrize("path", PORTRAITS, ids=lambda path: path.stem)
def test_file_is_a_small_square_colour_picture(path: Path) -> None:
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    height, width, channels = image.shape
    assert height == width >= 768
    assert channels == 3
    assert image.dtype == np.uint8
    assert path.stat().st_size < MOST_BYTES


def test_folder_says_where_the_pictures_come_from_and_what_may_be_done_with_them() -> None:
    note = (FOLDER / "LICENSE.md").read_text()
    assert "CC0" in note
    assert "tools/draw_portrait.py" in note


def test_face_is_large_and_leaves_room_around_the_head(portrait: Read) -> None:
    oval, side = portrait.landmarks[OVAL], len(portrait.image)
    assert np.ptp(oval[:, 0]) > 0.30 * side
    assert oval[:, 1].min() > 0.15 * side
    assert oval[:, 1].max() < 0.80 * side
    assert abs(oval[:, 0].mean() - side / 2) < 0.03 * side


def test_head_looks_straight_at_the_camera(portrait: Read) -> None:
    angles = head_angles(fit_head(portrait.landmarks).rotation)
    assert abs(np.degrees(angles.yaw)) < 3.0
    assert abs(np.degrees(angles.roll)) < 2.0
    assert abs(np.degrees(angles.pitch)) < 8.0


def test_halves_of_the_face_mirror_each_other(portrait: Read) -> None:
    points = portrait.head[:, :2]
    other = points[canonical_face().mirror] * [-1.0, 1.0]
    error = np.linalg.norm(points - other, axis=1)
    assert np.median(error) < 0.03
    assert error.max() < 0.12


@pytest.mark.parametrize("eye", EYES, ids=["right", "left"])
def test_eye_is_open_and_its_iris_looks_ahead_from_within(portrait: Read, eye: EyeLandmarks) -> None:
    outline = portrait.landmarks[eye.outline, :2].astype(np.float32)
    centre, *rim = portrait.landmarks[eye.iris, :2]
    diameter = np.linalg.norm(np.ptp(np.array(rim), axis=0)) / np.sqrt(2.0)
    assert cv2.pointPolygonTest(outline, centre.tolist(), measureDist=True) > 0.2 * diameter
    corners = portrait.landmarks[eye.corners, 0]
    assert abs(centre[0] - corners.mean()) < 0.12 * np.ptp(corners)
    opening = portrait.landmarks[eye.lower_lid[3], 1] - portrait.landmarks[eye.upper_lid[3], 1]
    assert 0.25 < opening / np.ptp(corners) < 0.75


def test_mouth_is_closed_and_wide_enough_to_pucker(portrait: Read) -> None:
    head = portrait.head
    assert np.linalg.norm(head[UPPER_LIP_MIDDLE, :2] - head[LOWER_LIP_MIDDLE, :2]) < 0.03
    assert 0.65 < np.linalg.norm(np.diff(head[MOUTH_CORNERS, :2], axis=0)) < 1.0


def test_backdrop_is_calm_where_the_head_may_move(portrait: Read) -> None:
    side = len(portrait.image)
    strip = portrait.image[: side // 12].astype(np.float64)
    assert np.abs(np.diff(strip, axis=1)).max() <= 4
    assert np.ptp(strip.mean((0, 2))) < 40


def test_renderer_takes_it_without_enlarging_or_closing_a_mouth(portrait: Read) -> None:
    report = load_portrait(portrait.image).report
    assert report.enlargement <= 1.0
    assert not report.mouth_open
    assert abs(report.smile) < 0.35


def test_characters_differ_to_the_eye() -> None:
    skins = [_cheek_colour(read(path)) for path in PORTRAITS]
    assert len(skins) >= 2
    differences = [np.linalg.norm(a - b) for i, a in enumerate(skins) for b in skins[:i]]
    assert min(differences) > 40.0


def _cheek_colour(portrait: Read) -> NDArray[np.float64]:
    spots = portrait.landmarks[CHEEKS, :2].astype(int)
    return np.mean([portrait.image[y - 4 : y + 5, x - 4 : x + 5].mean((0, 1)) for x, y in spots], axis=0)
