# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What strangers send has limits, which are checked before anything is unpacked or kept, and can be set."""

from __future__ import annotations

import argparse
import io
import os
import struct
import sys
import time
import zlib
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from PIL import Image

from avatar_forcing_ros.avatar import Avatar, AvatarConfig
from avatar_forcing_ros.bags.bag import BagError, BagReader
from avatar_forcing_ros.bags.mending import BagLimits, unpacked_message
from avatar_forcing_ros.bundle import BundleError, read_manifest
from avatar_forcing_ros.commands import arguments
from avatar_forcing_ros.files.media import MediaError, read_audio
from avatar_forcing_ros.files.pictures import PictureLimits, read_image, sha256_of_pixels
from avatar_forcing_ros.files.resources import resource
from avatar_forcing_ros.messages.images import compressed_to_rgb
from avatar_forcing_ros.messages.images import read_image as read_message
from avatar_forcing_ros.portraits.consent import Consent, ConsentError, open_portrait
from avatar_forcing_ros.session.errors import MOST_LETTERS, one_line
from avatar_forcing_ros.signals import AudioChunk
from avatar_forcing_ros.testing import tiny_bundle
from avatar_forcing_ros.timeline.playback import Playback
from avatar_forcing_ros.timeline.speech import SpeechTimeline
from avatar_forcing_ros.timeline.waiting import SpeechLimits

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MS = 1_000_000


def timeline(**limits: int) -> SpeechTimeline:
    return SpeechTimeline(160 * MS, 40 * MS, 320 * MS, SpeechLimits(**limits))


def said(seconds: float, who: str = "a", seq: int = 0, end: bool = False, stamp_ns: int | None = None) -> AudioChunk:
    return AudioChunk(stamp_ns, np.full(int(16_000 * seconds), 0.1, np.float32), 16_000, who, seq, end)


def test_speech_without_end_is_refused_when_so_much_waits_and_taken_again_later() -> None:
    speech = timeline(waiting_s=5)
    for seq in range(10):
        speech.push(said(1.0, seq=seq), 0)
    frames, events = speech.take(0, 4, 0)
    refused = [event for event in events if event.kind is Playback.REFUSED]
    assert len(refused) == 1  # told once
    assert "at most 5 s of speech to wait" in refused[0].reason
    heard = sum(len(frame.samples) for frame in frames)
    for block in range(1, 60):
        heard += sum(abs(frame.samples).sum() > 0 for frame in speech.take(4 * block, 4, block * 160 * MS)[0]) * 640
    assert heard == pytest.approx(5 * 16_000, abs=1300)
    speech.push(said(1.0, "b", end=True), 10**10)
    assert any(frame.utterance_id == "b" for frame in speech.take(400, 4, 10**10 + MS)[0])


def test_speech_that_is_stamped_far_ahead_counts_too() -> None:
    speech = timeline(waiting_s=5)
    for seq in range(100):
        speech.push(said(1.0, seq=seq, stamp_ns=10**15 + seq * 10**9), 0)
    assert len(speech._waiting.items) == 5


def test_only_so_many_utterances_wait_but_those_that_do_go_on() -> None:
    speech = timeline(utterances=3)
    for number in range(6):
        speech.push(said(0.5, f"u{number}", end=False), number)
    speech.push(said(0.5, "u2", seq=1, end=True), 10)
    _, events = speech.take(0, 100, 10**9)
    assert [event.utterance_id for event in events if event.kind is Playback.REFUSED] == ["u3", "u4", "u5"]
    assert {event.utterance_id for event in events if event.kind is Playback.STARTED} == {"u0", "u1", "u2"}
    speech.withdraw("u0", 20)
    assert not speech._waiting._chunks_of and not speech._waiting._duration_ns


def test_thousands_of_small_pieces_at_once_stop_nobody() -> None:
    speech = timeline(waiting_s=0)
    pieces = [said(0.05, seq=seq) for seq in range(8000)]
    began = time.process_time()
    for piece in pieces:
        speech.push(piece, 0)
    speech.take(0, 4, 0)
    assert time.process_time() - began < 4.0  # it was a minute
    assert len(speech._queue[0].samples) > 399 * 16_000


def test_a_user_s_sound_of_minutes_in_one_piece_is_refused() -> None:
    avatar = Avatar(tiny_bundle(), np.full((8, 8, 3), 90, np.uint8), AvatarConfig(image_size=16))
    avatar.start(0)
    with pytest.raises(ValueError, match="in pieces of at most 10 s, got 60 s"):
        avatar.push_user_audio(said(60.0, stamp_ns=0))


def test_a_picture_file_of_too_many_bytes_or_pixels_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "face.png"
    Image.fromarray(np.zeros((300, 300, 3), np.uint8)).save(path)
    assert read_image(path, PictureLimits(pixels=90_000)).shape == (300, 300, 3)
    with pytest.raises(MediaError, match="at most 89999 pixels, got 300x300"):
        read_image(path, PictureLimits(pixels=89_999))
    with pytest.raises(MediaError, match="at most 100 bytes, got more"):
        read_image(path, PictureLimits(bytes=100))


def test_a_decompression_bomb_costs_nothing(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.png"
    size = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)  # eleven gigabytes of black
    parts = {b"IHDR": size, b"IDAT": zlib.compress(bytes(10_000_000), 9), b"IEND": b""}
    chunks = (struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in parts.items())
    bomb.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    with pytest.raises(MediaError, match="at most 200000000 pixels"):
        read_image(bomb)
    message = SimpleNamespace(data=bomb.read_bytes(), format="png")
    with pytest.raises(ValueError, match="at most 50000000 pixels"):
        compressed_to_rgb(message)


