"""Where the auto-encoder runs and in which type of number; pictures go in and come out as uint8.

Convolutions are bfloat16 on a GPU and on CPUs that compute in it; on others torch emulates it ten times slower, so
there they are float32. When a GPU runs out of memory, everything goes on on the CPU.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from avatar_forcing_ros.motion.autoencoder.encoder import Encoding
from avatar_forcing_ros.motion.autoencoder.model import MotionAutoencoder
from avatar_forcing_ros.motion.autoencoder.published import build_autoencoder, check_autoencoder
from avatar_forcing_ros.motion.autoencoder.warping import FeatureTable, feature_tables

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
CPU = torch.device("cpu")


def quick_dtype(device: torch.device) -> torch.dtype:
    """The narrowest type that this device computes with at full speed."""
    features = torch.cpu.get_capabilities() if device.type == "cpu" else {"amx_bf16": True}
    return torch.bfloat16 if features.get("amx_bf16") or features.get("avx512_bf16") else torch.float32


@dataclass(frozen=True)
class PreparedPortrait:
    """What every frame of a portrait needs.

    Attributes:
        identity: (1, M).
        features: warped by every frame, coarse to fine.
        reference: (M,) the portrait's own motion.
    """

    identity: Tensor
    features: tuple[FeatureTable, ...]
    reference: NDArray[np.float32]


class AutoencoderRuntime:
    """The auto-encoder of a model bundle on one device.

    Args:
        weights: safetensors with the published keys.
        device: None takes a GPU when there is one.

    Raises:
        WeightsError: the file does not hold the published parameters.
    """

    def __init__(self, weights: Path, device: torch.device | None = None) -> None:
        self._weights = weights
        self.device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if self.device == CPU:
            logger.warning("no GPU: expect about 0.3 s on two cores for each picture read or drawn, far from real time")
        self._model = self._build()
        self.config = self._model.config
        self.directions: NDArray[np.float32] = self._model.directions.cpu().numpy()

    def _build(self) -> MotionAutoencoder:
        config, state = check_autoencoder(load_file(self._weights))
        return build_autoencoder(state, config, quick_dtype(self.device)).to(self.device)

    def coefficients(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(U,) motion coefficients of a picture (S, S, 3)."""
        return self.read(image[None])[0]

    def read(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(B, U) motion coefficients of pictures (B, S, S, 3)."""
        return self._guarded(lambda: self._encode(images).coefficients.cpu().numpy())

    def prepare(self, image: NDArray[np.uint8]) -> PreparedPortrait:
        """Read a portrait (S, S, 3)."""
        return self._guarded(lambda: self._prepare(image))

    def draw(self, portrait: PreparedPortrait, motions: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Pictures (B, S, S, 3) of a portrait in motions (B, M); -1 is black and 1 white, whatever the picture."""
        return self._guarded(lambda: self._draw(portrait, motions))

    def _encode(self, images: NDArray[np.uint8]) -> Encoding:
        pixels = torch.from_numpy(images).to(self.device).movedim(-1, 1)
        return self._model.encode(pixels.float() / 127.5 - 1)

    def _prepare(self, image: NDArray[np.uint8]) -> PreparedPortrait:
        encoding = self._encode(image[None])
        reference = self._model.motion(encoding.coefficients)[0].cpu().numpy()
        return PreparedPortrait(encoding.identity, feature_tables(encoding.features), reference)

    def _draw(self, portrait: PreparedPortrait, motions: NDArray[np.float32]) -> NDArray[np.uint8]:
        features = tuple(table.to(self.device) for table in portrait.features)
        motion = torch.from_numpy(motions).to(self.device)
        pictures = self._model.decode(portrait.identity.to(self.device), features, motion)
        return ((pictures.clamp(-1, 1) + 1) * 127.5).round().byte().movedim(1, -1).contiguous().cpu().numpy()

    def _guarded(self, job: Callable[[], Result]) -> Result:
        """Do a job; when the GPU has no memory for it, move to the CPU and do it there."""
        with torch.inference_mode():
            try:
                return job()
            except torch.OutOfMemoryError:
                logger.warning("the GPU is out of memory: going on on the CPU, far from real time")
                self.device = CPU
                self._model = self._build()
                return job()
