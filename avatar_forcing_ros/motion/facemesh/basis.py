# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The expression basis: how far every vertex moves, in head space, when an expression channel is one.

Lips move as a curve from corner to corner. The skin around them follows, less and less over a reach. `press` is not
linear, because it closes whatever gap the jaw leaves; `close_lips` applies it.

Lengths are interocular distances. `gains.py` says how far the channels move a face. The reaches and shares here say how
the skin around follows; they were chosen by eye on rendered portraits, since no publication gives them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.gains import GAINS, ExpressionGains
from avatar_forcing_ros.motion.facemesh.landmarks import (
    CHIN,
    EYES,
    INNER_MOUTH,
    JAW_JOINTS,
    LOWER_LIP,
    MOUTH_CORNERS,
    OVAL,
    SKIN_LANDMARKS,
    UPPER_LIP,
)

EXPRESSIONS = ("jaw_open", "smile", "stretch", "pucker", "press", "upper_lip", "brow_raise", "brow_furrow")
"""Channels that move vertices; lids and gaze are painted (see `eyes.py`)."""
JOINT = ("cheeks", "oblique")
"""Displacements that come only with several channels, or with much of one: cheeks that rise under a broad smile, and
brows whose inner ends rise when they are raised and furrowed at once, as in grief and fear."""

ROLL_IN = 0.28
"""Share of a lip's height that `press` rolls inwards."""


LOWER_SHARE = 0.93
"""Share of the mouth's opening that comes from the lower lip; the rest comes from the upper lip."""

MOST_NARROWING = 0.34
"""Largest share of the mouth's width that a pucker takes away; it limits the pucker of small mouths."""

UPPER_CLOSES = 0.3
"""Share of the gap that the upper lip closes when lips are pressed; the jaw raises the lower one."""

CLOSING_BY_ROW = (0.72, 0.85, 0.95, 1.0)
OPENING_BY_ROW = (0.90, 0.94, 0.98, 1.0)
"""Share of a lip's motion that each row of landmarks takes, from the outer edge to the inner: lips stretch a little."""

CORNER_FOLLOWS = 0.36
"""Share of the jaw's gap by which the corners of the mouth go down with it."""

JAW_ROUNDNESS = 2.6
"""Exponent of the profile of an open lip along the mouth: 2 is a circle, more is flatter in the middle."""

PRESS_LIFTS_JAW = 0.6
"""Share of the jaw's opening that a full `press` takes back; the lips close the rest."""


PARTING, PARTED_FROM = 0.09, 0.04
"""Lips part at once: by how much they are drawn further apart at a small `jaw_open`, and the value at which two thirds
of that show.

Face meshes, and viewers at a distance, take lips less than 0.05 interocular distances apart (a jaw_open of 0.12) for
shut. Parted like this, a small opening is visible, and MediaPipe reads back what the channel says.
"""


LID_RAISED = 0.018
"""How far raised brows pull the upper lids up: wide eyes."""

BROAD_FROM = 0.35
"""From this smile on, the cheeks rise and lines appear beside the eyes."""


def broad(smile: float) -> float:
    """How much of a broad smile a `smile` is, 0 to 1.

    Source: Krumhuber and Manstead, "Can Duchenne smiles be feigned?", 2009: in broad smiles the cheeks rise, whether
    the smile is felt or not.
    """
    t = min(max((float(smile) - BROAD_FROM) / (1.0 - BROAD_FROM), 0.0), 1.0)
    return t * t * (3 - 2 * t)


def joint_shares(smile: float, brow_raise: float, brow_furrow: float) -> tuple[float, float]:
    """Shares of `JOINT`."""
    return broad(smile), min(max(2 * float(min(brow_raise, brow_furrow)), 0.0), 1.0)


def parted(jaw_open: float) -> float:
    """The opening drawn for a `jaw_open` between 0 and 1: equal at both ends, larger in between."""
    return jaw_open + PARTING * (1 - jaw_open) * float(1 - np.exp(-jaw_open / PARTED_FROM))


def jaw_under_press(jaw_open: float, press: float) -> float:
    """Opening of the jaw that remains when the lips are pressed together."""
    return jaw_open * (1 - PRESS_LIFTS_JAW * press)


