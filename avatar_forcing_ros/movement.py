# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How an avatar moves in one conversation: motion drawn block by block, and remembered to go on from."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.bundle import ModelBundle
from avatar_forcing_ros.senses import Senses
from avatar_forcing_ros.stream.motion_engine import MotionEngine

Latents = NDArray[np.float32]


class Movement:
    """Of one conversation. All motion here is in network units.

    Args:
        bundle: the model.
        senses: of the same conversation.
    """

    def __init__(self, bundle: ModelBundle, senses: Senses) -> None:
        self._bundle = bundle
        self._network = bundle.manifest.network
        self._senses = senses
        self._state: Any = None  # of the engine that drew last
        self._made: dict[int, Latents] = {}

    def draw(self, engine: MotionEngine, frames: range, noise: Latents, rest: Latents) -> Latents:
        """(B, M) motion of a block, from what the senses give for it; the past is filled first where it is not there.

        Args:
            engine: draws it; what it draws with may change between blocks, but for the branches of guidance.
            frames: of the block, on the grid.
            noise: standard normal, (B, M).
            rest: (M,) the portrait's own motion.

        Raises:
            ArithmeticError: the network's numbers are not finite.
        """
        if self._state is None:
            self._state = self._prime(engine, frames.start, rest)
        window = range(frames.start - self._network.lookahead_frames, frames.stop)
        latents = engine.draw(self._state, self._senses.sensed(window), noise, self._senses.silent(frames))
        if not np.isfinite(latents).all():
            raise ArithmeticError("the network gave numbers that are not finite")
        return latents

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
        self._made = {n: latent for n, latent in self._made.items() if n >= frames.stop - self._network.history_frames}

    def resume(self, first_frame: int) -> None:
        """From a frame on, what was made is not shown."""
        self._made = {n: latent for n, latent in self._made.items() if n < first_frame}
        self.begin_anew()

    def begin_anew(self) -> None:
        """The next block begins from what is remembered."""
        self._state = None

    def _prime(self, engine: MotionEngine, first_frame: int, rest: Latents) -> Any:
        """State after the past before a frame; where nothing was shown, the portrait was at rest."""
        frames = range(first_frame - self._network.history_frames, first_frame)
        history = np.stack([self._made.get(n, rest) for n in frames])
        return engine.prime(history, self._senses.sensed(frames), rest)
