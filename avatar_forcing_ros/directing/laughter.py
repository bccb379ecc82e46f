# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Laughing along: when the user laughs heartily, the avatar's mouth opens, its cheeks rise and its head goes back.

The bundled network answers only half of the laughs by itself, so this rule adds to it. The rule sees the user as the
network does and as late, and what it adds does not become part of the network's past. It never makes a sound, and gives
way to speech. Its smile is the least that a laugh needs, so that one which fades with the user's can fade. A hearty
laugh has the corners of the mouth far up and a mouth that stays open; a smile while talking has not.

Source: about half of laughs are shared, the hearty ones, within a second: Smoski and Bachorowski, 2003; 4 to 5 calls a
second: Bachorowski et al., 2001; the head goes back rather than forward: Ruch and Ekman, 2001.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.behaviour.user_activity import ActivityConfig
from avatar_forcing_ros.motion.facemesh.channels import HIGH, INDEX, LOW, NAMES
from avatar_forcing_ros.signals import FPS

_AT_LEAST = {"smile": 0.6, "upper_lip": 0.25, "blink_right": 0.25, "blink_left": 0.25}
"""Least values of a full laugh; cheeks that rise narrow the eyes."""
_JAW, _JAW_CALL = 0.3, 0.1
"""Least opening of the jaw, and how much more it opens with each call."""
_HEAD_BACK, _HEAD_CALL, _TILT = 0.07, 0.01, 0.03
"""How far the head goes back, how much further with each call, and how far it tilts; in radians."""


@dataclass(frozen=True)
class LaughterConfig:
    """What is answered, and how.

    Attributes:
        smile: least smile of the user in a frame of a hearty laugh.
        jaw: least opening of the user's jaw in such a frame.
        frames: a laugh is answered after so many such frames in a row.
        linger: frames for which the answer continues after the user's laugh.
        rise: time constant with which the answer begins, in frames; two stages in a row make a soft beginning.
        fall: the same for its end.
        calls_hz: pulses of the jaw per second.
    """

    smile: float = ActivityConfig.laugh_smile
    jaw: float = ActivityConfig.laugh_jaw
    frames: int = ActivityConfig.laugh_frames
    linger: int = 12
    rise: float = 2.5
    fall: float = 5.0
    calls_hz: float = 4.6


@dataclass(frozen=True)
class _Laugh:
    """The state at a frame: both stages of how much it laughs, 0 to 1, and for how many frames a laugh was wanted."""

    first: float = 0.0
    level: float = 0.0
    age: int = 0


class SharedLaughter:
    """Laughing along in one conversation.

    Args:
        names: names of the numbers of a latent; if they are not the facemesh channels, nothing is added.
        wanted: whether the avatar laughs along at all.
        undone_frames: most frames that `resume` takes back.
        config: what is answered, and how.
    """

    def __init__(
        self,
        names: Sequence[str],
        wanted: bool = True,
        undone_frames: int = 60,
        config: LaughterConfig | None = None,
    ) -> None:
        self._on = wanted and tuple(names) == NAMES
        self._config = config or LaughterConfig()
        self._kept_frames = undone_frames + 1  # with the frame to go on from
        self._laughs: dict[int, _Laugh] = {}

    @property
    def look_back(self) -> int:
        """How many frames of the user before a block `show` needs."""
        return self._config.frames - 1 + self._config.linger

    def show(
        self,
        frames: range,
        latents: NDArray[np.float32],
        user: NDArray[np.float32] | None,
        speaks: NDArray[np.bool_],
    ) -> NDArray[np.float32]:
        """A block with its laughter.

        Args:
            frames: frames of the block.
            latents: (B, 18) motion without laughter.
            user: (look_back + B or more, 18) the user's face at the positions of the block and before; zeros where it
                was not seen; None if it has no named channels.
            speaks: (B,) whether the avatar's voice is heard.

        Returns:
            (B, 18).
        """
        if not self._on or user is None:
            return latents
        laughing, shown = self._answered(user[-self.look_back - len(frames) :]), []
        laugh = self._laughs.get(frames.start - 1, _Laugh())
        for n, latent, wanted, voiced in zip(frames, latents, laughing, speaks, strict=True):
            laugh = self._laughs[n] = self._eased(laugh, bool(wanted) and not voiced)
            shown.append(self._laughed(latent, laugh))
        self._laughs = {n: one for n, one in self._laughs.items() if n >= frames.stop - self._kept_frames}
        return np.stack(shown)

    def resume(self, first_frame: int) -> None:
        """Forget the laughter from a frame on, because it is not shown."""
        self._laughs = {n: one for n, one in self._laughs.items() if n < first_frame}

    def _answered(self, user: NDArray[np.float32]) -> NDArray[np.bool_]:
        """(B,) whether the user's face (look_back + B, 18) asks for a laugh."""
        config = self._config
        open_wide = (user[:, INDEX["smile"]] > config.smile) & (user[:, INDEX["jaw_open"]] > config.jaw)
        hearty = np.lib.stride_tricks.sliding_window_view(open_wide, config.frames).all(axis=-1)
        lately = np.lib.stride_tricks.sliding_window_view(hearty, config.linger + 1)
        return np.asarray(lately.any(axis=-1), np.bool_)

    def _eased(self, before: _Laugh, wanted: bool) -> _Laugh:
        share = 1 - np.exp(-1 / (self._config.rise if wanted else self._config.fall))
        first = before.first + share * (wanted - before.first)
        level = before.level + share * (first - before.level)
        return _Laugh(first, level, before.age + 1 if wanted else 0)

    def _laughed(self, latent: NDArray[np.float32], laugh: _Laugh) -> NDArray[np.float32]:
        """(18,) a frame's motion with its laughter."""
        if laugh.level < 1e-3:
            return latent
        call = 0.5 + 0.5 * np.cos(2 * np.pi * self._config.calls_hz * laugh.age / FPS)
        wanted = latent.astype(np.float64)
        for name, least in {**_AT_LEAST, "jaw_open": _JAW + _JAW_CALL * call}.items():
            wanted[INDEX[name]] = max(wanted[INDEX[name]], least)
        for name in ("press", "pucker"):
            wanted[INDEX[name]] = 0.0
        wanted[INDEX["pitch"]] -= _HEAD_BACK + _HEAD_CALL * call
        wanted[INDEX["roll"]] += _TILT
        shown = latent + laugh.level * (np.clip(wanted, LOW, HIGH) - latent)
        return shown.astype(np.float32)
