# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Converts between rclpy's image messages and arrays, with `messages.images`."""

from __future__ import annotations

import numpy as np
from builtin_interfaces.msg import Time
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image

from avatar_forcing_ros.messages import images
from avatar_forcing_ros.messages.images import OutEncoding, compressed_to_rgb
from avatar_forcing_ros.nodes import bridge
from avatar_forcing_ros.nodes.ros_messages import bytes_field, make
from avatar_forcing_ros.nodes.ros_time import stamp_ns

__all__ = [
    "OutEncoding",
    "bytes_field",
    "compressed_from_rgb",
    "compressed_to_rgb",
    "from_rgb",
    "read_for_video",
    "read_image",
    "to_rgb",
]


def to_rgb(message: Image) -> NDArray[np.uint8]:
    """The picture in an Image message, (H, W, 3) uint8 RGB; it may share memory with the message.

    Raises:
        ValueError: if the encoding is unknown, or size, step and data contradict each other.
    """
    if message.encoding not in images.ENCODINGS and (other := bridge.cv_bridge()) is not None:
        try:
            return other.imgmsg_to_cv2(message, "rgb8")
        except Exception as error:  # cv_bridge raises errors of its own
            raise ValueError(f"cv_bridge cannot read an image of encoding {message.encoding!r}: {error}") from None
    return images.to_rgb(message)


def read_image(message: Image | CompressedImage, most_pixels: int = images.MOST_PIXELS) -> NDArray[np.uint8]:
    """The picture in either kind of message, (H, W, 3) uint8 RGB.

    Raises:
        ValueError: if it cannot be read, or has more than `most_pixels`; such a picture is not unpacked.
    """
    if isinstance(message, CompressedImage):
        return compressed_to_rgb(message, most_pixels)
    images.check_size(message, most_pixels)
    return to_rgb(message)


def read_for_video(message: Image | CompressedImage) -> NDArray[np.uint8]:
    """The same for `devices.movie.square_planes`: a picture in NV12 stays as it lies in the message, (H * 3/2, W)."""
    if isinstance(message, CompressedImage) or message.encoding != "nv12":
        return read_image(message)
    images.check_size(message)
    return images.nv12_rows(message)


def from_rgb(image: NDArray[np.uint8], stamp: Time, frame_id: str = "", encoding: OutEncoding = "rgb8") -> Image:
    """An Image message from a picture, (H, W, 3) uint8 RGB.

    Raises:
        ValueError: if the picture has another shape or type, or odd sides for nv12.
    """
    return images.from_rgb(make, image, stamp_ns(stamp), frame_id, encoding)


def compressed_from_rgb(
    image: NDArray[np.uint8], stamp: Time, frame_id: str = "", quality: int = images.JPEG_QUALITY
) -> CompressedImage:
    """A CompressedImage message (JPEG) from a picture, (H, W, 3) uint8 RGB."""
    return images.compressed_from_rgb(make, image, stamp_ns(stamp), frame_id, quality)
