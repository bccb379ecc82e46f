# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Idling: with nobody there and nothing to say, the motion space moves the face by itself and no block is generated.

When somebody comes, the network continues from the motion that was shown, as after an interrupt.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.bundle import ModelBundle

Latents = NDArray[np.float32]

_EASE_FRAMES, _EYES_EASE_FRAMES = 30, 6
"""Time in which the face glides into idling. Lids and gaze are quicker: a lid that sinks slowly looks sleepy."""
_STILL = 0.0015
"""As long as no number of the latent, in its own units, has moved by more since a picture was drawn, the picture is
shown again: a fifth of a pixel for the head's angles, in a portrait of 512."""
HELD_FRAMES = 3
"""The most frames that show one picture: the shoulders rise with the breath by a fifth of a pixel meanwhile."""


@runtime_checkable
class IdlesAlone(Protocol):
    """A motion space whose faces idle by themselves."""

    names: tuple[str, ...]

    def idle(self, frame: int, seed: int) -> Latents:
        """(M,) motion latent of a grid frame; depends on nothing else."""
        ...


class Idling:
    """How the face of one conversation idles. Motion here is in network units.

    Args:
        bundle: the model.
        after_frames: idle after this many frames in which nothing happened; 0 never idles.
        first_frame: first frame of the conversation.
        seed: seed of the motion; faces with different seeds idle differently.
    """

    def __init__(self, bundle: ModelBundle, after_frames: int, first_frame: int, seed: int) -> None:
        self._bundle, self._after, self._seed = bundle, after_frames, seed
        self._space = bundle.space if isinstance(bundle.space, IdlesAlone) else None
        self._quiet_from = first_frame
        self._began: tuple[int, Latents] | None = None
        self._drawn: tuple[int, Latents] | None = None
        names = self._space.names if self._space is not None else ()
        eyes = np.array([name.startswith(("blink", "gaze")) for name in names])
        self._ease = np.where(eyes, _EYES_EASE_FRAMES, _EASE_FRAMES)

    def notice(self, frames: range, busy: bool) -> bool:
        """Whether a block idles, given whether anything happens in it."""
        if busy:
            self.wake(frames.stop)
        return self._space is not None and 0 < self._after <= frames.start - self._quiet_from

    def wake(self, frame: int) -> None:
        """Count as busy until a frame."""
        self._quiet_from, self._began, self._drawn = frame, None, None

    def move(self, frames: range, before: Latents) -> Latents:
        """(B, M) motion of an idle block, gliding away from the frame `before` it (M,)."""
        if self._began is None:
            self._began = frames.start, before
        began, start = self._began
        moved = []
        for n in frames:
            share = np.clip((n + 1 - began) / self._ease, 0, 1)
            share = share * share * (3 - 2 * share)
            moved.append(start + share * (self._bundle.normalize(self._posed(n, began)) - start))
        return np.stack(moved).astype(np.float32)

    def _posed(self, frame: int, began: int) -> Latents:
        """The space's own motion; once fully idle, a frame that hardly differs from the last one drawn repeats it."""
        assert self._space is not None
        latent = self._space.idle(frame, self._seed)
        if self._drawn is not None and frame - began > _EASE_FRAMES:
            drawn_frame, drawn = self._drawn
            if frame - drawn_frame < HELD_FRAMES and np.abs(latent - drawn).max() < _STILL:
                return drawn
        self._drawn = frame, latent
        return latent
