# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The understudy's motion: it goes on from the generator's, idles, and becomes the generator's before it hands back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.channels import NAMES
from avatar_forcing_ros.motion.facemesh.idle import IdleMotion

_SETTLES_FRAMES = 30
_MOUTH_SETTLES_FRAMES = 7
_MOUTH_JOINS_FRAMES = 3
"""The lips follow the generator's voice, which may be heard again before the generator is on stage."""
_CLOCK_SET_FRAMES = 25
"""Frame numbers that jump by more, or back, tell that the clock was set."""
_SOON = np.isin(NAMES, ("jaw_open", "stretch", "pucker", "press", "upper_lip", "blink_right", "blink_left"))


class StandInMovement:
    """Motion of the `facemesh` space, frame by frame.

    Args:
        seed: seed of the idle motion.
    """

    def __init__(self, seed: int) -> None:
        self._idle = IdleMotion(seed=seed)
        self._newest = self._offset = np.zeros(0)
        self._since_frame = self._joined = self._number = 0

    def follow(self, latent: NDArray[np.float32]) -> None:
        """Note (18,) motion that the generator has shown."""
        if len(latent) == len(NAMES):
            self._newest = latent.astype(np.float64)

    def move(self, number: int, steps_in: bool, share: float, lead: NDArray[np.float32] | None) -> NDArray[np.float32]:
        """The motion to show.

        Args:
            number: of the frame on the grid.
            steps_in: whether to go on from the newest motion shown.
            share: how much of the generator's motion there is to be in it, from 0 to 1.
            lead: the generator's newest motion, shown or not; None if it has none.

        Returns:
            (18,) motion latent.
        """
        motion: NDArray[np.float64] = self._idle.at(number).astype(np.float64)
        was_set = not 0 <= number - self._number <= _CLOCK_SET_FRAMES
        self._number = number
        if (steps_in or was_set) and len(self._newest):
            self._offset, self._since_frame = self._newest - motion, number
        if len(self._offset):
            motion = motion + self._offset * _left_over(number - self._since_frame)
        self._joined = self._joined + 1 if share else 0
        if share and lead is not None and len(lead) == len(motion):
            soon = max(share, min(1.0, self._joined / _MOUTH_JOINS_FRAMES))
            shares = _smooth(np.where(_SOON, soon, share))
            motion = (1 - shares) * motion + shares * lead
        self._newest = motion
        return motion.astype(np.float32)


def _left_over(frames: int) -> NDArray[np.float64]:
    """(18,) share of the generator's motion that is left after some frames; mouth and lids settle sooner."""
    return 1 - _smooth(np.clip(frames / np.where(_SOON, _MOUTH_SETTLES_FRAMES, _SETTLES_FRAMES), 0, 1))


def _smooth(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """From 0 to 1 without a kink at either end."""
    return share * share * (3 - 2 * share)
