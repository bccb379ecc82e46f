# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The networks that find and read faces: whole files, MediaPipe's points, faces that turn with the picture."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from avatar_forcing_ros.compute import onnx_models
from avatar_forcing_ros.compute.onnx_models import ModelFileError
from avatar_forcing_ros.files.pictures import read_image
from avatar_forcing_ros.files.resources import default_portrait, resource
from avatar_forcing_ros.motion.facemesh import networks
from avatar_forcing_ros.motion.facemesh.networks import SHA256
from avatar_forcing_ros.motion.facemesh.reading.detector import FAR, NEAR, Range, detect
from avatar_forcing_ros.motion.facemesh.reading.mesh import Region, read_mesh
from avatar_forcing_ros.motion.facemesh.reading.tracker import FaceTracker

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="module")
def aria() -> np.ndarray:
    """A portrait, 768x768 pixels, looking ahead."""
    return read_image(default_portrait())


@pytest.fixture(scope="module")
def recorded() -> np.ndarray:
    """(3, 478, 3) what MediaPipe 0.10.21 made of that portrait, shown three times as a video."""
    with np.load(DATA / "aria_mediapipe.npz") as data:
        return data["landmarks"].astype(np.float64)


def test_every_network_is_the_one_that_the_model_card_names() -> None:
    card = resource("models", "face", "README.md").read_text(encoding="utf-8")
    files = {path.stem for path in resource("models", "face").glob("*.onnx")}
    assert files == set(SHA256)
    assert all(f"`{name}.onnx` | `{digest}`" in card for name, digest in SHA256.items())


def test_the_first_picture_gives_mediapipes_points(aria: np.ndarray, recorded: np.ndarray) -> None:
    found = detect(aria, 0.5)
    assert len(found) == 1
    mesh = read_mesh(aria, Region.of_detection(found[0]))
    assert mesh.presence > 0.9
    np.testing.assert_allclose(mesh.points, recorded[0], atol=0.1)


@pytest.mark.parametrize("frame", [1, 2])
def test_a_followed_face_gives_mediapipes_points(frame: int, aria: np.ndarray, recorded: np.ndarray) -> None:
    mesh = read_mesh(aria, Region.of_landmarks(recorded[frame - 1]))
    np.testing.assert_allclose(mesh.points, recorded[frame], atol=0.1)


@pytest.mark.parametrize("degrees", [-40, 25, 40])
def test_a_turned_picture_turns_the_points(degrees: float, aria: np.ndarray) -> None:
    side = len(aria)
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), degrees, 1)
    turned = cv2.warpAffine(aria, turn, (side, side), borderMode=cv2.BORDER_REPLICATE)
    upright, tilted = (read_mesh(image, Region.of_detection(detect(image, 0.5)[0])) for image in (aria, turned))
    expected = upright.points[:, :2] @ turn[:, :2].T + turn[:, 2]
    assert np.median(np.linalg.norm(tilted.points[:, :2] - expected, axis=1)) < 0.01 * side


@pytest.mark.parametrize("reach", [NEAR, FAR], ids=lambda reach: reach.network)
@pytest.mark.parametrize("shape", [(480, 640), (640, 480)], ids=str)
def test_each_of_two_faces_is_found_once_and_in_its_place(
    reach: Range, shape: tuple[int, int], aria: np.ndarray
) -> None:
    scene = np.full((*shape, 3), 110, np.uint8)
    face = cv2.resize(aria, (230, 230), interpolation=cv2.INTER_AREA)
    for left in (0, 240):
        scene[100:330, left : left + 230] = face
    found = sorted(detect(scene, 0.6, reach), key=lambda face: float(face.low[0]))
    assert len(found) == 2
    assert found[1].middle - found[0].middle == pytest.approx([240, 0], abs=4)
    right_eye, left_eye = found[0].keys[:2]
    assert right_eye[0] < found[0].middle[0] < left_eye[0]


def test_nobody_is_seen_in_noise_and_darkness() -> None:
    """The detector may take noise for a face; the mesh does not."""
    noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3), dtype=np.uint8)
    tracker = FaceTracker()
    assert all(tracker.track(image) is None for image in (noise, np.zeros_like(noise), noise[:, ::-1]))


@pytest.mark.parametrize("damage", ["one bit", "cut short", "gone"])
def test_a_damaged_network_is_named_with_what_mends_it(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = bytearray(resource("models", "face", "landmarks.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    path = tmp_path / "landmarks.onnx"
    if damage != "gone":
        path.write_bytes(content[:1000] if damage == "cut short" else content)

    def elsewhere(*parts: str) -> Path:
        if not path.exists():
            raise FileNotFoundError(f"{'/'.join(parts)} not found")
        return path

    monkeypatch.setattr(onnx_models, "resource", elsewhere)
    onnx_models.open_model.cache_clear()
    try:
        with pytest.raises(ModelFileError, match=r"landmarks\.onnx.*git checkout models/face"):
            networks.run("landmarks", np.zeros((192, 192, 3), np.uint8))
    finally:
        onnx_models.open_model.cache_clear()
