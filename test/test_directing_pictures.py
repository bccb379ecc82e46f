# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What is asked of a face is seen in its pictures: read back by face mesh, and the irises by their own pattern."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from avatar_forcing_ros.directing.director import Director
from avatar_forcing_ros.directing.expressions import face_of_feeling, face_of_name
from avatar_forcing_ros.directing.gaze import eyes_of
from avatar_forcing_ros.motion.facemesh.channels import INDEX, NAMES, SIZE
from avatar_forcing_ros.motion.facemesh.landmarks import EYES, fit_head, head_angles
from avatar_forcing_ros.motion.facemesh.portrait import FaceMeshPortrait, load_portrait
from avatar_forcing_ros.motion.facemesh.reading.features import to_channels
from avatar_forcing_ros.motion.facemesh.reading.measures import MEASURES, measure
from avatar_forcing_ros.motion.facemesh.reading.tracker import FaceTracker
from avatar_forcing_ros.pictures import read_image
from avatar_forcing_ros.signals import LookAt

PORTRAITS = Path(__file__).resolve().parents[1] / "models/portraits"
BASIC = ("angry", "sad", "happy", "surprised", "disgusted", "scared")
FACE = slice(MEASURES.index("lip_gap"), MEASURES.index("aperture_left") + 1)
EYE_PX, EYE_REACH, IRIS_REACH = 96, 0.36, 0.075
"""Side of an eye's picture, and what it and an iris measure from the middle, interocular distances."""


class Viewer:
    """Sees the pictures of a portrait, and knows it at rest."""

    def __init__(self, portrait: FaceMeshPortrait) -> None:
        self._portrait, self._tracker = portrait, FaceTracker()
        self._picture, landmarks = self._look(np.zeros(SIZE))
        self.rest = measure(landmarks)
        self._irises = [self._iris(eye, place) for eye, place in self._eyes(landmarks)]
        self._rest_turn = self._turn(landmarks)

    def _look(self, latent: NDArray) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        picture = self._portrait.render(latent)
        for _ in range(4):  # the tracker settles
            landmarks = self._tracker.track(picture)
        assert landmarks is not None, "no face in the rendered frame"
        self._picture = picture
        return picture, landmarks

    def change(self, latent: NDArray) -> NDArray[np.float64]:
        """(9,) measures of mouth, brows and lids against rest."""
        return (measure(self._look(latent)[1]) - self.rest)[FACE]

    def channels(self, latent: NDArray) -> dict[str, float]:
        """The face as channels."""
        seen = to_channels(measure(self._look(latent)[1]), self.rest)
        return dict(zip(NAMES, map(float, seen), strict=True))

    def turn(self, latent: NDArray) -> NDArray[np.float64]:
        """(5,) turn and nod of the head, place of the irises, and a one."""
        landmarks = self._look(latent)[1]
        return np.r_[self._turn(landmarks) - self._rest_turn, 1.0]

    def _turn(self, landmarks: NDArray) -> NDArray[np.float64]:
        angles = head_angles(fit_head(landmarks).rotation)
        places = [_found(eye, iris) for (eye, _), iris in zip(self._eyes(landmarks), self._irises, strict=True)]
        return np.r_[angles.yaw, angles.pitch, np.mean(places, 0)]

    def _eyes(self, landmarks: NDArray) -> list[tuple[NDArray[np.uint8], NDArray]]:
        """Each eye cut out between its corners, always as large and as level, with the place of its iris in it."""
        grey, found = cv2.cvtColor(self._picture, cv2.COLOR_RGB2GRAY), []
        size = EYE_REACH * fit_head(landmarks).scale / (EYE_PX / 2)
        for eye in EYES:
            right, left = landmarks[eye.corners, :2]
            along = (left - right) / np.linalg.norm(left - right)
            turn = size * np.array([[along[0], -along[1]], [along[1], along[0]]])
            offset = (left + right) / 2 - turn @ [EYE_PX / 2, EYE_PX / 2]
            flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
            cut = cv2.warpAffine(grey, np.column_stack([turn, offset]), (EYE_PX, EYE_PX), flags=flags)
            found.append((cut, np.linalg.solve(turn, landmarks[eye.iris[0], :2] - offset)))
        return found

    @staticmethod
    def _iris(eye: NDArray[np.uint8], place: NDArray) -> NDArray[np.uint8]:
        (x, y), reach = np.round(place).astype(int), int(IRIS_REACH * EYE_PX / 2 / EYE_REACH)
        return eye[y - reach : y + reach + 1, x - reach : x + reach + 1]


