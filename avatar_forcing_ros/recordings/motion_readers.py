# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Reads one person's motion from a clip twice: as the live avatar would see a user, and as an avatar should move.

The two differ. A user is read frame by frame, by the encoder of the live avatar: motion fades in, the neutral face is
learnt on the way, and the face is lost at times. The motion for an avatar to learn is read with hindsight.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.autoencoder.crop import Square, cut, face_square
from avatar_forcing_ros.motion.autoencoder.runtime import AutoencoderRuntime
from avatar_forcing_ros.motion.facemesh.channels import NAMES, SIZE
from avatar_forcing_ros.motion.facemesh.reading.calibration import CalibrationConfig, NeutralFace
from avatar_forcing_ros.motion.facemesh.reading.encoder import NOISE, FaceMeshEncoder
from avatar_forcing_ros.motion.facemesh.reading.features import to_channels
from avatar_forcing_ros.motion.facemesh.reading.smoothing import Smoother
from avatar_forcing_ros.recordings.faces import FollowedFace, RememberingTracker, filled, lip_gaps, stretches
from avatar_forcing_ros.signals import FPS, VideoFrame
from avatar_forcing_ros.timeline.grid import FRAME_NS

Pictures = Callable[[], Iterator[NDArray[np.uint8]]]
"""Plays a clip from its beginning, with one picture (H, W, 3) per grid frame."""

_AT_ONCE = CalibrationConfig(settle_s=1e-3, known_after=0.0)
"""With hindsight, the neutral face need not settle gradually, and is known."""


@dataclass(frozen=True)
class PersonMotion:
    """One person in T frames.

    Attributes:
        motion: (T, U) float32, with hindsight; zeros outside stretches.
        stretch: (T,) number of the uninterrupted stretch, -1 outside.
        seen: (T, U) float32, as the live avatar would see this user; zeros where not valid.
        seen_valid: (T,) whether a face was found.
        lip_gap: (T,) opening between the lips in interocular distances, NaN where there was no face.
        face_px: median width of the face in pixels, 0 if there was none.
    """

    motion: NDArray[np.float32]
    stretch: NDArray[np.int64]
    seen: NDArray[np.float32]
    seen_valid: NDArray[np.bool_]
    lip_gap: NDArray[np.float64]
    face_px: float


class MotionReader(Protocol):
    """Reads people in one motion space."""

    def read(self, pictures: Pictures) -> PersonMotion:
        """The motion of the largest face; `pictures` may be played several times."""
        ...


class FaceMeshReader:
    """Reads the 18 channels in one pass: the live encoder reads the pictures, and its tracker's results are kept."""

    def read(self, pictures: Pictures) -> PersonMotion:
        """See `MotionReader.read`."""
        tracker = RememberingTracker()
        encoder = FaceMeshEncoder(tracker=tracker)
        samples = [encoder.encode(VideoFrame(n * FRAME_NS, image)) for n, image in enumerate(pictures())]
        face = FollowedFace(tracker.found, np.array(tracker.people))
        numbers, measures = stretches(face), face.measures()
        return PersonMotion(
            motion=_with_hindsight(measures, face.people, numbers),
            stretch=numbers,
            seen=np.stack([sample.latent for sample in samples]),
            seen_valid=face.found,
            lip_gap=lip_gaps(measures),
            face_px=_face_px(face),
        )


def _with_hindsight(
    measures: NDArray[np.float64], people: NDArray[np.int64], numbers: NDArray[np.int64]
) -> NDArray[np.float32]:
    """(T, 18) channels of (T, 18) measures, relative to the neutral face known at the end of the clip."""
    motion = np.zeros((len(measures), SIZE), np.float32)
    known = filled(measures, numbers)
    noise = np.array([NOISE[name] for name in NAMES])
    for number in range(numbers.max(initial=-1) + 1):
        frames = np.flatnonzero(numbers == number)
        neutral = _neutral(measures[people == people[frames[0]]])
        smoother = Smoother(noise)
        for frame in frames:
            motion[frame] = smoother.update(to_channels(known[frame], neutral), 1 / FPS)
    return motion


def _neutral(measures: NDArray[np.float64]) -> NDArray[np.float64]:
    """(18,) the neutral face that the live calibration finds from looks spread over the whole clip."""
    face = NeutralFace(_AT_ONCE)
    every = round(_AT_ONCE.look_s * FPS)
    looks = measures[np.isfinite(measures).all(axis=1)][::every]
    return [face.observe(look, every / FPS) for look in looks][-1]


class AutoencoderReader:
    """Reads coefficients of the motion latent auto-encoder: one pass finds the square of each stretch, one encodes.

    Here, both readings are the same, because the encoder treats each picture alone and learns nothing.

    Args:
        runtime: the networks, on their device.
        batch: number of pictures encoded at once.
    """

    def __init__(self, runtime: AutoencoderRuntime, batch: int = 16) -> None:
        self._runtime = runtime
        self._batch = batch

    def read(self, pictures: Pictures) -> PersonMotion:
        """See `MotionReader.read`."""
        face, shape = _follow(pictures)
        numbers = stretches(face)
        squares = _squares(face, numbers, shape)
        motion = np.zeros((len(numbers), self._runtime.config.coefficients), np.float32)
        for frames, images in self._batches(pictures(), numbers, squares):
            motion[frames] = self._runtime.read(images)
        return PersonMotion(
            motion=motion,
            stretch=numbers,
            seen=motion,
            seen_valid=numbers >= 0,
            lip_gap=lip_gaps(face.measures()),
            face_px=_face_px(face),
        )

    def _batches(
        self, pictures: Iterable[NDArray[np.uint8]], numbers: NDArray[np.int64], squares: list[Square]
    ) -> Iterator[tuple[list[int], NDArray[np.uint8]]]:
        """Batches of frame numbers and their squares (B, S, S, 3)."""
        frames: list[int] = []
        images: list[NDArray[np.uint8]] = []
        for frame, (image, number) in enumerate(zip(pictures, numbers, strict=True)):
            if number >= 0:
                frames.append(frame)
                images.append(cut(image, squares[number], self._runtime.config.image_size))
            if len(frames) == self._batch:
                yield frames, np.stack(images)
                frames, images = [], []
        if frames:
            yield frames, np.stack(images)


def _follow(pictures: Pictures) -> tuple[FollowedFace, tuple[int, ...]]:
    """The face, and the shape of the pictures."""
    tracker = RememberingTracker()
    shape: tuple[int, ...] = ()
    for image in pictures():
        tracker.track(image)
        shape = image.shape
    return FollowedFace(tracker.found, np.array(tracker.people)), shape


def _squares(face: FollowedFace, numbers: NDArray[np.int64], shape: tuple[int, ...]) -> list[Square]:
    """One square per stretch, the mean of those of its frames, so that the head's motion is preserved.

    Source: arXiv 2601.00664, section 5.1.
    """
    squares = []
    for number in range(numbers.max(initial=-1) + 1):
        faces = [face.landmarks[frame] for frame in np.flatnonzero(numbers == number).tolist()]
        each = [face_square(points, shape) for points in faces if points is not None]
        squares.append(Square(*np.mean([[s.x, s.y, s.side] for s in each], axis=0).tolist()))
    return squares


def _face_px(face: FollowedFace) -> float:
    widths = face.boxes()[face.found, 2]
    return float(np.median(widths)) if len(widths) else 0.0
