# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Samples as devices, files and messages give them <-> mono float32. Without scipy, so that it loads at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def to_mono(samples: NDArray) -> NDArray[np.float32]:
    """PCM as devices and files give it -> mono float32 in [-1, 1].

    Args:
        samples: (N,) or (N, channels); float, or integers of full scale (uint8 with its zero at 128).

    Raises:
        ValueError: another shape or type.
    """
    if samples.ndim not in (1, 2):
        raise ValueError(f"samples must be (N,) or (N, channels), got {samples.shape}")
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite then, a chunk refuses
        scaled = _scale(samples)
        return scaled if scaled.ndim == 1 else scaled.mean(axis=1, dtype=np.float32)


def to_int16(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """Samples in [-1, 1] as 16-bit integers, little endian; louder ones are clipped. `to_mono` takes them back."""
    return np.clip(np.rint(samples * 32768.0), -32768, 32767).astype("<i2")


def _scale(samples: NDArray) -> NDArray[np.float32]:
    if samples.dtype.kind == "f":
        return samples.astype(np.float32)
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - np.float32(128)) / np.float32(128)
    if samples.dtype.kind == "i":
        return (samples / -float(np.iinfo(samples.dtype).min)).astype(np.float32)
    raise ValueError(f"samples must be float, uint8 or signed integers, got {samples.dtype}")