def test_a_camera_s_picture_may_be_limited() -> None:
    content = io.BytesIO()
    Image.fromarray(np.zeros((100, 100, 3), np.uint8)).save(content, "JPEG")
    jpeg = SimpleNamespace(data=content.getvalue(), format="jpeg")
    assert read_message(jpeg, 10_000).shape == (100, 100, 3)
    with pytest.raises(ValueError, match="at most 9999 pixels"):
        read_message(jpeg, 9_999)
    raw = SimpleNamespace(height=100, width=100, step=300, encoding="rgb8", is_bigendian=0, data=bytes(30_000))
    assert read_message(raw, 10_000).shape == (100, 100, 3)
    with pytest.raises(ValueError, match="at most 9999 pixels, got 100x100"):
        read_message(raw, 9_999)


@pytest.fixture
def portraits(tmp_path: Path) -> Path:
    """A folder with one good portrait, and one beside it that does not lie in there."""
    folder = tmp_path / "portraits"
    folder.mkdir()
    for path in (folder / "inside.png", tmp_path / "outside.png"):
        pixels = np.full((64, 64, 3), 90, np.uint8)
        Image.fromarray(pixels).save(path)
        said = Consent("Nobody", "drawn", "CC0-1.0", synthetic=True, sha256_pixels=sha256_of_pixels(pixels))
        said.write(path.with_name(f"{path.name}.yaml"))
    return folder


def test_a_portrait_must_lie_in_its_folder_whatever_its_name_says(portraits: Path) -> None:
    assert open_portrait(portraits / "inside.png", folder=portraits).path.name == "inside.png"
    (portraits / "link.png").symlink_to(portraits.parent / "outside.png")
    (portraits / "loop.png").symlink_to(portraits / "loop.png")
    for name in ("../outside.png", "../portraits/../outside.png", "link.png", "/etc/passwd", "loop.png", "a\0b"):
        with pytest.raises((ConsentError, MediaError)) as caught:
            open_portrait(portraits / name, folder=portraits)
        assert "\n" not in str(caught.value)
    assert open_portrait(portraits / "link.png").path.name == "outside.png"  # without a folder it may lie anywhere


def test_pipes_and_devices_are_no_portraits(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero"), tmp_path):
        with pytest.raises(MediaError, match=r"got a (pipe or a device|folder)"):
            open_portrait(path)


def test_an_option_that_names_a_device_that_gives_nothing_is_refused() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="/dev/null: expected a file"):
        arguments.input_file("/dev/null")


def test_an_option_that_names_a_pipe_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arguments, "MOST_PIPED", 5_000_000)
    with pytest.raises(argparse.ArgumentTypeError, match="at most 5000000 bytes, got more"):
        arguments.input_file("/dev/zero")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("model.safetensors:", "../../model.safetensors:", "weights must be files in the bundle's folder"),
        ("model.safetensors:", "/etc/passwd:", "weights must be files in the bundle's folder"),
        ("motion_space: facemesh", "motion_space: !!python/object/apply:os.system [ls]", "could not determine"),
    ],
)
def test_a_stranger_s_model_reads_nothing_outside_its_folder_and_runs_nothing(
    old: str, new: str, said: str, tmp_path: Path
) -> None:
    text = resource("models", "facemesh", "model.yaml").read_text()
    assert old in text
    (tmp_path / "model.yaml").write_text(text.replace(old, new))
    with pytest.raises(BundleError, match=said) as caught:
        read_manifest(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_stranger_s_text_without_end_does_not_fill_the_log() -> None:
    assert len(one_line(ValueError("x" * 1_000_000))) <= MOST_LETTERS
    assert one_line(ValueError("short\nwords")) == "short words"


def test_a_compressed_bag_that_unpacks_to_more_than_it_may_is_refused(tmp_path: Path) -> None:
    # 64 MB of zeros in 2 kB, as a file of a bag and as a message
    bomb = zstd.compress(bytes(64 << 20))
    folder = tmp_path / "bag"
    folder.mkdir()
    (folder / "bag_0.db3.zstd").write_bytes(bomb)
    for path in (folder, folder / "bag_0.db3.zstd"):
        with pytest.raises(BagError, match=r"bag_0.db3.zstd: expected a file of at most 1048576 bytes unpacked"):
            BagReader(path, BagLimits(bytes=1 << 20))
    with pytest.raises(ValueError, match="expected messages of at most 1048576 bytes unpacked"):
        unpacked_message(bomb, BagLimits(message_bytes=1 << 20))
    assert len(unpacked_message(bomb, BagLimits())) == 64 << 20
    with pytest.raises(ValueError, match="is truncated"):
        unpacked_message(bomb[:-9], BagLimits())


def test_sound_longer_than_it_may_be_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "long.flac"  # twenty minutes of silence in some kilobytes
    with av.open(str(path), "w") as file:
        stream = file.add_stream("flac", rate=8000, layout="mono")
        for second in range(20 * 60):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), format="s16", layout="mono")
            frame.rate, frame.pts = 8000, 8000 * second
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    assert path.stat().st_size < 1_000_000
    with pytest.raises(MediaError, match=r"long.flac: expected at most 60 s of sound, got more"):
        read_audio(path, most_s=60)
