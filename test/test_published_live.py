# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A bundle of the published architecture, small and with random weights, imported and run live through real nodes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("transformers", reason="transformers is not here: requirements/published.txt")
pytest.importorskip("rclpy")
from avatar_forcing_ros.msg import FrameInfo, MotionLatents
from sensor_msgs.msg import Image

from avatar_forcing_ros import signals
from avatar_forcing_ros.audio.wav2vec2 import Wav2Vec2Sizes
from avatar_forcing_ros.files.pictures import read_image
from avatar_forcing_ros.files.resources import default_portrait
from avatar_forcing_ros.motion.autoencoder.config import AutoencoderConfig
from avatar_forcing_ros.network.config import NetworkConfig
from avatar_forcing_ros.nodes.conversions import from_rgb, to_rgb
from avatar_forcing_ros.nodes.generator_node import GeneratorNode
from avatar_forcing_ros.nodes.motion_extraction_node import MotionExtractionNode
from avatar_forcing_ros.nodes.ros_time import stamp_ns, to_stamp
from avatar_forcing_ros.nodes.testing import TestGraph
from avatar_forcing_ros.published.importing import PublishedSizes, import_weights
from avatar_forcing_ros.testing import write_published_files

pytestmark = pytest.mark.ros

LATENT, BLOCK = 32, 10
SIZES = PublishedSizes(
    NetworkConfig(
        motion_size=LATENT,
        audio_feature_size=48,
        condition_size=16,
        hidden_size=32,
        heads=2,
        depth=2,
        block_frames=BLOCK,
    ),
    AutoencoderConfig(image_size=64, latent_size=LATENT, widest=16),
    Wav2Vec2Sizes(16, 3, 2, 24, 8, 8, 2),
)
FRAME_NS = 40_000_000
START_NS = 1_000 * signals.NANOSECONDS


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    return import_weights(write_published_files(folder, SIZES), folder / "bundle", SIZES)


@pytest.fixture
def graph():
    with TestGraph() as graph:
        yield graph


class Stage:
    """A generator with the bundle on simulated time, and what it publishes."""

    def __init__(self, graph: TestGraph, bundle: Path) -> None:
        self.graph, self.now_ns = graph, START_NS
        parameters = {"model": str(bundle), "avatar__image_size": 64, "user_audio__kind": "AudioChunk"}
        graph.add(GeneratorNode, use_sim_time=True, **parameters)
        self.pictures, self.infos = (
            graph.listen(Image, "avatar/image_raw"),
            graph.listen(FrameInfo, "avatar/frame_info"),
        )
        graph.set_clock(self.now_ns)

    def play(self, frames: int) -> None:
        """Let frames pass; once the first has come, each is waited for."""
        for _ in range(frames):
            self.now_ns += FRAME_NS
            self.graph.set_clock(self.now_ns)
            if self.infos and stamp_ns(self.infos[-1].header.stamp) >= self.now_ns - 2 * FRAME_NS:
                self.graph.spin_until(lambda: stamp_ns(self.infos[-1].header.stamp) >= self.now_ns)
            else:
                self.graph.spin(0.1)

    def colourful(self) -> bool:
        """Every picture has its size and is not of one colour, as a black one is."""
        images = [to_rgb(picture) for picture in self.pictures]
        return all(image.shape == (64, 64, 3) and np.ptp(image) > 0 for image in images)


def test_a_camera_picture_becomes_twenty_coefficients_and_they_move_the_avatar(graph: TestGraph, bundle: Path) -> None:
    """Camera in, pictures out, hour after hour is the promise; here it is two blocks."""
    graph.add(MotionExtractionNode, model=str(bundle))
    stage = Stage(graph, bundle)
    seen, motion = graph.listen(MotionLatents, "user_motion"), graph.listen(MotionLatents, "avatar/motion")
    graph.send(Image, "camera/image_raw", from_rgb(read_image(default_portrait()), to_stamp(START_NS)))
    graph.spin_until(lambda: seen)
    assert seen[0].valid
    assert seen[0].motion_space == "autoencoder"
    assert len(seen[0].latent) == SIZES.autoencoder.coefficients == 20
    stage.play(3 * BLOCK)
    assert any(stamp_ns(info.user_motion_until) == START_NS for info in stage.infos)
    assert {len(message.latent) for message in motion} == {LATENT}
    assert len(stage.pictures) >= BLOCK
    assert stage.colourful()


def test_a_machine_that_is_far_too_slow_shows_the_present_and_never_black(graph: TestGraph, bundle: Path) -> None:
    """Time leaps four seconds ahead of the generator: what is lost is given up, what comes is of now."""
    stage = Stage(graph, bundle)
    stage.play(2 * BLOCK)
    for leaps in (1, 2):
        stage.now_ns += 4 * signals.NANOSECONDS
        after_ns = stage.now_ns
        stage.play(2 * BLOCK)
        assert stamp_ns(stage.infos[-1].header.stamp) > after_ns
        assert stage.infos[-1].epoch == leaps
    assert stage.colourful()
