# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Facemesh motion under the 52 names of Apple's ARKit, which 3-D heads, game engines and mechanical faces understand.

They do not include the position and rotation of the head, which are the first six numbers of the motion itself.

Source: names and meanings, ARFaceAnchor.BlendShapeLocation, Apple developer documentation. "Left" is the person's own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.channels import INDEX

ARKIT = "arkit"
"""Name of the motion space in messages."""

_PAIRS = (
    "eyeBlink", "eyeLookDown", "eyeLookIn", "eyeLookOut", "eyeLookUp", "eyeSquint", "eyeWide",
    "mouth", "mouthSmile", "mouthFrown", "mouthDimple", "mouthStretch", "mouthPress", "mouthLowerDown",
    "mouthUpperUp", "browDown", "browOuterUp", "cheekSquint", "noseSneer",
)  # fmt: skip
_SINGLE = (
    "jawForward", "jawLeft", "jawRight", "jawOpen", "mouthClose", "mouthFunnel", "mouthPucker", "mouthRollLower",
    "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "browInnerUp", "cheekPuff", "tongueOut",
)  # fmt: skip
ARKIT_NAMES: tuple[str, ...] = tuple(f"{name}{side}" for name in _PAIRS for side in ("Left", "Right")) + _SINGLE
_AT = {name: i for i, name in enumerate(ARKIT_NAMES)}
_SQUINT_OF_LIDS = 0.35
"""Up to this closure the lids narrow an eye; above, they shut it."""


def to_arkit(latent: NDArray[np.float32]) -> NDArray[np.float32]:
    """(18,) facemesh motion -> (52,) weights within 0 and 1, in the order of `ARKIT_NAMES`."""
    value = {name: float(latent[i]) for name, i in INDEX.items()}
    smile, frown, press = max(value["smile"], 0), 2 * max(-value["smile"], 0), max(value["press"], 0)
    jaw, pucker, upper = value["jaw_open"], value["pucker"], value["upper_lip"]
    raised, furrow, stretch = value["brow_raise"], value["brow_furrow"], value["stretch"]
    weights = {
        "jawOpen": jaw,
        "mouthClose": jaw * press,
        "mouthPucker": pucker,
        "mouthFunnel": 0.5 * pucker * jaw,
        "mouthRollUpper": 0.6 * press,
        "mouthRollLower": 0.6 * press,
        "browInnerUp": raised,
    }
    both = {
        "mouthSmile": smile,
        "mouthFrown": frown,
        "mouthDimple": 0.3 * smile,
        "mouthStretch": stretch,
        "mouthPress": 0.5 * press,
        "mouthUpperUp": upper,
        "mouthLowerDown": 0.5 * jaw * (1 - press),
        "browOuterUp": raised,
        "browDown": furrow + max(-raised, 0),
        "noseSneer": 0.6 * upper * furrow,
    }
    for side, closure in (("Left", value["blink_left"]), ("Right", value["blink_right"])):
        weights |= {f"{name}{side}": weight for name, weight in both.items()}
        narrowed = min(closure / _SQUINT_OF_LIDS, 1.0) * smile
        weights[f"eyeBlink{side}"] = closure
        weights[f"eyeSquint{side}"] = weights[f"cheekSquint{side}"] = max(narrowed, 0.3 * smile)
        weights |= _gaze(side, value["gaze_x"], value["gaze_y"])
    shown = np.zeros(len(ARKIT_NAMES), np.float32)
    for name, weight in weights.items():
        shown[_AT[name]] = weight
    return np.clip(shown, 0, 1)


def _gaze(side: str, right: float, down: float) -> dict[str, float]:
    """Gaze weights of one eye; the viewer's right is the person's left."""
    outwards = right if side == "Left" else -right
    return {
        f"eyeLookOut{side}": outwards,
        f"eyeLookIn{side}": -outwards,
        f"eyeLookDown{side}": down,
        f"eyeLookUp{side}": -down,
    }
