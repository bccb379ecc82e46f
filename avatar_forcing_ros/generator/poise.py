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
* It is eased: of all courses that go on from the last four frames shown, the one is taken that stays near what was
  drawn and whose fourth differences are small, so that position, speed and acceleration go on across the border of two
  blocks whatever the next one begins with. It is planned beyond its end, as if the drawn course stopped there, and
  planned anew with every block, so it begins to turn in time. A step of the drawn course takes four times
  `easing_frames`, and overshoots by a tenth.

Source: exponential smoothing, Brown, 1963; of the slack: the play operator of hysteresis, Krasnoselskii and Pokrovskii,
1989, on one side; of the easing: the smoother of Whittaker, 1923, as in Eilers, 2003 (doi 10.1021/ac034173t), of order
four and with the receding horizon of Garcia, Prett and Morari, 1989 (doi 10.1016/0005-1098(89)90002-2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avatar_forcing_ros.signals import FPS

_ORDER = 4
"""Order of the differences that easing keeps small, and number of shown frames from which it continues."""
_LINEAR = 1 + _ORDER
"""Numbers that settling and easing keep of each channel: the running mean, and the last frames shown."""
MEMORY = _LINEAR + 1
"""The same with the number that the slack keeps: the value that it holds."""
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
        """(N, B, M) drawn, (N, M), (N, M, MEMORY) -> (N, B, M) to show, and the memory after it."""
        away = (block - reference[:, None]).transpose(1, 2)
        if self._slack is not None:
            away = self._with_slack(away, memory[..., _LINEAR])
        self._matrices = self._matrices.to(block)
        made = torch.einsum("mij,nmj->nmi", self._matrices, torch.cat((memory[..., :_LINEAR], away), dim=-1))
        shown = made[..., :-_LINEAR].transpose(1, 2) + reference[:, None]
        return shown, torch.cat((made[..., -_LINEAR:], away[..., -1:]), dim=-1)

    def _with_slack(self, away: Tensor, held: Tensor) -> Tensor:
        """(N, M, B) drawn, (N, M) held before it -> (N, M, B)."""
        assert self._slack is not None
        self._slack, frames = self._slack.to(away), []
        for drawn in away.unbind(dim=-1):
            held = torch.maximum(drawn, torch.minimum(held, drawn + self._slack).lerp(drawn, _FADING))
            frames.append(held)
        return torch.stack(frames, dim=-1)


def poise_from(last: Tensor, reference: Tensor) -> Tensor:
    """(N, M) the last frame shown and the portrait's own -> (N, M, MEMORY), from which motion continues smoothly."""
    away = last - reference
    return torch.stack((torch.zeros_like(away), *[away] * (MEMORY - 1)), dim=-1)


def _response(settling_s: float, easing_frames: float, block_frames: int) -> NDArray[np.float64]:
    """(B + 5, 5 + B): (memory, drawn) -> (shown, memory), from the response to a one in each place."""
    settle = 1 / (FPS * settling_s) if settling_s else 0.0
    state = np.eye(_LINEAR + block_frames)
    mean, past = state[0], state[1:_LINEAR]
    settled = []
    for drawn in state[_LINEAR:]:
        mean = mean + settle * (drawn - mean)
        settled.append(drawn - mean)
    shown = _eased(past, np.stack(settled), easing_frames)
    return np.vstack([shown, mean, np.concatenate([past, shown])[-_ORDER:]])


def _eased(past: NDArray[np.float64], block: NDArray[np.float64], frames: float) -> NDArray[np.float64]:
    """(B, X): the course after `past` (4, X) that is eased over `frames`, for the drawn course `block` (B, X)."""
    if not frames:
        return block
    ahead = _ORDER + math.ceil(6 * frames)  # a longer plan begins the same
    wanted = np.concatenate([block, np.repeat(block[-1:], ahead, axis=0)])
    differences = np.diff(np.eye(_ORDER + len(wanted)), _ORDER, axis=0)
    of_past, of_course = differences[:, :_ORDER], differences[:, _ORDER:]
    stiffness = frames ** (2 * _ORDER)  # so that the course takes k times as long at k times `frames`
    planned = np.linalg.solve(
        np.eye(len(wanted)) + stiffness * of_course.T @ of_course, wanted - stiffness * of_course.T @ of_past @ past
    )
    return planned[: len(block)]
