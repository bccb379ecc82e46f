# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Passes messages between nodes of one process as Python objects: no serialisation, no copies, no executor.

The middleware is told not to deliver within the process (`graph.environment.apart_from_itself`); subscribers in other
processes receive messages from it as usual.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy


class Handover:
    """The subscribers in this process, by resolved topic name."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: dict[str, list[Callable[[Any], None]]] = {}
        self._kept: dict[str, Any] = {}

    def listen(self, topic: str, accept: Callable[[Any], None]) -> Callable[[], None]:
        """Subscribe to a topic; `accept` runs in the publisher's thread. Call the result to unsubscribe."""
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
        """Pass a message to all listeners; with `keep`, also to those that subscribe later."""
        with self._lock:
            listeners = self._listeners.get(topic, [])
            if keep:
                self._kept[topic] = message
        for accept in listeners:
            accept(message)

    def listeners(self, topic: str) -> int:
        """Number of listeners of a topic in this process."""
        return len(self._listeners.get(topic, ()))


class HandingPublisher:
    """A publisher for both sides: listeners in this process, and the middleware for all others."""

    def __init__(self, publisher: Publisher, topic: str, handover: Handover) -> None:
        self.publisher, self._topic, self._handover = publisher, topic, handover
        self._keep = publisher.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL

    def publish(self, message: Any) -> None:
        """Publish a message; the caller must not change it afterwards."""
        self._handover.give(self._topic, message, self._keep)
        if self._keep or self.publisher.get_subscription_count():
            self.publisher.publish(message)

    def get_subscription_count(self) -> int:
        """Number of listeners in this process and elsewhere."""
        return self._handover.listeners(self._topic) + self.publisher.get_subscription_count()
