# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Image messages <-> arrays: every encoding of a picture whose values are known, padding, byte order, bad input."""

from __future__ import annotations

import os
import sys

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy")
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CompressedImage, Image

from avatar_forcing_ros.nodes import bridge
from avatar_forcing_ros.nodes.conversions import bytes_field, compressed_from_rgb, from_rgb, read_image, to_rgb

RED, GREEN, BLUE, GREY = (200, 30, 20), (20, 180, 40), (30, 40, 220), (120, 120, 120)
PICTURE = np.array([[RED, GREEN, BLUE, GREY], [GREY, BLUE, RED, GREEN]], np.uint8)
FLAT = np.full((4, 8, 3), (140, 90, 60), np.uint8)


def message_of(
    values: np.ndarray, encoding: str, height: int, width: int, padding: int = 0, big: bool = False
) -> Image:
    rows = np.ascontiguousarray(values).view(np.uint8).reshape(len(values), -1)
    padded = np.pad(rows, ((0, 0), (0, padding)), constant_values=99)
    return Image(
        height=height,
        width=width,
        encoding=encoding,
        step=padded.shape[1],
        is_bigendian=int(big),
        data=bytes_field(padded),
    )


def with_alpha(image: np.ndarray) -> np.ndarray:
    return np.dstack([image, np.full(image.shape[:2], 7, np.uint8)])


COLOUR_ENCODINGS = [
    pytest.param("rgb8", PICTURE, id="rgb8"),
    pytest.param("bgr8", PICTURE[..., ::-1], id="bgr8"),
    pytest.param("8UC3", PICTURE[..., ::-1], id="8UC3 is bgr"),
    pytest.param("rgba8", with_alpha(PICTURE), id="rgba8"),
    pytest.param("bgra8", with_alpha(PICTURE[..., ::-1]), id="bgra8"),
    pytest.param("8UC4", with_alpha(PICTURE[..., ::-1]), id="8UC4 is bgra"),
]


@pytest.mark.parametrize(("encoding", "values"), COLOUR_ENCODINGS)
@pytest.mark.parametrize("padding", [0, 5])
def test_a_buffer_that_is_longer_than_its_picture_is_read(encoding: str, values: np.ndarray, padding: int) -> None:
    message = message_of(values, encoding, 2, 4, padding)
    message.data = bytes_field(np.concatenate([np.frombuffer(message.data, np.uint8), np.full(4096, 77, np.uint8)]))

    np.testing.assert_array_equal(to_rgb(message), PICTURE)


@pytest.mark.parametrize(("encoding", "values"), COLOUR_ENCODINGS)
@pytest.mark.parametrize("padding", [0, 5])
def test_colour_comes_out_exactly(encoding: str, values: np.ndarray, padding: int) -> None:
    image = to_rgb(message_of(values, encoding, 2, 4, padding))

    np.testing.assert_array_equal(image, PICTURE)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize(("encoding", "values"), [each for each in COLOUR_ENCODINGS if each.values[0].endswith("8")])
def test_colour_of_sixteen_bits_is_that_of_eight(encoding: str, values: np.ndarray, big: bool) -> None:
    deep = (values.astype(np.uint16) * 257).astype(">u2" if big else "<u2")

    image = to_rgb(message_of(deep, encoding.replace("8", "16"), 2, 4, padding=6, big=big))

    np.testing.assert_array_equal(image, PICTURE)


@pytest.mark.parametrize("encoding", ["mono8", "8UC1"])
@pytest.mark.parametrize("padding", [0, 3])
def test_grey_fills_all_three_channels(encoding: str, padding: int) -> None:
    grey = np.arange(8, dtype=np.uint8).reshape(2, 4)

    np.testing.assert_array_equal(to_rgb(message_of(grey, encoding, 2, 4, padding)), np.dstack([grey] * 3))


