# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One frame: latent -> bent mesh -> backward map -> picture; eyes are painted before bending, the mouth after."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros import _drawing
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
from avatar_forcing_ros.motion.facemesh.gains import GAINS
from avatar_forcing_ros.motion.facemesh.landmarks import (
    LOWER_LIP,
    MOUTH_CORNERS,
    SKIN_LANDMARKS,
    UPPER_LIP,
    rotation_matrix,
)

_TEETH_ARM = 0.3
"""Length over which the skull's axes are measured in the picture, interocular distances."""
_EXPRESSION_CHANNELS = np.array([INDEX[name] for name in EXPRESSIONS])


@dataclass(frozen=True)
class RenderConfig:
    """What does not depend on the latent.

    Attributes:
        camera_distance: distance of the viewer in interocular distances; sets the strength of perspective.
        breath_frames: frames of one breath.
        breath_rise: how far the shoulders rise with a breath, in interocular distances.
        mouth: where teeth and tongue are.
    """

    camera_distance: float = 9.0
    breath_frames: int = 96
    breath_rise: float = 0.022
    mouth: MouthConfig = field(default_factory=MouthConfig)


def _triangles_with_person(mesh: PortraitMesh, matte: NDArray[np.uint8]) -> NDArray[np.int32]:
    """The triangles around the face that show part of the person; the others need not be drawn."""
    corners = mesh.pixels[mesh.outside]
    low = np.floor(corners.min(1)).astype(int).clip(0)
    high = np.ceil(corners.max(1)).astype(int) + 1
    carries = [matte[y0:y1, x0:x1].any() for (x0, y0), (x1, y1) in zip(low, high, strict=True)]
    return mesh.outside[np.array(carries)]


