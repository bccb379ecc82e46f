# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The straight path between a clean motion and noise, and what the network learns along it.

Which end is noise, said once for the whole project: flow time t counts from 1000, pure noise, down to 0, clean motion.
The share of noise is sigma = t / 1000, a point of the path is x_t = (1 - sigma) clean + sigma noise, and the velocity
is its derivative by sigma, v = noise - clean. Removing noise therefore means steps of negative size along +v. The
paper prints the same path with reversed time and sign (t = 1 is clean, v = clean - noise); the published weights
follow this file.

Source: Lipman et al. 2023 (arXiv 2210.02747), conditional optimal-transport path with sigma_min = 0; convention of the
published inference code of Avatar Forcing (arXiv 2601.00664).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

NOISE_TIME = 1000.0
CLEAN_TIME = 0.0


def interpolate(clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """Point on the straight path from clean motion to noise.

    Args:
        clean: motion latents, (B, T, M).
        noise: standard normal, (B, T, M).
        t: flow time of each frame in [0, 1000], (B, T); 1000 is noise.

    Returns:
        x_t, (B, T, M).

    Raises:
        ValueError: shapes disagree.
    """
    _check_pair(clean, noise)
    sigma = _noise_share(clean, t)
    return (1 - sigma) * clean + sigma * noise


def target_velocity(clean: Tensor, noise: Tensor) -> Tensor:
    """What the network is to predict anywhere on the path: v = noise - clean, (B, T, M).

    Raises:
        ValueError: shapes disagree.
    """
    _check_pair(clean, noise)
    return noise - clean


def _noise_share(frames: Tensor, t: Tensor) -> Tensor:
    if t.shape != frames.shape[:-1]:
        raise ValueError(f"t must be (B, T) = {tuple(frames.shape[:-1])}, got {tuple(t.shape)}")
    return (t / NOISE_TIME).unsqueeze(-1).to(frames.dtype)  # (B, T, 1)


def _check_pair(first: Tensor, second: Tensor) -> None:
    if first.shape != second.shape:
        raise ValueError(f"both ends must have one shape, got {tuple(first.shape)} and {tuple(second.shape)}")
