# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The user's motion as a camera and a face tracker deliver it: noisy, scaled, late, held, and sometimes missing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from avatar_forcing_ros.motion.facemesh.channels import CHANNELS, HIGH, INDEX, LOW, SIZE
from avatar_forcing_ros.signals import FPS

_WHITE_NOISE = {
    "yaw": 0.007, "pitch": 0.007, "roll": 0.005, "x": 0.003, "y": 0.003, "scale": 0.002, "jaw_open": 0.012,
    "smile": 0.02, "stretch": 0.03, "pucker": 0.03, "press": 0.05, "upper_lip": 0.04, "brow_raise": 0.03,
    "brow_furrow": 0.04, "blink_right": 0.04, "blink_left": 0.04, "gaze_x": 0.03, "gaze_y": 0.05,
}  # fmt: skip
"""Standard deviations of the frame-to-frame noise, similar to those of MediaPipe's face mesh on a 140-pixel face."""

_LEAKS = (("jaw_open", "pitch", -0.06), ("jaw_open", "brow_raise", -0.06), ("smile", "stretch", 0.25),
          ("smile", "upper_lip", 0.2), ("stretch", "smile", 0.2), ("pucker", "smile", -0.15), ("pitch", "gaze_y", 0.5),
          ("pitch", "brow_raise", -0.5), ("yaw", "smile", 0.3))  # fmt: skip
"""Cross-talk in the tracker: (from, to, mean size)."""


@dataclass(frozen=True)
class CameraConfig:
    """Ranges of the tracker's faults.

    Attributes:
        noise_factor: least and greatest factor on the frame-to-frame noise.
        wander_share: slow wander of a reading, in units of its frame-to-frame noise.
        gain_std: standard deviation of a channel's gain.
        bias_std: standard deviation of a channel's offset, as a share of its range (the neutral face is a guess).
        smoothing_frames: greatest width of the tracker's own smoothing.
        hold_share: chance of a camera slower than the frame grid, whose readings are held for two or three frames.
        late_share: chance that all readings come one frame late.
        loss_per_minute: how often the face is lost.
        loss_s: median duration of a loss.
        absent_share: chance that nobody is seen during the whole conversation.
    """

    noise_factor: tuple[float, float] = (0.3, 1.5)
    wander_share: float = 1.0
    gain_std: float = 0.15
    bias_std: float = 0.025
    smoothing_frames: float = 0.8
    hold_share: float = 0.3
    late_share: float = 0.2
    loss_per_minute: float = 1.0
    loss_s: float = 0.7
    absent_share: float = 0.08


@dataclass(frozen=True)
class Observed:
    """`latent` (T, 18), zeros where `valid` (T,) is false."""

    latent: NDArray[np.floating]
    valid: NDArray[np.bool_]


def _distort(rng: np.random.Generator, motion: NDArray[np.float64], config: CameraConfig) -> NDArray[np.float64]:
    """Apply gains, offsets and cross-talk, drawn once for this face and camera."""
    mixing = np.diag(1 + rng.normal(0, config.gain_std, SIZE))
    for source, target, size in _LEAKS:
        mixing[INDEX[source], INDEX[target]] += size * rng.uniform(0, 2)
    ranges = HIGH - LOW
    return motion @ mixing + rng.normal(0, config.bias_std, SIZE) * ranges


def _noise(rng: np.random.Generator, frames: int, config: CameraConfig) -> NDArray[np.float64]:
    """(T, 18) white noise and slow wander."""
    std = np.array([_WHITE_NOISE[channel.name] for channel in CHANNELS]) * rng.uniform(*config.noise_factor)
    slow = gaussian_filter1d(rng.normal(size=(frames, SIZE)), 1.5 * FPS, axis=0, mode="wrap")
    return std * (rng.normal(size=(frames, SIZE)) + config.wander_share * slow / slow.std())


def _delivered(rng: np.random.Generator, count: int, config: CameraConfig) -> NDArray[np.int64]:
    """(T,) the frame whose reading is available at each frame: a slow camera holds them, a late one delays them."""
    frames = np.arange(count)
    if rng.random() < config.hold_share:
        every = int(rng.integers(2, 4))
        frames = frames // every * every
    if rng.random() < config.late_share:
        frames = frames - 1
    return np.maximum(frames, 0)


def _losses(rng: np.random.Generator, frames: int, config: CameraConfig) -> NDArray[np.bool_]:
    """(T,) whether a face is found."""
    valid = np.full(frames, rng.random() >= config.absent_share)
    for _ in range(rng.poisson(config.loss_per_minute * frames / FPS / 60)):
        start = int(rng.integers(0, frames))
        valid[start : start + max(1, int(config.loss_s * np.exp(rng.normal(0, 1)) * FPS))] = False
    return valid


def _imagined(rng: np.random.Generator, motion: NDArray[np.float64], config: CameraConfig) -> Observed:
    """Readings of a simulated tracker that finds the face in every frame."""
    readings = _distort(rng, motion, config) + _noise(rng, len(motion), config)
    readings = gaussian_filter1d(readings, rng.uniform(0.05, config.smoothing_frames), axis=0)
    return Observed(readings, np.ones(len(motion), bool))


def observe(
    rng: np.random.Generator,
    motion: NDArray[np.float64],
    config: CameraConfig | None = None,
    filmed: Observed | None = None,
) -> Observed:
    """What the tracker reports for the true `motion` (T, 18).

    Args:
        rng: draws the faults; the same numbers are drawn with and without `filmed`.
        motion: the user's motion.
        config: ranges of the faults.
        filmed: readings from real pictures of the user; they replace gains, cross-talk and noise.
    """
    config = config or CameraConfig()
    imagined = _imagined(rng, motion, config)
    read = filmed or imagined
    frames = _delivered(rng, len(motion), config)
    readings = np.clip(read.latent[frames], [c.low for c in CHANNELS], [c.high for c in CHANNELS])
    valid = read.valid[frames] & _losses(rng, len(motion), config)
    return Observed(np.where(valid[:, None], readings, 0).astype(np.float32), valid)
