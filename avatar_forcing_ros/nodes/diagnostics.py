# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A node's report on its health, published on /diagnostics once a second.

The first status, `<node>: health`, sums everything up. One more follows for each part that can fail on its own, such as
`<node>: camera`. A node in a namespace appears as `<namespace>/<node>`; the hardware_id is its full name.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from std_msgs.msg import Header

from avatar_forcing_ros.graph.keeping import Restarted
from avatar_forcing_ros.nodes.managed_node import ManagedNode

PERIOD_S = 1.0
HOST, PID = "host", "pid"
"""Values that every node reports: its computer and process, so that a node that hangs can be killed."""


class Level(Enum):
    """Severity; the values are those of DiagnosticStatus."""

    OK = DiagnosticStatus.OK
    DEGRADED = DiagnosticStatus.WARN
    ERROR = DiagnosticStatus.ERROR
    INACTIVE = DiagnosticStatus.STALE


@dataclass(frozen=True)
class Health:
    """One report.

    Attributes:
        level: severity.
        message: the state in one line, for people.
        values: figures by name.
        parts: for each part that can fail on its own, what is wrong with it in one line, or an empty string.
    """

    level: Level = Level.OK
    message: str = "running"
    values: Mapping[str, object] = field(default_factory=dict)
    parts: Mapping[str, str] = field(default_factory=dict)


class DiagnosticsPublisher:
    """Asks a node for its health once a second of the node's clock, and publishes the answer.

    Until that clock starts (`use_sim_time` without /clock), it reports this once a second of the machine's clock.
    """

    def __init__(self, node: ManagedNode, report: Callable[[], Health]) -> None:
        self._node, self._report = node, report
        self._restarted = Restarted.of_this_process()
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._timer = node.create_timer(PERIOD_S, node.guard("diagnostics", self.publish), clock=node.links.timer_clock)
        node.links.while_time_stands_still = self.publish  # the timer does not fire then

    def publish(self) -> None:
        """Publish now."""
        links = self._node.links.complaints()
        stands_still = links["clock"] and self._node.get_clock().ros_time_is_active
        health = Health(Level.DEGRADED, links["clock"]) if stands_still else self._report()
        if said := [line for line in links.values() if line and line not in health.message]:
            fine = health.level is Level.OK
            lines = said if fine else [health.message, *said]
            health = replace(health, level=Level.DEGRADED if fine else health.level, message="; ".join(lines))
        whole = self._status("health", health.level, health.message)
        values = {**health.values, HOST: platform.node(), PID: os.getpid()}
        whole.values = [
            KeyValue(key=key, value=f"{value:.4g}" if isinstance(value, float) else str(value))
            for key, value in values.items()
        ]
        parts = {**health.parts, **links, "restarts": self._restarted.complaint()}
        levels = {name: Level.DEGRADED if line else Level.OK for name, line in parts.items()}
        statuses = [whole, *(self._status(name, levels[name], line or "fine") for name, line in parts.items())]
        self._publisher.publish(DiagnosticArray(header=self._header(), status=statuses))

    def close(self) -> None:
        """Report the node as inactive, then stop; a node that just falls silent would be reported as missing."""
        last = self._status("health", Level.INACTIVE, "not active")
        self._publisher.publish(DiagnosticArray(header=self._header(), status=[last]))
        self._node.links.while_time_stands_still = None
        self._node.destroy_timer(self._timer)
        self._node.destroy_publisher(self._publisher)

    def _header(self) -> Header:
        return Header(stamp=self._node.get_clock().now().to_msg())

    def _status(self, what: str, level: Level, message: str) -> DiagnosticStatus:
        name = self._node.get_fully_qualified_name()
        # without the leading slash, because aggregators and their viewers turn slashes into levels of a tree
        return DiagnosticStatus(
            level=level.value, name=f"{name.lstrip('/')}: {what}", message=message, hardware_id=name
        )
