"""Weights that anyone can make again: values drawn from a seed and a parameter's published name.

Recorded reference outputs of the published network were made with these, so that an implementation can be held against
them without the published weights.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

AUTOENCODER_PREFIX = "motion_autoencoder."


def _autoencoder_values(key: str, values: NDArray[np.float32]) -> NDArray[np.float32]:
    if not key.endswith("bias"):
        return values
    return 1 + 0.1 * values if "modulation" in key else 0.1 * values


def _network_values(key: str, values: NDArray[np.float32]) -> NDArray[np.float32]:
    if values.ndim >= 2:
        return values / np.sqrt(np.prod(values.shape[1:]))
    return 0.1 * values if key.endswith("bias") else 1 + 0.1 * values


def reference_weight(seed: int, key: str, shape: tuple[int, ...]) -> Tensor:
    """float32 values of the parameter with the published full name `key`."""
    random = np.random.RandomState(zlib.crc32(f"{seed}:{key}".encode()))
    values = random.standard_normal(shape).astype(np.float32)
    scaled = _autoencoder_values if key.startswith(AUTOENCODER_PREFIX) else _network_values
    return torch.from_numpy(np.asarray(scaled(key, values), np.float32))


def reference_weights(seed: int, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """`reference_weight` for every name in `shapes`."""
    return {key: reference_weight(seed, key, shape) for key, shape in shapes.items()}
