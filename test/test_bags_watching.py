# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Pictures become the user's motion: what cannot be read is counted; an encoder that fails leaves no bag behind."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avatar_forcing_ros.avatar import Avatar, AvatarConfig
from avatar_forcing_ros.bags.bag import BagReader, BagWriter
from avatar_forcing_ros.bags.inputs import MOTION, read_inputs, survey
from avatar_forcing_ros.bags.offline import Replayed, replay
from avatar_forcing_ros.bags.watching import watch
from avatar_forcing_ros.motion.space import MotionSpace
from avatar_forcing_ros.signals import MotionSample, VideoFrame
from avatar_forcing_ros.testing import BarsEncoder, BarsSpace, tiny_bundle
from avatar_forcing_ros.testing.bags import camera, conversation, write_bag

SIDE = 64


class ShortSighted(BarsEncoder):
    """Its tracker breaks down at the fifth picture."""

    seen = 0

    def encode(self, frame: VideoFrame) -> MotionSample:
        self.seen += 1
        if self.seen == 5:
            raise RuntimeError("the tracker broke down")
        return super().encode(frame)


class ShortSightedSpace(BarsSpace):
    def make_encoder(self) -> BarsEncoder:
        return ShortSighted()


def played(bag: Path, output: Path, space: MotionSpace) -> Replayed:
    with BagReader(bag) as source:
        portrait = np.full((SIDE, SIDE, 3), 90, np.uint8)
        avatar = Avatar(replace(tiny_bundle(), space=space), portrait, AvatarConfig(image_size=SIDE))
        return replay(source, survey(source), BagWriter(output), avatar, "")


def test_motion_stands_where_its_picture_stood(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "in", conversation(with_camera=True))
    refused: list[str] = []
    with BagReader(bag) as source:
        inputs = survey(source).inputs
        before = list(read_inputs(source, inputs))
        after = list(watch(before, source.types, BarsSpace(), lambda name, _error: refused.append(name)))
        assert not refused
        for old, new in zip(before, after, strict=True):
            is_picture = old.name == "camera/image_raw"
            assert new.name == (MOTION if is_picture else old.name)
            assert (new.time_ns, new.header_ns) == (old.time_ns, old.header_ns)
            assert is_picture or new is old


def test_pictures_that_cannot_be_read_are_counted_and_the_others_seen(tmp_path: Path) -> None:
    sent = list(camera(0.6))
    sent[3].message.encoding = "unheard of"
    sent[5].message.header.stamp.sec = sent[5].message.header.stamp.nanosec = 0
    result = played(write_bag(tmp_path / "in", sent), tmp_path / "out", BarsSpace())
    assert result.refused == {"camera/image_raw": 2}
    assert "unheard of" in result.reasons["camera/image_raw"]
    with BagReader(tmp_path / "out") as bag:
        assert bag.counts()["/user_motion"] == len(sent) - 2


def test_an_encoder_that_fails_ends_the_replay_without_a_bag(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "in", list(camera(1.0)))
    with pytest.raises(RuntimeError, match="the tracker broke down"):
        played(bag, tmp_path / "out", ShortSightedSpace())
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(("reading", "drawing"))]
