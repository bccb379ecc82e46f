# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What goes over a page's WebSocket as bytes: pictures and speech to the page, camera and microphone from it.

Little endian, a head of 24 bytes and the data behind it. Everything that is small is JSON text instead (`server.py`).

| bytes | to the page | from the page |
|---|---|---|
| 0 | kind: 1 picture, 2 speech | kind: 3 camera, 4 microphone |
| 1 | picture: 1 when it can be decoded without those before it | 0 |
| 2 to 3 | picture: width | 0 |
| 4 to 7 | picture: height; speech: sample rate | microphone: sample rate |
| 8 to 15 | int64: stamp, nanoseconds of ROS time | the same: exposure, first sample |
| 16 to 23 | uint64: number of the picture; epoch of the speech | 0 |
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.audio.pcm import to_int16, to_mono
from avatar_forcing_ros.signals import AudioChunk

PICTURE, SPEECH, CAMERA, MICROPHONE = 1, 2, 3, 4
_HEAD = struct.Struct("<BBHIqQ")
LARGEST_SIDE = 1920
"""Longest side of a camera's picture, in pixels."""
LONGEST_SOUND_S = 0.5
"""Longest piece of a microphone's sound."""


class PacketError(ValueError):
    """A page sent what it must not; the message says what was expected and what came."""


@dataclass(frozen=True)
class CodedPicture:
    """A picture as it is sent.

    Attributes:
        stamp_ns: its presentation time.
        number: counts the pictures of one encoder.
        width: in pixels.
        height: in pixels.
        key: it can be decoded without those before it.
        data: of the encoder.
    """

    stamp_ns: int
    number: int
    width: int
    height: int
    key: bool
    data: bytes

    def pack(self) -> bytes:
        """As bytes for a page."""
        return _HEAD.pack(PICTURE, self.key, self.width, self.height, self.stamp_ns, self.number) + self.data


@dataclass(frozen=True)
class CameraPicture:
    """A camera's picture from a page: a JPEG, its size and when it was taken."""

    stamp_ns: int
    width: int
    height: int
    jpeg: bytes


def pack_speech(chunk: AudioChunk) -> bytes:
    """A piece of the avatar's voice, which has a stamp, as bytes for a page: 16-bit samples."""
    assert chunk.stamp_ns is not None
    return _HEAD.pack(SPEECH, 0, 0, chunk.sample_rate, chunk.stamp_ns, 0) + to_int16(chunk.samples).tobytes()


def unpack(data: bytes) -> CameraPicture | AudioChunk:
    """What a page sent.

    Raises:
        PacketError: it is neither a camera's picture nor a microphone's sound, or damaged.
    """
    if len(data) <= _HEAD.size:
        raise PacketError(f"expected a head of {_HEAD.size} bytes and data, got {len(data)} bytes")
    kind, _, _, rate, stamp_ns, _ = _HEAD.unpack_from(data)
    body = data[_HEAD.size :]
    if kind == CAMERA:
        width, height = jpeg_size(body)
        if max(width, height) > LARGEST_SIDE:
            raise PacketError(f"expected a camera's picture of at most {LARGEST_SIDE} pixels, got {width}x{height}")
        return CameraPicture(stamp_ns, width, height, body)
    if kind == MICROPHONE:
        return AudioChunk(stamp_ns, _samples(body, rate), rate)
    raise PacketError(f"expected a packet of kind {CAMERA} or {MICROPHONE}, got {kind}")


def _samples(body: bytes, rate: int) -> NDArray[np.float32]:
    if not 8000 <= rate <= 192_000:
        raise PacketError(f"expected sound of 8000 to 192000 samples a second, got {rate}")
    if len(body) % 2 or len(body) > 2 * rate * LONGEST_SOUND_S:
        raise PacketError(f"expected at most {LONGEST_SOUND_S:g} s of 16-bit samples, got {len(body)} bytes at {rate}")
    return to_mono(np.frombuffer(body, "<i2"))


def jpeg_size(data: bytes) -> tuple[int, int]:
    """Width and height of a JPEG, read from its head; nothing is decoded.

    Raises:
        PacketError: it is no JPEG.
    """
    position = 2
    if data[:2] == b"\xff\xd8":
        while position + 9 <= len(data) and data[position] == 0xFF:
            marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4], "big")
            # Source: ITU-T T.81, table B.1: a start of frame, which C4, C8 and CC are not.
            if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
                height, width = struct.unpack_from(">HH", data, position + 5)
                if width and height:
                    return width, height
                break
            position += 2 + max(length, 2)
    raise PacketError(f"expected a JPEG picture, got {len(data)} bytes that begin with {data[:4].hex()}")