@pytest.mark.parametrize("big", [0, 1])
def test_mono16_is_scaled_to_eight_bits_in_either_byte_order(big: int) -> None:
    grey = np.array([[0x1234, 0xFF00, 0x00FF, 0x8080]], np.uint16)
    stored = grey.astype(">u2" if big else "<u2")

    image = to_rgb(message_of(stored, "mono16", 1, 4, padding=2, big=big))

    np.testing.assert_array_equal(image[..., 0], np.rint(grey / 257))


def test_both_orders_of_yuv422_give_the_colour_back() -> None:
    yuv = cv2.cvtColor(FLAT, cv2.COLOR_RGB2YUV_I420)
    y, u, v = yuv[0, 0], yuv[4, 0], yuv[5, 0]
    uyvy = np.tile(np.array([u, y, v, y], np.uint8), (4, 4))
    yuyv = np.tile(np.array([y, u, y, v], np.uint8), (4, 4))

    for encoding, values in (("yuv422", uyvy), ("uyvy", uyvy), ("yuv422_yuy2", yuyv), ("yuyv", yuyv)):
        image = to_rgb(message_of(values, encoding, 4, 8, padding=4))
        np.testing.assert_allclose(image.astype(int), FLAT, atol=3)


@pytest.mark.parametrize(
    ("encoding", "pattern"),
    [("bayer_rggb8", "rggb"), ("bayer_bggr8", "bggr"), ("bayer_gbrg8", "gbrg"), ("bayer_grbg8", "grbg")],
)
def test_bayer_patterns_give_the_colour_back(encoding: str, pattern: str) -> None:
    colour = dict(zip("rgb", (200, 90, 30), strict=True))
    tile = np.array([colour[letter] for letter in pattern], np.uint8).reshape(2, 2)

    image = to_rgb(message_of(np.tile(tile, (4, 4)), encoding, 8, 8))
    deep = np.tile(tile, (4, 4)).astype("<u2") * 257

    np.testing.assert_array_equal(image, np.broadcast_to([200, 90, 30], (8, 8, 3)))
    np.testing.assert_array_equal(to_rgb(message_of(deep, encoding.replace("8", "16"), 8, 8)), image)


STAND_IN = """
class CvBridge:
    def imgmsg_to_cv2(self, message, encoding):
        if message.encoding == "bgr8":
            return __import__("numpy").array([[[3, 2, 1]]])
        assert (message.encoding, encoding) == ("nv24", "rgb8"), "no such conversion"
        return "what cv_bridge makes of it"
"""


@pytest.fixture
def another_cv_bridge(tmp_path, monkeypatch: pytest.MonkeyPatch):
    """Puts a cv_bridge in the way of the one that is installed, if one is."""

    def put(source: str) -> None:
        (tmp_path / "cv_bridge.py").write_text(source)
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
        monkeypatch.delitem(sys.modules, "cv_bridge", raising=False)
        forget()

    forget = bridge.cv_bridge.cache_clear
    yield put
    sys.modules.pop("cv_bridge", None)
    forget()


def test_cv_bridge_reads_what_we_do_not(another_cv_bridge) -> None:
    another_cv_bridge(STAND_IN)

    assert to_rgb(message_of(PICTURE, "nv24", 2, 4)) == "what cv_bridge makes of it"
    with pytest.raises(ValueError, match="cv_bridge cannot read an image of encoding 'jpeg': no such conversion"):
        to_rgb(message_of(PICTURE, "jpeg", 2, 4))


