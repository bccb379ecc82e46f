# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Turns one picture into a person that can be drawn. It loads what reads faces, which kept likenesses do without."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.drawing.model import Layers
from avatar_forcing_ros.motion.facemesh.landmarks import (
    LEFT_EYE,
    OVAL,
    RIGHT_EYE,
    canonical_face,
    fit_head,
    head_angles,
)
from avatar_forcing_ros.motion.facemesh.preparing.crop import Crop, crop_head
from avatar_forcing_ros.motion.facemesh.preparing.matte import split_layers
from avatar_forcing_ros.motion.facemesh.preparing.prepare import Prepared, face_mask, fill_outline, prepare
from avatar_forcing_ros.motion.facemesh.preparing.report import Likeness, PortraitReport
from avatar_forcing_ros.motion.facemesh.reading.detect import count_faces
from avatar_forcing_ros.motion.facemesh.reading.lip_colour import lip_red
from avatar_forcing_ros.motion.facemesh.reading.measures import INDEX as MEASURE
from avatar_forcing_ros.motion.facemesh.reading.measures import measure
from avatar_forcing_ros.motion.facemesh.reading.upright import find_upright_face


def read_likeness(image: NDArray[np.uint8], size: int) -> Likeness:
    """Prepare a picture, (H, W, 3) uint8 RGB, for frames of side `size`.

    Raises:
        PortraitError: there is no face, or it is too small or too close to the picture's edge.
    """
    face = find_upright_face(image)
    crop = crop_head(face.image, face.landmarks, size)
    layers = split_layers(crop.image, face_mask(crop))
    return _likeness(prepare(crop, layers), crop, face.quarter_turns, max(0, count_faces(face.image) - 1))


def plain_likeness(size: int) -> Likeness:
    """The canonical face in plain colours, which needs no picture and no detector."""
    scale = size / 5.2
    landmarks = canonical_face().points * scale + [size / 2, 0.45 * size, 0]
    image = np.full((size, size, 3), (90, 110, 130), np.uint8)
    oval = ((size / 2, 0.58 * size), (2.6 * scale, 3.4 * scale), 0)
    head = cv2.ellipse(np.zeros((size, size), np.uint8), oval, 255, -1)
    image[head > 0] = (200, 160, 140)
    for eye in (RIGHT_EYE, LEFT_EYE):
        image[fill_outline(landmarks[eye.outline], size)] = (235, 235, 235)
        image[fill_outline(landmarks[eye.iris[1:]], size)] = (80, 60, 40)
    plate = np.full((size, size, 3), (90, 110, 130), np.uint8)
    crop = Crop(image, landmarks, 1.0)
    return _likeness(prepare(crop, Layers(np.dstack([image, head]), plate)), crop, 0)


def _likeness(prepared: Prepared, crop: Crop, quarter_turns: int, others: int = 0) -> Likeness:
    light = cv2.cvtColor(crop.image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[..., 0]
    face_light = light[face_mask(crop)]
    eyes = [light[fill_outline(crop.landmarks[eye.outline], len(light))] for eye in (RIGHT_EYE, LEFT_EYE)]
    report = PortraitReport(
        face_px=float(np.ptp(crop.landmarks[OVAL, 0])) / crop.enlargement,
        enlargement=crop.enlargement,
        glasses=prepared.glasses,
        mouth_open=prepared.mouth.is_open,
        smile=prepared.mouth.smile,
        quarter_turns=quarter_turns,
        tight=crop.is_tight,
        aperture=float(measure(crop.landmarks)[[MEASURE["aperture_right"], MEASURE["aperture_left"]]].min()),
        lip_red=lip_red(crop.image, crop.landmarks),
        turned=float(abs(head_angles(fit_head(crop.landmarks).rotation).yaw)),
        others=others,
        lightest=float(np.percentile(face_light, 95)),
        middle_light=float(np.median(face_light)),
        eye_contrast=max(float(eye.std()) for eye in eyes if eye.size) if any(eye.size for eye in eyes) else 0.0,
    )
    return Likeness(prepared.model, report)
