# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Image messages <-> arrays, with the results of cv_bridge, for replays and machines that do not have it."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from avatar_forcing_ros.messages.making import Make, header

OutEncoding = Literal["rgb8", "nv12"]
CAMERA_FRAME = "camera_optical_frame"
"""frame_id of pictures of our own cameras, as REP 103 names it."""
JPEG_QUALITY = 90
_JPEG_BEGINS, _JPEG_ENDS = b"\xff\xd8", b"\xff\xd9"
MOST_PIXELS = 50_000_000
"""Largest number of pixels in a camera's picture; 8k has 33 million."""


@dataclass(frozen=True)
class _Encoding:
    """How the pixels of an encoding lie in memory.

    Attributes:
        channels: values side by side for one pixel.
        to_rgb: cv2 colour conversion; None if it is RGB already.
        dtype: type of one value.
        rows_per_picture: rows in the data for each row of the picture.
    """

    channels: int
    to_rgb: int | None
    dtype: type = np.uint8
    rows_per_picture: float = 1.0


# 8UC3 and 8UC4 say nothing about colour; OpenCV programs, where they come from, mean BGR.
ENCODINGS = {
    "rgb8": _Encoding(3, None),
    "bgr8": _Encoding(3, cv2.COLOR_BGR2RGB),
    "8UC3": _Encoding(3, cv2.COLOR_BGR2RGB),
    "rgba8": _Encoding(4, cv2.COLOR_RGBA2RGB),
    "bgra8": _Encoding(4, cv2.COLOR_BGRA2RGB),
    "8UC4": _Encoding(4, cv2.COLOR_BGRA2RGB),
    "mono8": _Encoding(1, cv2.COLOR_GRAY2RGB),
    "8UC1": _Encoding(1, cv2.COLOR_GRAY2RGB),
    "mono16": _Encoding(1, cv2.COLOR_GRAY2RGB, np.uint16),
    "rgb16": _Encoding(3, None, np.uint16),
    "bgr16": _Encoding(3, cv2.COLOR_BGR2RGB, np.uint16),
    "rgba16": _Encoding(4, cv2.COLOR_RGBA2RGB, np.uint16),
    "bgra16": _Encoding(4, cv2.COLOR_BGRA2RGB, np.uint16),
    "yuv422": _Encoding(2, cv2.COLOR_YUV2RGB_UYVY),
    "uyvy": _Encoding(2, cv2.COLOR_YUV2RGB_UYVY),
    "yuv422_yuy2": _Encoding(2, cv2.COLOR_YUV2RGB_YUY2),
    "yuyv": _Encoding(2, cv2.COLOR_YUV2RGB_YUY2),
    # OpenCV names the second row's second and third pixel, ROS the first row's first and second.
    "bayer_rggb8": _Encoding(1, cv2.COLOR_BayerBG2RGB),
    "bayer_bggr8": _Encoding(1, cv2.COLOR_BayerRG2RGB),
    "bayer_gbrg8": _Encoding(1, cv2.COLOR_BayerGR2RGB),
    "bayer_grbg8": _Encoding(1, cv2.COLOR_BayerGB2RGB),
    "bayer_rggb16": _Encoding(1, cv2.COLOR_BayerBG2RGB, np.uint16),
    "bayer_bggr16": _Encoding(1, cv2.COLOR_BayerRG2RGB, np.uint16),
    "bayer_gbrg16": _Encoding(1, cv2.COLOR_BayerGR2RGB, np.uint16),
    "bayer_grbg16": _Encoding(1, cv2.COLOR_BayerGB2RGB, np.uint16),
    "nv12": _Encoding(1, cv2.COLOR_YUV2RGB_NV12, rows_per_picture=1.5),
    "nv21": _Encoding(1, cv2.COLOR_YUV2RGB_NV21, rows_per_picture=1.5),
}
"""Encodings by the names that ROS gives them."""


def to_rgb(message: Any) -> NDArray[np.uint8]:
    """The picture of an Image message, (H, W, 3) uint8 RGB; may share memory with the message.

    Raises:
        ValueError: the encoding is unknown, or size, step and data do not fit together.
    """
    encoding = ENCODINGS.get(message.encoding)
    if encoding is None:
        raise ValueError(f"image encoding must be one of {', '.join(ENCODINGS)}, got {message.encoding!r}")
    values = _values(message, encoding)
    if encoding.dtype is np.uint16:
        values = np.rint(values * (255 / 65535)).astype(np.uint8)
    try:
        return values if encoding.to_rgb is None else cv2.cvtColor(values, encoding.to_rgb)
    except cv2.error:  # some encodings share colours between pixels or rows
        raise ValueError(_odd(message)) from None


def nv12_rows(message: Any) -> NDArray[np.uint8]:
    """The picture of an Image message in NV12 as it lies there, (H * 3/2, W); may share memory with the message.

    Raises:
        ValueError: size, step and data do not fit together, or a side is odd.
    """
    if message.width % 2 or message.height % 2:
        raise ValueError(_odd(message))
    return _values(message, ENCODINGS["nv12"])


