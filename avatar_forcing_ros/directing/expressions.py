# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What each named expression looks like, and what a feeling of a given valence and arousal does to a face.

A face says what is added to the motion of the network, and how much of the network's own motion in each channel is held
back meanwhile: a sad face does not return a smile in full.

Sources: which muscles make the six basic expressions, Ekman, Friesen, Hager, "Facial Action Coding System" (2002);
feelings as a plane of valence and arousal, Russell, "A Circumplex Model of Affect" (1980). The sizes were chosen by how
drawn portraits look, and so that a face mesh can tell the basic six apart in them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.channels import INDEX, SIZE

NEUTRAL = "neutral"

MOUTH = ("jaw_open", "stretch", "pucker", "press", "upper_lip")
"""Channels that speech needs: an expression has them only while nothing is said."""

_FACES: dict[str, dict[str, float]] = {
    "neutral": {},
    "angry": {"brow_furrow": 0.95, "brow_raise": -0.25, "press": 0.5, "smile": -0.2, "blink": 0.12, "pitch": 0.05,
              "scale": 0.02},
    "sad": {"smile": -0.5, "stretch": 0.3, "brow_raise": 0.25, "brow_furrow": 0.3, "blink": 0.25, "gaze_y": 0.25,
            "pitch": 0.08, "roll": 0.03},
    "happy": {"smile": 0.85, "blink": 0.22, "brow_raise": 0.1, "pitch": -0.02},
    "surprised": {"brow_raise": 0.95, "jaw_open": 0.6, "pucker": 0.15, "pitch": -0.04, "scale": -0.02},
    "disgusted": {"upper_lip": 0.85, "brow_furrow": 0.6, "smile": -0.3, "blink": 0.35, "pitch": -0.05, "yaw": 0.05},
    "scared": {"brow_raise": 0.7, "brow_furrow": 0.4, "stretch": 0.95, "smile": -0.1, "jaw_open": 0.1, "pitch": -0.05,
               "scale": -0.05},
    "pleading": {"brow_raise": 0.5, "brow_furrow": 0.35, "smile": -0.1, "pitch": 0.07, "roll": 0.08, "gaze_y": -0.2},
    "vulnerable": {"brow_raise": 0.35, "brow_furrow": 0.3, "smile": -0.2, "pitch": 0.05, "roll": 0.05, "scale": -0.03},
    "despaired": {"smile": -0.5, "brow_raise": 0.4, "brow_furrow": 0.6, "blink": 0.4, "jaw_open": 0.08, "pitch": 0.12},
    "guilty": {"smile": -0.25, "brow_raise": 0.2, "brow_furrow": 0.25, "blink": 0.2, "pitch": 0.1, "gaze_x": 0.3,
               "gaze_y": 0.4, "press": 0.25},
    "disappointed": {"smile": -0.35, "press": 0.35, "blink": 0.2, "brow_raise": -0.15, "pitch": 0.05, "roll": -0.04},
    "embarrassed": {"smile": 0.35, "press": 0.35, "blink": 0.15, "pitch": 0.08, "gaze_x": -0.35, "gaze_y": 0.3,
                    "yaw": -0.06},
    "horrified": {"brow_raise": 0.9, "brow_furrow": 0.3, "stretch": 0.6, "jaw_open": 0.5, "upper_lip": 0.3,
                  "pitch": -0.08, "scale": -0.06},
    "skeptical": {"brow_raise": 0.3, "brow_furrow": 0.2, "smile": -0.15, "press": 0.2, "blink_left": 0.25, "roll": 0.07,
                  "yaw": 0.06},
    "annoyed": {"brow_furrow": 0.6, "press": 0.4, "smile": -0.15, "blink": 0.2, "gaze_x": 0.25, "gaze_y": -0.25},
    "furious": {"brow_furrow": 1.0, "brow_raise": -0.3, "stretch": 0.5, "jaw_open": 0.15, "upper_lip": 0.5,
                "smile": -0.2, "blink": 0.2, "pitch": 0.08, "scale": 0.05},
    "suspicious": {"brow_furrow": 0.55, "brow_raise": -0.2, "blink": 0.4, "press": 0.2, "yaw": 0.1, "gaze_x": -0.3},
    "rejected": {"smile": -0.4, "brow_raise": 0.25, "brow_furrow": 0.3, "blink": 0.3, "pitch": 0.12, "yaw": 0.1,
                 "gaze_x": 0.25, "gaze_y": 0.35},
    "bored": {"blink": 0.4, "smile": -0.15, "brow_raise": -0.1, "roll": 0.08, "pitch": 0.03, "gaze_x": 0.3},
    "tired": {"blink": 0.5, "smile": -0.1, "brow_raise": 0.15, "pitch": 0.08, "gaze_y": 0.2},
    "asleep": {"blink": 1.0, "pitch": 0.17, "roll": 0.08, "smile": -0.05},
    "confused": {"brow_furrow": 0.5, "brow_raise": 0.15, "smile": -0.1, "roll": 0.12, "blink_right": 0.15,
                 "pucker": 0.2},
    "amazed": {"brow_raise": 0.85, "jaw_open": 0.32, "smile": 0.4, "pitch": -0.04, "scale": 0.02},
    "excited": {"smile": 1.0, "jaw_open": 0.28, "brow_raise": 0.5, "blink": 0.1, "pitch": -0.04, "scale": 0.03},
}  # fmt: skip

