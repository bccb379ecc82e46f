# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What draws the motion of a conversation, whichever runtime computes it: torch or ONNX Runtime.

All motion here is in network units, all arrays are float32.
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
    """What T frames of an avatar's motion depend on, as it was heard and seen; H is `NetworkConfig.recalled_frames`.

    Attributes:
        own_voice: (T, F) audio features of the avatar's speech.
        user_voice: (H + T, F) audio features of the user's voice, of the frames before as well.
        user_heard: whether there is a microphone; otherwise the user's voice is null.
        user_motion: (H + T, M) the user's motion in network units, null where nobody was seen.
    """

    own_voice: Array
    user_voice: Array
    user_heard: bool
    user_motion: Array


class MotionEngine(Protocol):
    """Draws blocks of motion. Holds no conversation: what one remembers is a state, which only its engine can read."""

    sampler: SamplerConfig

    def prime(self, history: Array, sensed: Sensed, rest: Array) -> Any:
        """State after a given past, as if it had been shown.

        Args:
            history: (T, M), T is `NetworkConfig.history_frames`.
            sensed: of the same frames.
            rest: (M,) the portrait's own motion.
        """
        ...

    def draw(self, state: Any, sensed: Sensed, noise: Array, silent: NDArray[np.bool_]) -> Array:
        """The next block, (B, M); the state moves past it, and stays as it was where an error is raised.

        Args:
            state: of the conversation; changed.
            sensed: of the window's frames: the look-ahead's, which were shown already, then the block's.
            noise: (B, M) standard normal.
            silent: (B,) frames in which the avatar says nothing.
        """
        ...

    def moved(self, state: Any) -> Array:
        """(2, B, M) how far the user and the avatar's speech moved the newest block, see `causes`."""
        ...
