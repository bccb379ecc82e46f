# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A ROS graph inside a test, ours or yours: a context of its own, one executor, and a clock that the test moves.

A test says which nodes run, what is sent and what must arrive:

    with TestGraph() as graph:
        graph.add(MotionExtractionNode, compressed=True)
        heard = graph.listen(MotionLatents, "user_motion")
        graph.send(CompressedImage, "camera/image_raw/compressed", message)
        graph.spin_until(lambda: heard)

To test a node that talks to the avatar, use `AvatarStage`, which moves time only when the avatar has kept up.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

import numpy as np
import rclpy
from numpy.typing import NDArray
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSCompatibility, QoSProfile, qos_check_compatible
from rclpy.subscription import Subscription
from rosgraph_msgs.msg import Clock
from std_msgs.msg import Empty
from std_srvs.srv import Trigger

from avatar_forcing_ros import signals
from avatar_forcing_ros.msg import AudioChunk, FrameInfo, PlaybackEvent
from avatar_forcing_ros.nodes.audio_messages import AudioReader, from_chunk
from avatar_forcing_ros.nodes.generator_node import GeneratorNode
from avatar_forcing_ros.nodes.managed_node import ManagedNode
from avatar_forcing_ros.nodes.ros_time import stamp_ns, to_stamp
from avatar_forcing_ros.testing import tiny_bundle
from avatar_forcing_ros.timeline.grid import FRAME_NS, FRAME_SAMPLES, SAMPLE_RATE

AnyNode = TypeVar("AnyNode", bound=ManagedNode)
PATIENCE_S = 60.0
"""Far longer than anything takes, so that no test fails on a loaded machine."""
_RELIABLE = QoSProfile(depth=1000)