class PersonRows:
    """Where the person can be in the picture, so that empty background is not drawn."""

    STEP = 8
    """Motion is rounded up to this many pixels, so that few cached results serve all frames."""

    def __init__(self, matte: NDArray[np.uint8]) -> None:
        columns, self._size = np.arange(matte.shape[1]), len(matte)
        self._first = np.where(matte > 0, columns, self._size).min(1)
        self._last = np.where(matte > 0, columns + 1, 0).max(1)
        self._known: dict[int, NDArray[np.int32]] = {}

    def spans(self, motion: float) -> NDArray[np.int32]:
        """(S, 2) first column, and the one after the last, in each row of a person who moved at most this far."""
        reach = min(self._size, -(-(int(motion) + 3) // self.STEP) * self.STEP)
        if reach not in self._known:
            self._known[reach] = self._reached(reach)
        return self._known[reach]

    def _reached(self, reach: int) -> NDArray[np.int32]:
        rows = [slice(max(0, row - reach), row + reach + 1) for row in range(self._size)]
        first = np.array([self._first[near].min() for near in rows]) - reach
        last = np.array([self._last[near].max() for near in rows]) + reach
        spans = np.stack([first.clip(0), last.clip(None, self._size)], 1)
        spans[last <= reach] = 0  # the person never gets there
        return spans.astype(np.int32)


class _Placed:
    """Points of a head, and their positions in the picture.

    Attributes:
        vertices: (N, 4) float32: column and row in the picture, column and row in the texture.
        depths: (N,) float32 distances in head space.
    """

    def __init__(self, shares: NDArray, texture_points: NDArray) -> None:
        """Set up the points.

        Args:
            shares: (N, 3) share of the head's motion, share of the breath, and enlargement by perspective at rest.
            texture_points: (N, 2) column and row in the texture.
        """
        self._shares = np.ascontiguousarray(shares, np.float64)
        self.vertices = np.zeros((len(shares), 4), np.float32)
        self.vertices[:, 2:] = texture_points
        self.depths = np.zeros(len(shares), np.float32)

    def place(self, points: NDArray, head: NDArray, turn: NDArray, x: float, y: float, breath: float) -> float:
        """Pose and project head-space points (N, 3); return how far one moved across or down at most, in pixels."""
        return _drawing.place(points, self._shares, head, turn, x, y, breath, self.vertices, self.depths)


class FrameRenderer:
    """Renders one portrait. It holds work arrays but remembers nothing: equal input gives equal pixels."""

    def __init__(self, model: PortraitModel, config: RenderConfig | None = None) -> None:
        self.model = model
        self.config = config or RenderConfig()
        size = len(model.layers.plate)
        self._texture = model.layers.person.copy()
        self._plate = np.dstack([model.layers.plate, np.full((size, size), 255, np.uint8)])
        self._map = np.zeros((size, size), np.uint32)
        self._warped = np.empty((size, size, 4), np.uint8)
        self._flat_basis = model.basis.reshape(len(model.basis), -1)
        matte = model.layers.person[..., 3]
        self._person = PersonRows(matte)
        self._outside = _triangles_with_person(model.mesh, matte)
        row, column = np.unravel_index(matte.argmin(), matte.shape)
        self._nowhere = (int(row) << 21) | (int(column) << 5)  # a texture position without the person, if there is one
        mesh = model.mesh
        at_rest = mesh.head
        self._head = np.concatenate(
            [at_rest.rotation.ravel(), at_rest.offset[:2], [at_rest.scale], mesh.pivot, [self.config.camera_distance]]
        )
        shares = np.stack([mesh.follow, mesh.breath, self._perspective(mesh.points)], 1)
        self._mesh = _Placed(shares, model.texture_points.clip(0, size - 1))
        self._mouth_frame = self._place_for_teeth()
        self._teeth = _Placed(
            np.stack([np.ones(3), np.zeros(3), self._perspective(self._mouth_frame)], 1), np.zeros((3, 2))
        )

    def _place_for_teeth(self) -> NDArray[np.float64]:
        """(3, 3) the mouth's origin at the depth of the teeth, and points to its right and below it, in head space."""
        neutral = self.model.neutral
        origin = neutral[MOUTH_CORNERS].mean(0)
        origin[1:] = neutral[UPPER_LIP[3, 5], 1:]
        origin[2] += self.config.mouth.tooth_depth
        return origin + _TEETH_ARM * np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]])

    def render(self, latent: NDArray, frame_index: int = 0) -> NDArray[np.uint8]:
        """(18,) motion latent -> (S, S, 3) uint8 RGB.

        Raises:
            ValueError: the latent is not 18 finite numbers.
        """
        motion = soft_limit(latent)
        motion[INDEX["jaw_open"]] = parted(motion[INDEX["jaw_open"]])
        points = self._express(motion[_EXPRESSION_CHANNELS])
        yaw, pitch, roll, x, y, log_scale = motion[:6].tolist()
        turn = np.exp(log_scale) * rotation_matrix(yaw, pitch, roll)
        reach = self._mesh.place(points, self._head, turn, x, y, self._breath(frame_index))
        self._teeth.place(self._mouth_frame, self._head, turn, x, y, 0.0)
        self._paint_texture(motion)
        size, spans, vertices = len(self._map), self._person.spans(reach), self._mesh.vertices
        face = self.model.mesh.face
        _drawing.draw_map(self._outside, face, vertices, self._mesh.depths, self._nowhere, self._map, size)
        _drawing.bend(self._texture, self._map, spans, self._warped, size)
        _drawing.soften(self._warped, self._map, vertices, SKIN_LANDMARKS, size)
        self._paint_mouth(motion)
        frame = np.empty((size, size, 3), np.uint8)
        _drawing.lay_over(self._warped, self._plate, self.model.layers.plate, spans, frame, size)
        return frame

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

    def _breath(self, frame_index: int) -> float:
        phase = 2 * np.pi * (frame_index % self.config.breath_frames) / self.config.breath_frames
        return self.config.breath_rise * (1 - np.cos(phase)) / 2

    def _perspective(self, points: NDArray) -> NDArray[np.float64]:
        """(N,) enlargement by perspective of points (N, 3) of the portrait at rest."""
        depth = points @ self.model.mesh.head.rotation[2]
        return self.config.camera_distance / (self.config.camera_distance + depth)

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

    def _paint_mouth(self, motion: NDArray) -> None:
        picture = self._mesh.vertices[:, :2]
        middle, right, down = self._teeth.vertices[:, :2].astype(np.float64)
        jaw_fall = LOWER_SHARE * GAINS.jaw_gap * jaw_under_press(motion[INDEX["jaw_open"]], motion[INDEX["press"]])
        paint_mouth(
            self._warped,
            MouthFrame(
                upper=picture[UPPER_LIP[3]],
                lower=picture[LOWER_LIP[3]],
                origin=middle,
                axes=np.stack([right - middle, down - middle], 1) / _TEETH_ARM,
                drop=jaw_fall,
                pucker=float(motion[INDEX["pucker"]]),
            ),
            self.model.mouth,
            self.config.mouth,
        )
