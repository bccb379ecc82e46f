# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A portrait in the `autoencoder` motion space: read once, then drawn in any motion."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.autoencoder.runtime import AutoencoderRuntime


class AutoencoderPortrait:
    """See `space.Portrait`.

    Args:
        runtime: the networks.
        image: (S, S, 3) uint8 RGB, the head with a margin.
        size: side of the pictures to draw.
        remarks: see `space.Portrait`.

    Attributes:
        reference: (M,) the portrait's own motion.
        remarks: see `space.Portrait`.
    """

    reference: NDArray[np.float32]

    def __init__(
        self, runtime: AutoencoderRuntime, image: NDArray[np.uint8], size: int, remarks: tuple[str, ...] = ()
    ) -> None:
        self.remarks = remarks
        self._runtime = runtime
        self._size = size
        self._prepared = runtime.prepare(image)
        self.reference = self._prepared.reference

    def render(self, latent: NDArray[np.float32], frame_index: int = 0) -> NDArray[np.uint8]:
        """The portrait in this motion, (size, size, 3) uint8 RGB. `frame_index` has no effect: there is no breathing.

        Raises:
            ValueError: the latent has another length or is not finite.
        """
        return self.render_together(latent[None])[0]

    @property
    def at_once(self) -> int:
        """See `space.BlockPortrait`."""
        return self._runtime.at_once

    def render_together(self, latents: NDArray[np.float32]) -> list[NDArray[np.uint8]]:
        """Pictures in several motions (B, M).

        Raises:
            ValueError: the latents have another length or are not finite.
        """
        if latents.shape[1:] != self.reference.shape or not np.isfinite(latents).all():
            raise ValueError(f"latents must be (B, {len(self.reference)}) and finite, got {latents.shape}")
        return [self._sized(image) for image in self._runtime.draw(self._prepared, latents)]

    def _sized(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if len(image) == self._size:
            return image
        flags = cv2.INTER_AREA if len(image) > self._size else cv2.INTER_CUBIC
        return cv2.resize(image, (self._size, self._size), interpolation=flags)
