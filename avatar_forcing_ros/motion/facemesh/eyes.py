"""Lids and gaze, painted into the portrait's texture before it is bent: a lid that closes, an iris that moves.

Three pictures of each eye are prepared: shut (the eye filled with the skin around it), the white without iris, and the
iris completed where lids hid it. A frame shows the photograph where nothing moves and these where something does.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from avatar_forcing_ros.motion.facemesh.gains import GAINS, ExpressionGains
from avatar_forcing_ros.motion.facemesh.kernel import kernel, single
from avatar_forcing_ros.motion.facemesh.landmarks import EyeLandmarks
from avatar_forcing_ros.motion.facemesh.matte import fill_smoothly

LOWER_LID_SHARE = 0.12
"""Part of the opening that the lower lid closes; the upper lid does the rest."""
LID_FOLLOWS_GAZE = 0.22
"""Closure of the upper lid when the eyes look fully down."""


@dataclass(frozen=True)
class EyeConfig:
    """Lengths in interocular distances.

    Attributes:
        margin_up: how far above the opening lashes are looked for.
        margin_side: how far beside it the eye may reach past the landmarks.
        margin_down: how far below it.
        unlike_skin: colour difference, share of the skin's brightness, from which a pixel is eye rather than skin.
        lash: thickness of the lash line.
    """

    margin_up: float = 0.085
    margin_side: float = 0.09
    margin_down: float = 0.04
    unlike_skin: float = 0.16
    lash: float = 0.022


@dataclass(frozen=True)
class EyePatch:
    """One eye of a portrait, in texture pixels; curves hold one value for each of the patch's W columns.

    Attributes:
        left: first column of the patch in the texture.
        top: first row.
        open: (H, W, 3) float32, the picture.
        shut: (H, W, 3) float32, the eye replaced by skin.
        socket: (H, W) float32, 0..1: what is eye rather than skin, lashes included.
        white: (H, W, 3) float32, eyeball without iris.
        iris: (H, W, 4) float32, iris and its coverage 0..1.
        lashes: (W, 3) float32, colour of the lash line.
        upper: (W,) float32 row of the open upper lid's edge.
        lower: (W,) float32 row of the lower lid's edge; not above `upper`, equal to it beside the eye.
        lash: thickness of the lash line.
        gaze_side: columns that the iris moves at `gaze_x` 1.
        gaze_down: rows that the iris moves at `gaze_y` 1.
    """

    left: int
    top: int
    open: NDArray[np.float32]
    shut: NDArray[np.float32]
    socket: NDArray[np.float32]
    white: NDArray[np.float32]
    iris: NDArray[np.float32]
    lashes: NDArray[np.float32]
    upper: NDArray[np.float32]
    lower: NDArray[np.float32]
    lash: float
    gaze_side: float
    gaze_down: float

    def paint(self, texture: NDArray[np.uint8], blink: float, gaze_x: float, gaze_y: float) -> None:
        """Paint the eye into `texture` (S, S, 4); values as in `channels.py`."""
        closure = min(1.0, blink + LID_FOLLOWS_GAZE * max(gaze_y, 0.0) * (1 - blink))
        height, width = self.socket.shape
        paint_eye(
            texture[self.top : self.top + height, self.left : self.left + width],
            self.open, self.shut, self.socket, self.white, self.iris, self.lashes, self.upper, self.lower,
            single(self.lash), single(closure),
            single(gaze_x * self.gaze_side), single(gaze_y * self.gaze_down),
        )  # fmt: skip


@dataclass(frozen=True)
class Opening:
    """Where the eye is open: rows of its edges at each column, and the columns of its corners."""

    upper: NDArray[np.float64]
    lower: NDArray[np.float64]
    corners: NDArray[np.float64]

    def mask(self, height: int) -> NDArray[np.bool_]:
        """(height, W) true inside."""
        rows, columns = np.mgrid[0:height, 0 : len(self.upper)]
        beside = (columns < self.corners[0]) | (columns > self.corners[1])
        return (rows >= self.upper) & (rows <= self.lower) & ~beside


def cut_eye(
    image: NDArray[np.uint8],
    landmarks: NDArray,
    eye: EyeLandmarks,
    scale: float,
    glasses: bool = False,
    config: EyeConfig | None = None,
    gains: ExpressionGains = GAINS,
) -> EyePatch:
    """Prepare one eye.

    Args:
        image: (S, S, 3) uint8, the portrait.
        landmarks: (478, 3) in its pixels.
        eye: which eye.
        scale: pixels per interocular distance.
        glasses: keep to the landmarks, so that a rim next to the eye is not taken for lashes.
        config: see `EyeConfig`.
        gains: how far the iris moves.
    """
    config = config or EyeConfig()
    outline = landmarks[eye.outline, :2]
    low = np.floor(outline.min(0) - [0.12 * scale, 0.16 * scale]).astype(int).clip(0)
    high = np.ceil(outline.max(0) + 0.12 * scale).astype(int).clip(None, np.array(image.shape[1::-1]))
    picture = image[low[1] : high[1], low[0] : high[0]].astype(np.float32)
    marks = landmarks[:, :2] - low
    opening = _landmark_opening(marks, eye, picture.shape[1])
    socket = opening.mask(len(picture)) if glasses else _find_socket(picture, opening, scale, config)
    if not glasses:
        opening = _widen(opening, socket, _lash_rows(picture, opening, scale), marks, eye, scale, config)
    white, iris = _split_eyeball(picture, marks, eye, opening, scale)
    soft = cv2.dilate(socket.astype(np.float32), np.ones((3, 3), np.uint8))
    return EyePatch(
        left=int(low[0]),
        top=int(low[1]),
        open=picture,
        shut=_shut_eye(picture, socket, opening, scale),
        socket=cv2.GaussianBlur(soft, (0, 0), max(0.8, 0.012 * scale)),
        white=white,
        iris=iris,
        lashes=_lash_colour(picture, opening.upper, scale),
        upper=opening.upper.astype(np.float32),
        lower=opening.lower.astype(np.float32),
        lash=max(0.8, config.lash * scale),
        gaze_side=gains.gaze_side * scale,
        gaze_down=gains.gaze_down * scale,
    )


def _landmark_opening(marks: NDArray, eye: EyeLandmarks, width: int) -> Opening:
    columns = np.arange(width, dtype=float)
    upper, lower = (
        _edge(columns, marks[np.r_[eye.corners[0], row, eye.corners[1]]]) for row in (eye.upper_lid, eye.lower_lid)
    )
    return Opening(upper, np.maximum(lower, upper), marks[eye.corners, 0])


def _edge(columns: NDArray, points: NDArray) -> NDArray[np.float64]:
    """Row of a lid's edge at each column, smooth, level beyond the corners."""
    points = points[np.argsort(points[:, 0])]
    keep = np.r_[True, np.diff(points[:, 0]) > 0.05]
    curve = PchipInterpolator(points[keep, 0], points[keep, 1])
    return curve(np.clip(columns, points[0, 0], points[-1, 0]))


