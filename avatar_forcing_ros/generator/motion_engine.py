# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The interface of the engines that draw a conversation's motion, with torch or ONNX Runtime.

All motion is in network units, and all arrays are float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.generator.sampler import SamplerConfig

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Sensed:
    """What was heard and seen in T frames; H is `NetworkConfig.recalled_frames`.

    Attributes:
        own_voice: (T, F) audio features of the avatar's speech.
        user_voice: (H + T, F) audio features of the user's voice, including H earlier frames.
        user_heard: whether there is a microphone; otherwise the user's voice is null.
        user_motion: (H + T, M) the user's motion, including H earlier frames; null where nobody was seen.
    """

    own_voice: Array
    user_voice: Array
    user_heard: bool
    user_motion: Array


class MotionEngine(Protocol):
    """Draws blocks of motion. It holds no conversation: its memory is a state that only its engine can read."""

    sampler: SamplerConfig

    def prime(self, history: Array, sensed: Sensed, rest: Array) -> Any:
        """State after a given past, as if it had been shown.

        Args:
            history: (T, M), T is `NetworkConfig.history_frames`.
            sensed: what was heard and seen in the same frames.
            rest: (M,) the portrait's own motion.
        """
        ...

    def draw(self, state: Any, sensed: Sensed, noise: Array, silent: NDArray[np.bool_]) -> Array:
        """The next block, (B, M); the state moves past it, but does not change if an error is raised.

        Args:
            state: the conversation's state; it is changed.
            sensed: for the window's frames: those of the look-ahead, which were shown already, then the block's.
            noise: (B, M) standard normal.
            silent: (B,) frames in which the avatar says nothing.
        """
        ...

    def moved(self, state: Any) -> Array:
        """(2, B, M) how far the user and the avatar's speech moved the latest block; see `causes`."""
        ...
