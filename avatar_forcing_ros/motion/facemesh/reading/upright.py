# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The face in a still picture, turned upright if it is sideways or upside down."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.landmarks import canonical_face, fit_head, head_angles
from avatar_forcing_ros.motion.facemesh.reading.detect import find_face
from avatar_forcing_ros.motion.facemesh.reading.lip_colour import lip_red
from avatar_forcing_ros.motion.space import PortraitError

LEAST_LIP_RED = 3.0
"""Between the redness of lips and of what an upside-down face has in their place; see `lip_colour.lip_red`."""
MOST_WORSE_FIT = 1.2
"""How much further from the canonical face a face with red lips may be than one without."""


@dataclass(frozen=True)
class UprightFace:
    """A picture whose largest face stands upright.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        landmarks: (478, 3) in its pixels.
        quarter_turns: how often the picture was turned left by 90 degrees.
    """

    image: NDArray[np.uint8]
    landmarks: NDArray[np.float64]
    quarter_turns: int


def find_upright_face(image: NDArray[np.uint8]) -> UprightFace:
    """The largest face of a picture (H, W, 3), which is turned in quarter turns until that face is upright.

    The face mesh follows sideways faces, but takes an upside-down one for upright, with its lips on the brows.

    Raises:
        PortraitError: there is no face, or it is too small.
    """
    found = _turned_by_its_roll(image, 0)
    if _has_lips(found):
        return found
    try:
        other = _turned_by_its_roll(np.rot90(found.image, 2), found.quarter_turns + 2)
    except PortraitError:
        return found
    fits = _misfit(other.landmarks) < MOST_WORSE_FIT * _misfit(found.landmarks)
    return other if fits and _has_lips(other) else found


def _has_lips(face: UprightFace) -> bool:
    red = lip_red(face.image, face.landmarks)
    return red is not None and red > LEAST_LIP_RED


def _turned_by_its_roll(image: NDArray[np.uint8], turns: int) -> UprightFace:
    """The face after the quarter turns that its roll asks for; the picture was turned `turns` times before."""
    image = np.ascontiguousarray(image)
    face = find_face(image)
    lies = round(head_angles(fit_head(face).rotation).roll / (np.pi / 2)) % 4
    if lies:
        image = np.ascontiguousarray(np.rot90(image, lies))
        face = find_face(image)
    return UprightFace(image, face, (turns + lies) % 4)


def _misfit(landmarks: NDArray[np.float64]) -> float:
    """Root mean square distance of a face from the canonical face in the same pose, in interocular distances."""
    head, canonical = fit_head(landmarks), canonical_face().points
    away = head.apply(canonical)[:, :2] - landmarks[: len(canonical), :2]
    return float(np.sqrt((away**2).sum(1).mean()) / head.scale)
