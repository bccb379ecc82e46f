# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the user does, from face and voice together: laughs, talks, smiles, or none of these.

Either alone misleads. An open smile between two words is not a laugh, so a laugh is a broad smile with a mouth that
*stays* open. It need not be heard, because half of all laughs are unvoiced. A sound in the room is not talk: it must
come and go, and if a face is seen, its mouth must move as well. Coughs, music and noise do not for long. Everything is
decided from a window of the past, so a replay decides the same.

Source: half of laughs are unvoiced: Bachorowski et al., 2001.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.signals import FPS, UserActivity


@dataclass(frozen=True)
class ActivityConfig:
    """Thresholds; times in frames of 40 ms, levels in units of the log-mel features' mean.

    Attributes:
        laugh_smile: least smile of a frame with which a laugh may begin.
        laugh_jaw: least opening of the jaw in such a frame.
        laugh_frames: a laugh begins with so many such frames in a row. Vowels said with a smile are shorter. With 4
            frames there were 0.8 false laughs a minute, with 8 there were 0.1, detected 0.16 s later
            (`bench/perception.py`).
        held_smile: least smile of a frame that keeps a laugh going.
        held_jaw: least opening of the jaw in such a frame.
        held_frames: a laugh ends when there was no such frame for this long.
        smile: least smile of a frame with which a smile may begin.
        held_smile_only: a smile lasts while it is above this.
        smile_frames: a smile begins with so many frames above `smile` in a row.
        voiced: a frame has sound if its level is this far above the quietest of the window.
        talk_frames: talk is judged from this many frames; for talk, all of the next three must hold.
        talk_share: least share of them that has sound.
        mouth: least range of the jaw's opening in them, if a face is seen.
        changes: least range of the level in them.
        talk_linger: talk lasts this many frames longer, to bridge pauses between words.
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
"""Frames before a block that `activities` needs: two seconds of speech contain a quiet moment."""
LAUGH_ANSWERED_FRAMES = round(1.5 * FPS)
"""How long after a laugh a silent avatar may still laugh along: laughs are answered within 0.8 s, and last a while."""


def activities(
    smile: NDArray[np.floating],
    jaw: NDArray[np.floating],
    seen: NDArray[np.bool_],
    level: NDArray[np.floating] | None,
    config: ActivityConfig | None = None,
) -> list[UserActivity]:
    """What the user does in each frame, judged from that frame and those before it.

    Args:
        smile: (T,) smile of the face.
        jaw: (T,) opening of the mouth.
        seen: (T,) whether a face was found.
        level: (T,) mean of the log-mel features; None if nothing is heard.
        config: thresholds.

    Returns:
        One per frame; the first `LOOK_BACK` lack the frames that they depend on.
    """
    if level is None and not seen.any():
        return [UserActivity()] * len(seen)
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
    """(T,) whether the user's face has looked as in a laugh within the last `LAUGH_ANSWERED_FRAMES`.

    A laugh is reported only once it has lasted, so that few reports are false. This is for being ready in time: it is
    true in every laugh that is reported, from its first frame on. The arguments are those of `activities`.
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
    """True once the first has held for `frames` in a row, and then for as long as the second holds."""
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
