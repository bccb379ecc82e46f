"""From one picture to a portrait that can be animated: crop, landmarks, layers, mesh, eyes and mouth."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.basis import expression_basis
from avatar_forcing_ros.motion.facemesh.channels import SIZE
from avatar_forcing_ros.motion.facemesh.detect import find_face
from avatar_forcing_ros.motion.facemesh.eyes import cut_eye
from avatar_forcing_ros.motion.facemesh.glasses import BROW_SHARE, wears_glasses
from avatar_forcing_ros.motion.facemesh.landmarks import EYES, INNER_MOUTH, MOUTH_CORNERS, OVAL, fit_head
from avatar_forcing_ros.motion.facemesh.matte import split_layers
from avatar_forcing_ros.motion.facemesh.mesh import build_mesh
from avatar_forcing_ros.motion.facemesh.mouth import make_look
from avatar_forcing_ros.motion.facemesh.neutral import PhotographedMouth, lip_texture, neutral_points, read_mouth
from avatar_forcing_ros.motion.facemesh.render import FrameRenderer, PortraitModel
from avatar_forcing_ros.motion.space import PortraitError

CHEEKS = np.array([50, 280, 205, 425, 117, 346])
LOWER_LIP_RED = np.array([16, 85, 315, 17])
LEAST_SIZE, MOST_SIZE = 64, 2048


@dataclass(frozen=True)
class CropConfig:
    """The square that is cut around head and shoulders.

    Attributes:
        half_side: half its side, interocular distances.
        least_half_side: as small as it may become to stay within the picture; beyond that the picture is mirrored.
        eye_line: height of the eyes, share of the side from the top.
        slack: how far the eyes may be moved off their place to stay within the picture, share of the side.
    """

    half_side: float = 2.6
    least_half_side: float = 2.3
    eye_line: float = 0.45
    slack: float = 0.06


@dataclass(frozen=True)
class PortraitReport:
    """What was found in a picture, for those who choose portraits.

    Attributes:
        face_px: width of the face in the picture.
        enlargement: how much the picture was enlarged; above 2 the portrait looks soft.
        glasses: the face wears glasses; brows then hardly move, so that the rims do not bend.
        mouth_open: teeth or the inside of the mouth are to be seen; they were covered by closing the lips.
        smile: photographed smile, as the channel; it was mostly taken back.
    """

    face_px: float
    enlargement: float
    glasses: bool
    mouth_open: bool
    smile: float


class FaceMeshPortrait:
    """A portrait of the `facemesh` motion space; see `space.Portrait`.

    Attributes:
        reference: (18,) float32 zeros: pose and expression are relative to the portrait at rest.
        report: what was found in the picture.
    """

    def __init__(self, model: PortraitModel, report: PortraitReport) -> None:
        self.reference = np.zeros(SIZE, np.float32)
        self.report = report
        self._renderer = FrameRenderer(model)

    def render(self, latent: NDArray[np.float32], frame_index: int = 0) -> NDArray[np.uint8]:
        """(18,) motion latent -> (S, S, 3) uint8 RGB; `frame_index` drives breathing.

        Raises:
            ValueError: the latent is not 18 finite numbers.
        """
        return self._renderer.render(latent, frame_index)


def load_portrait(image: NDArray[np.uint8], size: int = 512) -> FaceMeshPortrait:
    """Prepare a portrait.

    Args:
        image: (H, W, 3) uint8 RGB with a face; the largest one is taken.
        size: S, side of the frames in pixels.

    Raises:
        PortraitError: no face, a face too small, or an array that is no picture.
    """
    _check(image, size)
    landmarks = find_face(image)
    square, landmarks, enlargement = _crop(image, landmarks, size, CropConfig())
    mesh = build_mesh(landmarks, size)
    glasses = wears_glasses(square, mesh.head)
    mouth = read_mouth(mesh.points)
    neutral = neutral_points(mesh.points, mouth)
    model = PortraitModel(
        layers=split_layers(square, _fill(landmarks[OVAL], size)),
        mesh=mesh,
        neutral=neutral,
        basis=expression_basis(neutral, brow_share=BROW_SHARE if glasses else 1.0),
        eyes=tuple(cut_eye(square, landmarks, eye, mesh.head.scale, glasses) for eye in EYES),  # type: ignore[arg-type]
        mouth=make_look(
            skin=_median(square, landmarks[CHEEKS]),
            lip=_median(square, landmarks[LOWER_LIP_RED]),
            half_width=float(np.ptp(neutral[MOUTH_CORNERS, 0])) / 2,
            was_open=mouth.is_open,
            teeth=_teeth(square, landmarks, mouth),
        ),
        texture_points=lip_texture(mesh.pixels, mouth),
    )
    face_px = float(np.ptp(landmarks[OVAL, 0])) / enlargement
    return FaceMeshPortrait(model, PortraitReport(face_px, enlargement, glasses, mouth.is_open, mouth.smile))


def _check(image: NDArray, size: int) -> None:
    if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        got = f"{getattr(image, 'shape', type(image).__name__)} {getattr(image, 'dtype', '')}"
        raise PortraitError(f"a portrait must be (H, W, 3) uint8 RGB, got {got.strip()}")
    if not LEAST_SIZE <= size <= MOST_SIZE:
        raise PortraitError(f"size must be within {LEAST_SIZE} and {MOST_SIZE} pixels, got {size}")


def _crop(
    image: NDArray[np.uint8], landmarks: NDArray, size: int, config: CropConfig
) -> tuple[NDArray[np.uint8], NDArray[np.float64], float]:
    """The square around the head, the landmarks in it, and how much it was enlarged."""
    head = fit_head(landmarks)
    height, width = image.shape[:2]
    side = 2 * head.scale * config.half_side
    side = max(min(side, height, width), 2 * head.scale * config.least_half_side)
    left, top = head.offset[0] - side / 2, head.offset[1] - config.eye_line * side
    left += np.clip(np.clip(left, 0, max(width - side, 0)) - left, -config.slack * side, config.slack * side)
    top += np.clip(np.clip(top, 0, max(height - side, 0)) - top, -config.slack * side, config.slack * side)
    x0, y0, whole = int(np.floor(left)), int(np.floor(top)), int(np.ceil(side))
    pad = [max(-y0, 0), max(y0 + whole - height, 0), max(-x0, 0), max(x0 + whole - width, 0)]
    padded = cv2.copyMakeBorder(image, *pad, cv2.BORDER_REFLECT_101)
    cut = padded[y0 + pad[0] : y0 + pad[0] + whole, x0 + pad[2] : x0 + pad[2] + whole]
    scale = size / whole
    square = cv2.resize(cut, (size, size), interpolation=cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA)
    moved = (landmarks - [x0, y0, 0]) * scale + [0.5 * scale - 0.5, 0.5 * scale - 0.5, 0]
    return square, moved, scale


def _fill(outline: NDArray, size: int) -> NDArray[np.bool_]:
    mask = np.zeros((size, size), np.uint8)
    cv2.fillPoly(mask, [np.round(outline[:, :2]).astype(np.int32)], 1)
    return mask > 0


def _median(image: NDArray[np.uint8], points: NDArray) -> NDArray[np.float64]:
    """(3,) colour at most of the points."""
    columns, rows = np.round(points[:, :2]).astype(int).clip(0, len(image) - 1).T
    return np.median(image[rows, columns], axis=0)


def _teeth(image: NDArray[np.uint8], landmarks: NDArray, mouth: PhotographedMouth) -> NDArray[np.float64] | None:
    """(3,) colour of the teeth, where the picture shows them."""
    if not mouth.is_open:
        return None
    inside = image[_fill(landmarks[INNER_MOUTH], len(image))].astype(np.float64)
    light = inside.sum(1)
    bright = inside[light >= np.percentile(light, 60)] if len(inside) > 30 else inside[:0]
    return np.median(bright, axis=0) if len(bright) else None
