# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Plays a bag as /clock and the avatar's inputs, and records the avatar's output into another bag.

With `step_by_step`, the clock waits until the nodes have finished the work that is due, so that the result is the same
bit for bit on a busy machine, and `rate` is only an upper limit. Otherwise it runs as `ros2 bag play --clock` does.
"""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rclpy.publisher import Publisher
from rosgraph_msgs.msg import Clock
from std_srvs.srv import Trigger

from avatar_forcing_ros.bags import inputs
from avatar_forcing_ros.bags.bag import BagReader, BagWriter, Storage
from avatar_forcing_ros.bags.inputs import Input, Survey
from avatar_forcing_ros.bags.mending import BagLimits
from avatar_forcing_ros.messages.directions import EXPRESSION
from avatar_forcing_ros.messages.outlet import IMAGE
from avatar_forcing_ros.nodes import qos
from avatar_forcing_ros.nodes.bag_capture import BagRecorder
from avatar_forcing_ros.nodes.directions import expression_type
from avatar_forcing_ros.nodes.links import DISCOVERY_S
from avatar_forcing_ros.nodes.managed_node import ManagedNode
from avatar_forcing_ros.nodes.ros_messages import message_type
from avatar_forcing_ros.nodes.ros_time import to_stamp
from avatar_forcing_ros.nodes.running import run
from avatar_forcing_ros.signals import NANOSECONDS
from avatar_forcing_ros.timeline.grid import FRAME_NS

READERS_PATIENCE_S = 300.0
"""The nodes load their models first, and the first start on a machine compiles the renderer."""
STEP_PATIENCE_S = 60.0
_FIRST_FRAME_S = 0.05
_LOOK_AROUND_S = 0.2  # how often a wait checks whether the player has been asked to stop


@dataclass(frozen=True)
class BagPlayerConfig:
    """Parameters of the bag player.

    Attributes:
        bag: the bag to play.
        output: folder of the bag to record to; empty records nothing.
        storage: format of the recorded bag.
        force: replace the output if it exists.
        rate: maximum speed, in seconds of the bag per second.
        step_by_step: the clock waits for the nodes, so that the result does not depend on the speed of the machine.
        camera: play pictures even when the bag has user_motion.
        limits: how large a compressed bag may become when it is unpacked.
    """

    bag: str = ""
    output: str = ""
    storage: Storage = "sqlite3"
    force: bool = False
    rate: float = field(default=1.0, metadata={"range": (0.01, 1000.0)})
    step_by_step: bool = True
    camera: bool = False
    limits: BagLimits = field(default_factory=BagLimits)


class BagPlayerNode(ManagedNode[BagPlayerConfig]):
    """Plays one bag in a thread of its own, then finishes."""

    def __init__(self, **node_arguments: Any) -> None:
        super().__init__("bag_player", BagPlayerConfig(), **node_arguments)

    def setup(self, undo: ExitStack) -> None:
        """Open the bag and survey its contents."""
        if not self.config.bag:
            raise ValueError("bag must be the folder of a bag, got nothing")
        self._bag = undo.enter_context(BagReader(Path(self.config.bag).expanduser(), self.config.limits))
        self._found = inputs.survey(self._bag, camera=self.config.camera)
        if self._bag.remark:
            self.get_logger().info(self._bag.remark)
        if self._found.damage:
            self.get_logger().warning(f"the bag is damaged; playing what can be read: {self._found.damage}")

    def begin(self, undo: ExitStack) -> None:
        """Advertise the inputs and start to play."""
        self._stopped = threading.Event()
        self._clock_out = self.advertise(Clock, "/clock", qos.STREAM)
        self._senders: dict[str, Publisher] = {
            name: self.advertise(_type_of(name, kind), name, qos.SPEECH) for name, kind in self._found.types.items()
        }
        self._settle = self.create_client(Trigger, "generator/settle")
        undo.callback(self.destroy_client, self._settle)
        self.recorder = BagRecorder(self, self._found.opens_ns, self._found.sees_camera)
        self.work("bag player", self._turn, self._stopped.set)

    def _turn(self) -> None:
        try:
            self._play()
            status = 1 if self._bag.damage else 0
        except (ValueError, OSError, TimeoutError) as error:
            self.get_logger().error(str(error))
            status = 1
        self.finish(status)
        self._stopped.wait()

    def _play(self) -> None:
        with ExitStack() as stack:
            writer = None
            if self.config.output:
                path = Path(self.config.output).expanduser()
                writer = stack.enter_context(BagWriter(path, self.config.storage, self.config.force))
                self.recorder.begin(writer)
                for name in self._found.directions:
                    writer.add_topic(f"/{name}", inputs.DIRECTIONS[name])
            self._wait_for_readers()
            Playing(self, self._found, writer).run(self._bag)
        digest = self.recorder.digest
        self.get_logger().info(f"{digest.frames} frames, sha256 of pictures and stamps {digest.hexdigest()}")

    # --- for `Playing` ---------------------------------------------------------------------------------------------

    def tick(self, time_ns: int) -> None:
        """Publish a time on /clock."""
        self._clock_out.publish(Clock(clock=to_stamp(time_ns)))

    def send(self, message: Input) -> None:
        """Publish a message exactly as it is in the bag."""
        self._senders[message.name].publish(message.data)

    def rest(self, seconds: float) -> None:
        """Wait for a while, unless the node is asked to stop.

        Raises:
            TimeoutError: if it is asked to stop.
        """
        if self._stopped.wait(max(seconds, 0.0)):
            raise TimeoutError("ended before the bag was")

    def settle(self) -> None:
        """In step-by-step mode, wait until the generator has finished the work that is due.

        Raises:
            TimeoutError: if it has not finished after a minute.
        """
        if not self.config.step_by_step:
            return
        answered, end = threading.Event(), time.monotonic() + STEP_PATIENCE_S
        future = self._settle.call_async(Trigger.Request())
        future.add_done_callback(lambda _future: answered.set())
        while not answered.wait(0.1) and time.monotonic() < end:
            self.rest(0)
        if not (future.done() and future.result().success):
            raise TimeoutError(f"the generator has not finished its work after {STEP_PATIENCE_S:.0f} s")

    def _wait_for_readers(self) -> None:
        end = time.monotonic() + READERS_PATIENCE_S
        while missing := self._missing():
            if time.monotonic() > end:
                raise TimeoutError(f"no node is connected to {', '.join(missing)}")
            self.rest(0.1)

    def _missing(self) -> list[str]:
        """Topics and services whose other side has not been discovered yet."""
        unread = [name for name, sender in self._senders.items() if not sender.get_subscription_count()]
        unsent = [topic for topic in self.recorder.topics if not self.count_publishers(topic)]
        unheard = [] if self._clock_out.get_subscription_count() else ["/clock"]
        return unread + unsent + unheard + ([] if self._settle.service_is_ready() else ["generator/settle"])


class Playing:
    """One pass through a bag; the clock moves at every frame of the 40 ms grid and at every message.

    Args:
        node: publishes, and waits for the generator.
        found: survey of the bag.
        writer: bag for the avatar's output; None records nothing.
    """

    def __init__(self, node: BagPlayerNode, found: Survey, writer: BagWriter | None) -> None:
        self._node, self._found, self._writer = node, found, writer
        self._grid_ns = found.opens_ns
        self._unsettled = False

    def run(self, bag: BagReader) -> None:
        """Play the bag from its first moment to its last.

        Raises:
            TimeoutError: if the nodes do not keep up, or the player is asked to stop.
        """
        self._open()
        for message in inputs.read_inputs(bag, self._found.inputs):
            if message.time_ns > self._found.closes_ns:
                break
            self._go_to(message.time_ns)
            self._send(message)
        self._go_to(self._found.closes_ns)
        self._node.rest(DISCOVERY_S)  # the last messages may still be on their way
        self._node.recorder.write(self._writer, self._found.closes_ns)

    def _open(self) -> None:
        """Publish the starting time until every node has received it."""
        for _ in range(10):
            self._node.tick(self._found.opens_ns)
            self._node.rest(DISCOVERY_S / 10)
        self._node.settle()
        self._began_s = time.monotonic()

    def _go_to(self, time_ns: int) -> None:
        """Advance the clock to a time, stopping at every frame of the grid."""
        while self._grid_ns + FRAME_NS <= time_ns:
            self._grid_ns += FRAME_NS
            self._settle_inputs()
            self._pass_to(self._grid_ns)
            self._node.settle()
            self._wait_for_picture()
        if time_ns > self._grid_ns:
            self._pass_to(time_ns)

    def _send(self, message: Input) -> None:
        """Publish a message. One without a stamp is dated by the clock, so the clock waits until it has been taken."""
        unstamped = message.header_ns is None
        if unstamped:
            self._node.settle()
        self._node.send(message)
        if self._writer is not None and message.name in inputs.DIRECTIONS:
            self._writer.write_bytes(f"/{message.name}", message.time_ns, message.data)
        self._unsettled = True
        if unstamped:
            self._settle_inputs()
        if self._node.config.step_by_step and message.name in (inputs.CAMERA, inputs.COMPRESSED):
            if not self._await(inputs.MOTION, message.header_ns or 0, STEP_PATIENCE_S):
                self._node.get_logger().warning(f"no user motion came for the picture of {message.header_ns} ns")
            self._node.recorder.write(self._writer, message.time_ns)

    def _settle_inputs(self) -> None:
        if self._unsettled:
            self._node.settle()
            self._unsettled = False

    def _pass_to(self, time_ns: int) -> None:
        """Wait until a moment of the bag is due at the chosen rate, then set the clock to it."""
        passed_s = (time_ns - self._found.opens_ns) / NANOSECONDS / self._node.config.rate
        self._node.rest(self._began_s + passed_s - time.monotonic())
        self._node.tick(time_ns)
        self._node.recorder.write(self._writer, time_ns)

    def _wait_for_picture(self) -> None:
        """Wait for the picture of this frame; before the first picture, there may be none."""
        recorder = self._node.recorder
        if not self._node.config.step_by_step:
            return
        begun = recorder.has_seen(IMAGE)
        there = self._await(IMAGE, self._grid_ns, STEP_PATIENCE_S if begun else _FIRST_FRAME_S)
        if begun and not there:
            raise TimeoutError(f"no picture for {self._grid_ns} ns")

    def _await(self, topic: str, stamp_ns: int, patience_s: float) -> bool:
        """Wait for a message with this stamp or a later one; False if none arrives within `patience_s` seconds.

        Raises:
            TimeoutError: if the player is asked to stop.
        """
        end = time.monotonic() + patience_s
        while not self._node.recorder.wait_for(topic, stamp_ns, min(_LOOK_AROUND_S, patience_s)):
            if time.monotonic() >= end:
                return False
            self._node.rest(0)
        return True


def _type_of(name: str, kind: str) -> type:
    """The type to publish; an expression has two possible types, and the nodes use one of them."""
    return expression_type() if name == EXPRESSION else message_type(kind.replace("/msg/", "/"))


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(BagPlayerNode, args)


if __name__ == "__main__":
    raise SystemExit(main())
