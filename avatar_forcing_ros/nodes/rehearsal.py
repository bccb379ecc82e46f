"""A performance in virtual time: the real avatar, performer, pacer and presenter in one thread, without a middleware.

The clock moves on to whatever is due next, and by what generating and drawing are said to cost; meanwhile the pacer
publishes, as its thread does in the node. An hour takes no hour, a slow machine is only a number, and every run is the
same. For tests and benches.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.clock import ROSClock
from rclpy.time import Time

from avatar_forcing_ros.avatar import Avatar, AvatarConfig
from avatar_forcing_ros.bundle import ModelBundle
from avatar_forcing_ros.motion.space import Portrait
from avatar_forcing_ros.nodes.pacer import Pacer
from avatar_forcing_ros.nodes.performer import Performer
from avatar_forcing_ros.nodes.presenter import Presenter, PresenterConfig
from avatar_forcing_ros.nodes.ros_time import MILLISECOND, ClockWaiter
from avatar_forcing_ros.session.quality import QualityConfig, QualityLadder
from avatar_forcing_ros.session.worker import Faults
from avatar_forcing_ros.signals import NANOSECONDS
from avatar_forcing_ros.stream.grid import FRAME_NS


@dataclass
class Machine:
    """How fast the virtual machine is.

    Attributes:
        evaluation_ms: one evaluation of the network; a block takes one for each solver step.
        picture_ms: drawing one picture.
        slowness: factor on both.
    """

    evaluation_ms: float = 5.0
    picture_ms: float = 5.0
    slowness: float = 1.0


class VirtualNode:
    """Stands for the node: its clock is moved by hand, and what is published is kept.

    Attributes:
        published: messages by topic.
        published_ns: when each of them was, by topic.
        errors: what was logged.
    """

    def __init__(self, start_ns: int) -> None:
        self.published: defaultdict[str, list[Any]] = defaultdict(list)
        self.published_ns: defaultdict[str, list[int]] = defaultdict(list)
        self.errors: list[str] = []
        self._clock = ROSClock()
        self._clock._set_ros_time_is_active(True)  # rclpy's own way to it is a subscription to /clock
        self.set_clock(start_ns)

    def get_clock(self) -> ROSClock:
        """The clock."""
        return self._clock

    def set_clock(self, time_ns: int) -> None:
        """Move the clock."""
        self._clock.set_ros_time_override(Time(nanoseconds=time_ns, clock_type=self._clock.clock_type))

    def advertise(self, _message_type: type, topic: str, _qos: object) -> Any:
        """A publisher that keeps what it is given."""

        def publish(message: Any) -> None:
            self.published[topic].append(message)
            self.published_ns[topic].append(self._clock.now().nanoseconds)

        return SimpleNamespace(publish=publish, get_subscription_count=lambda: 1)

    def error(self, message: str) -> None:
        """Keep what is logged."""
        self.errors.append(message)


class _CostlyPortrait:
    """A portrait whose drawing takes virtual time."""

    def __init__(self, portrait: Portrait, pay: Callable[[], None]) -> None:
        self._portrait, self._pay = portrait, pay
        self.reference = portrait.reference

    def render(self, latent: NDArray[np.float32], frame_index: int = 0) -> NDArray[np.uint8]:
        """A picture."""
        self._pay()
        return self._portrait.render(latent, frame_index)


class _CostlySpace:
    """A motion space whose portraits take virtual time to draw."""

    def __init__(self, space: Any, pay: Callable[[], None]) -> None:
        self._space, self._pay = space, pay

    def __getattr__(self, name: str) -> Any:
        return getattr(self._space, name)

    def load_portrait(self, image: NDArray[np.uint8], size: int = 512) -> _CostlyPortrait:
        """A portrait."""
        return _CostlyPortrait(self._space.load_portrait(image, size), self._pay)


class Rehearsal:
    """One avatar on a virtual machine.

    Args:
        bundle: the model.
        portrait: (H, W, 3) uint8 RGB.
        machine: may be changed while it runs.
        avatar: behaviour in time.
        quality: what is left out when the machine cannot keep up.
        start_ns: when it begins.
        every_frame: late frames are shown, too, as in a replay.

    Attributes:
        node: what was published.
        performer: takes what comes in.
        faults: errors so far.
        now_ns: virtual time.
    """

    def __init__(
        self,
        bundle: ModelBundle,
        portrait: NDArray[np.uint8],
        machine: Machine | None = None,
        avatar: AvatarConfig | None = None,
        quality: QualityConfig | None = None,
        start_ns: int = 1_000 * NANOSECONDS,
        every_frame: bool = False,
    ) -> None:
        self.machine = machine or Machine()
        self.node, self.now_ns = VirtualNode(start_ns), start_ns
        self.faults = Faults(self.node)
        self._begun = False
        self._woken = False
        self._number = 0
        self._arrivals: list[tuple[int, int, Callable[[], None]]] = []
        space = _CostlySpace(bundle.space, lambda: self._pay(self.machine.picture_ms))
        self.avatar = Avatar(replace(bundle, space=space), portrait, avatar)
        bundle.network.transformer.register_forward_pre_hook(lambda *_: self._pay(self.machine.evaluation_ms))
        self._pacer = Pacer(ClockWaiter(self.node.get_clock()))
        block_s = bundle.manifest.network.block_frames * FRAME_NS / NANOSECONDS
        self.performer = Performer(
            self.avatar,
            ClockWaiter(self.node.get_clock()),
            self._pacer,
            Presenter(self.node, self._pacer, PresenterConfig(), bundle.space, every_frame),
            self.faults,
            "",
            QualityLadder(quality or QualityConfig(), block_s),
        )

    def at(self, time_ns: int, act: Callable[[], None]) -> None:
        """Have something happen, such as a message's arrival, when the clock comes to a time."""
        self._number += 1
        self._arrivals.append((time_ns, self._number, act))
        self._arrivals.sort()

    def interrupt_at(self, time_ns: int) -> None:
        """Interrupt when the clock comes to a time; unlike other arrivals this wakes the performer."""
        self.at(time_ns, self._interrupt)

    def run(self, seconds: float) -> None:
        """Let virtual time pass."""
        end_ns = self.now_ns + round(seconds * NANOSECONDS)
        if not self._begun:
            self.performer.turn()
            self._begun = True
        while self._next_turn_ns <= end_ns:
            self._pass(max(self._next_turn_ns, self.now_ns))
            if self._woken or self.avatar.next_decision_ns <= self.now_ns:
                self._woken = False
                self.performer.turn()
        self._pass(end_ns)

    @property
    def _next_turn_ns(self) -> int:
        """When the performer has something to do; a new arrival may be that."""
        if self._woken:
            return self.now_ns
        return min([self.avatar.next_decision_ns] + [time_ns for time_ns, *_ in self._arrivals[:1]])

    def _interrupt(self) -> None:
        self.performer.interrupt()
        self._woken = True

    def _pay(self, cost_ms: float) -> None:
        if self._begun:
            self._pass(self.now_ns + round(cost_ms * self.machine.slowness * MILLISECOND))

    def _pass(self, until_ns: int) -> None:
        """Time passes outside of the performer: messages arrive, the pacer publishes."""
        while (due_ns := self._next_due_ns()) is not None and due_ns <= until_ns:
            self._set(max(due_ns, self.now_ns))
            if self._arrivals and self._arrivals[0][0] <= self.now_ns:
                self._arrivals.pop(0)[2]()
            else:
                self._pacer.turn()
        self._set(max(until_ns, self.now_ns))

    def _next_due_ns(self) -> int | None:
        due = [self._arrivals[0][0]] if self._arrivals else []
        shown = self._pacer.next_due_ns
        return min(due if shown is None else [*due, shown], default=None)

    def _set(self, time_ns: int) -> None:
        self.now_ns = time_ns
        self.node.set_clock(time_ns)
