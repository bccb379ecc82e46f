# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The face of a still picture, turned upright where it lies on its side or stands on its head."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.landmarks import canonical_face, fit_head, head_angles
from avatar_forcing_ros.motion.facemesh.reading.detect import find_face
from avatar_forcing_ros.motion.facemesh.reading.lip_colour import lip_red
from avatar_forcing_ros.motion.space import PortraitError

LEAST_LIP_RED = 3.0
"""Between what lips are and what a face on its head has in their place; see `lip_colour.lip_red`."""
MOST_WORSE_FIT = 1.2
"""How much further from the canonical face a face may be that has red lips than one that has none."""


@dataclass(frozen=True)
class UprightFace:
    """A picture whose largest face stands upright.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        landmarks: (478, 3) in its pixels.
        quarter_turns: times the picture was turned left by 90 degrees.
    """

    image: NDArray[np.uint8]
    landmarks: NDArray[np.float64]
    quarter_turns: int


def find_upright_face(image: NDArray[np.uint8]) -> UprightFace:
    """The largest face of a picture (H, W, 3), which is turned by quarters until that face stands upright.

    The face mesh follows faces that lie, but takes one that stands on its head for upright, with its lips on the brows.

    Raises:
        PortraitError: no face, or one too small.
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
    """Its face, after the quarters by which that lies; the picture was turned `turns` times before."""
    image = np.ascontiguousarray(image)
    face = find_face(image)
    lies = round(head_angles(fit_head(face).rotation).roll / (np.pi / 2)) % 4
    if lies:
        image = np.ascontiguousarray(np.rot90(image, lies))
        face = find_face(image)
    return UprightFace(image, face, (turns + lies) % 4)


def _misfit(landmarks: NDArray[np.float64]) -> float:
    """Root mean square distance of a face from the canonical one in its pose, interocular distances."""
    head, canonical = fit_head(landmarks), canonical_face().points
    away = head.apply(canonical)[:, :2] - landmarks[: len(canonical), :2]
    return float(np.sqrt((away**2).sum(1).mean()) / head.scale)
