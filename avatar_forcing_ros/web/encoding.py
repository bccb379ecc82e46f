# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Encodes pictures for pages, once for each codec, however many pages are open.

docs/kiosk.md has measurements of the codecs.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Literal, Protocol

import av
import cv2
import numpy as np
import simplejpeg
from av.video.frame import PictureType
from numpy.typing import NDArray

from avatar_forcing_ros.signals import FPS
from avatar_forcing_ros.web.packets import CodedPicture

Codec = Literal["h264", "vp8", "jpeg"]
CODECS: tuple[Codec, ...] = ("h264", "vp8", "jpeg")
_KEY_EVERY_S = 10  # a new page gets a key picture at once; these only limit how long a failed decoder stays dark


class PictureEncoder(Protocol):
    """Encodes one stream of pictures."""

    def encode(self, image: NDArray[np.uint8], stamp_ns: int, key: bool) -> CodedPicture:
        """Encode a picture, (H, W, 3) uint8 RGB with even sides; `key` makes it decodable without earlier ones."""
        ...


class VideoEncoder:
    """H.264 or VP8 without delay: one picture in, one packet out.

    Args:
        codec: "h264" or "vp8".
        kbit_s: mean bit rate, in kbit/s.
    """

    def __init__(self, codec: Codec, kbit_s: int) -> None:
        self._codec, self._kbit_s = codec, kbit_s
        self._context: Any = None
        self._number = 0

    def encode(self, image: NDArray[np.uint8], stamp_ns: int, key: bool) -> CodedPicture:
        """Encode a picture; a change of size begins a new stream."""
        height, width, _ = image.shape
        if self._context is None or (self._context.width, self._context.height) != (width, height):
            self._context = self._open(width, height)
        frame = av.VideoFrame.from_ndarray(cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420), format="yuv420p")
        frame.pts = self._number
        frame.pict_type = PictureType.I if key else PictureType.NONE
        self._number += 1
        packets = self._context.encode(frame)
        return CodedPicture(
            stamp_ns,
            self._number,
            width,
            height,
            any(packet.is_keyframe for packet in packets),
            b"".join(bytes(packet) for packet in packets),
        )

    def _open(self, width: int, height: int) -> Any:
        context: Any = av.CodecContext.create("libx264" if self._codec == "h264" else "libvpx", "w")
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        context.time_base, context.framerate = Fraction(1, FPS), Fraction(FPS)
        context.bit_rate, context.gop_size, context.thread_count = self._kbit_s * 1000, _KEY_EVERY_S * FPS, 1
        # a picture may use four times its share of bits, so that key pictures look good
        buffer = {"maxrate": f"{self._kbit_s}k", "bufsize": f"{self._kbit_s * 4 // FPS}k"}
        context.options = (
            {"preset": "superfast", "tune": "zerolatency", "profile": "baseline", "forced-idr": "1", **buffer}
            if self._codec == "h264"
            else {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "error-resilient": "0", **buffer}
        )
        return context


class JpegEncoder:
    """JPEG, for browsers without WebCodecs and pages outside a secure context.

    Args:
        quality: JPEG quality, 1 to 100.
    """

    def __init__(self, quality: int) -> None:
        self._quality, self._number = quality, 0

    def encode(self, image: NDArray[np.uint8], stamp_ns: int, key: bool) -> CodedPicture:
        """Encode a picture; each is a key picture."""
        height, width, _ = image.shape
        self._number += 1
        data = simplejpeg.encode_jpeg(np.ascontiguousarray(image), quality=self._quality, colorsubsampling="420")
        return CodedPicture(stamp_ns, self._number, width, height, key=True, data=data)


def open_encoder(codec: Codec, kbit_s: int, jpeg_quality: int) -> PictureEncoder:
    """Open the encoder for a codec."""
    return JpegEncoder(jpeg_quality) if codec == "jpeg" else VideoEncoder(codec, kbit_s)
