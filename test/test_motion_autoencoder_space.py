# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The `autoencoder` motion space on pictures: which square it cuts, what it refuses, what it draws. Tiny weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from avatar_forcing_ros.files.media import read_video
from avatar_forcing_ros.files.pictures import read_image
from avatar_forcing_ros.files.resources import resource
from avatar_forcing_ros.motion.autoencoder.config import AutoencoderConfig
from avatar_forcing_ros.motion.autoencoder.crop import CropConfig, Square, SteadySquare, cut, face_square
from avatar_forcing_ros.motion.autoencoder.model import MotionAutoencoder
from avatar_forcing_ros.motion.autoencoder.published import published_shapes
from avatar_forcing_ros.motion.autoencoder.runtime import CPU, AutoencoderRuntime
from avatar_forcing_ros.motion.autoencoder.space import AutoencoderSpace
from avatar_forcing_ros.motion.facemesh.landmarks import OVAL
from avatar_forcing_ros.motion.space import PortraitError
from avatar_forcing_ros.signals import VideoFrame

SHARED = Path(__file__).resolve().parents[2] / "shared"
TINY = AutoencoderConfig(image_size=32, latent_size=24, coefficients=5, widest=16)


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> AutoencoderSpace:
    random = torch.Generator().manual_seed(4)
    file = tmp_path_factory.mktemp("bundle") / "autoencoder.safetensors"
    save_file({key: torch.randn(shape, generator=random) for key, shape in published_shapes(TINY).items()}, file)
    return AutoencoderSpace.load(file, CPU)


@pytest.fixture(scope="module")
def portrait() -> NDArray[np.uint8]:
    return read_image(resource("models", "portraits", "aria.png"))


def face_at(x: float, y: float, width: float, height: float) -> NDArray[np.float64]:
    """Landmarks whose oval is this box and whose other points lie in its middle."""
    face = np.tile([x, y, 0.0], (478, 1))
    face[OVAL[0], :2], face[OVAL[1], :2] = (x - width / 2, y - height / 2), (x + width / 2, y + height / 2)
    return face


def test_the_square_is_twice_the_longer_side_of_the_face() -> None:
    assert face_square(face_at(500, 400, 80, 100), (1000, 1000)) == Square(500, 400, 200)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((480, 640), Square(100, 100, 200)), ((120, 640), Square(60, 60, 120)), ((90, 90), Square(45, 45, 90))],
)
def test_the_square_lies_within_the_picture(shape: tuple[int, int], expected: Square) -> None:
    assert face_square(face_at(20, 30, 80, 100), shape) == expected


def test_head_motion_survives_the_crop() -> None:
    square = SteadySquare(CropConfig(settle_frames=5))
    still = [square.update(face_at(320, 240, 80, 100), (480, 640)) for _ in range(5)][-1]
    swaying = [square.update(face_at(320 + 40 * np.sin(i / 5), 240, 80, 100), (480, 640)) for i in range(100)]
    assert set(swaying) == {still}


def test_a_user_who_sits_elsewhere_gets_a_new_square() -> None:
    square = SteadySquare(CropConfig(settle_frames=1))
    square.update(face_at(200, 240, 80, 100), (480, 640))
    assert square.update(face_at(420, 240, 80, 100), (480, 640)).x == 420


def test_a_lost_face_is_forgotten_after_a_while() -> None:
    square = SteadySquare(CropConfig(settle_frames=1, lost_frames=3))
    square.update(face_at(320, 240, 80, 100), (480, 640))
    for _ in range(2):
        square.miss()
    assert square.update(face_at(330, 240, 80, 100), (480, 640)).x == 320
    for _ in range(3):
        square.miss()
    assert square.update(face_at(330, 240, 80, 100), (480, 640)).x == 330


def test_another_size_of_picture_begins_a_new_square() -> None:
    square = SteadySquare(CropConfig(settle_frames=1))
    square.update(face_at(320, 240, 80, 100), (480, 640))
    assert square.update(face_at(160, 120, 40, 50), (240, 320)) == Square(160, 120, 100)


def test_cut_gives_the_part_that_was_asked_for() -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    image[20:60, 30:70] = 200
    assert (cut(image, Square(50, 40, 40), 16) == 200).all()