def _find_socket(picture: NDArray[np.float32], opening: Opening, scale: float, config: EyeConfig) -> NDArray[np.bool_]:
    """(H, W) the opening, and around it whatever is unlike the skin there and hangs together with it."""
    inside = opening.mask(len(picture))
    up, side, down = (max(1, round(m * scale)) for m in (config.margin_up, config.margin_side, config.margin_down))
    near = np.zeros((2 * max(up, down) + 1, 2 * side + 1), np.uint8)
    near[max(up, down) - down : max(up, down) + up + 1] = 1  # dilation reflects the element
    near = cv2.dilate(inside.astype(np.uint8), near) > 0
    skin = fill_smoothly(picture, ~near)
    unlike = np.abs(picture - skin).sum(-1) > config.unlike_skin * skin.sum(-1)
    _, labels = cv2.connectedComponents(((unlike & near) | inside).astype(np.uint8))
    own = np.bincount(labels[inside], minlength=2).argmax() if inside.any() else 0
    closed = cv2.morphologyEx((labels == own).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    return (closed > 0) & near


def _lash_rows(picture: NDArray[np.float32], opening: Opening, scale: float) -> NDArray[np.float64]:
    """(W,) row of the darkest line at or a little above the upper edge: where the lashes grow."""
    light = cv2.GaussianBlur(picture.sum(-1), (0, 0), max(0.6, 0.008 * scale))
    shifts = np.arange(-0.065 * scale, 0.01 * scale, 0.5)
    rows = opening.upper + shifts[:, None]
    columns = np.broadcast_to(np.arange(len(opening.upper)), rows.shape)
    found = cv2.remap(light, columns.astype(np.float32), rows.astype(np.float32), cv2.INTER_LINEAR)
    darkest = shifts[found.argmin(0)].astype(np.float32)
    smooth = cv2.GaussianBlur(cv2.medianBlur(darkest[None], 5), (0, 0), sigmaX=0.05 * scale, sigmaY=0.1)[0]
    return opening.upper + np.minimum(smooth + 0.01 * scale, 0)


def _widen(
    opening: Opening,
    socket: NDArray[np.bool_],
    lash_rows: NDArray,
    marks: NDArray,
    eye: EyeLandmarks,
    scale: float,
    config: EyeConfig,
) -> Opening:
    """Move corners and edges outwards where the picture's eye is larger than the landmarks say (drawn characters)."""
    columns = np.arange(socket.shape[1], dtype=float)
    filled = np.flatnonzero(socket.any(0))
    corners = np.array([max(filled[0], opening.corners[0] - config.margin_side * scale),
                        min(filled[-1], opening.corners[1] + config.margin_side * scale)])  # fmt: skip
    corners = np.array([min(corners[0], opening.corners[0]), max(corners[1], opening.corners[1])])
    last = len(socket) - 1 - socket[::-1].argmax(0)
    reach = np.where(socket.any(0), last, opening.lower) - opening.lower - 0.012 * scale
    reach = np.clip(reach, 0, config.margin_down * scale).astype(np.float32)
    middle = np.clip(1 - np.abs(2 * (columns - corners.mean()) / np.ptp(corners)) ** 4, 0, 1)
    lower = opening.lower + cv2.GaussianBlur(reach[None], (0, 0), 0.04 * scale)[0] * middle
    upper = opening.upper + (lash_rows - opening.upper) * middle
    rows = marks[eye.corners, 1]
    ends = np.stack([corners, rows], 1)
    upper, lower = (
        _edge(columns, np.vstack([ends[:1], _inner(columns, curve, opening.corners), ends[1:]]))
        for curve in (upper, lower)
    )
    return Opening(upper, np.maximum(lower, upper), corners)


def _inner(columns: NDArray, curve: NDArray, corners: NDArray, points: int = 9) -> NDArray[np.float64]:
    """(points, 2) of a curve between the eye's corners."""
    x = np.linspace(corners[0], corners[1], points + 2)[1:-1]
    return np.stack([x, np.interp(x, columns, curve)], 1)


def _shut_eye(
    picture: NDArray[np.float32], socket: NDArray[np.bool_], opening: Opening, scale: float
) -> NDArray[np.float32]:
    """The patch with skin where the eye is, shaded as the round lid of a shut eye."""
    reach = max(1, round(0.02 * scale))
    hole = cv2.dilate(socket.astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    skin = fill_smoothly(picture, 1.0 - hole)
    rows = np.arange(len(picture))[:, None]
    shut_edge = opening.lower - LOWER_LID_SHARE * (opening.lower - opening.upper)
    below_crease = np.clip((rows - opening.upper) / np.maximum(shut_edge - opening.upper, 1), 0, 1)
    roundness = np.sin(np.pi * np.clip(below_crease, 0, 1)) * (rows < shut_edge)
    under_crease = np.exp(-(((rows - opening.upper) / (0.035 * scale)) ** 2)) * (opening.lower - opening.upper > 1)
    shade = 1 + 0.04 * roundness - 0.05 * under_crease - 0.08 * below_crease**3 * (rows < shut_edge)
    soft = cv2.GaussianBlur(hole.astype(np.float32), (0, 0), max(0.8, 0.015 * scale))[..., None]
    return (picture + soft * (skin * shade[..., None] - picture)).astype(np.float32)


def _lash_colour(picture: NDArray[np.float32], upper: NDArray, scale: float) -> NDArray[np.float32]:
    """(W, 3) the darkest of the strip just above the open lid's edge, smooth from column to column."""
    soft = cv2.GaussianBlur(picture, (0, 0), max(0.6, 0.008 * scale))
    columns = np.arange(picture.shape[1])
    strip = [
        soft[np.round(upper + shift * scale).astype(int).clip(0, len(picture) - 1), columns]
        for shift in np.linspace(-0.035, 0.005, 6)
    ]
    darkest = np.min(strip, axis=0).astype(np.float32)
    return cv2.GaussianBlur(darkest[None], (0, 0), sigmaX=max(1.0, 0.06 * scale), sigmaY=0.1)[0]


def _split_eyeball(
    picture: NDArray[np.float32], marks: NDArray, eye: EyeLandmarks, opening: Opening, scale: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """White (H, W, 3) and iris with coverage (H, W, 4)."""
    guess = marks[eye.iris[0]]
    centre, radius = _fit_iris(picture, guess, float(np.linalg.norm(marks[eye.iris[1:]] - guess, axis=1).mean()))
    rows, columns = np.mgrid[0 : picture.shape[0], 0 : picture.shape[1]].astype(np.float32)
    distance = np.hypot(columns - centre[0], rows - centre[1]) / radius
    inset = 0.02 * scale
    inside = np.minimum(rows - opening.upper - 1.5 * inset, opening.lower - inset - rows)  # > 0 well inside the opening
    white = _complete_white(picture, (inside > 0) & (distance > 1.15), radius)
    profile = _radial_profile(picture, distance, (inside > -0.5) & (distance < 1.05))
    seen = np.clip(inside / max(inset, 1) + 0.5, 0, 1)[..., None] * np.clip((1.02 - distance) / 0.1, 0, 1)[..., None]
    colour = picture * seen + profile * (1 - seen)
    coverage = np.clip((1.08 - distance) * radius / 1.6 + 0.5, 0, 1)
    return white, np.dstack([colour, coverage]).astype(np.float32)


def _fit_iris(picture: NDArray[np.float32], centre: NDArray, radius: float) -> tuple[NDArray, float]:
    """Centre and radius near the given ones at which the step from iris to white, left and right, is sharpest."""
    light = cv2.GaussianBlur(picture.sum(-1), (0, 0), 0.8)
    angles = np.radians(np.r_[-30:31:10, 150:211:10])
    rays = np.stack([np.cos(angles), np.sin(angles)], 1)

    def sharpness(shift: float, factor: float) -> float:
        inner, outer = (centre + [shift * radius, 0] + rays * (factor + step) * radius for step in (-0.12, 0.12))
        a, b = (cv2.remap(light, p.astype(np.float32)[None], None, cv2.INTER_LINEAR)[0] for p in (inner, outer))
        return float(np.clip(b - a, -100, 200).mean())

    candidates = [(shift, factor) for factor in np.arange(0.85, 1.5, 0.05) for shift in (-0.2, -0.1, 0.0, 0.1, 0.2)]
    shift, factor = max(candidates, key=lambda c: sharpness(*c) - 20 * abs(c[0]) - 20 * abs(c[1] - 1))
    return centre + np.array([shift * radius, 0.0]), factor * radius


def _complete_white(picture: NDArray[np.float32], known: NDArray[np.bool_], radius: float) -> NDArray[np.float32]:
    """The white where the iris or a lid hid it, from what is seen of it; a plain off-white when nothing is seen."""
    if known.sum() < 8:
        return np.full_like(picture, 0.6 * picture.max())
    smooth = cv2.GaussianBlur(fill_smoothly(picture, known), (0, 0), max(1.0, 0.25 * radius))
    share = cv2.GaussianBlur(known.astype(np.float32), (0, 0), max(0.7, 0.08 * radius))[..., None] * known[..., None]
    return (picture * share + smooth * (1 - share)).astype(np.float32)


def _radial_profile(
    picture: NDArray[np.float32], distance: NDArray, seen: NDArray[np.bool_], bins: int = 12
) -> NDArray[np.float32]:
    """(H, W, 3) the iris as if it were the same in every direction: median colour by distance from its centre."""
    number = np.minimum((distance * bins / 1.05).astype(int), bins)
    rings = np.empty((bins + 1, 3), np.float32)
    rings[0] = picture[np.unravel_index(distance.argmin(), distance.shape)]
    for ring in range(bins + 1):
        here = seen & (number == ring)
        rings[ring] = np.median(picture[here], axis=0) if here.sum() > 2 else rings[max(ring - 1, 0)]
    place = np.clip(distance * bins / 1.05 - 0.5, 0, bins - 1e-3)
    low, share = place.astype(int), (place % 1)[..., None]
    return rings[low] * (1 - share) + rings[low + 1] * share


@kernel
def paint_eye(
    target: NDArray, opened: NDArray, shut: NDArray, socket: NDArray, white: NDArray, iris: NDArray, lashes: NDArray,
    upper: NDArray, lower: NDArray, lash: float, closure: float, side: float, down: float,
) -> None:  # fmt: skip
    """Paint one eye into `target` (H, W, 4) uint8; the other arrays are those of `EyePatch`, motions in pixels."""
    height, width = socket.shape
    gaze = min(1.0, 6.0 * (abs(side) + abs(down)) / (1.0 + lash))
    lid = min(1.0, 2.5 * closure)
    for column in range(width):
        gap = lower[column] - upper[column]
        between = min(1.0, max(0.0, gap / (1.5 * lash)))  # 0 beside the eye
        low_edge = lower[column] - LOWER_LID_SHARE * closure * gap
        edge = upper[column] + closure * (low_edge - upper[column])
        edge_row = min(height - 1, max(0, int(edge)))
        for row in range(height):
            ball = min(1.0, max(0.0, 0.5 + (row - edge) / 1.4)) * min(1.0, max(0.0, 0.5 + (low_edge - row) / 1.4))
            ball *= between
            was_open = min(1.0, max(0.0, 0.5 + (row - upper[column]) / 1.4))
            was_open *= min(1.0, max(0.0, 0.5 + (lower[column] - row) / 1.4))
            skin = max(was_open * between * min(1.0, 20.0 * closure), lid * socket[row, column]) * (1.0 - ball)
            shadow = 1.0 - 0.30 * closure * ball * max(0.0, 1.0 - max(0.0, row - edge) / (4.0 * lash))
            shade = 0.72 + 0.24 * min(1.0, max(0.0, row - upper[column]) / max(0.35 * gap, 1.0))
            line = lid * min(1.0, 1.5 * socket[edge_row, column]) * max(0.0, 1.0 - abs(row - edge + 0.2 * lash) / lash)
            if skin <= 0.0 and line <= 0.0 and (ball <= 0.0 or (gaze == 0.0 and closure == 0.0)):
                for c in range(3):
                    target[row, column, c] = np.uint8(opened[row, column, c])
                continue
            coverage = _sample(iris, row - down, column - side, 3) if gaze > 0.0 else 0.0
            for c in range(3):
                value = opened[row, column, c]
                if gaze > 0.0:
                    made = white[row, column, c] * shade
                    made += coverage * (_sample(iris, row - down, column - side, c) * (0.4 + 0.6 * shade) - made)
                    value += gaze * ball * (made - value)
                value *= shadow
                value += skin * (shut[row, column, c] - value)
                value += 0.85 * line * (min(lashes[column, c], value) - value)
                target[row, column, c] = np.uint8(min(255.0, max(0.0, value + 0.5)))


@kernel
def _sample(array: NDArray, row: float, column: float, channel: int) -> float:
    """Bilinear sample with the border repeated."""
    height, width = array.shape[0], array.shape[1]
    row = min(max(row, 0.0), height - 1.001)
    column = min(max(column, 0.0), width - 1.001)
    r, c = int(row), int(column)
    fr, fc = row - r, column - c
    above = array[r, c, channel] + fc * (array[r, c + 1, channel] - array[r, c, channel])
    below = array[r + 1, c, channel] + fc * (array[r + 1, c + 1, channel] - array[r + 1, c, channel])
    return above + fr * (below - above)
