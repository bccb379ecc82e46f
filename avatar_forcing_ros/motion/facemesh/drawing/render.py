# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One frame: latent -> bent mesh -> backward map -> picture; eyes are painted before bending, the mouth after."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.basis import (
    EXPRESSIONS,
    LOWER_SHARE,
    broad,
    close_lips,
    jaw_under_press,
    joint_shares,
    parted,
)
from avatar_forcing_ros.motion.facemesh.channels import INDEX
from avatar_forcing_ros.motion.facemesh.drawing.limits import soft_limit
from avatar_forcing_ros.motion.facemesh.drawing.model import PortraitMesh, PortraitModel
from avatar_forcing_ros.motion.facemesh.drawing.mouth import MouthConfig, MouthFrame, paint_mouth
from avatar_forcing_ros.motion.facemesh.drawing.raster import draw_triangles, lay_over, soften_depth_edges
from avatar_forcing_ros.motion.facemesh.gains import GAINS
from avatar_forcing_ros.motion.facemesh.landmarks import (
    LOWER_LIP,
    MOUTH_CORNERS,
    SKIN_LANDMARKS,
    UPPER_LIP,
    rotation_matrix,
)

_EXPRESSION_CHANNELS = np.array([INDEX[name] for name in EXPRESSIONS])


@dataclass(frozen=True)
class RenderConfig:
    """What is not motion of the latent.

    Attributes:
        camera_distance: distance of the viewer, interocular distances; sets the strength of perspective.
        breath_frames: frames of one breath.
        breath_rise: how far the shoulders rise with a breath, interocular distances.
        mouth: where teeth and tongue are.
    """

    camera_distance: float = 9.0
    breath_frames: int = 96
    breath_rise: float = 0.022
    mouth: MouthConfig = field(default_factory=MouthConfig)


def _triangles_with_person(mesh: PortraitMesh, matte: NDArray[np.uint8]) -> NDArray[np.int32]:
    """The triangles around the face that carry any of the person; the others need not be drawn."""
    corners = mesh.pixels[mesh.outside]
    low = np.floor(corners.min(1)).astype(int).clip(0)
    high = np.ceil(corners.max(1)).astype(int) + 1
    carries = [matte[y0:y1, x0:x1].any() for (x0, y0), (x1, y1) in zip(low, high, strict=True)]
    return mesh.outside[np.array(carries)]