class TestGraph:
    """The nodes of a test and a node that talks to them, spun in the test's own thread.

    Attributes:
        node: the test's own node.
        context: the context of all nodes.
    """

    __test__ = False  # pytest would collect it as a test, because of its name

    def __enter__(self) -> TestGraph:
        self.context = Context()
        rclpy.init(context=self.context)
        self.node = Node("tester", context=self.context)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._nodes: list[ManagedNode] = []
        self._others: list[Node] = [self.node]
        self._senders: dict[str, Any] = {}
        self._clients: dict[str, Any] = {}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for node in self._nodes:
            self._executor.remove_node(node)
            node.close()
        for other in self._others:
            other.destroy_node()
        rclpy.shutdown(context=self.context)

    def add(
        self, node_type: Callable[..., AnyNode], node_arguments: dict[str, Any] | None = None, **parameters: Any
    ) -> AnyNode:
        """Create a node with these parameters ("." in a name is written "__") and start it.

        Raises:
            AssertionError: if it refuses to start.
        """
        overrides = [Parameter(name.replace("__", "."), value=value) for name, value in parameters.items()]
        node = node_type(context=self.context, parameter_overrides=overrides, **(node_arguments or {}))
        self._nodes.append(node)
        self._executor.add_node(node)
        assert node.start(), f"{node.get_name()} did not start"
        return node

    def spin_node(self, node: Node) -> None:
        """Spin another node along with the rest; it is destroyed at the end."""
        self._others.append(node)
        self._executor.add_node(node)

    def listen(self, message_type: type, topic: str, latched: bool = False) -> list[Any]:
        """A list that fills with the messages of a topic, once there is a publisher."""
        heard = self.listen_to_come(message_type, topic, latched)
        self.spin_until(lambda: self.node.count_publishers(topic) > 0)
        self._meet(topic)
        return heard

    def listen_to_come(self, message_type: type, topic: str, latched: bool = False) -> list[Any]:
        """Like `listen`, for a topic that has no publisher yet."""
        heard: list[Any] = []
        durability = DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE
        qos = QoSProfile(depth=1000, durability=durability)
        self.node.create_subscription(message_type, topic, heard.append, qos)
        return heard

    def send(self, message_type: type, topic: str, *messages: Any) -> None:
        """Publish messages once the topic has a subscriber."""
        if topic not in self._senders:
            self._senders[topic] = self.node.create_publisher(message_type, topic, _RELIABLE)
            self.spin_until(lambda: self._senders[topic].get_subscription_count() > 0)
            self._meet(topic)
        for message in messages:
            self._senders[topic].publish(message)

    def set_clock(self, time_ns: int) -> None:
        """Move the clock of nodes that use simulated time."""
        self.send(Clock, "/clock", Clock(clock=to_stamp(time_ns)))

    def call(self, service_type: type, name: str, request: Any) -> Any:
        """Call a service; returns its answer."""
        if name not in self._clients:
            self._clients[name] = self.node.create_client(service_type, name)
            self.spin_until(self._clients[name].service_is_ready)
        future = self._clients[name].call_async(request)
        self.spin_until(future.done)
        return future.result()

    def _meet(self, topic: str) -> None:
        """Wait until all ends of a topic have discovered each other; messages sent earlier would be lost.

        Only our own side is known of nodes in other processes, so they get a moment instead.
        """
        name = self.node.resolve_topic_name(topic)
        nodes = [*self._nodes, *self._others]
        writers = [end for node in nodes for end in node.publishers if end.topic_name == name]
        readers = [end for node in nodes for end in node.subscriptions if end.topic_name == name]
        if not writers or not readers:
            self.spin(0.3)
            return
        pairs = [(writer, reader) for writer in writers for reader in readers if _fits(writer, reader)]
        self.spin_until(
            lambda: all(
                writer.get_subscription_count() >= sum(other is writer for other, _ in pairs)
                and reader.get_publisher_count() >= sum(other is reader for _, other in pairs)
                for writer, reader in pairs
            )
        )

    def spin_until(self, done: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
        """Spin until a condition holds.

        Raises:
            AssertionError: if it does not hold within `patience_s`.
        """
        end = time.monotonic() + patience_s
        while not done():
            self._executor.spin_once(timeout_sec=0.02)
            assert time.monotonic() < end, f"still waiting after {patience_s} s"

    def spin(self, seconds: float) -> None:
        """Let messages flow for a while, for what must not come."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._executor.spin_once(timeout_sec=0.02)


def _fits(writer: Publisher, reader: Subscription) -> bool:
    """Whether what a writer offers is what a reader asks for; the middleware keeps them apart otherwise."""
    return bool(qos_check_compatible(writer.qos_profile, reader.qos_profile)[0] != QoSCompatibility.ERROR)


class AvatarStage:
    """An avatar with a tiny model on simulated time, which a test moves frame by frame.

    Attributes:
        node: the generator.
        infos: FrameInfo of every frame.
        spoken: what came on avatar/speech.
        events: what came on avatar/playback.
        now_ns: simulated time.
    """

    def __init__(self, graph: TestGraph, start_ns: int = 1_000 * signals.NANOSECONDS, **parameters: Any) -> None:
        """Start a generator with these parameters, see `TestGraph.add`."""
        self._graph, self.now_ns = graph, start_ns
        self._noise = np.random.default_rng(0)
        self.node = graph.add(
            GeneratorNode,
            {"open_model": lambda *_: tiny_bundle()},
            use_sim_time=True,
            avatar__image_size=64,
            user_audio__kind="AudioChunk",
            **{"require_consent": False, **parameters},
        )
        self.infos: list[FrameInfo] = graph.listen(FrameInfo, "avatar/frame_info")
        self.spoken: list[AudioChunk] = graph.listen(AudioChunk, "avatar/speech")
        self.events: list[PlaybackEvent] = graph.listen(PlaybackEvent, "avatar/playback")
        graph.set_clock(start_ns)

    def play(self, frames: int, before_each: Callable[[], None] = lambda: None) -> None:
        """Let frames pass, each only after the one before it was shown."""
        for _ in range(frames):
            before_each()
            self.now_ns += FRAME_NS
            self._graph.set_clock(self.now_ns)
            if self.infos:
                self._graph.spin_until(lambda: self.stamps()[-1] >= self.now_ns)
            else:  # not known yet whether there is one
                self.settle()

    def play_until(self, done: Callable[[], object], longest: int = 500) -> None:
        """Let frames pass until something is so.

        Raises:
            AssertionError: it is not so after `longest` frames.
        """
        for _ in range(longest):
            if done():
                return
            self.play(1)
        raise AssertionError(f"still waiting after {longest} frames")

    def say(self, utterance_id: str, samples: NDArray[np.float32], end: bool = True) -> None:
        """Send speech at 16 kHz in chunks of 100 ms, all at once, and wait until it has come."""
        pieces = [samples[start : start + 1600] for start in range(0, len(samples), 1600)]
        for seq, piece in enumerate(pieces):
            last = end and seq == len(pieces) - 1
            chunk = signals.AudioChunk(None, piece, 16_000, utterance_id, seq, last)
            self._graph.send(AudioChunk, "speech", from_chunk(chunk))
        self.settle()

    def interrupt(self) -> None:
        """Send speech/interrupt and wait until it has come."""
        self._graph.send(Empty, "speech/interrupt", Empty())
        self.settle()

    def settle(self) -> None:
        """Wait until what was sent has come and what is due is published."""
        for _ in range(2):  # the second answer comes after what was published before the first
            assert self._graph.call(Trigger, "generator/settle", Trigger.Request()).success

    def hear(self, samples: NDArray[np.float32], echo: float = 0.0, echo_frames: int = 3) -> None:
        """Send the microphone's next 40 ms and wait until they have come.

        Args:
            samples: (N,) what the user says, up to 640 at 16 kHz.
            echo: gain of the avatar's own voice in it.
            echo_frames: how late that voice is.
        """
        sound = self._noise.standard_normal(FRAME_SAMPLES) * 1e-3
        sound[: len(samples)] += samples
        sound += echo * self._presented_at(self.now_ns - echo_frames * FRAME_NS)
        microphone = self.node.inputs["microphone"]
        count = microphone.count
        chunk = signals.AudioChunk(self.now_ns, sound.astype(np.float32), SAMPLE_RATE)
        self._graph.send(AudioChunk, "user_audio", from_chunk(chunk))
        self._graph.spin_until(lambda: microphone.count > count)

    def _presented_at(self, time_ns: int) -> NDArray[np.float32]:
        """(640,) what the avatar says during a frame that was presented."""
        if not any(info.utterance_id for info in self.infos if stamp_ns(info.header.stamp) == time_ns):
            return np.zeros(FRAME_SAMPLES, np.float32)
        reader, found = AudioReader("AudioChunk"), list[AudioChunk]()

        def there() -> bool:
            found.extend(message for message in self.spoken[-20:] if stamp_ns(message.header.stamp) == time_ns)
            return bool(found)

        self._graph.spin_until(there)
        return reader.read(found[0]).samples

    def stamps(self) -> list[int]:
        """Presentation times of all frames."""
        return [stamp_ns(info.header.stamp) for info in self.infos]
