# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Finds what keeps messages from a node: other types, incompatible qualities of service, a clock nobody publishes.

All of these are silent: no message comes, and that is all. Here, each is reported in the log and on /diagnostics.

The middleware would report incompatible ends by events, but rclpy's executor checks every event of every topic for each
message: with the 34 events of the generator, a wait took two and a half times as long. So the topics are polled.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, get_args

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSCompatibility, QoSPolicyKind, qos_check_compatible
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription

try:
    from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import PublisherEventCallbacks, SubscriptionEventCallbacks

from avatar_forcing_ros.messages.audio import AudioKind
from avatar_forcing_ros.signals import MILLISECOND, NANOSECONDS

DISCOVERY_S = 1.0
"""The two sides of a connection discover each other at different moments, within about this long."""
_LOOK_S = 1.0
_STEP_NS = 100 * MILLISECOND
_CLOCK_PATIENCE_S = 2.0
_SILENT_CLOCK_PATIENCE_S = 20.0
"""The publisher of /clock may itself be waiting for nodes that load their models."""
_OVERRIDDEN = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY, QoSPolicyKind.DURABILITY)


class Links:
    """Watches the topics of a node and its clock, once a second of the machine's own clock.

    Args:
        node: the node.
        guard: wraps a callback so that its errors are reported.

    Attributes:
        clock_complaint: what is wrong with the node's clock, in one line, or empty.
        while_time_stands_still: called once a second while the clock does not run.
    """

    def __init__(self, node: Node, guard: Callable[[str, Callable[..., None]], Callable[..., None]]) -> None:
        self._node, self._guard = node, guard
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)  # the node's own may stand still, or be set
        self._watched: list[Publisher | Subscription] = []
        self._misfits: list[str] = []
        self._said: set[str] = set()
        self._opened_s = time.monotonic()
        self._timer: Any = None
        self.clock_complaint = ""
        self.while_time_stands_still: Callable[[], None] | None = None
        self._looked: tuple[int, int] | None = None

    def open(self) -> None:
        """Start to watch."""
        self._opened_s = time.monotonic()
        self._looked = None
        self._timer = self._node.create_timer(_LOOK_S, self._guard("links", self.look), clock=self._steady)

    def close(self) -> None:
        """Stop watching."""
        self._node.destroy_timer(self._timer)
        self._watched.clear()
        self._misfits.clear()

    def options(self, publishes: bool) -> dict[str, Any]:
        """Arguments for creating a publisher or subscription whose quality of service parameters may override."""
        return {
            "event_callbacks": no_events(publishes),
            "qos_overriding_options": QoSOverridingOptions(_OVERRIDDEN),
        }

    def watch(self, end: Publisher | Subscription) -> None:
        """Watch a publisher or subscription for incompatible partners, until `close`."""
        self._watched.append(end)

    def unwatch(self, end: Publisher | Subscription) -> None:
        """Stop watching it."""
        self._watched.remove(end)

    def complaints(self) -> dict[str, str]:
        """What is wrong, by kind; an empty string if all is well."""
        return {"qos": "; ".join(self._misfits), "clock": self.clock_complaint}

    @property
    def timer_clock(self) -> Any:
        """The clock for the node's timers; on a clock that is set back by an hour, a timer would pause for an hour."""
        return self._node.get_clock() if self._node.get_parameter("use_sim_time").value else self._steady

    def look(self) -> None:
        """Check all watched ends and the clock."""
        self._misfits = [line for end in self._watched if (line := _misfit(self._node, end))]
        for line in self._misfits:
            self._say(line)
        self._look_at_clock()

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
        """By how much the clock was set since the last check, in one line, or empty."""
        began_ns, now_ns, ended_ns = (which.now().nanoseconds for which in (self._steady, clock, self._steady))
        if ended_ns - began_ns > _STEP_NS // 4:  # this process was interrupted between two readings
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


def no_events(publishes: bool) -> PublisherEventCallbacks | SubscriptionEventCallbacks:
    """Callbacks argument by which the executor waits for none of the middleware's events."""
    return (PublisherEventCallbacks if publishes else SubscriptionEventCallbacks)(use_default_callbacks=False)


def _misfit(node: Node, end: Publisher | Subscription) -> str:
    """An incompatible node on the other side of a topic, in one line, or empty."""
    publishes, topic = isinstance(end, Publisher), end.topic_name
    if publishes:
        there, connected = node.count_subscribers(topic), end.get_subscription_count()
    else:
        known = hasattr(end, "get_publisher_count")  # not in Humble: there, all are looked at
        there, connected = node.count_publishers(topic), end.get_publisher_count() if known else -1
    if there <= connected:
        return ""
    others = node.get_subscriptions_info_by_topic if publishes else node.get_publishers_info_by_topic
    for other in others(topic):
        name = f"{other.node_namespace.rstrip('/')}/{other.node_name}"
        what = f"{name} does not get {topic}" if publishes else f"{topic} does not come from {name}"
        if other.topic_type != (ours := _type_name(end)):
            return f"{what}: {_of_another_type(ours, other.topic_type)}"
        sides = (end.qos_profile, other.qos_profile) if publishes else (other.qos_profile, end.qos_profile)
        fits, reason = qos_check_compatible(*sides)
        if fits == QoSCompatibility.ERROR:
            side = "publisher" if publishes else "subscription"
            advice = f"change theirs, or ours with the parameters qos_overrides.{topic}.{side}"
            return f"{what}: {_in_words(reason)}; {advice}"
    return ""


def _type_name(end: Publisher | Subscription) -> str:
    """The name of an end's type as the graph gives it, such as std_msgs/msg/Empty."""
    kind = end.msg_type
    return f"{kind.__module__.partition('.')[0]}/msg/{kind.__name__}"


def _of_another_type(ours: str, theirs: str) -> str:
    line = f"it is {theirs} there and {ours} here"
    kind = theirs.rpartition("/")[2]
    if kind in get_args(AudioKind) and ours.rpartition("/")[2] in get_args(AudioKind):
        line += f"; set the parameter of this input that ends in .kind to {kind}"
    return line


def _in_words(reason: str) -> str:
    """A reason from rclpy, such as `ERROR: Best effort publisher and reliable subscription;`, for a sentence."""
    parts = re.split(r"(ERROR|WARNING): ", reason)
    errors = [text.strip(" ;") for kind, text in zip(parts[1::2], parts[2::2], strict=True) if kind == "ERROR"]
    return "; ".join(text[:1].lower() + text[1:] for text in errors) or reason
