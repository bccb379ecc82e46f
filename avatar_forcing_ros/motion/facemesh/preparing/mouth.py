# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Chooses the inside of a mouth to suit a portrait: the colours of teeth, tongue and the dark behind them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.drawing.mouth import MouthLook
from avatar_forcing_ros.motion.facemesh.drawing.teeth import (
    LOWER_LENGTHS,
    LOWER_WIDTHS,
    UPPER_LENGTHS,
    UPPER_WIDTHS,
    tooth_row,
)

AVERAGE_HALF_WIDTH = 0.43
"""Half the width of the canonical face's neutral mouth, in interocular distances."""
TOOTH_LIGHT, DARKEST_TEETH, BRIGHTEST_TEETH = 1.45, 115, 235
"""Teeth are lighter than cheeks by this factor, within limits that keep them from glowing or looking decayed."""
SKIN_IN_ENAMEL = 0.18
"""Share of the skin's tint in the colour of the teeth, because both are in the same light."""
IVORY = (1.02, 1.0, 0.95)
FLESH = (0.82, 0.42, 0.42)
"""RGB of the inside of a mouth, relative to the light."""
CAVITY = (0.30, 0.105, 0.105)
LOWER_TEETH = 0.90
"""Brightness of the lower row, which lies in the shade of the upper one."""


def make_look(
    skin: NDArray, lip: NDArray, half_width: float, was_open: bool, teeth: NDArray | None = None
) -> MouthLook:
    """The inside of a mouth that suits a face.

    Args:
        skin: (3,) RGB of the cheeks, for the light on the teeth.
        lip: (3,) RGB of the lips, also for the tongue.
        half_width: half the width of the neutral mouth.
        was_open: whether the mouth is open in the picture.
        teeth: (3,) RGB of the teeth, if the picture shows them.
    """
    light = float(np.clip(np.mean(skin) * TOOTH_LIGHT, DARKEST_TEETH, BRIGHTEST_TEETH))
    tint = SKIN_IN_ENAMEL * skin / max(float(np.mean(skin)), 1.0) + (1 - SKIN_IN_ENAMEL) * np.array(IVORY)
    enamel = np.minimum(teeth if teeth is not None else light * tint, 248.0).astype(np.float32)
    rosy = 0.5 * np.asarray(lip) + 0.5 * light * np.array(FLESH)
    return MouthLook(
        upper=tooth_row(UPPER_WIDTHS, UPPER_LENGTHS, enamel, arch=0.16, rounding=0.022),
        lower=tooth_row(LOWER_WIDTHS, LOWER_LENGTHS, enamel * LOWER_TEETH, arch=0.10, rounding=0.014)[::-1].copy(),
        cavity=(np.array(CAVITY) * light).astype(np.float32),
        tongue=(0.80 * rosy).astype(np.float32),
        lip=(0.52 * np.asarray(lip) * [1.0, 0.8, 0.8]).astype(np.float32),
        width=float(np.clip(half_width / AVERAGE_HALF_WIDTH, 0.75, 1.2)),
        seam=0.85 if was_open else 0.0,
    )
