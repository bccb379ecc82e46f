# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a picture becomes, and what was found in it."""

from __future__ import annotations

from dataclasses import dataclass

from avatar_forcing_ros.motion.facemesh.drawing.model import PortraitModel

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
    """A person ready to be drawn, and what was found in the picture."""

    model: PortraitModel
    report: PortraitReport
