# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The `facemesh` motion space: 18 named numbers, read from a face mesh and rendered from one portrait, on a CPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.channels import NAMES, SIZE
from avatar_forcing_ros.motion.facemesh.idle import IdleMotion
from avatar_forcing_ros.motion.space import MotionEncoder

if TYPE_CHECKING:
    from avatar_forcing_ros.motion.facemesh.portrait import FaceMeshPortrait


class FaceMeshSpace:
    """See `space.MotionSpace`. User and avatar share the channels, so a user's motion already is a motion latent."""

    name: str = "facemesh"
    size: int = SIZE
    user_size: int = SIZE
    names: tuple[str, ...] = NAMES

    def expand_user(self, user: NDArray[np.float32]) -> NDArray[np.float32]:
        """(..., 18) -> (..., 18), the same numbers."""
        return user

    def make_encoder(self) -> MotionEncoder:
        """A fresh encoder for one user."""
        from avatar_forcing_ros.motion.facemesh.reading.encoder import FaceMeshEncoder

        return FaceMeshEncoder()

    def idle(self, frame: int, seed: int) -> NDArray[np.float32]:
        """(18,) motion of an idle face in a frame on the grid; see `idle.py`."""
        return IdleMotion(seed=seed).at(frame)

    def load_portrait(self, image: NDArray[np.uint8], size: int = 512) -> FaceMeshPortrait:
        """Prepare a portrait; see `portrait.load_portrait`.

        Raises:
            PortraitError: no face, a face too small, or a picture that cannot be used.
        """
        from avatar_forcing_ros.motion.facemesh.portrait import load_portrait  # not needed to read faces

        return load_portrait(image, size)

    def prepare_portrait(self, image: NDArray[np.uint8], size: int) -> dict[str, NDArray[Any]]:
        """What drawing needs from a picture, as arrays; raises the errors of `load_portrait`."""
        from avatar_forcing_ros.motion.facemesh import kept_likenesses, portrait

        return kept_likenesses.to_arrays(portrait.likeness_of(image, size))

    def take_over(self, prepared: Mapping[str, NDArray[Any]]) -> FaceMeshPortrait:
        """The portrait from arrays that another process prepared."""
        from avatar_forcing_ros.motion.facemesh import kept_likenesses, portrait

        return portrait.FaceMeshPortrait(kept_likenesses.from_arrays(prepared))