@dataclass(frozen=True)
class LipCurve:
    """Position of each vertex relative to the mouth.

    Attributes:
        along: (V,) -1 at the viewer's left corner, 1 at the right one, clipped.
        beside: (V,) distance outside the corners, 0 between them.
        above: (V,) distance above the upper lip, 0 below its upper edge.
        below: (V,) distance below the lower lip, 0 above its lower edge.
        half_width: half the mouth's width.
    """

    along: NDArray[np.float64]
    beside: NDArray[np.float64]
    above: NDArray[np.float64]
    below: NDArray[np.float64]
    half_width: float


def expression_basis(points: NDArray, gains: ExpressionGains = GAINS, brow_share: float = 1.0) -> NDArray[np.float32]:
    """(len(EXPRESSIONS) + len(JOINT), V, 3) displacements at channel value 1, followed by those of `JOINT`.

    Args:
        points: (V, 3) head-space vertices of the neutral face, the first 468 MediaPipe's.
        gains: sizes of the motions.
        brow_share: share of the brow motion to show; less than 1 keeps glasses from bending.
    """
    curve = _lip_curve(points)
    basis = np.zeros((len(EXPRESSIONS) + len(JOINT), len(points), 3))
    basis[0] = _jaw_open(points, curve, gains)
    basis[1] = _smile(points, curve, gains)
    basis[2] = _stretch(points, curve, gains)
    basis[3] = _pucker(points, curve, gains)
    basis[4] = _press(points)
    basis[5] = _upper_lip(points, curve, gains)
    basis[6] = _brow_raise(points, gains) * brow_share
    basis[7] = _brow_furrow(points, gains) * brow_share
    basis[8] = _cheeks(points)
    basis[9] = _oblique(points) * brow_share
    basis[1:, SKIN_LANDMARKS:] = 0.0
    return basis.astype(np.float32)


def close_lips(points: NDArray, press: float) -> None:
    """Close the share `press` of the gap between the lips; changes `points` (V, 3) in place."""
    gap = points[LOWER_LIP[3]] - points[UPPER_LIP[3]]
    for row, share in enumerate(CLOSING_BY_ROW):
        points[UPPER_LIP[row, 1:-1]] += UPPER_CLOSES * press * share * gap[1:-1]
        points[LOWER_LIP[row, 1:-1]] -= (1 - UPPER_CLOSES) * press * share * gap[1:-1]


def _lip_curve(points: NDArray) -> LipCurve:
    left, right = points[MOUTH_CORNERS]
    half = (right[0] - left[0]) / 2
    along = (points[:, 0] - (left[0] + right[0]) / 2) / half
    clipped = np.clip(along, -1, 1)
    top = np.interp(along, *_by_x(points, UPPER_LIP[0], left, half))
    bottom = np.interp(along, *_by_x(points, LOWER_LIP[0], left, half))
    return LipCurve(
        along=clipped,
        beside=np.maximum(np.abs(along) - 1, 0) * half,
        above=np.maximum(top - points[:, 1], 0),
        below=np.maximum(points[:, 1] - bottom, 0),
        half_width=float(half),
    )


def _by_x(points: NDArray, row: NDArray, left: NDArray, half: float) -> tuple[NDArray, NDArray]:
    return (points[row, 0] - left[0]) / half - 1, points[row, 1]


def _fade(curve: LipCurve, beside: float, above: float, below: float) -> NDArray[np.float64]:
    """1 on the lips, falling to 0 over the given reaches."""
    return np.exp(-((curve.beside / beside) ** 2) - (curve.above / above) ** 2 - (curve.below / below) ** 2)


