# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Binary messages on a page's WebSocket: pictures and speech to the page, camera and microphone from it.

Little endian, with a header of 24 bytes followed by the data. All other messages are JSON (`server.py`).

| bytes | to the page | from the page |
|---|---|---|
| 0 | kind: 1 picture, 2 speech | kind: 3 camera, 4 microphone |
| 1 | picture: 1 if it can be decoded without earlier ones | 0 |
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
"""Longest chunk of a microphone's sound, in seconds."""


class PacketError(ValueError):
    """A page sent an invalid message; the error says what was expected and what came."""


@dataclass(frozen=True)
class CodedPicture:
    """An encoded picture.

    Attributes:
        stamp_ns: presentation time.
        number: number of the picture in its encoder's stream.
        width: width in pixels.
        height: height in pixels.
        key: whether it can be decoded without earlier ones.
        data: output of the encoder.
    """

    stamp_ns: int
    number: int
    width: int
    height: int
    key: bool
    data: bytes

    def pack(self) -> bytes:
        """The message for a page."""
        return _HEAD.pack(PICTURE, self.key, self.width, self.height, self.stamp_ns, self.number) + self.data


@dataclass(frozen=True)
class CameraPicture:
    """A picture from a page's camera: a JPEG, its size and the time of its exposure."""

    stamp_ns: int
    width: int
    height: int
    jpeg: bytes


def pack_speech(chunk: AudioChunk) -> bytes:
    """The message for a page with a stamped chunk of the avatar's voice, as 16-bit samples."""
    assert chunk.stamp_ns is not None
    return _HEAD.pack(SPEECH, 0, 0, chunk.sample_rate, chunk.stamp_ns, 0) + to_int16(chunk.samples).tobytes()


def unpack(data: bytes) -> CameraPicture | AudioChunk:
    """Read a message from a page.

    Raises:
        PacketError: it is damaged, or neither a camera's picture nor a microphone's sound.
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
    """Width and height of a JPEG, read from its header without decoding it.

    Raises:
        PacketError: it is not a JPEG.
    """
    position = 2
    if data[:2] == b"\xff\xd8":
        while position + 9 <= len(data) and data[position] == 0xFF:
            marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4], "big")
            # Source: ITU-T T.81, table B.1: the starts of frame; C4, C8 and CC are other markers.
            if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
                height, width = struct.unpack_from(">HH", data, position + 5)
                if width and height:
                    return width, height
                break
            position += 2 + max(length, 2)
    raise PacketError(f"expected a JPEG picture, got {len(data)} bytes that begin with {data[:4].hex()}")