class PersonRows:
    """Where a person can be in the picture, so that empty background is not sampled."""

    BANDS = 8

    def __init__(self, matte: NDArray[np.uint8]) -> None:
        columns = np.arange(matte.shape[1])
        self._size = len(matte)
        self._first = np.where(matte > 0, columns, self._size).min(1)
        self._last = np.where(matte > 0, columns, -1).max(1)

    def bands(self, motion: float) -> list[tuple[slice, slice]]:
        """Blocks of rows and columns that hold everyone who has moved by at most `motion` pixels."""
        reach = int(np.ceil(motion)) + 2
        blocks = []
        for top in range(0, self._size, -(-self._size // self.BANDS)):
            bottom = min(self._size, top - (-self._size // self.BANDS))
            rows = slice(max(0, top - reach), bottom + reach)
            first, last = max(0, self._first[rows].min() - reach), min(self._size, self._last[rows].max() + 1 + reach)
            if first < last:
                blocks.append((slice(top, bottom), slice(first, last)))
        return blocks


class FrameRenderer:
    """Renders one portrait; holds the working arrays, nothing of the past: equal input gives equal pixels."""

    def __init__(self, model: PortraitModel, config: RenderConfig | None = None) -> None:
        self.model = model
        self.config = config or RenderConfig()
        size = len(model.layers.plate)
        self._texture = model.layers.person.copy()
        self._plate = np.dstack([model.layers.plate, np.full((size, size), 255, np.uint8)])
        self._whole = np.zeros((size, size), np.int32)
        self._fraction = np.zeros((size, size), np.uint16)
        self._warped = np.empty((size, size, 4), np.uint8)
        self._mixed = np.empty((size, size, 4), np.uint8)
        self._uv = np.ascontiguousarray(model.texture_points.T.clip(0, size - 1), np.float32)
        self._flat_basis = model.basis.reshape(len(model.basis), -1)
        matte = model.layers.person[..., 3]
        self._person = PersonRows(matte)
        self._outside = _triangles_with_person(model.mesh, matte)
        row, column = np.unravel_index(matte.argmin(), matte.shape)
        self._nowhere = (int(row) << 16) | int(column)  # a texture position without person, if there is one
        self._ratio_at_rest = self._perspective(model.mesh.points @ model.mesh.head.rotation.T)

    def render(self, latent: NDArray, frame_index: int = 0) -> NDArray[np.uint8]:
        """(18,) motion latent -> (S, S, 3) uint8 RGB.

        Raises:
            ValueError: the latent is not 18 finite numbers.
        """
        motion = soft_limit(latent)
        motion[INDEX["jaw_open"]] = parted(motion[INDEX["jaw_open"]])
        points = self._express(motion[_EXPRESSION_CHANNELS])
        posed = self._pose(points, motion, self.model.mesh.follow)
        posed[:, 1] -= self._breath(frame_index) * self.model.mesh.breath
        picture = self._project(posed, self._ratio_at_rest)
        self._paint_texture(motion)
        self._warp(picture, posed)
        self._soften(picture)
        self._paint_mouth(motion, picture)
        flat = (array.view(np.uint32).reshape(-1) for array in (self._warped, self._plate, self._mixed))
        lay_over(*flat)
        return cv2.cvtColor(self._mixed, cv2.COLOR_RGBA2RGB)

    def _express(self, shares: NDArray) -> NDArray[np.float64]:
        """(V, 3) head-space vertices with this expression."""
        press = shares[EXPRESSIONS.index("press")]
        shares[EXPRESSIONS.index("jaw_open")] = jaw_under_press(shares[EXPRESSIONS.index("jaw_open")], press)
        joint = joint_shares(*(shares[EXPRESSIONS.index(name)] for name in ("smile", "brow_raise", "brow_furrow")))
        shares = np.append(shares, joint)
        points = self.model.neutral + (shares.astype(np.float32) @ self._flat_basis).reshape(-1, 3)
        if press > 0:
            close_lips(points, press)
        return points

    def _pose(self, points: NDArray, motion: NDArray, follow: NDArray) -> NDArray[np.float64]:
        """Turn, move and scale (N, 3) points by the share `follow` (N,)."""
        yaw, pitch, roll, x, y, log_scale = motion[:6]
        turn = np.exp(log_scale) * rotation_matrix(yaw, pitch, roll)
        pivot = self.model.mesh.pivot
        moved = (points - pivot) @ turn.T + pivot + [x, y, 0.0]
        return points + follow[:, None] * (moved - points)

    def _breath(self, frame_index: int) -> float:
        phase = 2 * np.pi * (frame_index % self.config.breath_frames) / self.config.breath_frames
        return self.config.breath_rise * (1 - np.cos(phase)) / 2

    def _perspective(self, points: NDArray) -> NDArray[np.float64]:
        return self.config.camera_distance / (self.config.camera_distance + points[:, 2])

    def _project(self, posed: NDArray, ratio_at_rest: NDArray) -> NDArray[np.float32]:
        """(N, 2) picture pixels of head-space points; exact for the portrait at rest."""
        head = self.model.mesh.head
        turned = posed @ head.rotation.T
        ratio = (self._perspective(turned) / ratio_at_rest)[:, None]
        return (head.offset[:2] + head.scale * turned[:, :2] * ratio).astype(np.float32)

    def _paint_texture(self, motion: NDArray) -> None:
        folds = self.model.folds
        smile = max(0.0, motion[INDEX["smile"]])
        folds.smile.paint(self._texture, smile)
        for lines in folds.eyes:
            lines.paint(self._texture, broad(smile))
        folds.furrow.paint(self._texture, motion[INDEX["brow_furrow"]])
        gaze_x, gaze_y = motion[INDEX["gaze_x"]], motion[INDEX["gaze_y"]]
        right, left = self.model.eyes
        right.paint(self._texture, motion[INDEX["blink_right"]], gaze_x, gaze_y, smile)
        left.paint(self._texture, motion[INDEX["blink_left"]], gaze_x, gaze_y, smile)

    def _warp(self, picture: NDArray[np.float32], posed: NDArray) -> None:
        """Bend the texture: what lies outside the face first, then the face from back to front."""
        face = self.model.mesh.face
        depth = posed[:, 2][face].sum(1)
        order = np.vstack([self._outside, face[np.argsort(-depth, kind="stable")]])
        x, y = np.ascontiguousarray(picture.T)
        self._whole.fill(self._nowhere)
        self._fraction.fill(0)
        draw_triangles(order, x, y, self._uv[0], self._uv[1], self._whole, self._fraction)
        whole = self._whole.view(np.int16).reshape(*self._whole.shape, 2)
        self._warped.fill(0)
        for band in self._person.bands(float(np.abs(picture - self._uv.T).max())):
            target = self._warped[band]
            cv2.remap(self._texture, whole[band], self._fraction[band], cv2.INTER_LINEAR, target, cv2.BORDER_REPLICATE)

    def _soften(self, picture: NDArray[np.float32]) -> None:
        """Smooth the outlines of cheeks and nose against what they hide."""
        size = len(self._warped)
        low = np.floor(picture[:SKIN_LANDMARKS].min(0)).astype(int).clip(1, size - 2)
        high = np.ceil(picture[:SKIN_LANDMARKS].max(0)).astype(int).clip(1, size - 2)
        soften_depth_edges(self._warped, self._whole, low[0] - 1, low[1] - 1, high[0] + 2, high[1] + 2)

    def _paint_mouth(self, motion: NDArray, picture: NDArray[np.float32]) -> None:
        neutral = self.model.neutral
        origin = neutral[MOUTH_CORNERS].mean(0)
        origin[1:] = neutral[UPPER_LIP[3, 5], 1:]
        origin[2] += self.config.mouth.tooth_depth
        frame = origin + 0.3 * np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]])
        at_rest = self._perspective(frame @ self.model.mesh.head.rotation.T)
        middle, right, down = self._project(self._pose(frame, motion, np.ones(3)), at_rest).astype(np.float64)
        jaw_fall = LOWER_SHARE * GAINS.jaw_gap * jaw_under_press(motion[INDEX["jaw_open"]], motion[INDEX["press"]])
        paint_mouth(
            self._warped,
            MouthFrame(
                upper=picture[UPPER_LIP[3]],
                lower=picture[LOWER_LIP[3]],
                origin=middle,
                axes=np.stack([right - middle, down - middle], 1) / 0.3,
                drop=jaw_fall,
                pucker=float(motion[INDEX["pucker"]]),
            ),
            self.model.mouth,
            self.config.mouth,
        )
