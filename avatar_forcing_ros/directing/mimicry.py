# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A smile that follows the user's: it rises, wavers and fades with theirs.

The network answers a smile as a whole: it begins a third of a second after the user's, and a smile that comes and goes
between two words, or fades in the middle of a laugh, is answered by one that lasts. People's faces also copy each other
directly. So a share of the smile that is shown is the user's own, seen as late as the network sees it; the network's
past does not know of it.

Source: smiles are copied within half a second and without intent: Dimberg, Thunberg and Elmehed, "Unconscious facial
reactions to emotional facial expressions", 2000.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.channels import CHANNELS, INDEX

_SMILE = INDEX["smile"]
_TRUST = 13
"""Frames within which a face that comes or goes gets to count or ceases to, so that the smile does not jump."""
_HELD = 3
"""A smile that is read lower for fewer frames than this is held: lips that close between two words take it down."""
LOOK_BACK = _TRUST + _HELD - 2
"""Frames of the user before a block that `with_mimicry` needs."""
_FADING = 0.5
"""Weight of each frame of the user relative to the one after it: the reading trembles, and a mean over about two frames
does less."""
_WEIGHTS = _FADING ** np.arange(_TRUST - 1, -1, -1)


def with_mimicry(
    motion: NDArray[np.float32],
    rest: NDArray[np.float32],
    smile: NDArray[np.floating],
    seen: NDArray[np.bool_],
    share: float,
) -> NDArray[np.float32]:
    """Motion whose smile follows the user's.

    Args:
        motion: (..., T, 18) the avatar's.
        rest: (..., 18) the portrait's own.
        smile: (..., LOOK_BACK + T or more) the user's at the same positions and before; a frown is not followed.
        seen: whether the user was seen, of the same shape.
        share: how much of the smile is the user's, 0 to 1.

    Returns:
        (..., T, 18).
    """
    used = LOOK_BACK + motion.shape[-2]
    smile, seen = smile[..., -used:], seen[..., -used:]
    visible = sliding_window_view(seen[..., _HELD - 1 :].astype(np.float64), _TRUST, axis=-1)
    held = sliding_window_view(np.clip(smile, 0, None), _HELD, axis=-1).max(axis=-1)
    smiles = sliding_window_view(held, _TRUST, axis=-1)
    weights = visible * _WEIGHTS
    followed = (weights * smiles).sum(axis=-1) / np.maximum(weights.sum(axis=-1), _WEIGHTS[0])
    wanted = np.clip(rest[..., None, _SMILE] + followed, CHANNELS[_SMILE].low, CHANNELS[_SMILE].high)
    shown = motion.copy()
    shown[..., _SMILE] += share * visible.mean(axis=-1) * (wanted - motion[..., _SMILE])
    return shown