@pytest.mark.parametrize("aspect", ["square", "wide", "tall", "tiny"])
def test_portraits_of_any_shape_are_drawn_square(space: AutoencoderSpace, portrait: NDArray, aspect: str) -> None:
    height, width = portrait.shape[:2]
    pad = {"wide": ((0, 0), (width // 2, width), (0, 0)), "tall": ((height // 2, height), (0, 0), (0, 0))}
    image = np.pad(portrait, pad[aspect], mode="edge") if aspect in pad else portrait
    image = (
        np.ascontiguousarray(image[:: max(1, height // 256), :: max(1, width // 256)]) if aspect == "tiny" else image
    )
    loaded = space.load_portrait(image, size=48)
    picture = loaded.render(loaded.reference)
    assert picture.shape == (48, 48, 3)
    assert picture.dtype == np.uint8


def test_rendering_repeats_and_the_caller_owns_the_picture(space: AutoencoderSpace, portrait: NDArray) -> None:
    loaded = space.load_portrait(portrait, size=32)
    first = loaded.render(loaded.reference, 3)
    kept = first.copy()
    second = loaded.render(loaded.reference, 3)
    first[:] = 0
    np.testing.assert_array_equal(second, kept)
    np.testing.assert_array_equal(loaded.render(loaded.reference, 3), kept)


def test_the_reference_is_the_portraits_own_motion(space: AutoencoderSpace, portrait: NDArray) -> None:
    reference = space.load_portrait(portrait).reference
    directions = space.runtime.directions
    np.testing.assert_allclose(space.expand_user(directions.T @ reference), reference, atol=1e-4)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.full((300, 300, 3), 128, np.uint8), "no face"),
        (np.zeros((300, 300), np.uint8), r"\(H, W, 3\) uint8 RGB, got \(300, 300\)"),
        (np.zeros((300, 300, 3), np.float32), "uint8 RGB, got .* float32"),
    ],
)
def test_pictures_that_cannot_be_animated_are_refused(space: AutoencoderSpace, image: NDArray, message: str) -> None:
    with pytest.raises(PortraitError, match=message):
        space.load_portrait(image)


@pytest.mark.parametrize("latent", [np.zeros(5, np.float32), np.full(24, np.nan, np.float32)])
def test_latents_that_cannot_be_drawn_are_refused(space: AutoencoderSpace, portrait: NDArray, latent: NDArray) -> None:
    with pytest.raises(ValueError, match=r"must be \(B, 24\) and finite"):
        space.load_portrait(portrait).render(latent)


def test_users_become_motion_along_the_directions(space: AutoencoderSpace) -> None:
    user = np.eye(5, dtype=np.float32)
    np.testing.assert_array_equal(space.expand_user(user), space.runtime.directions.T)
    assert space.expand_user(np.zeros((2, 7, 5), np.float32)).shape == (2, 7, 24)


def test_an_empty_chair_is_no_motion(space: AutoencoderSpace) -> None:
    encoder = space.make_encoder()
    sample = encoder.encode(VideoFrame(40, np.full((240, 320, 3), 90, np.uint8)))
    encoder.close()
    assert not sample.valid
    assert sample.confidence == 0
    assert not sample.latent.any()


def test_a_user_is_read_into_coefficients(space: AutoencoderSpace, portrait: NDArray) -> None:
    encoder = space.make_encoder()
    first, second = (encoder.encode(VideoFrame(stamp, portrait)) for stamp in (0, 40))
    encoder.close()
    assert first.valid
    assert first.latent.shape == (5,)
    assert second.stamp_ns == 40


@pytest.mark.shared
def test_a_filmed_head_keeps_its_square(space: AutoencoderSpace) -> None:
    encoder = space.make_encoder()
    frames = [frame for _, frame in zip(range(20), read_video(SHARED / "data" / "user_head.mp4"), strict=False)]
    samples = [encoder.encode(VideoFrame(i, frame.image)) for i, frame in enumerate(frames)]
    encoder.close()
    assert all(sample.valid for sample in samples)


def test_white_is_white_and_black_is_black_whatever_else_is_in_the_picture(space: AutoencoderSpace) -> None:
    runtime = space.runtime
    prepared = runtime.prepare(np.full((32, 32, 3), 128, np.uint8))
    drawn = runtime.draw(prepared, np.zeros((2, 24), np.float32))
    with torch.inference_mode():
        raw = runtime._model.decode(prepared.identity, prepared.features, torch.zeros(2, 24))
    expected = np.clip((raw.movedim(1, -1).numpy() + 1) * 127.5, 0, 255)
    assert np.abs(drawn - expected).max() <= 0.51


class Exhausted(torch.nn.Module):
    """A network on a GPU that has no memory left."""

    def encode(self, images: torch.Tensor) -> None:
        raise torch.OutOfMemoryError(f"no memory for {tuple(images.shape)}")


def test_a_full_gpu_is_left_for_the_cpu(space: AutoencoderSpace, caplog: pytest.LogCaptureFixture) -> None:
    image = np.full((32, 32, 3), 128, np.uint8)
    runtime = AutoencoderRuntime(space.runtime._weights, CPU)
    expected = runtime.coefficients(image)
    runtime._model = Exhausted()  # type: ignore[assignment]
    np.testing.assert_array_equal(runtime.coefficients(image), expected)
    assert "out of memory" in caplog.text


def test_a_gpu_without_memory_for_the_weights_is_left_for_the_cpu(
    space: AutoencoderSpace, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(runtime: AutoencoderRuntime) -> MotionAutoencoder:
        if runtime.device.type == "cuda":
            raise torch.OutOfMemoryError("CUDA out of memory")
        return space.runtime._model

    monkeypatch.setattr(AutoencoderRuntime, "_build", build)
    runtime = AutoencoderRuntime(space.runtime._weights, torch.device("cuda"))
    assert runtime.device == CPU
    assert caplog.messages == ["the GPU is out of memory: continuing on the CPU, far from real time"]


class LostCard(torch.nn.Module):
    """A network on a card that answers nothing any more."""

    def decode(self, *_: object) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered\nmore lines")

    encode = decode


def test_a_card_that_is_lost_is_left_for_the_cpu_and_portraits_on_it_are_read_again(
    space: AutoencoderSpace, caplog: pytest.LogCaptureFixture
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    runtime = AutoencoderRuntime(space.runtime._weights, CPU)
    portrait = runtime.prepare(image)
    motions = portrait.reference[None]
    expected = runtime.draw(portrait, motions)
    gone = replace(portrait, identity=portrait.identity.to("meta"), features=())  # "meta" has no numbers either
    runtime._model = LostCard()  # type: ignore[assignment]
    np.testing.assert_array_equal(runtime.draw(gone, motions), expected)
    assert caplog.messages[-1] == (
        "the GPU is lost (CUDA error: an illegal memory access was encountered): continuing on the CPU, far from "
        "real time"
    )
    runtime._model.encode = None  # type: ignore[method-assign,assignment]
    np.testing.assert_array_equal(runtime.draw(gone, motions), expected)  # read once
