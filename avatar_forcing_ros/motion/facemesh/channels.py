# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The 18 named numbers of the `facemesh` motion space: order, units and limits.

Zero is the neutral face, looking straight at the camera with closed mouth and open eyes. Signs follow the picture as
the viewer sees it: x to the viewer's right, y downwards. The "left" and "right" eye are the person's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Channel:
    """One number of a motion latent.

    Attributes:
        name: its name everywhere.
        unit: physical unit, or "1" for a share of the full expression.
        low: least value that a face takes and that a portrait renders without artefacts.
        high: greatest such value.
        meaning: one sentence, with the positive direction.
    """

    name: str
    unit: str
    low: float
    high: float
    meaning: str


CHANNELS: tuple[Channel, ...] = (
    Channel("yaw", "rad", -0.35, 0.35, "head turn; positive turns the nose to the viewer's right"),
    Channel("pitch", "rad", -0.30, 0.30, "head nod; positive moves the nose down"),
    Channel("roll", "rad", -0.30, 0.30, "head tilt; positive turns the picture of the head clockwise"),
    Channel("x", "interocular", -0.40, 0.40, "head position; positive to the viewer's right"),
    Channel("y", "interocular", -0.30, 0.30, "head position; positive downwards"),
    Channel("scale", "log", -0.12, 0.12, "log of apparent head size; positive is nearer"),
    Channel("jaw_open", "1", 0.0, 1.0, "opening of the mouth by the jaw"),
    Channel("smile", "1", -0.5, 1.0, "mouth corners up and out; negative is down"),
    Channel("stretch", "1", -0.5, 1.0, "width of the mouth without lifting its corners, as in 'ee'"),
    Channel("pucker", "1", 0.0, 1.0, "lips rounded and forward, as in 'oo'"),
    Channel("press", "1", 0.0, 1.0, "lips pressed together, as in 'p', 'b', 'm'; closes the lips against the jaw"),
    Channel("upper_lip", "1", 0.0, 1.0, "upper lip raised"),
    Channel("brow_raise", "1", -0.3, 1.0, "both brows up; negative is slightly down"),
    Channel("brow_furrow", "1", 0.0, 1.0, "brows down and together"),
    Channel("blink_right", "1", 0.0, 1.0, "closure of the person's right eye; 1 is shut"),
    Channel("blink_left", "1", 0.0, 1.0, "closure of the person's left eye; 1 is shut"),
    Channel("gaze_x", "1", -1.0, 1.0, "eyes to the side within the head; positive to the viewer's right"),
    Channel("gaze_y", "1", -1.0, 1.0, "eyes up or down within the head; positive downwards"),
)

NAMES: tuple[str, ...] = tuple(channel.name for channel in CHANNELS)
SIZE = len(CHANNELS)
INDEX: dict[str, int] = {name: i for i, name in enumerate(NAMES)}
LOW, HIGH = (np.array([getattr(channel, end) for channel in CHANNELS]) for end in ("low", "high"))
"""(18,) limits of the channels, float64."""
POSE = ("yaw", "pitch", "roll", "x", "y", "scale")
"""Channels for position and rotation of the head; all others are for the face."""
