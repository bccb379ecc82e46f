# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Records the avatar's output into a bag, byte for byte as it was published."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty as NothingLeft
from queue import SimpleQueue

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from avatar_forcing_ros.bags.bag import BagWriter
from avatar_forcing_ros.bags.bag_types import BagTypes
from avatar_forcing_ros.bags.digest import ImageDigest
from avatar_forcing_ros.bags.inputs import MOTION, stamp_of_bytes
from avatar_forcing_ros.messages.outlet import IMAGE, KINDS_OF_PICTURES, LATCHED, OUTPUTS
from avatar_forcing_ros.nodes.managed_node import ManagedNode
from avatar_forcing_ros.nodes.ros_messages import message_type

_MOTION_KIND = "avatar_forcing_ros/MotionLatents"
_DEPTH = 200


class BagRecorder:
    """Subscribes to the avatar's topics and queues the messages until the owner's thread calls `write`.

    Args:
        node: the subscriber.
        opens_ns: messages with an earlier stamp, such as the latched state, are not recorded.
        user_motion: record the user's motion too, because it was read from pictures.

    Attributes:
        digest: digest of the pictures written so far.
    """

    def __init__(self, node: ManagedNode, opens_ns: int, user_motion: bool) -> None:
        self._opens_ns, self._types = opens_ns, BagTypes()
        self._came: SimpleQueue[tuple[str, bytes]] = SimpleQueue()
        self._news = threading.Condition()
        self._newest_ns: dict[str, int] = {}
        self.topics = OUTPUTS | {IMAGE: KINDS_OF_PICTURES[IMAGE]} | ({MOTION: _MOTION_KIND} if user_motion else {})
        self.digest = ImageDigest()
        for topic, kind in self.topics.items():
            node.listen(message_type(kind), topic, self._accept(topic), _qos(topic), raw=True)

    def begin(self, writer: BagWriter) -> None:
        """Add the topics to the bag."""
        for topic, kind in self.topics.items():
            writer.add_topic(f"/{topic}", kind)

    def wait_for(self, topic: str, stamp_ns: int, patience_s: float) -> bool:
        """Wait for a message with this stamp or a later one; False if none arrives within `patience_s` seconds."""
        with self._news:
            return self._news.wait_for(lambda: self._newest_ns.get(topic, 0) >= stamp_ns, patience_s)

    def has_seen(self, topic: str) -> bool:
        """Whether a message has arrived on a topic."""
        return topic in self._newest_ns

    def write(self, writer: BagWriter | None, now_ns: int) -> None:
        """Write the queued messages; call it from the writer's own thread.

        Args:
            writer: writer of the bag; None only updates the digest.
            now_ns: the bag's time, at which the user's motion is recorded.
        """
        while True:
            try:
                topic, data = self._came.get_nowait()
            except NothingLeft:
                return
            stamp = stamp_of_bytes(data)
            if topic == IMAGE:
                self.digest.add(self._types.read(data, "sensor_msgs/msg/Image"))
            if writer is not None and stamp >= self._opens_ns:
                writer.write_bytes(f"/{topic}", now_ns if topic == MOTION else stamp, data)

    def _accept(self, topic: str) -> Callable[[bytes], None]:
        def accept(data: bytes) -> None:
            self._came.put((topic, data))
            with self._news:
                self._newest_ns[topic] = max(stamp_of_bytes(data), self._newest_ns.get(topic, 0))
                self._news.notify_all()

        return accept


def _qos(topic: str) -> QoSProfile:
    durability = DurabilityPolicy.TRANSIENT_LOCAL if topic in LATCHED else DurabilityPolicy.VOLATILE
    return QoSProfile(depth=_DEPTH, reliability=ReliabilityPolicy.RELIABLE, durability=durability)
