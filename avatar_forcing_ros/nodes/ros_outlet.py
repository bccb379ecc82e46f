# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Publishes an avatar's output."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from copy import copy
from typing import Any, Protocol

from rclpy.qos import QoSProfile

from avatar_forcing_ros.messages.making import header
from avatar_forcing_ros.messages.outlet import (
    COMPRESSED,
    FRAME_INFO,
    IMAGE,
    KINDS_OF_PICTURES,
    LATCHED,
    MOTION,
    OUTPUTS,
    PLAYBACK,
    SPEECH,
    MessageOutlet,
)
from avatar_forcing_ros.nodes import qos
from avatar_forcing_ros.nodes.ros_messages import make, message_type
from avatar_forcing_ros.session.outlet import OutputConfig, Picture

_QOS = {IMAGE: qos.PICTURE, COMPRESSED: qos.PICTURE, PLAYBACK: qos.EVENTS} | dict.fromkeys(LATCHED, qos.LATCHED)


class Publishes(Protocol):
    """As much of a node as publishing needs."""

    def advertise(self, message_type: type, topic: str, qos: QoSProfile) -> Any:
        """A publisher."""
        ...

    def get_clock(self) -> Any:
        """The node's clock."""
        ...


class Named(Protocol):
    """As much of a motion space as publishing needs."""

    @property
    def name(self) -> str:
        """Name of the motion space."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its channels."""
        ...


class RosOutlet(MessageOutlet):
    """Publishes an avatar's output; made by `publish_from`."""

    publishers: Mapping[str, Any]
    _newest: tuple[Picture, Any] | None = None

    def readers(self) -> tuple[int, ...]:
        """Subscriptions that the publisher of each of the topics `_FLEETING` has found; -1 if there is no publisher."""
        found = (self.publishers.get(topic) for topic in _FLEETING)
        return tuple(-1 if publisher is None else publisher.get_subscription_count() for publisher in found)

    def _image(self, picture: Picture, stamp_ns: int) -> Any:
        """The message of a picture; of one that is shown again, with the data that were made for it before."""
        if self._newest is None or self._newest[0] is not picture:
            self._newest = picture, super()._image(picture, stamp_ns)
            return self._newest[1]
        again = copy(self._newest[1])
        again.header = header(make, stamp_ns, self._config.frame_id)
        return again


_FLEETING = (IMAGE, COMPRESSED, FRAME_INFO, MOTION, SPEECH, PLAYBACK)
"""Topics whose messages a subscriber misses if it is discovered too late; the state is latched instead."""


def publish_from(node: Publishes, space: Named, config: OutputConfig, never: Collection[str] = ()) -> RosOutlet:
    """Advertise an avatar's output topics, except those in `never`, until the node is deactivated."""
    pictures = [topic for topic, wanted in ((IMAGE, config.raw), (COMPRESSED, config.compressed)) if wanted]
    kinds = {topic: kind for topic, kind in OUTPUTS.items() if topic not in never}
    kinds |= {topic: KINDS_OF_PICTURES[topic] for topic in pictures}
    publishers = {
        topic: node.advertise(message_type(kind), topic, _QOS.get(topic, qos.STREAM)) for topic, kind in kinds.items()
    }

    def emit(topic: str, _stamp_ns: int, build: Callable[[], Any]) -> None:
        publisher = publishers[topic]
        if topic in LATCHED or publisher.get_subscription_count():  # no work for a topic without subscribers
            publisher.publish(build())

    outlet = RosOutlet(make, emit, lambda: node.get_clock().now().nanoseconds, space.name, tuple(space.names), config)
    outlet.publishers = publishers
    return outlet