def _smooth_step(low: float, high: float, value: NDArray) -> NDArray:
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _jaw_open(points: NDArray, curve: LipCurve, gains: ExpressionGains) -> NDArray[np.float64]:
    """A rotation about the jaw's joint near the ears. The corners follow by a third, the upper lip hardly at all."""
    joint, chin = points[JAW_JOINTS].mean(0), points[CHIN]
    lever = np.clip((joint[2] - points[:, 2]) / (joint[2] - chin[2]), 0.0, 1.1)
    mouth_y = points[MOUTH_CORNERS, 1].mean()
    fall = _smooth_step(-0.25, 0.42, points[:, 1] - mouth_y) * lever * gains.jaw_chin
    fall *= np.exp(-((np.maximum(points[:, 1] - chin[1], 0) / 0.45) ** 2))
    fall *= 1 - 0.8 * _smooth_step(0.95, 1.5, np.abs(points[:, 0]))
    round_profile = 1 - np.abs(curve.along) ** JAW_ROUNDNESS
    corner = CORNER_FOLLOWS * gains.jaw_gap
    for row, share in enumerate(OPENING_BY_ROW):
        lower, upper = LOWER_LIP[row], UPPER_LIP[row]
        fall[lower] = corner + (share * LOWER_SHARE * gains.jaw_gap - corner) * round_profile[lower]
        fall[upper] = corner + (-(1 - LOWER_SHARE) * share * gains.jaw_gap - corner) * round_profile[upper]
    lip_fall = corner + (0.88 * LOWER_SHARE * gains.jaw_gap - corner) * round_profile
    under_lip = np.exp(-((curve.below / 0.26) ** 2) - (curve.beside / 0.15) ** 2) * (curve.below > 0)
    fall += under_lip * np.maximum(lip_fall - fall, 0)
    above = points[:, 1] < mouth_y
    skin = np.ones(len(points), bool)
    skin[np.concatenate([UPPER_LIP.ravel(), LOWER_LIP.ravel()])] = False
    near_corner = corner * (np.abs(curve.along) ** 3) * _fade(curve, 0.22, 0.16, 0.3)
    fall = np.where(skin & above, near_corner, np.where(skin, np.maximum(fall, near_corner), fall))
    inwards = -0.03 * curve.along * _fade(curve, 0.25, 0.2, 0.35)
    back = 0.12 * fall * (points[:, 1] > mouth_y)
    return np.column_stack([inwards, fall, back])


def _smile(points: NDArray, curve: LipCurve, gains: ExpressionGains) -> NDArray[np.float64]:
    """Corners move out, up and back, cheeks up and forward, lower lids a little up."""
    fade = _fade(curve, 0.30, 0.34, 0.22)
    lift = np.abs(curve.along) ** 1.7
    middle_up = 0.025 * (1 - curve.along**2)
    up, out, back = -gains.smile_up * lift - middle_up, gains.smile_out * curve.along, 0.05 * lift
    motion = np.column_stack([out, up, back]) * fade[:, None] + _thicken_lips(points, curve, -0.015)
    cheeks = _bump(points, MOUTH_CORNERS, (0.16, -0.42), (0.28, 0.26))
    motion += cheeks[:, None] * [0, -0.055, -0.03]
    motion[:, 0] += cheeks * 0.02 * np.sign(points[:, 0])
    for eye in EYES:
        motion[eye.lower_lid] += [0, -0.016, 0]
        motion[np.concatenate([eye.upper_lid, eye.corners])] = 0
    return motion


def _cheeks(points: NDArray) -> NDArray[np.float64]:
    """Cheeks move further up, out and forward, and the lower lids with them."""
    bump = _bump(points, MOUTH_CORNERS, (0.20, -0.50), (0.30, 0.24))
    motion = bump[:, None] * np.array([0.0, -0.05, -0.05])
    motion[:, 0] += bump * 0.025 * np.sign(points[:, 0])
    for eye in EYES:
        motion[eye.lower_lid] = [0, -0.012, 0]
        motion[np.concatenate([eye.upper_lid, eye.corners])] = 0
    return motion


def _bump(points: NDArray, centres: NDArray, shift: tuple[float, float], reach: tuple[float, float]) -> NDArray:
    """(V,) two mirrored bumps of height 1 beside the landmarks `centres`."""
    total = np.zeros(len(points))
    for centre in points[centres]:
        x = (points[:, 0] - centre[0] - np.sign(centre[0]) * shift[0]) / reach[0]
        y = (points[:, 1] - centre[1] - shift[1]) / reach[1]
        total += np.exp(-(x**2) - y**2)
    return total


def _stretch(points: NDArray, curve: LipCurve, gains: ExpressionGains) -> NDArray[np.float64]:
    fade = _fade(curve, 0.30, 0.22, 0.30)
    out, back = gains.stretch_out * curve.along * fade, 0.03 * curve.along**2 * fade
    motion = np.column_stack([out, np.zeros(len(points)), back])
    return motion + _thicken_lips(points, curve, -0.018)


