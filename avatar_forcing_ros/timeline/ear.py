# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How the avatar hears the user: without its own voice, and aware of a user who wants to interrupt it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.audio.barge_in import BargeIn
from avatar_forcing_ros.audio.echo_gate import EchoGate
from avatar_forcing_ros.signals import MILLISECOND
from avatar_forcing_ros.timeline.grid import FRAME_NS, FRAME_SAMPLES

Sound = NDArray[np.float32]


@dataclass
class Ear:
    """One ear, which hears the user's sound in whole grid frames, each once, in order.

    Attributes:
        said: gives the (640,) samples that the avatar says during a decided grid frame; silence if it says nothing.
        gate: removes the avatar's own voice; None removes nothing.
        barge_in: notices that the user wants to interrupt; None never does.
    """

    said: Callable[[int], Sound]
    gate: EchoGate | None = None
    barge_in: BargeIn | None = None
    _next_frame: int | None = None

    def hear(self, first_frame: int, sound: Sound) -> Sound:
        """The user alone: (N,) microphone samples from a grid frame on, without the avatar's voice."""
        alone = sound if self.gate is None else self._without_own_voice(self.gate, first_frame, sound)
        if self.barge_in is not None:
            self.barge_in.push(alone)
        return alone

    def _without_own_voice(self, gate: EchoGate, first_frame: int, sound: Sound) -> Sound:
        frames = range(first_frame, first_frame + len(sound) // FRAME_SAMPLES)
        if first_frame != self._next_frame:  # sound is missing, during which the avatar may have spoken
            reach = -(-gate.config.path.reach_ms * MILLISECOND // FRAME_NS)
            gate.skip(self._presented(gate, range(first_frame - reach, first_frame)))
        self._next_frame = frames.stop
        return gate.push(sound, self._presented(gate, frames))

    def _presented(self, gate: EchoGate, frames: range) -> Sound:
        """The avatar's voice `early_frames` after each of these frames."""
        return np.concatenate([self.said(n + gate.config.early_frames) for n in frames])
