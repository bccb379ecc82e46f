# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A user who is filmed: the motion is drawn on a portrait, passed through a simulated webcam and read as in live use.

The statistical tracker in `camera` makes faults as large as MediaPipe's, but not of the same kind: what a yaw does to a
smile, which vowels look like pressed lips, how the neutral face is learnt. Here the live encoder itself makes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.files.resources import resource
from avatar_forcing_ros.motion.facemesh.reading.calibration import CalibrationConfig
from avatar_forcing_ros.motion.facemesh.reading.encoder import FaceMeshEncoder
from avatar_forcing_ros.signals import FPS, VideoFrame
from avatar_forcing_ros.simulation.camera import Observed
from avatar_forcing_ros.timeline.grid import FRAME_NS

if TYPE_CHECKING:
    from avatar_forcing_ros.motion.facemesh.portrait import FaceMeshPortrait

_LOOK_FRAMES = int(CalibrationConfig().look_s * FPS)

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class FilmConfig:
    """Who is filmed, and the ranges of what a webcam does to the picture. All are drawn once per conversation.

    Attributes:
        portraits: bundled portraits to film; each is mirrored in half of its conversations.
        drawn_px: side of the drawn picture.
        side_px: least and greatest height of the webcam's picture; the face takes about 0.4 of its width.
        aspect: width over height, to vary the proportions of the few portraits.
        watched_s: how long the camera has seen the user's face when the conversation begins.
        gamma: exponent of the grey levels.
        contrast: factor on grey levels around the middle one.
        brightness: grey levels added.
        blur_px: standard deviation of the blur.
        noise: standard deviation of the sensor's noise in grey levels.
        jpeg_quality: JPEG quality of the camera.
    """

    portraits: tuple[str, ...] = ("aria.png", "milo.png")
    drawn_px: int = 320
    side_px: tuple[int, int] = (200, 512)
    aspect: tuple[float, float] = (0.94, 1.06)
    watched_s: tuple[float, float] = (0.0, 60.0)
    gamma: tuple[float, float] = (0.6, 1.7)
    contrast: tuple[float, float] = (0.7, 1.2)
    brightness: tuple[float, float] = (-40.0, 30.0)
    blur_px: tuple[float, float] = (0.0, 1.3)
    noise: tuple[float, float] = (0.0, 10.0)
    jpeg_quality: tuple[int, int] = (30, 95)


class Webcam:
    """One camera in one light. `rng` chooses both, and the noise of each picture."""

    def __init__(self, rng: np.random.Generator, config: FilmConfig | None = None) -> None:
        config = config or FilmConfig()
        self._rng = rng
        side = int(rng.integers(*config.side_px, endpoint=True))
        self._size = (round(side * rng.uniform(*config.aspect)), side)
        self._grey = _grey_levels(
            rng.uniform(*config.gamma), rng.uniform(*config.contrast), rng.uniform(*config.brightness)
        )
        self._blur_px = rng.uniform(*config.blur_px)
        self._quality = int(rng.integers(*config.jpeg_quality, endpoint=True))
        # Four pictures' worth of noise, from which each picture takes a part: new noise for each would cost as much as
        # reading the face.
        width, height = self._size
        noise = rng.uniform(*config.noise) * rng.standard_normal((2 * height, 2 * width, 3), np.float32)
        self._lighter, self._darker = (np.clip(np.rint(sign * noise), 0, 255).astype(np.uint8) for sign in (1, -1))

    def take(self, scene: Picture) -> Picture:
        """The scene in front of the camera, (S, S, 3) uint8 RGB -> the camera's picture, (H, W, 3) uint8 RGB."""
        shrinks = self._size[1] < len(scene)
        image = cv2.resize(scene, self._size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        if self._blur_px > 0.2:  # less has no effect
            image = cv2.GaussianBlur(image, (0, 0), self._blur_px)
        return self._compress(self._grain(cv2.LUT(image, self._grey)))

    def _grain(self, image: NDArray) -> NDArray:
        """Add the sensor's noise to a picture."""
        width, height = self._size
        row, column = self._rng.integers(0, (height, width))
        part = slice(row, row + height), slice(column, column + width)
        return cv2.subtract(cv2.add(image, self._lighter[part]), self._darker[part])

    def _compress(self, image: NDArray) -> Picture:
        quality = (cv2.IMWRITE_JPEG_QUALITY, self._quality)
        _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), quality)
        return cv2.cvtColor(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def _grey_levels(gamma: float, contrast: float, brightness: float) -> NDArray[np.uint8]:
    """(256,) the new value of each grey level."""
    levels = 255 * np.linspace(0, 1, 256) ** gamma
    return np.clip(128 + contrast * (levels - 128) + brightness, 0, 255).astype(np.uint8)


class FilmStudio:
    """Films users and reads their faces, one after the other. It keeps the encoder and the portraits in between."""

    def __init__(self, config: FilmConfig | None = None) -> None:
        self.config = config or FilmConfig()
        cv2.setNumThreads(1)  # as in live use; several processes make a corpus in parallel
        self._encoder = FaceMeshEncoder()
        self._portrait = cache(self._load_portrait)

    def close(self) -> None:
        """Release the encoder."""
        self._encoder.close()

    def film(self, rng: np.random.Generator, motion: NDArray[np.float64]) -> Observed:
        """What the live encoder reads from a user who moves like `motion` (T, 18) in front of a random webcam."""
        name = str(rng.choice(self.config.portraits))
        portrait = self._portrait(name, bool(rng.random() < 0.5))
        webcam = Webcam(rng, self.config)
        self._encoder.reset()
        before = int(rng.uniform(*self.config.watched_s) * FPS)
        samples = {}
        for frame in _filmed_frames(before, len(motion)):
            picture = webcam.take(portrait.render(motion[_reflected(frame, len(motion))], before + frame))
            samples[frame] = self._encoder.encode(VideoFrame((before + frame) * FRAME_NS, picture))
        read = [samples[frame] for frame in range(len(motion))]
        return Observed(np.stack([sample.latent for sample in read]), np.array([sample.valid for sample in read]))

    def _load_portrait(self, name: str, mirrored: bool) -> FaceMeshPortrait:
        # Imported here, because training on existing shards needs neither the compiled renderer nor PyAV.
        from avatar_forcing_ros.files.pictures import read_image
        from avatar_forcing_ros.motion.facemesh.portrait import load_portrait

        image = read_image(resource("models", "portraits", name))
        return load_portrait(np.ascontiguousarray(image[:, ::-1]) if mirrored else image, self.config.drawn_px)


def _filmed_frames(before: int, frames: int) -> Iterator[int]:
    """Numbers of the frames to film. Of the frames `before`, only as many as it takes to learn the neutral face."""
    yield from range(-(before // _LOOK_FRAMES) * _LOOK_FRAMES, 0, _LOOK_FRAMES)
    yield from range(frames)


def _reflected(frame: int, frames: int) -> int:
    """The frame whose motion this frame shows. Before the conversation, its motion runs backwards and forwards."""
    return frames - 1 - abs(frames - 1 - abs(frame) % max(1, 2 * frames - 2))
