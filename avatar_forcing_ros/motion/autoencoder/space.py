# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The `autoencoder` motion space: 20 coefficients read from a camera, 512x512 pictures drawn from 512 numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from avatar_forcing_ros.compute.config import ComputeConfig
from avatar_forcing_ros.motion.autoencoder.crop import CropConfig, SteadySquare, cut, face_square
from avatar_forcing_ros.motion.autoencoder.portrait import AutoencoderPortrait
from avatar_forcing_ros.motion.autoencoder.runtime import AutoencoderRuntime
from avatar_forcing_ros.motion.facemesh.reading.tracker import FaceTracker
from avatar_forcing_ros.motion.facemesh.reading.upright import find_upright_face
from avatar_forcing_ros.motion.space import MotionEncoder, PortraitError
from avatar_forcing_ros.signals import MotionSample, VideoFrame


class AutoencoderSpace:
    """See `space.MotionSpace`. Encoders and portraits share one set of weights.

    Args:
        runtime: the networks and where they run.
    """

    name: str = "autoencoder"
    names: tuple[str, ...] = ()

    def __init__(self, runtime: AutoencoderRuntime) -> None:
        self.runtime = runtime
        self.size = runtime.config.latent_size
        self.user_size = runtime.config.coefficients

    @classmethod
    def load(
        cls, weights: Path, device: torch.device | None = None, compute: ComputeConfig | None = None
    ) -> AutoencoderSpace:
        """Open the auto-encoder's file of a model bundle.

        Args:
            weights: safetensors with the published keys.
            device: where to run; None takes a GPU if there is one.
            compute: how the networks are computed.

        Raises:
            WeightsError: the file does not hold the published parameters.
        """
        return cls(AutoencoderRuntime(weights, device, compute))

    def expand_user(self, user: NDArray[np.float32]) -> NDArray[np.float32]:
        """(..., 20) coefficients -> (..., 512) motion latents."""
        return user @ self.runtime.directions.T

    def make_encoder(self) -> MotionEncoder:
        """A fresh encoder for one user."""
        return AutoencoderEncoder(self.runtime)

    def load_portrait(self, image: NDArray[np.uint8], size: int = 512) -> AutoencoderPortrait:
        """Cut out the head, read it once and keep what every frame needs.

        Args:
            image: (H, W, 3) uint8 RGB of any size and aspect.
            size: side of the pictures; if it is not the network's size, they are resampled.

        Raises:
            PortraitError: no face, a face too small, or a picture that cannot be used.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise PortraitError(f"a portrait must be (H, W, 3) uint8 RGB, got {image.shape} {image.dtype}")
        face = find_upright_face(image)
        square = face_square(face.landmarks, face.image.shape)
        turned = f"the face did not stand upright: the picture was turned left by {90 * face.quarter_turns} degrees"
        remarks = (turned,) if face.quarter_turns else ()
        whole = cut(face.image, square, self.runtime.config.image_size)
        return AutoencoderPortrait(self.runtime, whole, size, remarks)


class AutoencoderEncoder:
    """Reads one user's face, frame by frame; see `space.MotionEncoder`."""

    def __init__(self, runtime: AutoencoderRuntime, config: CropConfig | None = None) -> None:
        self._runtime = runtime
        self._tracker = FaceTracker()
        self._square = SteadySquare(config)
        self._person = self._tracker.person

    def encode(self, frame: VideoFrame) -> MotionSample:
        """The user's 20 coefficients; invalid and zero if no face was found."""
        face = self._tracker.track(frame.image)
        if self._tracker.person != self._person:
            self._person = self._tracker.person
            self._square.reset()
        if face is None:
            self._square.miss()
            return MotionSample(
                frame.stamp_ns, np.zeros(self._runtime.config.coefficients, np.float32), 0.0, valid=False
            )
        square = self._square.update(face, frame.image.shape)
        image = cut(frame.image, square, self._runtime.config.image_size)
        return MotionSample(frame.stamp_ns, self._runtime.coefficients(image))

    def reset(self) -> None:
        """Forget the user and the square."""
        self._tracker.reset()
        self._square.reset()

    def close(self) -> None:
        """Do nothing: no resources are held."""
