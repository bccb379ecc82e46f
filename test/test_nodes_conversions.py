"""Image messages <-> arrays: every encoding of a picture whose values are known, padding, byte order, bad input."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy")
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CompressedImage, Image

from avatar_forcing_ros.nodes.conversions import bytes_field, compressed_from_rgb, from_rgb, read_image, to_rgb

pytestmark = pytest.mark.ros

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
def test_colour_comes_out_exactly(encoding: str, values: np.ndarray, padding: int) -> None:
    image = to_rgb(message_of(values, encoding, 2, 4, padding))

    np.testing.assert_array_equal(image, PICTURE)


@pytest.mark.parametrize("encoding", ["mono8", "8UC1"])
@pytest.mark.parametrize("padding", [0, 3])
def test_grey_fills_all_three_channels(encoding: str, padding: int) -> None:
    grey = np.arange(8, dtype=np.uint8).reshape(2, 4)

    np.testing.assert_array_equal(to_rgb(message_of(grey, encoding, 2, 4, padding)), np.dstack([grey] * 3))


@pytest.mark.parametrize("big", [0, 1])
def test_mono16_keeps_the_high_byte_in_either_byte_order(big: int) -> None:
    grey = np.array([[0x1234, 0xFF00, 0x00FF, 0x8080]], np.uint16)
    stored = grey.astype(">u2" if big else "<u2")

    image = to_rgb(message_of(stored, "mono16", 1, 4, padding=2, big=big))

    np.testing.assert_array_equal(image[..., 0], [[0x12, 0xFF, 0x00, 0x80]])


def test_both_orders_of_yuv422_give_the_colour_back() -> None:
    yuv = cv2.cvtColor(FLAT, cv2.COLOR_RGB2YUV_I420)
    y, u, v = yuv[0, 0], yuv[4, 0], yuv[5, 0]
    uyvy = np.tile(np.array([u, y, v, y], np.uint8), (4, 4))
    yuyv = np.tile(np.array([y, u, y, v], np.uint8), (4, 4))

    for encoding, values in (("yuv422", uyvy), ("uyvy", uyvy), ("yuv422_yuy2", yuyv), ("yuyv", yuyv)):
        image = to_rgb(message_of(values, encoding, 4, 8, padding=4))
        np.testing.assert_allclose(image.astype(int), FLAT, atol=3)


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
        pytest.param({"encoding": "bayer_rggb8"}, "encoding must be one of rgb8", id="unknown encoding"),
        pytest.param({"step": 11}, "at least 12 bytes, got step 11", id="step shorter than a row"),
        pytest.param({"height": 3}, "must have 3 rows", id="too little data"),
        pytest.param({"height": 1}, "must have 1 rows", id="too much data"),
        pytest.param({"height": 0, "data": bytes_field(np.zeros(0, np.uint8))}, "got step 12 and 0 bytes", id="empty"),
    ],
)
def test_a_message_that_contradicts_itself_is_refused_with_both_sides(change: dict, expected: str) -> None:
    message = from_rgb(PICTURE, Time())
    for name, value in change.items():
        setattr(message, name, value)

    with pytest.raises(ValueError, match=expected):
        to_rgb(message)


@pytest.mark.parametrize("data", [b"", b"not a picture"])
def test_bytes_that_are_no_picture_are_refused(data: bytes) -> None:
    message = CompressedImage(format="jpeg", data=bytes_field(np.frombuffer(data, np.uint8)))

    with pytest.raises(ValueError, match=f"jpeg or png, got {len(data)} bytes"):
        read_image(message)


def test_odd_sides_are_refused_for_nv12() -> None:
    with pytest.raises(ValueError, match="even sides, got 3x3"):
        from_rgb(np.zeros((3, 3, 3), np.uint8), Time(), encoding="nv12")
