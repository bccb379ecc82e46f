# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Composes drawn motion: a stray head settles, a smile does not waver, and blocks meet without kinks.

Three things happen to each number of a latent after its block was drawn and remembered, so that the network goes on
from what it drew itself:

* What is shown falls only once it has fallen by more than a `slack`, as with play in a gear; what is left of that fades
  within seconds. Rises are shown at once. A mouth that talks makes its smile seem to come and go, and a face that
  follows such a reading quickly would smile anew with every other word.
* What it deviates from the portrait's own for seconds is taken back: its running mean over `settling_s` is subtracted.
  Shifts of posture stay, a drift does not.
* It is eased: two low-pass stages in a row, each over `easing_frames`, so that position and speed go on across the
  border of two blocks whatever the next one begins with. A slow rise comes later by twice that.

Source: exponential smoothing and its cascade, Brown, 1963; of the slack: the play operator of hysteresis, Krasnoselskii
and Pokrovskii, 1989, on one side.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avatar_forcing_ros.signals import FPS

_MEMORY = 3
"""Numbers that are kept of each channel: the running mean and both stages; a fourth is what the slack holds."""
_FADING = 1 / (1.3 * FPS)
"""Share of the slack that goes in a frame: a smile's last trace is gone in some seconds."""


class Poise:
    """Composes blocks of `block_frames` frames.

    Args:
        settling_s: of each of the M numbers of a latent; 0 lets it stay where it is.
        easing_frames: of each; 0 leaves its course as it is.
        slack: of each, in its units; 0 lets it fall at once.
        block_frames: B.
    """

    def __init__(
        self, settling_s: Sequence[float], easing_frames: Sequence[float], slack: Sequence[float], block_frames: int
    ) -> None:
        both = [_response(s, e, block_frames) for s, e in zip(settling_s, easing_frames, strict=True)]
        self._matrices = torch.from_numpy(np.stack(both).astype(np.float32))
        self._slack = torch.tensor(slack) if any(slack) else None

    def __call__(self, block: Tensor, reference: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """(N, B, M) drawn, (N, M), (N, M, 4) -> (N, B, M) to show, and the memory after it."""
        away = (block - reference[:, None]).transpose(1, 2)
        if self._slack is not None:
            away = self._with_slack(away, memory[..., _MEMORY])
        self._matrices = self._matrices.to(block)
        made = torch.einsum("mij,nmj->nmi", self._matrices, torch.cat((memory[..., :_MEMORY], away), dim=-1))
        shown = made[..., :-_MEMORY].transpose(1, 2) + reference[:, None]
        return shown, torch.cat((made[..., -_MEMORY:], away[..., -1:]), dim=-1)

    def _with_slack(self, away: Tensor, held: Tensor) -> Tensor:
        """(N, M, B) drawn, (N, M) held before it -> (N, M, B)."""
        assert self._slack is not None
        self._slack, frames = self._slack.to(away), []
        for drawn in away.unbind(dim=-1):
            held = torch.maximum(drawn, torch.minimum(held, drawn + self._slack).lerp(drawn, _FADING))
            frames.append(held)
        return torch.stack(frames, dim=-1)


def poise_from(last: Tensor, reference: Tensor) -> Tensor:
    """(N, M) the last frame shown and the portrait's own -> (N, M, 4) memory, from which motion goes on smoothly."""
    away = last - reference
    return torch.stack((torch.zeros_like(away), away, away, away), dim=-1)


def _response(settling_s: float, easing_frames: float, block_frames: int) -> NDArray[np.float64]:
    """(B + 3, 3 + B): (memory, drawn) -> (shown, memory), from the response to a one in each place."""
    settle = 1 / (FPS * settling_s) if settling_s else 0.0
    ease = 1 - np.exp(-1 / easing_frames) if easing_frames else 1.0
    state = np.eye(_MEMORY + block_frames)
    mean, first, second = state[:_MEMORY]
    shown = []
    for drawn in state[_MEMORY:]:
        mean = mean + settle * (drawn - mean)
        first = first + ease * (drawn - mean - first)
        second = second + ease * (first - second)
        shown.append(second)
    return np.stack([*shown, mean, first, second])
