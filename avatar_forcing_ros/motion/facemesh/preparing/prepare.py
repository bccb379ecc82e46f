# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Prepares everything that a portrait needs before its first frame: layers, mesh, neutral face, folds, eyes, mouth."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.basis import expression_basis
from avatar_forcing_ros.motion.facemesh.drawing.model import Layers, PortraitModel
from avatar_forcing_ros.motion.facemesh.drawing.mouth import MouthLook
from avatar_forcing_ros.motion.facemesh.landmarks import CHEEKS, INNER_MOUTH, LEFT_EYE, MOUTH_CORNERS, OVAL, RIGHT_EYE
from avatar_forcing_ros.motion.facemesh.preparing.crop import Crop
from avatar_forcing_ros.motion.facemesh.preparing.eyes import cut_eye
from avatar_forcing_ros.motion.facemesh.preparing.folds import cut_folds
from avatar_forcing_ros.motion.facemesh.preparing.glasses import BROW_SHARE, wears_glasses
from avatar_forcing_ros.motion.facemesh.preparing.mesh import build_mesh
from avatar_forcing_ros.motion.facemesh.preparing.mouth import make_look
from avatar_forcing_ros.motion.facemesh.preparing.neutral import (
    PhotographedMouth,
    lip_texture,
    neutral_points,
    read_mouth,
)

LOWER_LIP_RED = np.array([16, 85, 315, 17])
TEETH_LIGHT = 0.9
"""Brightness, relative to the cheeks, from which light parts of an open mouth count as teeth."""


@dataclass(frozen=True)
class Prepared:
    """A portrait ready to be rendered, with what was found on the way."""

    model: PortraitModel
    glasses: bool
    mouth: PhotographedMouth


def prepare(crop: Crop, layers: Layers) -> Prepared:
    """Prepare everything about one portrait that all frames share."""
    mesh = build_mesh(crop.landmarks, layers.person[..., 3])
    scale = mesh.head.scale
    glasses = wears_glasses(crop.image, mesh.head)
    mouth = read_mouth(mesh.points)
    neutral = neutral_points(mesh.points, mouth)
    skin = np.ascontiguousarray(layers.person[..., :3])
    right, left = (cut_eye(skin, crop.landmarks, eye, scale, glasses) for eye in (RIGHT_EYE, LEFT_EYE))
    model = PortraitModel(
        layers=layers,
        mesh=mesh,
        neutral=neutral,
        basis=expression_basis(neutral, brow_share=BROW_SHARE if glasses else 1.0),
        folds=cut_folds(skin, crop.landmarks, scale),
        eyes=(right, left),
        mouth=_mouth_look(crop, neutral, mouth),
        texture_points=lip_texture(mesh.pixels, mouth),
    )
    return Prepared(model, glasses, mouth)


def face_mask(crop: Crop) -> NDArray[np.bool_]:
    """(S, S) true within the outline of the face."""
    return fill_outline(crop.landmarks[OVAL], len(crop.image))


def fill_outline(outline: NDArray, size: int) -> NDArray[np.bool_]:
    """(size, size) true within a polygon (N, 2 or 3) in pixels."""
    mask = np.zeros((size, size), np.uint8)
    cv2.fillPoly(mask, [np.round(outline[:, :2]).astype(np.int32)], 1)
    return mask > 0


def _mouth_look(crop: Crop, neutral: NDArray, mouth: PhotographedMouth) -> MouthLook:
    skin = _median(crop.image, crop.landmarks[CHEEKS])
    return make_look(
        skin=skin,
        lip=_median(crop.image, crop.landmarks[LOWER_LIP_RED]),
        half_width=float(np.ptp(neutral[MOUTH_CORNERS, 0])) / 2,
        was_open=mouth.is_open,
        teeth=_teeth(crop, skin) if mouth.is_open else None,
    )


def _median(image: NDArray[np.uint8], points: NDArray) -> NDArray[np.float64]:
    """(3,) median colour at the points."""
    columns, rows = np.round(points[:, :2]).astype(int).clip(0, len(image) - 1).T
    return np.median(image[rows, columns], axis=0)


def _teeth(crop: Crop, skin: NDArray) -> NDArray[np.float64] | None:
    """(3,) colour of the teeth in an open mouth; None if nothing in it is as light as the `skin` (3,)."""
    inside = crop.image[fill_outline(crop.landmarks[INNER_MOUTH], len(crop.image))].astype(np.float64)
    if len(inside) < 30:
        return None
    light = inside.sum(1)
    teeth = np.median(inside[light >= np.percentile(light, 60)], axis=0)
    return teeth if teeth.mean() > TEETH_LIGHT * skin.mean() else None
