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
        history_frames: of the past that an engine starts from.
        senses: of the same conversation.
    """

    def __init__(self, history_frames: int, senses: Senses) -> None:
        self._history_frames, self._senses = history_frames, senses
        self._state: Any = None  # of the engine that drew last
        self._made: dict[int, Latents] = {}

    def state(self, engine: MotionEngine, first_frame: int, rest: Latents) -> Any:
        """What an engine goes on from; made of the past when there is none yet, in which the portrait began at rest.

        Args:
            engine: draws next; what it draws with may change between blocks, but for the branches of guidance.
            first_frame: of the block, on the grid.
            rest: (M,) the portrait's own motion.
        """
        if self._state is None:
            frames = range(first_frame - self._history_frames, first_frame)
            history = np.stack([self._made.get(n, rest) for n in frames])
            self._state = engine.prime(history, self._senses.sensed(frames), rest)
        return self._state

    def hold(self, frames: range, rest: Latents) -> Latents:
        """(B, M) the frame before a block, unmoved; the portrait at rest where there is none."""
        self.begin_anew()
        return np.repeat(self.before(frames, rest)[None], len(frames), axis=0)

    def before(self, frames: range, rest: Latents) -> Latents:
        """(M,) the frame before a block; the portrait at rest where there is none."""
        return self._made.get(frames.start - 1, rest)

    def remember(self, frames: range, latents: Latents) -> None:
        """What a block became; as much of the past is kept as fills a cache."""
        self._made.update(zip(frames, latents, strict=True))
        self._made = {n: latent for n, latent in self._made.items() if n >= frames.stop - self._history_frames}

    def resume(self, first_frame: int) -> None:
        """From a frame on, what was made is not shown."""
        self._made = {n: latent for n, latent in self._made.items() if n < first_frame}
        self.begin_anew()

    def begin_anew(self) -> None:
        """The next block begins from what is remembered."""
        self._state = None
