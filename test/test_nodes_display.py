# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the avatar shows and says ends in a file, at its stamps."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy")
from avatar_forcing_ros.msg import AudioChunk as AudioChunkMessage
from sensor_msgs.msg import CompressedImage, Image

from avatar_forcing_ros.files.media import read_audio, read_video
from avatar_forcing_ros.nodes.audio_messages import from_chunk
from avatar_forcing_ros.nodes.conversions import compressed_from_rgb, from_rgb
from avatar_forcing_ros.nodes.diagnostics import Level
from avatar_forcing_ros.nodes.display_node import DisplayNode
from avatar_forcing_ros.nodes.ros_time import to_stamp
from avatar_forcing_ros.nodes.testing import TestGraph
from avatar_forcing_ros.signals import AudioChunk
from avatar_forcing_ros.testing import speech_like

pytestmark = pytest.mark.ros

START_NS = 50_000_000_000
FRAME_NS = 40_000_000


def picture(red: int) -> np.ndarray:
    return np.full((64, 64, 3), (red, 40, 40), np.uint8)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_conversation_is_recorded_with_both_faces_and_voices(tmp_path: Path, compressed: bool) -> None:
    path = tmp_path / "out" / "talk.mp4"
    voice = speech_like(0.8)
    with TestGraph() as graph:
        node = graph.add(
            DisplayNode, output=str(path), recording__side=64, user_audio__kind="AudioChunk", compressed=compressed
        )
        assert len(node._subscriptions_active) == 4
        assert not any(graph._executor.can_execute(topic) for topic in node._subscriptions_active)  # it looks itself
        for n in range(20):
            stamp_ns = START_NS + n * FRAME_NS
            chunk = AudioChunk(stamp_ns, voice[n * 640 : (n + 1) * 640], 16_000, seq=n)
            if compressed:
                jpeg = [compressed_from_rgb(picture(red), to_stamp(stamp_ns)) for red in (200, 20)]
                graph.send(CompressedImage, "camera/image_raw/compressed", jpeg[0])
                graph.send(CompressedImage, "avatar/image_raw/compressed", jpeg[1])
            else:
                user = from_rgb(picture(200), to_stamp(stamp_ns), encoding="nv12")
                graph.send(Image, "camera/image_raw", user)
                graph.send(Image, "avatar/image_raw", from_rgb(picture(20), to_stamp(stamp_ns)))
            graph.send(AudioChunkMessage, "avatar/speech", from_chunk(chunk))
            graph.spin(0.01)
        graph.spin_until(lambda: node._shown == 20)
        told = node._health().values
        assert told["late_ms_p95"] >= told["late_ms_median"] > 1e9  # stamps of 1970

    frames, sound = list(read_video(path)), read_audio(path)
    assert len(frames) == 20
    assert frames[-1].time_s == pytest.approx(19 * 0.04, abs=0.002)
    assert frames[10].image[32, 32, 0] > 150 > 60 > frames[10].image[32, 96, 0]
    assert len(sound.samples) / sound.sample_rate == pytest.approx(0.8, abs=0.05)
    assert np.abs(sound.samples).max() > 0.05


def test_a_recording_without_pictures_is_an_error_not_an_empty_file(tmp_path: Path) -> None:
    with TestGraph() as graph:
        node = graph.add(DisplayNode, output=str(tmp_path / "talk.mp4"))
        graph.spin(0.1)
        graph._nodes.remove(node)
        graph._executor.remove_node(node)

        assert not node.close()
    assert list(tmp_path.iterdir()) == []


def test_without_screen_and_file_it_only_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    with TestGraph() as graph:
        node = graph.add(DisplayNode)
        assert not node.polls  # what is shown must not wait
        graph.send(Image, "avatar/image_raw", from_rgb(picture(20), to_stamp(START_NS)))
        graph.spin_until(lambda: node._shown == 1)


def test_a_folder_that_cannot_be_written_refuses_the_start() -> None:
    with TestGraph() as graph, pytest.raises(AssertionError, match="display did not start"):
        graph.add(DisplayNode, output="/proc/no/such/talk.mp4")


def test_a_recording_that_cannot_be_written_is_an_error_of_the_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk was full, and /diagnostics said that all was well."""
    with TestGraph() as graph:
        node = graph.add(DisplayNode, output=str(tmp_path / "talk.mp4"), user_audio__kind="AudioChunk")

        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(node._recorder, "add_avatar_picture", full)
        graph.send(Image, "avatar/image_raw", from_rgb(picture(20), to_stamp(START_NS)))
        graph.spin_until(lambda: node._health().level is Level.ERROR)
        assert node._health().message == "the recording cannot be written: [Errno 28] No space left on device"