def test_cv_bridge_is_not_even_tried_for_what_we_read(another_cv_bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    another_cv_bridge(STAND_IN)
    monkeypatch.setattr(bridge, "cv_bridge", lambda: pytest.fail("asked for cv_bridge"))

    np.testing.assert_array_equal(to_rgb(message_of(PICTURE[..., ::-1], "bgr8", 2, 4)), PICTURE)


def test_a_cv_bridge_that_ends_the_process_is_left_alone(another_cv_bridge) -> None:
    another_cv_bridge("import os\nos.abort()")

    assert bridge.cv_bridge() is None
    with pytest.raises(ValueError, match=r"image encoding must be one of rgb8, .* got 'nv24'"):
        to_rgb(message_of(PICTURE, "nv24", 2, 4))


def test_nv12_and_nv21_differ_in_the_order_of_colour() -> None:
    message = from_rgb(FLAT, Time(), encoding="nv12")
    swapped = np.frombuffer(message.data, np.uint8).reshape(6, 8).copy()
    swapped[4:] = swapped[4:].reshape(2, 4, 2)[..., ::-1].reshape(2, 8)

    np.testing.assert_allclose(to_rgb(message).astype(int), FLAT, atol=3)
    np.testing.assert_allclose(to_rgb(message_of(swapped, "nv21", 4, 8)).astype(int), FLAT, atol=3)


def test_what_goes_out_as_rgb8_comes_back_unchanged() -> None:
    stamp = Time(sec=3, nanosec=5)

    message = from_rgb(PICTURE, stamp, "avatar")

    assert (message.header.stamp, message.header.frame_id, message.step) == (stamp, "avatar", 12)
    np.testing.assert_array_equal(to_rgb(message), PICTURE)


def test_a_view_with_strides_goes_out_as_it_looks() -> None:
    np.testing.assert_array_equal(to_rgb(from_rgb(PICTURE[:, ::-1], Time())), PICTURE[:, ::-1])


def test_jpeg_comes_back_nearly_unchanged_and_not_with_red_for_blue() -> None:
    large = np.kron(PICTURE, np.ones((16, 16, 1), np.uint8))

    back = read_image(compressed_from_rgb(large, Time(), quality=95))

    np.testing.assert_allclose(back[8::16, 8::16].astype(int), PICTURE, atol=12)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({"encoding": "16UC1"}, "encoding must be one of rgb8.*got '16UC1'", id="depth is no picture"),
        pytest.param({"encoding": "jpeg"}, "encoding must be one of rgb8.*got 'jpeg'", id="unknown encoding"),
        pytest.param({"step": 11}, "at least 12 bytes, got step 11", id="step shorter than a row"),
        pytest.param({"height": 3}, "must have 3 rows", id="too little data"),
        pytest.param({"height": 0, "data": bytes_field(np.zeros(0, np.uint8))}, "got step 12 and 0 bytes", id="empty"),
    ],
)
def test_a_message_that_contradicts_itself_is_refused_with_both_sides(change: dict, expected: str) -> None:
    message = from_rgb(PICTURE, Time())
    for name, value in change.items():
        setattr(message, name, value)

    with pytest.raises(ValueError, match=expected):
        to_rgb(message)


def test_a_jpeg_that_was_cut_is_refused_and_one_in_a_longer_buffer_read() -> None:
    message = compressed_from_rgb(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8), Time())
    whole = np.frombuffer(message.data, np.uint8)
    assert read_image(message).shape == (64, 64, 3)

    message.data = bytes_field(np.pad(whole, (0, 500)))
    assert read_image(message).shape == (64, 64, 3)
    message.data = bytes_field(whole[: len(whole) * 3 // 4])
    with pytest.raises(ValueError, match="one that was cut"):
        read_image(message)


@pytest.mark.parametrize("data", [b"", b"not a picture"])
def test_bytes_that_are_no_picture_are_refused(data: bytes) -> None:
    message = CompressedImage(format="jpeg", data=bytes_field(np.frombuffer(data, np.uint8)))

    with pytest.raises(ValueError, match=f"jpeg or png, got {len(data)} bytes"):
        read_image(message)


def test_odd_sides_are_refused_for_nv12() -> None:
    with pytest.raises(ValueError, match="even sides, got 3x3"):
        from_rgb(np.zeros((3, 3, 3), np.uint8), Time(), encoding="nv12")
