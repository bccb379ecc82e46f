# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Files -> the standard topics, with honest stamps, on the node's clock."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy")
from avatar_forcing_ros.msg import AudioChunk
from sensor_msgs.msg import CompressedImage, Image

from avatar_forcing_ros.files.movies import MovieWriter
from avatar_forcing_ros.nodes.audio_messages import AudioReader
from avatar_forcing_ros.nodes.conversions import compressed_to_rgb, to_rgb
from avatar_forcing_ros.nodes.media_source_node import MediaSourceNode
from avatar_forcing_ros.nodes.ros_time import stamp_ns
from avatar_forcing_ros.nodes.testing import TestGraph
from avatar_forcing_ros.testing import speech_like

pytestmark = pytest.mark.ros

SOUND = speech_like(0.4)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten pictures of growing brightness, and a voice."""
    path = tmp_path_factory.mktemp("video") / "ten.mp4"
    with MovieWriter(path, 32, 32, quality=0) as movie:
        for n in range(10):
            movie.write_image(np.full((32, 32, 3), 20 * n, np.uint8))
        movie.write_sound(SOUND)
    return path


@pytest.fixture
def graph():
    with TestGraph() as graph:
        yield graph


def test_a_video_comes_whole_and_in_time_with_its_sound(graph: TestGraph, video: Path) -> None:
    node = graph.add(MediaSourceNode, video=str(video))
    images, sound = graph.listen(Image, "camera/image_raw"), graph.listen(AudioChunk, "user_audio")

    graph.spin_until(node.finished.done)
    graph.spin_until(lambda: len(images) == 10 and len(sound) >= 10)

    stamps = [stamp_ns(message.header.stamp) for message in images]
    chunks = [AudioReader("AudioChunk").read(message) for message in sound]
    np.testing.assert_allclose(np.diff(stamps), 40_000_000, atol=1000)
    assert chunks[0].stamp_ns == pytest.approx(stamps[0], abs=1000)
    assert [chunk.seq for chunk in chunks] == list(range(len(chunks)))
    assert to_rgb(images[9]).mean() == pytest.approx(180, abs=4)
    heard = np.concatenate([chunk.samples for chunk in chunks])
    assert np.corrcoef(heard[: len(SOUND)], SOUND)[0, 1] > 0.9
    assert node.finished.result() == 0


def test_a_video_comes_compressed_for_readers_elsewhere(graph: TestGraph, video: Path) -> None:
    node = graph.add(MediaSourceNode, video=str(video), compressed=True)
    images, _ = graph.listen(CompressedImage, "camera/image_raw/compressed"), graph.listen(AudioChunk, "user_audio")

    graph.spin_until(node.finished.done)
    graph.spin_until(lambda: len(images) == 10)

    assert compressed_to_rgb(images[9]).mean() == pytest.approx(180, abs=4)
    assert len(images[9].data) < 4000


def test_nothing_is_sent_before_somebody_listens(graph: TestGraph, video: Path) -> None:
    graph.add(MediaSourceNode, video=str(video), audio=str(video))
    images = graph.listen(Image, "camera/image_raw")

    graph.spin(1.5)
    assert not images

    graph.listen(AudioChunk, "user_audio")
    graph.spin_until(lambda: len(images) == 10)


def test_simulated_time_rules_the_sending(graph: TestGraph, video: Path) -> None:
    graph.add(MediaSourceNode, video=str(video), audio=str(video), wait_for_readers=False, use_sim_time=True)
    images = graph.listen(Image, "camera/image_raw")
    graph.spin(0.3)
    assert not images, "time has not begun"
    graph.set_clock(1_000_000_000)
    graph.spin_until(lambda: images)
    graph.spin(0.3)
    assert len(images) == 1 and stamp_ns(images[0].header.stamp) == 1_000_000_000, "it began with the clock"
    for step in range(1, 12):
        graph.set_clock(1_000_000_000 + step * 40_000_000)
    graph.spin_until(lambda: len(images) >= 9)


@pytest.mark.parametrize(
    "parameters",
    [
        pytest.param({}, id="nothing to send"),
        pytest.param({"video": "/no/such/video.mp4"}, id="no such file"),
        pytest.param({"video": __file__}, id="not a video"),
        pytest.param({"audio": __file__}, id="not a sound"),
        pytest.param({"webcam": 99}, id="no such camera"),
        pytest.param({"repeat": "sometimes"}, id="no such way to repeat"),
        pytest.param({"audio": "a", "microphone": True}, id="two voices"),
    ],
)
def test_what_cannot_be_sent_refuses_the_start(graph: TestGraph, parameters: dict) -> None:
    with pytest.raises(AssertionError, match="media_source did not start"):
        graph.add(MediaSourceNode, **parameters)
