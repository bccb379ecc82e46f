# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Reads rendered pictures as a viewer would: the expression with a face mesh, the direction of gaze from the irises."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.directing.director import Director
from avatar_forcing_ros.directing.gaze import eyes_of
from avatar_forcing_ros.motion.facemesh.channels import INDEX, NAMES, SIZE
from avatar_forcing_ros.motion.facemesh.landmarks import EYES, fit_head, head_angles
from avatar_forcing_ros.motion.facemesh.portrait import FaceMeshPortrait
from avatar_forcing_ros.motion.facemesh.reading.features import to_channels
from avatar_forcing_ros.motion.facemesh.reading.measures import MEASURES, measure
from avatar_forcing_ros.motion.facemesh.reading.tracker import FaceTracker
from avatar_forcing_ros.signals import LookAt

FACE = slice(MEASURES.index("lip_gap"), MEASURES.index("aperture_left") + 1)
"""Measures of mouth, brows and lids."""
EYE_PX, EYE_REACH, IRIS_REACH = 96, 0.36, 0.075
"""Side of an eye's picture in pixels, and half the sides of it and of an iris's picture in interocular distances."""


class Viewer:
    """Renders and reads a portrait, relative to the portrait at rest."""

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
        if landmarks is None:
            raise ValueError("expected a face in the rendered picture, found none")
        self._picture = picture
        return picture, landmarks

    def change(self, latent: NDArray) -> NDArray[np.float64]:
        """(9,) measures of mouth, brows and lids, relative to rest."""
        return (measure(self._look(latent)[1]) - self.rest)[FACE]

    def channels(self, latent: NDArray) -> dict[str, float]:
        """The seen channels, by name."""
        seen = to_channels(measure(self._look(latent)[1]), self.rest)
        return dict(zip(NAMES, map(float, seen), strict=True))

    def turn(self, latent: NDArray) -> NDArray[np.float64]:
        """(5,) yaw and pitch of the head and place (x, y) of the irises, relative to rest, and a one."""
        landmarks = self._look(latent)[1]
        return np.r_[self._turn(landmarks) - self._rest_turn, 1.0]

    def _turn(self, landmarks: NDArray) -> NDArray[np.float64]:
        angles = head_angles(fit_head(landmarks).rotation)
        places = [_found(eye, iris) for (eye, _), iris in zip(self._eyes(landmarks), self._irises, strict=True)]
        return np.r_[angles.yaw, angles.pitch, np.mean(places, 0)]

    def _eyes(self, landmarks: NDArray) -> list[tuple[NDArray[np.uint8], NDArray]]:
        """Each eye, cut out at a fixed size with its corners level, and the place of its iris in it."""
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
    """(2,) place of an iris in an eye, in interocular distances, to a fraction of a pixel."""
    likeness = cv2.matchTemplate(eye, iris, cv2.TM_CCOEFF_NORMED)
    _, _, _, (x, y) = cv2.minMaxLoc(likeness)
    return np.array([_peak(likeness[y], x), _peak(likeness[:, x], y)]) * EYE_REACH / (EYE_PX / 2)


def _peak(values: NDArray, at: int) -> float:
    if not 0 < at < len(values) - 1:
        return float(at)
    before, here, after = values[at - 1 : at + 2]
    return float(at + 0.5 * (before - after) / (before - 2 * here + after))


def looking(side: float, down: float) -> NDArray[np.float32]:
    """(18,) motion of a face that has looked in a direction for two seconds; angles in radians."""
    director = Director(NAMES, 0)
    x, y, z = np.cos(side) * np.cos(down), np.sin(side) * np.cos(down), -np.sin(down)
    director.look_at(LookAt(None, (float(x), float(y), float(z))), 0)
    return director.show(range(50), np.zeros((50, SIZE), np.float32), np.zeros(50, bool), 0)[-1]


def one_at_a_time() -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Motions (18,) of the head or the eyes alone, with the direction (2,) of each look, to calibrate a viewer."""
    shown = [(np.zeros(SIZE), np.zeros(2))]
    for name, most in (("yaw", 0.24), ("pitch", 0.2), ("gaze_x", 0.8), ("gaze_y", 0.9)):
        for share in (-1, -0.6, -0.3, 0.3, 0.6, 1):
            latent, way = np.zeros(SIZE), np.zeros(2)
            latent[INDEX[name]] = way[int(name in ("pitch", "gaze_y"))] = share * most
            shown.append((latent, eyes_of(way) if name.startswith("gaze") else way))
    return shown


def look_errors(viewer: Viewer, ways: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 2) errors, in degrees, between the directions (N, 2), in radians, asked for and those that are seen."""
    shown = one_at_a_time()
    seen = np.stack([viewer.turn(latent) for latent, _ in shown])
    reading = np.linalg.lstsq(seen, np.stack([way for _, way in shown]), rcond=None)[0]
    return np.degrees([viewer.turn(looking(*way)) @ reading - way for way in ways])


def nearest_of_others(seen: list[NDArray[np.float64]]) -> NDArray[np.int64]:
    """(P, E) for each expression of each portrait, the most similar expression of the other portraits.

    Args:
        seen: for each of P portraits, (E, 9) changes of the face by expression.
    """
    spread = np.sqrt(np.mean(np.square(seen), (0, 1)))
    found = []
    for k, own in enumerate(seen):
        others = np.mean([other for n, other in enumerate(seen) if n != k], 0)
        found.append(np.linalg.norm((own[:, None] - others[None]) / spread, axis=-1).argmin(1))
    return np.stack(found)