def _found(eye: NDArray[np.uint8], iris: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(2,) where an iris is in an eye, to a fraction of a pixel, interocular distances."""
    likeness = cv2.matchTemplate(eye, iris, cv2.TM_CCOEFF_NORMED)
    _, _, _, (x, y) = cv2.minMaxLoc(likeness)
    return np.array([_peak(likeness[y], x), _peak(likeness[:, x], y)]) * EYE_REACH / (EYE_PX / 2)


def _peak(values: NDArray, at: int) -> float:
    if not 0 < at < len(values) - 1:
        return float(at)
    before, here, after = values[at - 1 : at + 2]
    return float(at + 0.5 * (before - after) / (before - 2 * here + after))


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


@pytest.mark.parametrize("name", PICTURES)
def test_the_six_basic_expressions_are_told_apart_by_how_they_look_in_other_faces(name: str) -> None:
    spread = np.sqrt(np.mean([seen(other) ** 2 for other in PICTURES], (0, 1)))
    others = np.mean([seen(other) for other in PICTURES if other != name], 0)
    away = np.linalg.norm((seen(name)[:, None] - others[None]) / spread, axis=-1)
    assert [BASIC[k] for k in away.argmin(1)] == list(BASIC)


@pytest.mark.parametrize("name", PICTURES)
def test_what_is_felt_is_seen_the_more_the_more_it_is_felt(name: str) -> None:
    steps = np.linspace(-1, 1, 5)
    smiles = [viewer(name).channels(face_of_feeling(value, 0.0).added)["smile"] for value in steps]
    assert smiles == sorted(smiles) and smiles[0] < -0.3 and smiles[-1] > 0.8
    faces = [viewer(name).channels(face_of_feeling(0.0, value).added) for value in steps]
    awake = [face["brow_raise"] - face["blink_left"] - face["blink_right"] + face["jaw_open"] for face in faces]
    assert awake == sorted(awake) and awake[-1] > awake[2] + 0.3 > awake[0] + 0.6


def looking(side: float, down: float) -> NDArray[np.float32]:
    """(18,) motion of a face that has been looking there for two seconds."""
    director = Director(NAMES, 0)
    place = (np.cos(side) * np.cos(down), np.sin(side) * np.cos(down), -np.sin(down))
    director.look_at(LookAt(None, tuple(map(float, place))), 0)
    return director.show(range(50), np.zeros((50, SIZE), np.float32), np.zeros(50, bool), 0)[-1]


def one_at_a_time() -> list[tuple[NDArray, NDArray]]:
    """Motion of a head or of eyes alone, and the way that it looks: by these a viewer learns to read a face."""
    shown = [(np.zeros(SIZE), np.zeros(2))]
    for name, most in (("yaw", 0.24), ("pitch", 0.2), ("gaze_x", 0.8), ("gaze_y", 0.9)):
        for share in (-1, -0.6, -0.3, 0.3, 0.6, 1):
            latent, way = np.zeros(SIZE), np.zeros(2)
            latent[INDEX[name]] = way[int(name in ("pitch", "gaze_y"))] = share * most
            shown.append((latent, eyes_of(way) if name.startswith("gaze") else way))
    return shown


@pytest.mark.parametrize(("name", "typical", "most"), [("astronaut", 3.0, 5.0), ("milo", 4.0, 8.0)])
def test_where_head_and_eyes_look_together_is_seen(name: str, typical: float, most: float) -> None:
    """Degrees sideways and up or down; a drawn character's eyes are read less surely than a photograph's."""
    viewing = viewer(name)
    shown = one_at_a_time()
    reading = np.linalg.lstsq(
        np.stack([viewing.turn(latent) for latent, _ in shown]), np.stack([way for _, way in shown]), rcond=None
    )[0]
    ways = np.radians([(side, down) for side in (-30, -15, 0, 15, 30) for down in (-15, 0, 15)])
    errors = np.degrees([viewing.turn(looking(*way)) @ reading - way for way in ways])
    assert np.median(np.abs(errors).max(1)) < typical
    assert np.abs(errors).max() < most
