# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Where faces are: picture -> boxes with six key points each.

Source: BlazeFace (Bazarevsky et al., 2019) as MediaPipe's face detection runs it: the picture is padded to a square,
and overlapping detections are averaged, weighted by their scores.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh import networks


@dataclass(frozen=True)
class Range:
    """A detector: its network, and the side of its input in pixels."""

    network: str
    side: int


NEAR = Range("detector_near", 128)
"""For faces within about two metres of a camera, at least an eighth of the picture wide."""
FAR = Range("detector_far", 192)
"""Also for smaller faces, but three times slower."""

SAME_FACE = 0.3
"""Intersection over union from which two detections are one face."""


@dataclass(frozen=True)
class Detection:
    """A face, in pixels of the picture.

    Attributes:
        low: (2,) upper left corner of its box, which reaches from forehead to chin.
        high: (2,) lower right corner.
        keys: (6, 2) the eye at the viewer's left, the other eye, tip of the nose, mouth, the ears in the same order.
        score: confidence, 0..1.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    keys: NDArray[np.float64]
    score: float

    @property
    def middle(self) -> NDArray[np.float64]:
        """(2,) middle of the box."""
        return (self.low + self.high) / 2

    @property
    def width(self) -> float:
        """Width of the box."""
        return float(self.high[0] - self.low[0])


def detect(image: NDArray[np.uint8], least_score: float, reach: Range = NEAR) -> list[Detection]:
    """Faces in a picture (H, W, 3) uint8 RGB, by falling score."""
    height, width = image.shape[:2]
    longer = max(height, width)
    corner = np.array([width - longer, height - longer]) / 2
    scale = reach.side / longer
    matrix = np.array([[scale, 0, -corner[0] * scale], [0, scale, -corner[1] * scale], [0, 0, 1]])
    # A pixel's position is its corner, not its centre, as in the network's training.
    square = cv2.warpPerspective(image, matrix, (reach.side, reach.side), flags=cv2.INTER_LINEAR)
    found, scores = networks.run(reach.network, square)
    sure = np.flatnonzero(scores >= least_score)
    order = sure[np.argsort(-scores[sure], kind="stable")]
    finds = found[order].astype(np.float64) * longer + corner
    sizes = found[order, 1].astype(np.float64) * longer
    boxes = np.stack([finds[:, 0] - sizes / 2, finds[:, 0] + sizes / 2], axis=1)
    return _merge(np.concatenate([boxes, finds[:, 2:]], axis=1), scores[order].astype(np.float64))


def _merge(finds: NDArray[np.float64], scores: NDArray[np.float64]) -> list[Detection]:
    """Detections (N, 8, 2) of corners and key points, by falling score -> one `Detection` per face."""
    faces = []
    while len(finds):
        overlap = _overlap(finds[:, :2], finds[0, :2]) > SAME_FACE
        overlap[0] = True  # even if the detection has no area
        mean = np.average(finds[overlap], axis=0, weights=scores[overlap])
        faces.append(Detection(mean[0], mean[1], mean[2:], float(scores[0])))
        finds, scores = finds[~overlap], scores[~overlap]
    return faces


def _overlap(boxes: NDArray[np.float64], box: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) intersection over union of boxes (N, 2, 2) with one (2, 2)."""
    sides = np.minimum(boxes[:, 1], box[1]) - np.maximum(boxes[:, 0], box[0])
    shared = np.prod(np.maximum(sides, 0), axis=-1)
    union = np.prod(boxes[:, 1] - boxes[:, 0], axis=-1) + np.prod(box[1] - box[0]) - shared
    return shared / np.maximum(union, 1e-9)