def compressed_to_rgb(message: Any, most_pixels: int = MOST_PIXELS) -> NDArray[np.uint8]:
    """The picture of a CompressedImage message (jpeg, png, ...), (H, W, 3) uint8 RGB.

    Raises:
        ValueError: the data are not a picture that can be read, or have too many pixels and are not unpacked.
    """
    data = np.frombuffer(message.data, np.uint8)
    _check_size(data, most_pixels)
    _check_end(data)
    try:
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except cv2.error:  # of a size that no picture has
        image = None
    if image is None:
        raise ValueError(f"compressed image must be jpeg or png, got {data.size} bytes of format {message.format!r}")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def from_rgb(
    make: Make, image: NDArray[np.uint8], time_ns: int, frame_id: str = "", encoding: OutEncoding = "rgb8"
) -> Any:
    """An Image message from a picture, (H, W, 3) uint8 RGB.

    Args:
        make: makes messages.
        image: the picture; H and W must be even for nv12.
        time_ns: stamp of the message.
        frame_id: frame of the message.
        encoding: "rgb8", or "nv12", which has half the bytes.

    Raises:
        ValueError: the picture has another shape or type.
    """
    _check_rgb(image)
    height, width, _ = image.shape
    data, step = (image, 3 * width) if encoding == "rgb8" else (_nv12(image), width)
    pixels = np.ascontiguousarray(data).reshape(-1)
    shape = {"height": height, "width": width, "encoding": encoding, "step": step}
    return make("sensor_msgs/Image", header=header(make, time_ns, frame_id), **shape, data=pixels)


def compressed_from_rgb(
    make: Make, image: NDArray[np.uint8], time_ns: int, frame_id: str = "", quality: int = JPEG_QUALITY
) -> Any:
    """A jpeg CompressedImage message from a picture, (H, W, 3) uint8 RGB."""
    _check_rgb(image)
    _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    stamped = header(make, time_ns, frame_id)
    return make(
        "sensor_msgs/CompressedImage", header=stamped, format="rgb8; jpeg compressed bgr8", data=jpeg.reshape(-1)
    )


def read_image(message: Any, most_pixels: int = MOST_PIXELS) -> NDArray[np.uint8]:
    """The picture of either kind of message, (H, W, 3) uint8 RGB.

    Raises:
        ValueError: it cannot be read, or has too many pixels.
    """
    if not hasattr(message, "encoding"):
        return compressed_to_rgb(message, most_pixels)
    check_size(message, most_pixels)
    return to_rgb(message)


def check_size(message: Any, most_pixels: int = MOST_PIXELS) -> None:
    """Refuse an Image message with too many pixels.

    Raises:
        ValueError: it has too many.
    """
    if message.width * message.height > most_pixels:
        raise ValueError(f"image must have at most {most_pixels} pixels, got {message.width}x{message.height}")


def _check_size(data: NDArray[np.uint8], most_pixels: int) -> None:
    """Refuse a picture by its header, if Pillow knows the format: a few kilobytes may unpack to gigabytes."""
    pixels = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(data.tobytes())) as header_only:
                pixels = header_only.width * header_only.height
        except Image.DecompressionBombError:
            pixels = most_pixels + 1
        except Exception:  # OpenCV says whether it is a picture
            return
    if pixels > most_pixels:
        raise ValueError(f"compressed image must have at most {most_pixels} pixels, got more")


def _check_end(data: NDArray[np.uint8]) -> None:
    """Refuse a truncated JPEG, in which OpenCV before 5 fills the rest of a face with grey.

    Raises:
        ValueError: the end marker is missing.
    """
    content = data.data
    if bytes(content[:2]) == _JPEG_BEGINS and bytes(content).rfind(_JPEG_ENDS) < 0:
        raise ValueError(f"compressed image must be a whole jpeg, got {data.size} bytes of one that was cut")


def _nv12(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H * 3/2, W): brightness at full resolution, then colour at half of it with its two values side by side."""
    height, width, _ = image.shape
    if height % 2 or width % 2:
        raise ValueError(f"nv12 pictures must have even sides, got {width}x{height}")
    planes = cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420)
    blue, red = planes[height:].reshape(2, height // 2, width // 2)
    planes[height:] = cv2.merge([blue, red]).reshape(height // 2, width)
    return planes


def _values(message: Any, encoding: _Encoding) -> NDArray:
    """(rows, W) or (rows, W, channels) of the data, without the padding at the end of rows."""
    rows = int(message.height * encoding.rows_per_picture)
    row_bytes = message.width * encoding.channels * np.dtype(encoding.dtype).itemsize
    expected = rows * message.step
    # drivers hand on the whole of a buffer that is longer than the picture
    if message.step < row_bytes or len(message.data) < expected or not expected or not message.width:
        raise ValueError(
            f"image of {message.width}x{message.height} {message.encoding} must have {rows} rows of at least "
            f"{row_bytes} bytes, got step {message.step} and {len(message.data)} bytes"
        )
    lines = np.frombuffer(message.data, np.uint8)[:expected].reshape(rows, message.step)[:, :row_bytes]
    dtype: np.dtype = np.dtype(encoding.dtype).newbyteorder(">" if message.is_bigendian else "<")
    values = lines if encoding.dtype is np.uint8 else lines.copy().view(dtype)
    return values.reshape(rows, message.width, -1) if encoding.channels > 1 else np.ascontiguousarray(values)


def _odd(message: Any) -> str:
    return f"{message.encoding} pictures must have even sides, got {message.width}x{message.height}"


def _check_rgb(image: NDArray[np.uint8]) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"image must be (H, W, 3) uint8 RGB, got {image.shape} {image.dtype}")
