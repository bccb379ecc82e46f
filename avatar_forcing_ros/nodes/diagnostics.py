# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a node says about its health on /diagnostics, once a second."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from avatar_forcing_ros.nodes.managed_node import ManagedNode

PERIOD_S = 1.0


class Level(Enum):
    """How bad it is; the values are DiagnosticStatus's."""

    OK = DiagnosticStatus.OK
    DEGRADED = DiagnosticStatus.WARN
    ERROR = DiagnosticStatus.ERROR


@dataclass(frozen=True)
class Health:
    """One report: a level, a line for a person, and figures by name."""

    level: Level = Level.OK
    message: str = "running"
    values: Mapping[str, object] = field(default_factory=dict)


class DiagnosticsPublisher:
    """Asks a node for its health once a second of the node's clock and publishes the answer."""

    def __init__(self, node: ManagedNode, report: Callable[[], Health]) -> None:
        self._node, self._report = node, report
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._timer = node.create_timer(PERIOD_S, node.guard("diagnostics", self.publish))

    def publish(self) -> None:
        """Publish now."""
        health = self._report()
        status = DiagnosticStatus(
            level=health.level.value,
            name=f"{self._node.get_name()}: health",
            message=health.message,
            hardware_id=self._node.get_fully_qualified_name(),
            values=[KeyValue(key=key, value=_text(value)) for key, value in health.values.items()],
        )
        message = DiagnosticArray(status=[status])
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)

    def close(self) -> None:
        """Stop reporting."""
        self._node.destroy_timer(self._timer)
        self._node.destroy_publisher(self._publisher)


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
