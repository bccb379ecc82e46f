# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What goes over a page's socket as bytes arrives as it was, and what makes no sense is refused in words."""

from __future__ import annotations

import contextlib
import struct

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avatar_forcing_ros.signals import AudioChunk
from avatar_forcing_ros.web.encoding import CODECS, open_encoder
from avatar_forcing_ros.web.packets import (
    CAMERA,
    MICROPHONE,
    CameraPicture,
    PacketError,
    jpeg_size,
    pack_speech,
    unpack,
)

STAMP_NS = 1_795_979_129_123_456_789


def packet(kind: int, rate: int, body: bytes, stamp_ns: int = STAMP_NS) -> bytes:
    return struct.pack("<BBHIqQ", kind, 0, 0, rate, stamp_ns, 0) + body


def jpeg(width: int, height: int) -> bytes:
    noise = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    return cv2.imencode(".jpg", noise)[1].tobytes()


def test_a_camera_picture_keeps_stamp_size_and_bytes() -> None:
    data = jpeg(320, 240)
    assert unpack(packet(CAMERA, 0, data)) == CameraPicture(STAMP_NS, 320, 240, data)


def test_a_microphone_keeps_stamp_rate_and_samples() -> None:
    samples = np.array([0, 16384, -32768], "<i2")
    chunk = unpack(packet(MICROPHONE, 48_000, samples.tobytes()))
    assert isinstance(chunk, AudioChunk)
    assert (chunk.stamp_ns, chunk.sample_rate, chunk.samples.tolist()) == (STAMP_NS, 48_000, [0, 0.5, -1])


def test_speech_goes_out_with_its_stamp_to_the_nanosecond() -> None:
    data = pack_speech(AudioChunk(STAMP_NS, np.array([0.5, -0.5], np.float32), 16_000))
    kind, _, _, rate, stamp_ns, _ = struct.unpack_from("<BBHIqQ", data)
    assert (kind, rate, stamp_ns) == (2, 16_000, STAMP_NS)
    assert np.frombuffer(data[24:], "<i2").tolist() == [16384, -16384]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "expected a head of 24 bytes and data, got 0 bytes"),
        (packet(CAMERA, 0, b"GIF89a"), "expected a JPEG picture, got 6 bytes that begin with 47494638"),
        (packet(CAMERA, 0, jpeg(2000, 8)), "at most 1920 pixels, got 2000x8"),
        (packet(MICROPHONE, 10, b"\0\0"), "8000 to 192000 samples a second, got 10"),
        (packet(MICROPHONE, 16_000, b"\0\0\0"), "16-bit samples, got 3 bytes"),
        (packet(MICROPHONE, 16_000, bytes(32_000)), "at most 0.5 s"),
        (packet(9, 0, b"x"), "expected a packet of kind 3 or 4, got 9"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(PacketError, match=reason):
        unpack(data)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([CAMERA, MICROPHONE, 0, 255]), st.integers(0, 2**32 - 1))
def test_no_bytes_whatever_raise_anything_else(body: bytes, kind: int, rate: int) -> None:
    for data in (body, packet(kind, rate, body), packet(CAMERA, 0, b"\xff\xd8" + body)):
        with contextlib.suppress(PacketError):
            unpack(data)


def test_the_size_is_found_behind_other_segments() -> None:
    data = jpeg(64, 32)
    comment = b"\xff\xfe" + struct.pack(">H", 300) + bytes(298)
    assert jpeg_size(data[:2] + comment + data[2:]) == (64, 32)


@pytest.mark.parametrize("codec", CODECS)
def test_every_picture_comes_out_at_once_and_a_key_picture_when_it_is_asked_for(codec: str) -> None:
    """Decoded, it is the picture that went in; none waits for the next one."""
    encoder = open_encoder(codec, 1500, 85)
    decoder = av.CodecContext.create({"h264": "h264", "vp8": "vp8", "jpeg": "mjpeg"}[codec], "r")
    rng = np.random.default_rng(1)
    soft = cv2.resize(rng.integers(0, 255, (8, 8, 3), np.uint8), (256, 256), interpolation=cv2.INTER_CUBIC)
    keys = []
    for number in range(12):
        image = np.roll(soft, 3 * number, axis=1)
        picture = encoder.encode(image, number, key=number in (0, 7))
        keys.append(picture.key)
        frames = decoder.decode(av.Packet(picture.data))
        assert len(frames) == 1, number
        off = np.abs(frames[0].to_ndarray(format="rgb24").astype(int) - image)
        assert off.mean() < 12 and (picture.width, picture.height, picture.stamp_ns) == (256, 256, number)
    assert keys == ([True] * 12 if codec == "jpeg" else [number in (0, 7) for number in range(12)])
