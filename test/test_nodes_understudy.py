# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A real generator and its understudy in one graph: who is on stage, and what becomes of speech."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy")

from avatar_forcing_ros.msg import AudioChunk, AvatarState, FrameInfo, PlaybackEvent

from avatar_forcing_ros import signals
from avatar_forcing_ros.files.resources import default_portrait
from avatar_forcing_ros.nodes.audio_messages import from_chunk
from avatar_forcing_ros.nodes.generator_node import GeneratorNode
from avatar_forcing_ros.nodes.ros_time import stamp_ns
from avatar_forcing_ros.nodes.testing import TestGraph
from avatar_forcing_ros.nodes.understudy_node import UnderstudyNode
from avatar_forcing_ros.testing import speech_like, tiny_bundle
from avatar_forcing_ros.understudy.painter import PaintedFace

pytestmark = pytest.mark.ros
FINAL = (PlaybackEvent.FINISHED, PlaybackEvent.INTERRUPTED)


def test_the_understudy_steps_in_and_ends_what_the_generator_can_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with TestGraph() as graph:
        understudy = graph.add(UnderstudyNode, image_size=64)
        infos = graph.listen(FrameInfo, "avatar/frame_info")
        states = graph.listen(AvatarState, "avatar/state", latched=False)
        events = graph.listen(PlaybackEvent, "avatar/playback")
        graph.spin_until(lambda: infos)
        assert infos[0].on_stage == FrameInfo.UNDERSTUDY
        assert infos[0].ai_generated
        assert understudy.count_publishers("user_activity") == 0  # it sees no user

        found = understudy._shows.readers
        understudy._shows.readers = lambda: tuple(1 + count for count in found())  # somebody sees the understudy only
        generator = graph.add(
            GeneratorNode,
            {"open_model": lambda *_: tiny_bundle()},
            avatar__image_size=64,
            user_audio__kind="AudioChunk",
            understudy=True,
        )
        graph.spin_until(lambda: understudy._role is not None)
        graph.spin(1.0)
        assert infos[-1].on_stage == FrameInfo.UNDERSTUDY
        understudy._shows.readers = found
        graph.spin_until(lambda: infos[-1].on_stage == FrameInfo.LEADER)
        replaced = PaintedFace(Path(default_portrait()), 64)
        understudy._faces._retired.append(replaced)
        graph.spin_until(lambda: replaced._process.poll() is not None)  # its process does not wait for the next turn
        chunk = signals.AudioChunk(None, speech_like(20.0), 16_000, "long", 0, True)
        graph.send(AudioChunk, "speech", from_chunk(chunk))
        graph.spin_until(lambda: any(event.event == PlaybackEvent.STARTED for event in events))

        generator.on_deactivate(None)
        graph.spin_until(lambda: infos[-1].on_stage == FrameInfo.UNDERSTUDY)
        graph.spin_until(lambda: any(event.event in FINAL for event in events))
        graph.spin(0.5)

        endings = [event for event in events if event.event in FINAL]
        assert [(event.utterance_id, event.event) for event in endings] == [("long", PlaybackEvent.INTERRUPTED)]
        assert 0 <= endings[0].position.sec < 20
        assert "understudy" in states[-1].detail
        assert states[-1].on_stage == AvatarState.UNDERSTUDY
        assert understudy.faults.count == 0, understudy.faults.last


def test_a_painter_that_hangs_leaves_its_last_picture_and_another_one_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with TestGraph() as graph:
        understudy = graph.add(UnderstudyNode, image_size=64)
        infos = graph.listen(FrameInfo, "avatar/frame_info")
        graph.spin_until(lambda: isinstance(understudy._faces.now, PaintedFace))
        painter, came = understudy._faces.now, len(infos)
        os.kill(painter._process.pid, signal.SIGSTOP)
        graph.spin_until(lambda: understudy._faces.now is not painter)
        graph.spin_until(lambda: isinstance(understudy._faces.now, PaintedFace))
        stamps = [stamp_ns(info.header.stamp) for info in infos[came:]]
        assert max(np.diff(stamps)) < 900_000_000  # who waits for the painter waits a second; busy machines take half
        assert "the understudy's painter hangs and is killed" in understudy.faults.last


def test_a_portrait_that_cannot_be_animated_stays_a_picture_that_breathes(tmp_path: Path) -> None:
    path = tmp_path / "wall.png"
    cv2.imwrite(str(path), np.full((96, 96, 3), 200, np.uint8))
    face = PaintedFace(path, 64)
    with pytest.raises(ValueError, match="no face found"):
        face.load()


def test_the_understudy_is_there_before_anything_heavy_is_loaded() -> None:
    heavy = ("torch", "scipy", "numba", "onnxruntime")
    look = f"import sys, avatar_forcing_ros.nodes.understudy_node; print(*[n for n in {heavy} if n in sys.modules])"
    assert subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout.split() == []