def _pucker(points: NDArray, curve: LipCurve, gains: ExpressionGains) -> NDArray[np.float64]:
    """Corners move in; lips move forward and become fuller."""
    inwards = min(gains.pucker_in, MOST_NARROWING * curve.half_width)
    fade = _fade(curve, 0.38, 0.28, 0.32)
    forward = -0.12 * (1 - 0.5 * curve.along**2) * fade
    motion = np.column_stack([-inwards * curve.along * fade, np.zeros(len(points)), forward])
    return motion + _thicken_lips(points, curve, 0.022)


def _thicken_lips(points: NDArray, curve: LipCurve, amount: float) -> NDArray[np.float64]:
    """Move the outer edges of the lips, and the skin beside them, away from the line between the lips."""
    profile = 1 - curve.along**2
    motion = np.zeros_like(points)
    fade = _fade(curve, 0.1, 0.12, 0.15)
    motion[:, 1] = amount * profile * fade * ((curve.below > 0) * 1.0 - (curve.above > 0))
    for row, share in enumerate((1.0, 0.75, 0.4, 0.0)):
        motion[UPPER_LIP[row], 1] = -amount * share * profile[UPPER_LIP[row]]
        motion[LOWER_LIP[row], 1] = amount * share * profile[LOWER_LIP[row]]
    return motion


def _press(points: NDArray) -> NDArray[np.float64]:
    """Lips roll inwards: their outer edges move towards the line between them."""
    motion = np.zeros_like(points)
    line = (points[UPPER_LIP[3]] + points[LOWER_LIP[3]]) / 2
    for row, share in enumerate((1.0, 1.0, 0.9, 0.0)):
        for lip in (UPPER_LIP[row], LOWER_LIP[row]):
            motion[lip[1:-1], 1] = ROLL_IN * share * (line - points[lip])[1:-1, 1]
    return motion


def _upper_lip(points: NDArray, curve: LipCurve, gains: ExpressionGains) -> NDArray[np.float64]:
    profile = (1 - curve.along**2) ** 0.8
    fade = _fade(curve, 0.1, 0.20, 0.02)
    rise = -gains.upper_lip_up * profile * fade
    rise[LOWER_LIP.ravel()] = 0
    rise[UPPER_LIP.ravel()] = -gains.upper_lip_up * profile[UPPER_LIP.ravel()]
    rise[np.concatenate([MOUTH_CORNERS, INNER_MOUTH[[0, 10]]])] = 0
    return np.column_stack([np.zeros(len(points)), rise, -0.15 * np.abs(rise)])


def _brow_height(points: NDArray) -> NDArray[np.float64]:
    """(V,) 1 on the brows, less on forehead and upper fold, 0 on the eyes and at the hair line."""
    height = np.zeros(len(points))
    for eye in EYES:
        x, y = (points[:, i] - points[eye.brow, i].mean() for i in (0, 1))
        reach = np.where(y < 0, 0.42, 0.17)
        height = np.maximum(height, np.exp(-((np.maximum(np.abs(x) - 0.2, 0) / 0.3) ** 2) - (y / reach) ** 2))
    for eye in EYES:
        height[eye.brow] = 1.0
        height[eye.outline] = 0.0
        height[eye.crease] *= 0.4
    height[OVAL] *= 0.3
    return height


def _brow_raise(points: NDArray, gains: ExpressionGains) -> NDArray[np.float64]:
    motion = np.outer(_brow_height(points), [0, -gains.brow_up, 0])
    for eye in EYES:
        motion[eye.upper_lid[1:-1]] = [0, -LID_RAISED, 0]
    return motion


def _oblique(points: NDArray) -> NDArray[np.float64]:
    """Inner ends of the brows move up, outer ends a little down."""
    outer = np.clip((np.abs(points[:, 0]) - 0.12) / 0.55, 0, 1)
    return np.outer(_brow_height(points) * (0.10 * (1 - outer) - 0.035 * outer), [0, -1, 0])


def _brow_furrow(points: NDArray, gains: ExpressionGains) -> NDArray[np.float64]:
    height = _brow_height(points)
    inner = np.exp(-((points[:, 0] / 0.55) ** 2))
    together = -gains.furrow_in * np.clip(points[:, 0] / 0.3, -1, 1)
    down = gains.furrow_down * (0.35 + 0.65 * inner)
    return np.column_stack([together * inner, down, np.zeros(len(points))]) * height[:, None]
