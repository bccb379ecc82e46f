# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Senses that fail and come back: /diagnostics names each fault and nothing else, and forgets it, within 2 s.

Real nodes and the shipped model on simulated time: camera, microphone and clock are the test's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")

from avatar_forcing_ros.msg import AudioChunk, FrameInfo, MotionLatents
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from sensor_msgs.msg import Image

from avatar_forcing_ros import signals
from avatar_forcing_ros.files.pictures import read_image
from avatar_forcing_ros.files.resources import default_portrait
from avatar_forcing_ros.motion.facemesh.channels import NAMES
from avatar_forcing_ros.nodes.audio_messages import from_chunk
from avatar_forcing_ros.nodes.conversions import from_rgb
from avatar_forcing_ros.nodes.generator_node import GeneratorNode
from avatar_forcing_ros.nodes.motion_extraction_node import MotionExtractionNode
from avatar_forcing_ros.nodes.ros_time import stamp_ns, to_stamp
from avatar_forcing_ros.nodes.testing import TestGraph
from avatar_forcing_ros.signals import FPS, NANOSECONDS
from avatar_forcing_ros.testing import FilmedUser
from avatar_forcing_ros.timeline.grid import FRAME_NS, SAMPLE_RATE

pytestmark = [pytest.mark.ros, pytest.mark.simulated_time]
NAMED_S = GONE_S = 2.0
HOLDS_S = 2.4
RECOVERS_S = 2.4


@dataclass
class Senses(FilmedUser):
    """A user before camera and microphone, frame by frame; what is wrong with them is set from outside."""

    graph: TestGraph
    camera_every: int = 1
    camera_ahead_s: float = 0.0
    now_ns: int = 1_000 * NANOSECONDS
    frames: int = 0
    raised: list[tuple[float, str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(read_image(default_portrait()))
        self.graph.add(MotionExtractionNode, use_sim_time=True)
        self.generator = self.graph.add(
            GeneratorNode, use_sim_time=True, avatar__image_size=64, user_audio__kind="AudioChunk"
        )
        self.infos = self.graph.listen(FrameInfo, "avatar/frame_info")
        self.motion = self.graph.listen(MotionLatents, "avatar/motion")
        self.seen = self.graph.listen(MotionLatents, "user_motion")
        self.reports: list[DiagnosticArray] = self.graph.listen(DiagnosticArray, "/diagnostics")
        self.graph.set_clock(self.now_ns)

    def play(self, seconds: float) -> dict[str, list[tuple[float, str]]]:
        """Let time pass; which statuses were not well, when since the beginning, and what they said."""
        began_ns, first = self.now_ns, len(self.reports)
        for _ in range(round(seconds * FPS)):
            self._frame()
        bad: dict[str, list[tuple[float, str]]] = {}
        for report in self.reports[first:]:
            at_s = (stamp_ns(report.header.stamp) - began_ns) / NANOSECONDS
            for status in report.status:
                if status.level != DiagnosticStatus.OK and not status.name.endswith(": health"):
                    bad.setdefault(status.name, []).append((at_s, status.message))
        return bad

    def _frame(self) -> None:
        self.frames += 1
        seen = len(self.seen)
        sent = self.camera_every and self.frames % self.camera_every == 0
        if sent:
            stamp = to_stamp(self.now_ns + round(self.camera_ahead_s * NANOSECONDS))
            self.graph.send(Image, "camera/image_raw", from_rgb(self.picture(self.frames), stamp, "camera"))
        if self.microphone != "gone":
            chunk = signals.AudioChunk(self.now_ns - FRAME_NS, self.sound(0.02), SAMPLE_RATE)
            self.graph.send(AudioChunk, "user_audio", from_chunk(chunk))
        if sent:
            self.graph.spin_until(lambda: len(self.seen) > seen)
        self.now_ns += FRAME_NS
        self.graph.set_clock(self.now_ns)
        if self.infos:
            self.graph.spin_until(lambda: stamp_ns(self.infos[-1].header.stamp) >= self.now_ns)
        else:
            self.graph.spin(0.05)

    def largest_steps(self) -> dict[str, float]:
        """Of the avatar's motion from one frame to the next, by channel; none goes further than about 1."""
        latents = np.array([message.latent for message in self.motion])
        return dict(zip(NAMES, np.abs(np.diff(latents, axis=0)).max(0), strict=True))


@dataclass(frozen=True)
class Fault:
    """What becomes of camera or microphone, and which statuses must say so with which words."""

    senses: dict[str, Any]
    says: dict[str, str]


CAMERA, READER, MICROPHONE = "generator: camera", "motion_extraction: camera", "generator: microphone"
WELL = {"camera_every": 1, "camera_ahead_s": 0, "microphone": "well"}
FAULTS = {  # one of the camera and one of the microphone at a time
    "the camera is unplugged": Fault({"camera_every": 0}, {CAMERA: "has stopped", READER: "has stopped"}),
    "the microphone is muted": Fault({"microphone": "muted"}, {MICROPHONE: "is it muted"}),
    "the camera gives five pictures a second": Fault({"camera_every": 5}, {READER: "only 5 pictures"}),
    "the microphone is unplugged": Fault({"microphone": "gone"}, {MICROPHONE: "has stopped"}),
    "the camera's clock is three seconds ahead": Fault({"camera_ahead_s": 3}, {CAMERA: "ahead of"}),
    "the microphone clips": Fault({"microphone": "clips"}, {MICROPHONE: "clips"}),
}


@pytest.mark.slow
def test_each_fault_of_the_senses_is_named_and_nothing_else_and_goes_and_the_face_stays_calm() -> None:
    with TestGraph() as graph:
        senses = Senses(graph)
        senses.play(2.5)
        assert senses.play(2.0) == {}
        pairs = iter(FAULTS.items())
        for (of_camera, camera), (of_microphone, microphone) in zip(pairs, pairs, strict=True):
            name, says = (of_camera, of_microphone), camera.says | microphone.says
            vars(senses).update(camera.senses | microphone.senses)
            said = senses.play(HOLDS_S)
            vars(senses).update(WELL)
            rest = senses.play(RECOVERS_S)
            assert set(said) == set(says), name
            for status, words in says.items():
                assert all(words in line for _, line in said[status]), name
                assert said[status][0][0] <= NAMED_S, name
            assert set(rest) <= set(says), name
            assert all(at_s <= GONE_S for times in rest.values() for at_s, _ in times), (name, rest)

        senses.size = (640, 360)
        changed = senses.play(2.5)
        assert set(changed) == {READER} and "changed from 480x320 to 640x360" in changed[READER][0][1]
        assert changed[READER][-1][0] <= GONE_S
        senses.size, senses.people = (480, 320), 2
        senses.play(2.4)
        newest = [s for r in senses.reports[-4:] for s in r.status if s.name == "motion_extraction: health"][-1]
        assert "of 2 people the nearest is read" in newest.message
        steps = senses.largest_steps()
        quick = ("blink_right", "blink_left", "gaze_x", "gaze_y")  # a blink and a glance take two frames
        assert max(step for name, step in steps.items() if name not in quick) < 0.2, steps
