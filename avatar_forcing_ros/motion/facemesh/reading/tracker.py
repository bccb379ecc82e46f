# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Follows one face through a video, the largest or a given one: frame -> 478 landmarks.

The mesh of a frame is looked for where the last frame's mesh was, which needs no detector. A detector finds the first
face, and the next one after a loss, and looks around twice a second for somebody who stands closer. If another program
knows who the user is, and where, it can name the face to follow.

A face is kept until it is gone for half a second; then comes the largest of the others. Whoever appears elsewhere, or
much larger or smaller, is another person, and so is everybody after a cut. Faces that never move are pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.landmarks import OVAL
from avatar_forcing_ros.motion.facemesh.reading.detector import Detection, detect
from avatar_forcing_ros.motion.facemesh.reading.mesh import Region, read_mesh
from avatar_forcing_ros.motion.facemesh.reading.scene import StillFaces, is_cut, thumbnail
from avatar_forcing_ros.signals import FacePlace


@dataclass(frozen=True)
class TrackerConfig:
    """How the tracker chooses and keeps a face.

    Attributes:
        work_px: longer side to which larger pictures are reduced.
        least_px: shortest side that a picture may have.
        look_around_frames: frames between looks at who else is there (0.5 s).
        larger: how many times wider another face must be to take over.
        patience: for how many looks in a row it must be wider.
        least_detection: least score at which detections count.
        least_presence: score of the mesh below which a face counts as lost.
        kept_frames: how long a lost face is awaited where it was, before another one is followed (0.5 s).
        moved: a face counts as another person's if it is this many face widths from the last one,
        resized: or this many times wider or narrower,
        strayed: or whom the mesh reaches within one frame, in face widths.
    """

    work_px: int = 640
    least_px: int = 64
    look_around_frames: int = 13
    larger: float = 1.2
    patience: int = 2
    least_detection: float = 0.5
    least_presence: float = 0.5
    kept_frames: int = 13
    moved: float = 1.2
    resized: float = 1.4
    strayed: float = 0.6


