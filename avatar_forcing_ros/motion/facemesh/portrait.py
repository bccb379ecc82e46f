# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""From one picture to a portrait that can be animated."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.channels import SIZE
from avatar_forcing_ros.motion.facemesh.drawing.model import Layers
from avatar_forcing_ros.motion.facemesh.drawing.render import FrameRenderer
from avatar_forcing_ros.motion.facemesh.landmarks import LEFT_EYE, OVAL, RIGHT_EYE, canonical_face
from avatar_forcing_ros.motion.facemesh.preparing.crop import Crop, crop_head
from avatar_forcing_ros.motion.facemesh.preparing.matte import split_layers
from avatar_forcing_ros.motion.facemesh.preparing.prepare import Prepared, face_mask, fill_outline, prepare
from avatar_forcing_ros.motion.facemesh.reading.lip_colour import lip_red
from avatar_forcing_ros.motion.facemesh.reading.measures import INDEX as MEASURE
from avatar_forcing_ros.motion.facemesh.reading.measures import measure
from avatar_forcing_ros.motion.facemesh.reading.upright import find_upright_face
from avatar_forcing_ros.motion.space import PortraitError

LEAST_SIZE, MOST_SIZE = 64, 2048


MOST_ENLARGEMENT, MOST_SMILE, LEAST_APERTURE, LEAST_LIP_RED = 2.0, 0.5, 0.15, 1.0
"""Beyond which something is said of a picture. Lids stand .22 to .38 apart by the eye's width in portraits that were
tried, and .03 to .08 when they are shut; lips are 6 to 15 redder than cheeks (CIE a*), and -5 to -3 behind a hand."""


@dataclass(frozen=True)
class PortraitReport:
    """What was found in a picture, for those who choose portraits.

    Attributes:
        face_px: width of the face in the picture.
        enlargement: how much the picture was enlarged; above 2 the portrait looks soft.
        glasses: the face wears glasses; brows then hardly move, so that the rims do not bend.
        mouth_open: teeth or the inside of the mouth are to be seen; they were covered by closing the lips.
        smile: photographed smile, as the channel; it was mostly taken back.
        quarter_turns: times the picture was turned left by 90 degrees, so that the face stands upright.
        tight: the picture ends close to the face, and some of what surrounds it is made up.
        aperture: opening of the lids by the eye's width, of the eye that is open less.
        lip_red: how much redder the lips are than the cheeks, CIE a*; None in a picture without colours.
    """

    face_px: float
    enlargement: float
    glasses: bool
    mouth_open: bool
    smile: float
    quarter_turns: int
    tight: bool
    aperture: float
    lip_red: float | None

    def remarks(self) -> tuple[str, ...]:
        """What keeps this picture from being a good portrait, a line each."""
        said = {
            f"the face did not stand upright: the picture was turned left by {90 * self.quarter_turns} degrees": (
                self.quarter_turns > 0
            ),
            "the eyes are shut: open ones are made up; a picture with open eyes looks better": (
                self.aperture < LEAST_APERTURE
            ),
            "something seems to cover the mouth, and would move with the lips; use a picture with a free mouth": (
                self.lip_red is not None and self.lip_red < LEAST_LIP_RED
            ),
            "the picture ends close to the face: some of what surrounds it is made up": self.tight,
            f"the face is {self.face_px:.0f} pixels wide, enlarged {self.enlargement:.1f} times: it looks soft": (
                self.enlargement > MOST_ENLARGEMENT
            ),
            "the mouth is open: it was closed, which shows; a picture with closed lips looks better": self.mouth_open,
            "the face smiles: most of it was taken back; a neutral face looks better": self.smile > MOST_SMILE,
            "the face wears glasses: its brows hardly move": self.glasses,
        }
        return tuple(remark for remark, holds in said.items() if holds)


class FaceMeshPortrait:
    """A portrait of the `facemesh` motion space; see `space.Portrait`.

    Attributes:
        reference: (18,) float32 zeros: pose and expression are relative to the portrait at rest.
        report: what was found in the picture.
        remarks: what keeps it from being a good portrait, a line each.
    """

    def __init__(self, prepared: Prepared, crop: Crop, quarter_turns: int = 0) -> None:
        self.reference = np.zeros(SIZE, np.float32)
        self.report = PortraitReport(
            face_px=float(np.ptp(crop.landmarks[OVAL, 0])) / crop.enlargement,
            enlargement=crop.enlargement,
            glasses=prepared.glasses,
            mouth_open=prepared.mouth.is_open,
            smile=prepared.mouth.smile,
            quarter_turns=quarter_turns,
            tight=crop.is_tight,
            aperture=float(measure(crop.landmarks)[[MEASURE["aperture_right"], MEASURE["aperture_left"]]].min()),
            lip_red=lip_red(crop.image, crop.landmarks),
        )
        self.remarks = self.report.remarks()
        self._renderer = FrameRenderer(prepared.model)

    def render(self, latent: NDArray[np.float32], frame_index: int = 0) -> NDArray[np.uint8]:
        """(18,) motion latent -> (S, S, 3) uint8 RGB; `frame_index` drives breathing.

        Raises:
            ValueError: the latent is not 18 finite numbers.
        """
        return self._renderer.render(latent, frame_index)


def load_portrait(image: NDArray[np.uint8], size: int = 512) -> FaceMeshPortrait:
    """Prepare a portrait.

    Args:
        image: (H, W, 3) uint8 RGB with a face; the largest one is taken, and turned upright by quarters.
        size: S, side of the frames in pixels.

    Raises:
        PortraitError: no face, a face too small or too close to the picture's edge, or an array that is no picture.
    """
    _check(image, size)
    face = find_upright_face(image)
    crop = crop_head(face.image, face.landmarks, size)
    layers = split_layers(crop.image, face_mask(crop))
    return FaceMeshPortrait(prepare(crop, layers), crop, face.quarter_turns)


def _check(image: NDArray, size: int) -> None:
    if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        got = f"{getattr(image, 'shape', type(image).__name__)} {getattr(image, 'dtype', '')}"
        raise PortraitError(f"a portrait must be (H, W, 3) uint8 RGB, got {got.strip()}")
    if min(image.shape[:2]) < LEAST_SIZE:
        raise PortraitError(f"a portrait must be at least {LEAST_SIZE} pixels high and wide, got {image.shape[:2]}")
    if not LEAST_SIZE <= size <= MOST_SIZE:
        raise PortraitError(f"size must be within {LEAST_SIZE} and {MOST_SIZE} pixels, got {size}")


def plain_portrait(size: int = 512) -> FaceMeshPortrait:
    """A portrait of the canonical face in plain colours; needs no picture and no detector."""
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
    return FaceMeshPortrait(prepare(crop, Layers(np.dstack([image, head]), plate)), crop)
