# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the user does, from face and voice together: laughs, talks, smiles, or none of these.

Either alone misleads. An open smile between two words is no laugh, so a laugh is a broad smile in a mouth that *stays*
open; its voice need not be heard, for half of all laughs are unvoiced. A sound in the room is no talk, so where a face
is seen its mouth has to move with the sound; where none is, the sound has to come and go. Coughs, music and noise do
neither for long. Everything is decided from a window of the past, so a replay decides alike.

Source: half of laughs are unvoiced: Bachorowski et al., 2001.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.signals import FPS, UserActivity


@dataclass(frozen=True)
class ActivityConfig:
    """What counts as what; times in frames of 40 ms, levels in units of the log-mel features' mean.

    Attributes:
        laugh_smile: in a laugh the corners are up by this much,
        laugh_jaw: and the mouth is open by this much,
        laugh_frames: in so many frames on end: vowels said with a smile are shorter. `bench/perception.py`: with 4
            frames there were .8 false laughs a minute, with 8 .1, at a price of .16 s.
        held_smile: a laugh lasts while the corners are up by this much,
        held_jaw: and the mouth is open by this much,
        held_frames: at some time within so many frames.
        smile: the corners are up by this much in a smile, for `smile_frames` on end.
        held_smile_only: a smile lasts as long as this much is left.
        smile_frames: see `smile`.
        voiced: a frame has sound when its level is this far above the quietest of the window.
        talk_frames: talk is judged over so many frames.
        talk_share: share of these that have sound.
        mouth: in these the jaw moves by this much, where a face is seen.
        changes: in these the level changes by this much, where none is seen.
        talk_linger: frames for which talk continues after all that, for pauses between words.
    """

    laugh_smile: float = 0.75
    laugh_jaw: float = 0.33
    laugh_frames: int = 8
    held_smile: float = 0.5
    held_jaw: float = 0.25
    held_frames: int = 5
    smile: float = 0.3
    held_smile_only: float = 0.2
    smile_frames: int = 3
    voiced: float = 0.04
    talk_frames: int = 15
    talk_share: float = 0.3
    mouth: float = 0.1
    changes: float = 0.08
    talk_linger: int = 10


LOOK_BACK = 50
"""Frames before a block that `activities` wants to see: in two seconds of speech there is a quiet moment."""
LAUGH_ANSWERED_FRAMES = round(1.5 * FPS)
"""How long after a laugh a silent avatar may still laugh along: laughs are answered within .8 s, and last."""


def activities(
    smile: NDArray[np.floating],
    jaw: NDArray[np.floating],
    seen: NDArray[np.bool_],
    level: NDArray[np.floating] | None,
    config: ActivityConfig | None = None,
) -> list[UserActivity]:
    """What the user does, frame by frame, as far as can be told by then.

    Args:
        smile: (T,) of the face.
        jaw: (T,) opening of the mouth.
        seen: (T,) a face was found.
        level: (T,) mean of the log-mel features; None where nothing is heard.
        config: what counts as what.

    Returns:
        T of them; the first `LOOK_BACK` are for the others' sake.
    """
    config = config or ActivityConfig()
    laughing = _laughing(smile, jaw, seen, config)
    talking = _talking(jaw, seen, level, config) & ~laughing
    smiling = _lasting(smile > config.smile, smile > config.held_smile_only, config.smile_frames) & seen & ~laughing
    rows = zip(seen, smiling, talking, laughing, strict=True)
    return [UserActivity(*map(bool, row)) for row in rows]


def laughed_lately(
    smile: NDArray[np.floating],
    jaw: NDArray[np.floating],
    seen: NDArray[np.bool_],
    config: ActivityConfig | None = None,
) -> NDArray[np.bool_]:
    """(T,) whether the user's face was as in a laugh within `LAUGH_ANSWERED_FRAMES`; arguments as of `activities`.

    A laugh is told once it has lasted, so that few are false. Who only has to be ready for one asks this: it holds in
    every laugh that is told, and from its first frame on.
    """
    return _lately(_held(smile, jaw, seen, config or ActivityConfig()), LAUGH_ANSWERED_FRAMES) >= 1


def _laughing(smile: NDArray, jaw: NDArray, seen: NDArray[np.bool_], config: ActivityConfig) -> NDArray[np.bool_]:
    broad = (smile > config.laugh_smile) & (jaw > config.laugh_jaw) & seen
    held = _lately(_held(smile, jaw, seen, config), config.held_frames) >= 1
    return _lasting(broad, held, config.laugh_frames)


def _held(smile: NDArray, jaw: NDArray, seen: NDArray[np.bool_], config: ActivityConfig) -> NDArray[np.bool_]:
    return np.asarray((smile > config.held_smile) & (jaw > config.held_jaw) & seen, np.bool_)


def _talking(jaw: NDArray, seen: NDArray[np.bool_], level: NDArray | None, config: ActivityConfig) -> NDArray[np.bool_]:
    if level is None:
        return np.zeros(len(jaw), np.bool_)
    frames = config.talk_frames
    above = level - _least(level, LOOK_BACK)
    sounds = _lately(above > config.voiced, frames) >= config.talk_share * frames
    changes = _range(level, frames) > config.changes
    moves = _range(np.where(seen, jaw, 0), frames) > config.mouth
    talk = sounds & changes & (moves | ~seen)
    return _lately(talk, config.talk_linger + 1) >= 1


def _lasting(begins: NDArray[np.bool_], goes_on: NDArray[np.bool_], frames: int) -> NDArray[np.bool_]:
    """From `frames` of the first on end for as long as the second holds."""
    starts, now, out = _lately(begins, frames) >= frames, False, np.zeros(len(begins), np.bool_)
    for n, (start, on) in enumerate(zip(starts, goes_on, strict=True)):
        now = bool(start or (now and on))
        out[n] = now
    return out


def _windows(values: NDArray, frames: int, before: float) -> NDArray:
    """(T, frames) of each value and those before it."""
    return np.lib.stride_tricks.sliding_window_view(np.concatenate([np.full(frames - 1, before), values]), frames)


def _lately(what: NDArray[np.bool_], frames: int) -> NDArray:
    """(T,) how many of the last frames."""
    return _windows(what.astype(np.float64), frames, 0.0).sum(axis=1)


def _least(values: NDArray, frames: int) -> NDArray:
    return _windows(values, frames, np.inf).min(axis=1)


def _range(values: NDArray, frames: int) -> NDArray:
    """(T,) greatest less least value of the last frames."""
    first = float(values[0]) if len(values) else 0.0
    return np.ptp(_windows(values, frames, first), axis=1)
