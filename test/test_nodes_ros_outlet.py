# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A picture that is shown again is not copied again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")

from avatar_forcing_ros.nodes.ros_outlet import publish_from
from avatar_forcing_ros.session.outlet import OutputConfig, Provenance, Shown
from avatar_forcing_ros.signals import AvatarFrame


class _Node:
    """Keeps what is published on avatar/image_raw, as a node that has a subscriber there only."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def advertise(self, message_type: type, topic: str, qos: object) -> SimpleNamespace:
        readers = int(topic == "avatar/image_raw")
        return SimpleNamespace(get_subscription_count=lambda: readers, publish=self.sent.append)

    def get_clock(self) -> SimpleNamespace:
        return SimpleNamespace(now=lambda: SimpleNamespace(nanoseconds=0))


def test_a_picture_that_is_shown_again_has_a_stamp_of_its_own_and_the_same_data() -> None:
    node = _Node()
    outlet = publish_from(node, SimpleNamespace(name="", names=()), OutputConfig(frame_id="face"))
    first, second = (np.full((8, 8, 3), grey, np.uint8) for grey in (10, 20))

    for n, picture in enumerate((first, first, second, second)):
        frame = AvatarFrame(n * 40_000_000, n, 0, 0, np.zeros(18, np.float32), np.zeros(640, np.float32))
        outlet.shown(Shown(frame, lambda picture=picture: picture, Provenance(None, 0, 0, "")))

    sent = [message for message in node.sent if hasattr(message, "encoding")]
    assert [message.header.stamp.nanosec for message in sent] == [0, 40_000_000, 80_000_000, 120_000_000]
    assert [message.data[0] for message in sent] == [10, 10, 20, 20]
    assert sent[0].data is sent[1].data and sent[2].data is sent[3].data
    assert {(message.header.frame_id, message.step, len(message.data)) for message in sent} == {("face", 24, 192)}