class FaceTracker:
    """Landmarks of the largest face in a video. Not safe for several threads at once.

    Attributes:
        person: grows by one when another person's face takes over, after a cut, or when the picture's size changes.
        in_view: number of faces at the last look around, without those that never move.
        still: number of those.
    """

    def __init__(self, config: TrackerConfig | None = None) -> None:
        self.config = config or TrackerConfig()
        self.person = self.in_view = self.still = 0
        self._place: FacePlace | None = None
        self._shape: tuple[int, ...] | None = None
        self.reset()

    def reset(self) -> None:
        """Forget the face that was followed, and all else that was seen."""
        self._face: NDArray[np.float64] | None = None  # its mesh in the last frame, in the reduced picture
        self._last: _Whereabouts | None = None  # of the face that is, or was, followed
        self._lost_frames = self._frames = self._rival_looks = 0
        self._thumbnail: NDArray[np.float32] | None = None
        self._still = StillFaces()

    def _let_go(self) -> None:
        """Stop following the face; the next one counts as another person's."""
        self._face = self._last = None
        self._lost_frames = self._frames = self._rival_looks = 0
        self.person += 1

    def attend(self, place: FacePlace | None) -> None:
        """From the next frame on, follow the face in this place; None returns to the largest face."""
        if self._face is None and place is not None and self._place is not None and place.name != self._place.name:
            self.person += 1  # if a face is in sight, its position tells whether it is the right one
        self._place = place

    def track(self, image: NDArray[np.uint8]) -> NDArray[np.float64] | None:
        """Landmarks in the next frame.

        Args:
            image: (H, W, 3) uint8 RGB, at least `least_px` on either side.

        Returns:
            (478, 3) in the picture space of `image`; None if nobody is there.
        """
        if min(image.shape[:2]) < self.config.least_px:
            raise ValueError(f"image must be at least {self.config.least_px} pixels each way, got {image.shape[:2]}")
        if self._shape not in (None, image.shape):
            self.reset()  # the face's last position no longer applies, and it may be another face
            self.person += 1
        self._shape = image.shape
        small = self._reduce(image)
        self._notice_cut(small)
        self._face = self._follow(small)
        if self._face is not None:
            self._lost_frames = 0
        return None if self._face is None else self._face * (image.shape[1] / small.shape[1])

    def _reduce(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        factor = self.config.work_px / max(image.shape[:2])
        if factor >= 1:
            return np.ascontiguousarray(image)
        return cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)

    def _follow(self, image: NDArray[np.uint8]) -> NDArray[np.float64] | None:
        self._frames += 1
        if self._face is not None:
            if self._place is not None:
                self._let_go_elsewhere(self._face, self._place, image)
            elif self._frames % self.config.look_around_frames == 0:
                self._look_around(image, self._face)
        region = self._find(image) if self._face is None else Region.of_landmarks(self._face)
        if region is None:
            return None
        mesh = read_mesh(image, region)
        if mesh.presence < self.config.least_presence:
            return None
        if self._place is None:  # otherwise the place tells who it is
            self._recognise(_Whereabouts.of(mesh.points))
        return mesh.points

    def _notice_cut(self, image: NDArray[np.uint8]) -> None:
        now = thumbnail(image)
        if now is None:  # a black picture between two others
            return
        if self._thumbnail is not None and is_cut(self._thumbnail, now) and self._place is None:
            self._let_go()
        self._thumbnail = now

    def _recognise(self, now: _Whereabouts) -> None:
        """Tell by its whereabouts whether a face is the one that was followed."""
        last, self._last = self._last, now
        if last is None:
            return
        farthest = self.config.moved if self._face is None else self.config.strayed
        if now.distance(last) > farthest or now.ratio(last) > self.config.resized:
            self.person += 1

    def _find(self, image: NDArray[np.uint8]) -> Region | None:
        """Where to look for the mesh of a new face."""
        if self._place is not None and self._place.is_nowhere:
            return None
        seen = self._detect(image)
        self._lost_frames += 1
        if self._place is not None:
            low, high = _corners(self._place, image)
            seen = [face for face in seen if _is_near(face.middle, low, high)]
            if not seen:  # too far for the detector; the mesh tells whether it is a face
                return Region.around(low, high, np.array([1.0, 0.0]))
        elif self._last is not None and self._lost_frames <= self.config.kept_frames:
            near = self.config.moved * self._last.width
            seen = [face for face in seen if np.abs(face.middle - self._last.middle).max() < near]
        largest = max(seen, key=lambda face: face.width, default=None)
        return None if largest is None else Region.of_detection(largest)

    def _detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        """The faces that are in sight now, and not pictures."""
        found = detect(image, self.config.least_detection)
        seen = [face for face in found if not self._still.is_known(image, face.middle)]
        self.in_view, self.still = len(seen), len(found) - len(seen)
        return seen

    def _let_go_elsewhere(self, face: NDArray[np.float64], place: FacePlace, image: NDArray[np.uint8]) -> None:
        """Let the face go if it is not the one in this place."""
        low, high = face[OVAL, :2].min(0), face[OVAL, :2].max(0)
        if place.is_nowhere or not _is_near((low + high) / 2, *_corners(place, image)):
            self._let_go()

    def _look_around(self, image: NDArray[np.uint8], face: NDArray[np.float64]) -> None:
        """Let the face go if it is a picture, or another one has been clearly larger for a while."""
        low, high = face[OVAL, :2].min(0), face[OVAL, :2].max(0)
        middle, width = (low + high) / 2, float(high[0] - low[0])
        if self._still.watch(image, low, high):
            self._let_go()
            self._detect(image)
            return
        # Compare widths from the detector only: the mesh makes faces wider.
        seen = self._detect(image)
        is_own = [bool(np.abs(found.middle - middle).max() < 0.6 * width) for found in seen]
        own = max((found.width for found, same in zip(seen, is_own, strict=True) if same), default=width)
        others = max((found.width for found, same in zip(seen, is_own, strict=True) if not same), default=0.0)
        self._rival_looks = self._rival_looks + 1 if others > self.config.larger * own else 0
        if self._rival_looks >= self.config.patience:
            self._let_go()


@dataclass(frozen=True)
class _Whereabouts:
    """Where a face is, by its mesh: (2,) middle and width in pixels."""

    middle: NDArray[np.float64]
    width: float

    @classmethod
    def of(cls, landmarks: NDArray[np.float64]) -> _Whereabouts:
        low, high = landmarks[OVAL, :2].min(0), landmarks[OVAL, :2].max(0)
        return cls((low + high) / 2, float(high[0] - low[0]))

    def distance(self, other: _Whereabouts) -> float:
        """Between both, in widths of the other one."""
        return float(np.abs(self.middle - other.middle).max() / other.width)

    def ratio(self, other: _Whereabouts) -> float:
        """Of the wider one's width to the other's."""
        return max(self.width, other.width) / min(self.width, other.width)


def _corners(place: FacePlace, image: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    size = np.array(image.shape[1::-1], np.float64)
    return np.array(place.low) * size, np.array(place.high) * size


def _is_near(middle: NDArray, low: NDArray, high: NDArray) -> bool:
    """Whether a face with this centre is the one in a box, which may be some pictures old."""
    return bool(np.abs(middle - (low + high) / 2).max() < 0.6 * (high - low).max())
