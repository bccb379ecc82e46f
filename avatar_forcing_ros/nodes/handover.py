# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Messages from node to node of one process, as the objects they are: not serialised, not copied, without an executor.

The middleware is told to leave those out (`graph.environment.apart_from_itself`); who listens elsewhere gets them from
it as ever.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy


class Handover:
    """Who listens to what in this process, by the resolved name of the topic."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: dict[str, list[Callable[[Any], None]]] = {}
        self._kept: dict[str, Any] = {}

    def listen(self, topic: str, accept: Callable[[Any], None]) -> Callable[[], None]:
        """Receive the messages of a topic, in the publisher's thread; calling the result ends it."""
        with self._lock:
            self._listeners[topic] = [*self._listeners.get(topic, ()), accept]
            kept = self._kept.get(topic)
        if kept is not None:
            accept(kept)

        def leave() -> None:
            with self._lock:
                self._listeners[topic] = [other for other in self._listeners[topic] if other is not accept]

        return leave

    def give(self, topic: str, message: Any, keep: bool) -> None:
        """Hand a message to all listeners; `keep` it for later ones."""
        with self._lock:
            listeners = self._listeners.get(topic, [])
            if keep:
                self._kept[topic] = message
        for accept in listeners:
            accept(message)

    def listeners(self, topic: str) -> int:
        """How many there are."""
        return len(self._listeners.get(topic, ()))


class HandingPublisher:
    """What our nodes need of a publisher: one of the middleware's, and the listeners of this process."""

    def __init__(self, publisher: Publisher, topic: str, handover: Handover) -> None:
        self.publisher, self._topic, self._handover = publisher, topic, handover
        self._keep = publisher.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL

    def publish(self, message: Any) -> None:
        """Give a message to everybody; it must not be changed from now on."""
        self._handover.give(self._topic, message, self._keep)
        if self._keep or self.publisher.get_subscription_count():
            self.publisher.publish(message)

    def get_subscription_count(self) -> int:
        """Listeners here and elsewhere."""
        return self._handover.listeners(self._topic) + self.publisher.get_subscription_count()
