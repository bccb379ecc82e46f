# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What keeps a node apart from others: qualities of service that do not fit, and a clock that nobody publishes.

Both are silent by nature: no message comes, and that is all. Here each is one line in the log and on /diagnostics.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import QoSCompatibility, QoSPolicyKind, QoSProfile, qos_check_compatible
from rclpy.qos_overriding_options import QoSOverridingOptions

from avatar_forcing_ros.signals import MILLISECOND, NANOSECONDS

_LOOK_S = 1.0
_STEP_NS = 100 * MILLISECOND
_CLOCK_PATIENCE_S = 2.0
_SILENT_CLOCK_PATIENCE_S = 20.0
"""Whoever publishes /clock may wait for nodes that load their models."""
_OVERRIDDEN = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY, QoSPolicyKind.DURABILITY)


@dataclass(frozen=True)
class _End:
    """Our end of a topic."""

    topic: str
    publishes: bool
    qos: QoSProfile


class Links:
    """Watches the topics of a node and its clock, once a second of the machine's own clock.

    Args:
        node: whose.
        guard: makes a callback's errors known.

    Attributes:
        clock_complaint: why the node's time stands still, in one line, or empty.
        while_time_stands_still: called once a second while it does.
    """

    def __init__(self, node: Node, guard: Callable[[str, Callable[..., None]], Callable[..., None]]) -> None:
        self._node, self._guard = node, guard
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)  # the node's own may stand still, or be set
        self._suspects: dict[str, _End] = {}
        self._misfits: dict[str, str] = {}
        self._said: set[str] = set()
        self._opened_s = time.monotonic()
        self._timer: Any = None
        self.clock_complaint = ""
        self.while_time_stands_still: Callable[[], None] | None = None
        self._looked: tuple[int, int] | None = None

    def open(self) -> None:
        """Begin to look around."""
        self._opened_s = time.monotonic()
        self._looked = None
        self._timer = self._node.create_timer(_LOOK_S, self._guard("links", self.look), clock=self._steady)

    def close(self) -> None:
        """End it."""
        self._node.destroy_timer(self._timer)
        self._suspects.clear()
        self._misfits.clear()

    def options(self, topic: str, qos: QoSProfile, publishes: bool) -> tuple[QoSProfile, dict[str, Any]]:
        """A quality of service that parameters (`qos_overrides`) may change, and what to create a topic's end with.

        rclpy changes the profile that it is given, and ours serve many topics, so each end has a copy.
        """
        end = _End(self._node.resolve_topic_name(topic), publishes, copy(qos))
        callbacks = PublisherEventCallbacks if publishes else SubscriptionEventCallbacks
        suspect = self._guard(topic, lambda _event: self._suspect(end))
        return end.qos, {
            "event_callbacks": callbacks(incompatible_qos=suspect),
            "qos_overriding_options": QoSOverridingOptions(_OVERRIDDEN),
        }

    def complaints(self) -> dict[str, str]:
        """What is wrong, by kind; empty where all is well."""
        return {"qos": "; ".join(self._misfits.values()), "clock": self.clock_complaint}

    @property
    def timer_clock(self) -> Any:
        """What a timer of the node is to be wound by: a clock that is set back by an hour would stop it for an hour."""
        return self._node.get_clock() if self._node.get_parameter("use_sim_time").value else self._steady

    def look(self) -> None:
        """Look again at what did not fit, and at the clock."""
        for topic, end in list(self._suspects.items()):
            self._note(topic, _misfit(self._node, end))
        self._look_at_clock()

    def _suspect(self, end: _End) -> None:
        """The middleware says that somebody does not fit; who and how is known by the next look at the latest."""
        topic = f"{end.topic} {'out' if end.publishes else 'in'}"
        self._suspects[topic] = end
        self._note(topic, _misfit(self._node, end))

    def _note(self, topic: str, line: str) -> None:
        if line:
            self._misfits[topic] = line
            self._say(line)
        else:
            self._misfits.pop(topic, None)

    def _look_at_clock(self) -> None:
        clock, waited_s = self._node.get_clock(), time.monotonic() - self._opened_s
        self.clock_complaint = "" if clock.ros_time_is_active else self._step_of(clock)
        if not clock.ros_time_is_active or clock.now().nanoseconds:
            return
        if waited_s > _CLOCK_PATIENCE_S and not self._node.count_publishers("/clock"):
            self.clock_complaint = "use_sim_time is true, but nobody publishes /clock, so time stands still here"
        elif waited_s > _SILENT_CLOCK_PATIENCE_S:
            self.clock_complaint = "use_sim_time is true, but nothing has come on /clock, so time stands still here"
        self._say(self.clock_complaint)
        if self.clock_complaint and self.while_time_stands_still is not None:
            self.while_time_stands_still()

    def _step_of(self, clock: Any) -> str:
        """By how much the clock has been set since the last look, in one line, or empty."""
        began_ns, now_ns, ended_ns = (which.now().nanoseconds for which in (self._steady, clock, self._steady))
        if ended_ns - began_ns > _STEP_NS // 4:  # somebody else had the processor between two looks
            return ""
        before, self._looked = self._looked, (now_ns, began_ns)
        if before is None:
            return ""
        step_ns = (now_ns - before[0]) - (self._looked[1] - before[1])
        if abs(step_ns) < _STEP_NS:
            return ""
        line = f"the clock was set {'forward' if step_ns > 0 else 'back'} by {abs(step_ns) / NANOSECONDS:.2f} s"
        self._node.get_logger().warning(line)
        return line

    def _say(self, line: str) -> None:
        if line and line not in self._said:
            self._said.add(line)
            self._node.get_logger().warning(line)


def _misfit(node: Node, end: _End) -> str:
    """Who on the other side of a topic offers less than is asked for, in one line, or empty."""
    others = node.get_subscriptions_info_by_topic if end.publishes else node.get_publishers_info_by_topic
    for other in others(end.topic):
        sides = (end.qos, other.qos_profile) if end.publishes else (other.qos_profile, end.qos)
        fits, reason = qos_check_compatible(*sides)
        if fits == QoSCompatibility.ERROR:
            name = f"{other.node_namespace.rstrip('/')}/{other.node_name}"
            what = f"{name} does not get {end.topic}" if end.publishes else f"{end.topic} does not come from {name}"
            return f"{what}: {_in_words(reason)}; {_advice(end)}"
    return ""


def _in_words(reason: str) -> str:
    """A reason of rclpy, such as `ERROR: Best effort publisher and reliable subscription;`, for a sentence."""
    parts = re.split(r"(ERROR|WARNING): ", reason)
    errors = [text.strip(" ;") for kind, text in zip(parts[1::2], parts[2::2], strict=True) if kind == "ERROR"]
    return "; ".join(text[:1].lower() + text[1:] for text in errors) or reason


def _advice(end: _End) -> str:
    side = "publisher" if end.publishes else "subscription"
    return f"change theirs, or ours with the parameters qos_overrides.{end.topic}.{side}"
