# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How a face idles when nothing else moves it: it blinks, looks around and sways a little.

The motion of each frame on the grid depends only on its number and a seed, so any two processes agree and there is
nothing to remember. The renderer adds the breathing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.channels import INDEX, SIZE
from avatar_forcing_ros.signals import FPS

FRAME_S = 1 / FPS


@dataclass(frozen=True)
class IdleConfig:
    """How lively the face is.

    Attributes:
        blink_every_s: there is one blink, at a random time, in each such interval. Source: Bentivoglio et al., 1997 (17
            a minute).
        look_every_s: there is one direction of gaze in each such interval.
        away_share: share of intervals in which it looks away from the viewer. Source: Argyle and Cook, 1976.
        side: greatest gaze to the side, as a share of the full range.
        down: greatest gaze downwards, likewise.
        sway_rad: size of the head's slow motion.
        smile: size of a faint, constant smile.
    """

    blink_every_s: float = 3.6
    look_every_s: float = 2.8
    away_share: float = 0.3
    side: float = 0.4
    down: float = 0.2
    sway_rad: float = 0.02
    smile: float = 0.06


_BLINK = np.array([0.35, 0.8, 1.0, 0.9, 0.55, 0.25, 0.08])
"""Closure of the lids by frame: 80 ms down, 160 ms up. Source: VanderWerf et al., 2003."""
_SACCADE_FRAMES, _HEAD_FRAMES = 2, 14
_HEAD_SHARE = 0.16
"""How far the head follows a full look to the side, in radians."""


class IdleMotion:
    """Idling by frame number.

    Args:
        config: how lively the face is.
        seed: another seed makes another person.
    """

    def __init__(self, config: IdleConfig | None = None, seed: int = 0) -> None:
        self._config, self._seed = config or IdleConfig(), seed

    def at(self, frame: int) -> NDArray[np.float32]:
        """(18,) motion latent of a frame on the grid."""
        latent = np.zeros(SIZE)
        gaze, head = self._look(frame, _SACCADE_FRAMES), self._look(frame, _HEAD_FRAMES)
        latent[INDEX["gaze_x"]], latent[INDEX["gaze_y"]] = gaze - 0.4 * head  # the turned head carries the eyes along
        sway = self._config.sway_rad * np.array([self._wave(frame, period) for period in (7.3, 5.9, 11.1)])
        latent[[INDEX["yaw"], INDEX["pitch"], INDEX["roll"]]] = sway * [1.0, 0.7, 0.6]
        latent[INDEX["yaw"]] += _HEAD_SHARE * head[0]
        latent[INDEX["pitch"]] += 0.5 * _HEAD_SHARE * head[1]
        latent[INDEX["x"]] = 0.02 * self._wave(frame, 8.7)
        latent[INDEX["smile"]] = self._config.smile * (1 + 0.5 * self._wave(frame, 13.0))
        closure = self._blink(frame)
        latent[[INDEX["blink_right"], INDEX["blink_left"]]] = closure
        latent[INDEX["gaze_y"]] += 0.1 * closure
        return latent.astype(np.float32)

    def _look(self, frame: int, over_frames: int) -> NDArray[np.float64]:
        """(2,) direction of gaze, which reaches its target within `over_frames`."""
        length = round(self._config.look_every_s / FRAME_S)
        stretch, within = divmod(frame, length)
        share = min(within / over_frames, 1.0)
        eased = share * share * (3 - 2 * share)
        return self._target(stretch - 1) * (1 - eased) + self._target(stretch) * eased

    def _target(self, stretch: int) -> NDArray[np.float64]:
        away, side, down = self._chances(stretch, "look", 3)
        if away > self._config.away_share:
            return np.zeros(2)
        return np.array([(2 * side - 1) * self._config.side, down * self._config.down])

    def _blink(self, frame: int) -> float:
        length = round(self._config.blink_every_s / FRAME_S)
        stretch, within = divmod(frame, length)
        since = within - int(self._chances(stretch, "blink", 1)[0] * (length - len(_BLINK)))
        return float(_BLINK[since]) if 0 <= since < len(_BLINK) else 0.0

    def _wave(self, frame: int, period_s: float) -> float:
        """A wave between -1 and 1. It does not repeat for minutes, because its two periods are not multiples."""
        turns = frame * FRAME_S / period_s
        return float(0.7 * np.sin(2 * np.pi * turns) + 0.3 * np.sin(2 * np.pi * turns * 1.618 + 1))

    def _chances(self, stretch: int, what: str, count: int) -> list[float]:
        """Random numbers in [0, 1) for an interval of time, always the same for the same interval."""
        digest = hashlib.blake2b(f"{self._seed} {what} {stretch}".encode(), digest_size=8 * count).digest()
        return [int.from_bytes(digest[8 * i : 8 * i + 8], "big") / 2.0**64 for i in range(count)]
