# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A prepared portrait, and the report on its picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from avatar_forcing_ros.motion.facemesh.drawing.model import PortraitModel

MOST_TURNED = np.deg2rad(15)
MOST_ENLARGEMENT, MOST_SMILE, LEAST_APERTURE, LEAST_LIP_RED = 2.0, 0.5, 0.15, 1.0
"""Limits beyond which a remark is made. In tested portraits the lids are 0.22 to 0.38 of the eye's width apart, shut
ones 0.03 to 0.08. Lips are 6 to 15 redder than cheeks (CIE a*); with a hand in front of them, -5 to -3."""
DARK, PALE, LEAST_EYE_CONTRAST = 30.0, 93.0, 4.0
"""The same in CIE L*, 0 to 100. The lightest parts of tested faces had 58 to 87, their middle 47 to 83, and what is
within the lids deviated by 9 to 21; behind a black glass by 0."""


@dataclass(frozen=True)
class PortraitReport:
    """What was found in a picture, for people who choose portraits.

    Attributes:
        face_px: width of the face in the picture.
        enlargement: how much the picture was enlarged; above 2, the portrait looks soft.
        glasses: whether the face wears glasses; its brows then hardly move, so that the rims do not bend.
        mouth_open: whether teeth or the inside of the mouth are visible; closing the lips covered them.
        smile: photographed smile in units of the channel; most of it was removed.
        quarter_turns: how often the picture was turned left by 90 degrees, to make the face upright.
        tight: whether the picture ends close to the face, so that some of the surroundings are made up.
        aperture: opening of the lids, relative to the eye's width, of the less open eye.
        lip_red: how much redder the lips are than the cheeks, in CIE a*; None in a picture without colours.
        turned: how far the head is turned aside, in radians.
        others: further faces that are at least half as large.
        lightest: L* that a twentieth of the face exceeds.
        middle_light: L* that half of the face exceeds.
        eye_contrast: standard deviation of L* within the lids of the eye that shows more.
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
    turned: float
    others: int
    lightest: float
    middle_light: float
    eye_contrast: float

    def remarks(self) -> tuple[str, ...]:
        """What keeps this picture from being a good portrait, one line each."""
        said = {
            f"the face did not stand upright: the picture was turned left by {90 * self.quarter_turns} degrees": (
                self.quarter_turns > 0
            ),
            f"{self.others + 1} faces are in the picture and the largest is shown; cut out the one that is meant": (
                self.others > 0
            ),
            f"the head is turned aside by {np.rad2deg(self.turned):.0f} degrees: its far side is stretched; use one "
            "from the front": self.turned > MOST_TURNED,
            "the face is dark: light it from the front, or brighten the picture": self.lightest < DARK,
            "the face is nearly white: use a picture with less light": self.middle_light > PALE,
            "nothing is seen of the eyes, as behind dark glasses: use a picture without": (
                self.eye_contrast < LEAST_EYE_CONTRAST and self.lightest >= DARK and self.middle_light <= PALE
            ),
            "the eyes are shut: open ones were invented; a picture with open eyes looks better": (
                self.aperture < LEAST_APERTURE
            ),
            "something seems to cover the mouth and would move with the lips; use a picture with the mouth uncovered": (
                self.lip_red is not None and self.lip_red < LEAST_LIP_RED
            ),
            "the picture ends close to the face: some of its surroundings were invented": self.tight,
            f"the face is {self.face_px:.0f} pixels wide, enlarged {self.enlargement:.1f} times: it looks soft": (
                self.enlargement > MOST_ENLARGEMENT
            ),
            "the mouth is open: it was closed, which shows; a picture with closed lips looks better": self.mouth_open,
            "the face smiles: most of the smile was removed; a neutral face looks better": self.smile > MOST_SMILE,
            "the face wears glasses: its brows hardly move": self.glasses,
        }
        return tuple(remark for remark, holds in said.items() if holds)


@dataclass(frozen=True)
class Likeness:
    """A person ready to be drawn, with the report on the picture."""

    model: PortraitModel
    report: PortraitReport
