# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How far a face moves when an expression channel is one: the renderer multiplies by this, the encoder divides by it.

Head space, in interocular distances. Because both sides read the same numbers, an avatar that copies a user's channels
looks like the user.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ExpressionGains:
    """Displacements at channel value 1.

    Attributes:
        jaw_gap: distance between the inner lips (landmarks 13 and 14).
        jaw_chin: fall of the chin (152).
        smile_out: each mouth corner (61, 291) outwards.
        smile_up: each mouth corner upwards, relative to the middle of the lips.
        stretch_out: each mouth corner outwards.
        pucker_in: each mouth corner inwards.
        upper_lip_up: middle of the upper lip (0, 13) upwards.
        brow_up: eyebrows upwards at `brow_raise` 1.
        furrow_down: inner ends of the brows (55, 285) downwards.
        furrow_in: inner ends of the brows towards each other, each.
        gaze_side: iris centre to the side at `gaze_x` 1.
        gaze_down: iris centre downwards at `gaze_y` 1.
    """

    jaw_gap: float = 0.42
    jaw_chin: float = 0.30
    smile_out: float = 0.10
    smile_up: float = 0.11
    stretch_out: float = 0.085
    pucker_in: float = 0.15
    upper_lip_up: float = 0.09
    brow_up: float = 0.13
    furrow_down: float = 0.06
    furrow_in: float = 0.04
    gaze_side: float = 0.09
    gaze_down: float = 0.055


GAINS = ExpressionGains()
