"""Follows one face, the largest, through a video: frame -> 478 landmarks. MediaPipe is loaded when a tracker is made.

MediaPipe's mesh for one face clings to whichever face it met first; for several it runs its detector in every frame
(4.2 instead of 2.7 ms). So the mesh here follows one face and a separate detector looks around twice a second. To make
the mesh meet the right face, it is shown a picture in which only that face is left.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.landmarks import OVAL
from avatar_forcing_ros.motion.facemesh.native_log import without_chatter


@dataclass(frozen=True)
class TrackerConfig:
    """How the tracker chooses and keeps a face.

    Attributes:
        work_px: longer side to which larger pictures are reduced.
        least_px: shortest side of a picture that is accepted.
        look_around_frames: frames between looks at who else is there (0.5 s).
        larger: how many times wider another face must be to take over.
        patience: looks in a row at which it must be so.
        margin: what is left of a picture around a chosen face, in widths of the face to each side.
        least_detection: score from which the detector's finds count.
        least_presence: score below which the mesh gives a face up.
    """

    work_px: int = 640
    least_px: int = 64
    look_around_frames: int = 13
    larger: float = 1.2
    patience: int = 2
    margin: float = 0.6
    least_detection: float = 0.5
    least_presence: float = 0.5


@dataclass(frozen=True)
class Box:
    """A face in the picture: middle and width in pixels."""

    x: float
    y: float
    width: float

    def holds(self, other: Box) -> bool:
        """The middle of `other` lies in this face."""
        return max(abs(other.x - self.x), abs(other.y - self.y)) < 0.6 * self.width


class FaceTracker:
    """Landmarks of the largest face of a video; not for several threads at once.

    Attributes:
        person: grows by one when another person's face takes over.
    """

    def __init__(self, config: TrackerConfig | None = None) -> None:
        self.config = config or TrackerConfig()
        self.person = 0
        with without_chatter():
            from mediapipe.python.solutions.face_detection import FaceDetection
            from mediapipe.python.solutions.face_mesh import FaceMesh

            self._detector = FaceDetection(self.config.least_detection, model_selection=0)
            self._mesh = FaceMesh(
                refine_landmarks=True,
                min_detection_confidence=self.config.least_detection,
                min_tracking_confidence=self.config.least_presence,
            )
            self._forget()

    def reset(self) -> None:
        """Forget the face that was followed."""
        with without_chatter():
            self._mesh.reset()
            self._forget()

    def _forget(self) -> None:
        self._face: Box | None = None
        self._frames = 0
        self._rival_looks = 0
        self._has_met = False
        for graph in (self._mesh, self._detector):
            graph.process(np.zeros((64, 64, 3), np.uint8))  # waits until the graph runs

    def close(self) -> None:
        """Release the native graphs."""
        self._mesh.close()
        self._detector.close()

    def track(self, image: NDArray[np.uint8]) -> NDArray[np.float64] | None:
        """Landmarks in the next frame.

        Args:
            image: (H, W, 3) uint8 RGB, at least `least_px` on either side.

        Returns:
            (478, 3) picture space of `image`; None when nobody is there.
        """
        if min(image.shape[:2]) < self.config.least_px:
            raise ValueError(f"image must be at least {self.config.least_px} pixels each way, got {image.shape[:2]}")
        small = self._reduce(image)
        points = self._follow(small)
        return None if points is None else points * (image.shape[1] / small.shape[1])

    def _reduce(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        factor = self.config.work_px / max(image.shape[:2])
        if factor >= 1:
            return np.ascontiguousarray(image)
        return cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)

    def _follow(self, image: NDArray[np.uint8]) -> NDArray[np.float64] | None:
        self._frames += 1
        if self._face is not None and self._frames % self.config.look_around_frames == 0:
            self._look_around(image, self._face)
        points = self._meet(image) if self._face is None else self._landmarks(image)
        self._face = None if points is None else _box(points)
        return points

    def _look_around(self, image: NDArray[np.uint8], face: Box) -> None:
        """Let the face go when another one has been clearly larger for a while."""
        seen = self._detect(image)
        # Widths of the detector are compared with each other: the mesh draws faces wider.
        own = max((box.width for box in seen if face.holds(box)), default=face.width)
        rival = max((box.width for box in seen if not face.holds(box)), default=0.0)
        self._rival_looks = self._rival_looks + 1 if rival > self.config.larger * own else 0
        if self._rival_looks >= self.config.patience:
            self.reset()
            self.person += 1

    def _meet(self, image: NDArray[np.uint8]) -> NDArray[np.float64] | None:
        """Begin to follow the largest face: the mesh sees nothing else of this frame."""
        largest = max(self._detect(image), key=lambda box: box.width, default=None)
        if largest is None:
            return None
        reach = (0.5 + self.config.margin) * largest.width
        rows, columns = (
            slice(max(0, int(middle - reach)), max(0, int(middle + reach))) for middle in (largest.y, largest.x)
        )
        alone = np.zeros_like(image)
        alone[rows, columns] = image[rows, columns]
        if self._has_met:
            return self._landmarks(alone)
        self._has_met = True
        with without_chatter():  # the graph's first face is its last occasion to complain
            return self._landmarks(alone)

    def _landmarks(self, image: NDArray[np.uint8]) -> NDArray[np.float64] | None:
        faces = self._mesh.process(image).multi_face_landmarks
        if not faces:
            return None
        height, width = image.shape[:2]
        shares: NDArray[np.float64] = np.array([(mark.x, mark.y, mark.z) for mark in faces[0].landmark])
        return shares * np.array([width, height, width], np.float64)

    def _detect(self, image: NDArray[np.uint8]) -> list[Box]:
        height, width = image.shape[:2]
        found = self._detector.process(image).detections or ()
        boxes = [detection.location_data.relative_bounding_box for detection in found]
        return [
            Box((box.xmin + box.width / 2) * width, (box.ymin + box.height / 2) * height, box.width * width)
            for box in boxes
        ]


def _box(points: NDArray[np.float64]) -> Box:
    low, high = points[OVAL, :2].min(0), points[OVAL, :2].max(0)
    middle = (low + high) / 2
    return Box(float(middle[0]), float(middle[1]), float(high[0] - low[0]))
