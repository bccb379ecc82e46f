# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Learns from ROS4HRI (/humans) which of several people is the user. hri_msgs is optional and imported here only."""

from __future__ import annotations

import importlib
import importlib.util
import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from typing import Any

from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription
from std_msgs.msg import String

from avatar_forcing_ros.messages.people import (
    FACES_TRACKED,
    PERSONS_TRACKED,
    engagement_of,
    face_of,
    roi_of,
    to_place,
)
from avatar_forcing_ros.nodes import qos
from avatar_forcing_ros.nodes.managed_node import ManagedNode
from avatar_forcing_ros.session.people import People
from avatar_forcing_ros.signals import NANOSECONDS, FacePlace

_TIMEOUT_NS = NANOSECONDS
_LEVELS = ("of unknown engagement", "disengaged", "engaging", "engaged", "disengaging")


def hri_messages() -> Any:
    """The module of ROS4HRI's messages.

    Raises:
        ValueError: if it is not installed, or too old.
    """
    if importlib.util.find_spec("hri_msgs") is None:
        raise ValueError(
            "user is 'humans', and hri_msgs is not installed: apt install ros-$ROS_DISTRO-hri-msgs, or user:=nearest"
        )
    messages = importlib.import_module("hri_msgs.msg")
    if not hasattr(messages, "NormalizedRegionOfInterest2D"):
        raise ValueError("user is 'humans', which needs hri_msgs 2.0 or newer: the installed one is older")
    return messages


_Wanted = tuple[type, str, Callable[[Any], None], QoSProfile]


class Humans:
    """Listens to /humans until the node is deactivated.

    Args:
        node: the subscriber.
        undo: ends the subscriptions.
    """

    def __init__(self, node: ManagedNode, undo: ExitStack) -> None:
        self._node, self._messages = node, hri_messages()
        self._people, self._lock = People(_TIMEOUT_NS), threading.Lock()
        self._heard: dict[str, dict[str, Subscription]] = {"face": {}, "person": {}}
        node.listen(self._messages.IdsList, FACES_TRACKED, self._faces, qos.SENSOR)
        node.listen(self._messages.IdsList, PERSONS_TRACKED, self._persons, qos.SENSOR)
        for kind in self._heard:
            undo.callback(self._listen_to, kind, ())

    def user(self) -> FacePlace | None:
        """See `People.user`; may be called from any thread."""
        with self._lock:
            return self._people.user(self._node.get_clock().now().nanoseconds)

    def describe(self) -> tuple[int, str]:
        """The number of faces, and which of them is the user, in words."""
        chosen = self.user()
        with self._lock:
            count = len(self._people.faces)
            if chosen is None:
                return count, "no face on /humans: the nearest is read"
            if chosen.is_nowhere:
                return count, f"none of {count} is engaged"
            return count, f"face {chosen.name} of {count} is read, {_LEVELS[self._people.engagement(chosen.name)]}"

    def _faces(self, message: Any) -> None:
        with self._lock:
            self._people.track_faces(message.ids)
        roi = self._messages.NormalizedRegionOfInterest2D
        self._listen_to("face", [(roi, roi_of(name), partial(self._place, name), qos.SENSOR) for name in message.ids])

    def _persons(self, message: Any) -> None:
        with self._lock:
            self._people.track_persons(message.ids)
        wanted: list[_Wanted] = []
        for name in message.ids:
            wanted.append((String, face_of(name), partial(self._match, name), qos.LATCHED))
            level = self._messages.EngagementLevel
            wanted.append((level, engagement_of(name), partial(self._engage, name), qos.SENSOR))
        self._listen_to("person", wanted)

    def _place(self, face: str, message: Any) -> None:
        with self._lock:
            self._people.place(to_place(face, message), self._node.get_clock().now().nanoseconds)

    def _match(self, person: str, message: String) -> None:
        with self._lock:
            self._people.match(person, message.data)

    def _engage(self, person: str, message: Any) -> None:
        with self._lock:
            self._people.engage(person, message.level)

    def _listen_to(self, kind: str, wanted: Iterable[_Wanted]) -> None:
        """Replace the subscriptions of a kind with these, because people come and go."""
        heard, topics = self._heard[kind], {topic: (of, accept, profile) for of, topic, accept, profile in wanted}
        for topic in heard.keys() - topics:
            self._node.destroy_subscription(heard.pop(topic))
        for topic in topics.keys() - heard:
            of, accept, profile = topics[topic]
            heard[topic] = self._node.create_subscription(of, topic, self._node.guard(topic, accept), profile)