EXPRESSIONS = tuple(_FACES)
"""The names that hri_msgs/Expression lists."""
BASIC = ("angry", "sad", "happy", "surprised", "disgusted", "scared")
"""The names of Ekman's six basic expressions."""

_HELD = {"smile": 0.85, "brow_raise": 0.6, "brow_furrow": 0.8, "jaw_open": 0.5, "gaze_x": 0.3, "gaze_y": 0.3}
"""Share of the network's own motion that an expression holds back, except in the channels of speech."""


@dataclass(frozen=True, eq=False)
class FaceChange:
    """What an expression does to motion.

    Attributes:
        added: (18,) what is added to each channel.
        held: (18,) share of the network's own motion in each channel that is not shown.
    """

    added: NDArray[np.float64]
    held: NDArray[np.float64]


def face_of_name(name: str, intensity: float = 1.0) -> FaceChange:
    """The face of a named expression; `NEUTRAL` does nothing.

    Raises:
        ValueError: there is no such expression.
    """
    if name not in _FACES:
        raise ValueError(f"expression must be one of {', '.join(EXPRESSIONS)}, got {name!r}")
    return _face(_FACES[name], intensity)


def face_of_feeling(valence: float, arousal: float, intensity: float = 1.0) -> FaceChange:
    """The face of a feeling, both from -1 to 1; 0 and 0 do nothing."""
    well, ill, awake, drowsy = max(valence, 0.0), max(-valence, 0.0), max(arousal, 0.0), max(-arousal, 0.0)
    channels = {
        "smile": 0.9 * well - 0.45 * ill,
        "brow_furrow": ill * (0.35 + 0.5 * awake),
        "brow_raise": 0.55 * awake * (1 - 0.6 * ill) + 0.2 * ill * drowsy,
        "blink": 0.15 * well * (1 - 0.5 * awake) + 0.4 * drowsy,
        "jaw_open": 0.2 * awake * (1 - ill),
        "stretch": 0.4 * awake * ill,
        "gaze_y": 0.2 * drowsy,
        "pitch": 0.07 * drowsy - 0.03 * awake,
        "scale": 0.03 * awake * (well - ill),
    }
    return _face(channels, intensity)


def _face(channels: dict[str, float], intensity: float) -> FaceChange:
    added, held = np.zeros(SIZE), np.zeros(SIZE)
    for name, value in channels.items():
        for channel in ("blink_right", "blink_left") if name == "blink" else (name,):
            added[INDEX[channel]] = intensity * value
    if added.any():
        for name, share in _HELD.items():
            held[INDEX[name]] = intensity * share
    return FaceChange(added, held)
