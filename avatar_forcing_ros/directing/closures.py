# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Lips that meet for p, b and m: what the sound says of it and what the network does, weighed against each other.

A short closure is a single frame, and a network that also has to smile, nod and blink misses half of them. A
small one that listens for nothing else (`audio/bilabials`) and the network are wrong at different places, so together
they find more. Of real voices, which it has never heard, the small one takes an n or an r for an m now and then, so it
decides alone only where the voice is hushed, as in a p or b. Only jaw and pressed lips change; what is shown is not
remembered as the network's past.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.audio.bilabials import Bilabials
from avatar_forcing_ros.motion.facemesh.channels import INDEX

_JAW, _PRESS = INDEX["jaw_open"], INDEX["press"]


@dataclass(frozen=True)
class ClosureConfig:
    """How both are weighed.

    Attributes:
        network: weight of the network's pressed lips, against how likely a closure sounds.
        parted: up to this weighted sum of both, nothing is added to what the network does.
        shut: from this sum on, lips are shut; between the two, they close in proportion.
        refused: if the network presses the lips no more than this, only a hushed voice shuts them.
        agreed: if the network presses them by this or more, any voice does; between the two, in proportion.
        most_press: the most that lips are pressed that are not shut; more of it looks shut.
        jaw: share of the jaw's opening that a closure takes back. Pressed lips are shut however it stands, and it
            should follow the loudness of speech.
    """

    network: float = 0.7
    parted: float = 0.7
    shut: float = 0.8
    refused: float = 0.15
    agreed: float = 0.25
    most_press: float = 0.6
    jaw: float = 0.3


def with_closures(
    motion: NDArray[np.float32], heard: Bilabials, config: ClosureConfig | None = None
) -> NDArray[np.float32]:
    """Motion (..., 18) whose lips meet where p, b or m is heard, (...,)."""
    config = config or ClosureConfig()
    press = motion[..., _PRESS]
    found = heard.likely + config.network * np.clip(press, 0, 1)
    closed = np.clip((found - config.parted) / (config.shut - config.parted), 0, 1)
    agreed = np.clip((press - config.refused) / (config.agreed - config.refused), 0, 1)
    closed *= np.maximum(agreed, heard.hushed)
    shown = motion.copy()
    shown[..., _PRESS] = np.maximum(closed, np.minimum(press, config.most_press))
    shown[..., _JAW] *= 1 - config.jaw * closed
    return shown
