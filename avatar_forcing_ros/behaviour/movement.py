# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How an avatar has moved in one conversation, and what it continues from."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.behaviour.senses import Senses
from avatar_forcing_ros.generator.motion_engine import MotionEngine

Latents = NDArray[np.float32]


class Movement:
    """The movement of one conversation. All motion here is in network units.

    Args:
        history_frames: length of the past from which an engine starts.
        undone_frames: most frames that `resume` takes back; behind them lies a whole past.
        senses: the senses of the same conversation.
    """

    def __init__(self, history_frames: int, undone_frames: int, senses: Senses) -> None:
        self._history_frames, self._senses = history_frames, senses
        self._kept_frames = history_frames + undone_frames
        self._state: Any = None  # of the engine that drew last
        self._made: dict[int, Latents] = {}

    def state(self, engine: MotionEngine, first_frame: int, rest: Latents) -> Any:
        """The state from which an engine continues; the first is made from the past, which begins at rest.

        Args:
            engine: the engine that draws next. It may differ from that of the block before, but not in its branches
                of guidance.
            first_frame: first frame of the block, on the grid.
            rest: (M,) the portrait's own motion.
        """
        if self._state is None:
            frames = range(first_frame - self._history_frames, first_frame)
            history = np.stack([self._made.get(n, rest) for n in frames])
            self._state = engine.prime(history, self._senses.sensed(frames), rest)
        return self._state

    def hold(self, frames: range, rest: Latents) -> Latents:
        """(B, M) a block that repeats the frame before it; the portrait at rest if there is none."""
        self.begin_anew()
        return np.repeat(self.before(frames, rest)[None], len(frames), axis=0)

    def before(self, frames: range, rest: Latents) -> Latents:
        """(M,) the frame before a block; the portrait at rest if there is none."""
        return self._made.get(frames.start - 1, rest)

    def remember(self, frames: range, latents: Latents) -> None:
        """Note the motion of a block."""
        self._made.update(zip(frames, latents, strict=True))
        self._made = {n: latent for n, latent in self._made.items() if n >= frames.stop - self._kept_frames}

    def resume(self, first_frame: int) -> None:
        """Forget the motion from a frame on, because it is not shown."""
        self._made = {n: latent for n, latent in self._made.items() if n < first_frame}
        self.begin_anew()

    def begin_anew(self) -> None:
        """Begin the next block from the past that is remembered."""
        self._state = None
