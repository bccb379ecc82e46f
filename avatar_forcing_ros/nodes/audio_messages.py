# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Subscribes nodes to sound in any supported kind of message; `messages.audio` reads them.

audio_common_msgs is optional: it is imported here only, whichever version is installed, and only when it is needed.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile

from avatar_forcing_ros import signals
from avatar_forcing_ros.messages import audio
from avatar_forcing_ros.messages.audio import AudioInput, AudioKind, AudioLayout, AudioReader, read_pcm
from avatar_forcing_ros.msg import AudioChunk as AudioChunkMessage
from avatar_forcing_ros.nodes.managed_node import ManagedNode
from avatar_forcing_ros.nodes.ros_messages import make
from avatar_forcing_ros.session.errors import one_line

__all__ = ["AudioInput", "AudioKind", "AudioLayout", "AudioReader", "from_chunk", "installed_kind", "listen_audio"]
__all__ += ["Rivals", "message_type", "read_pcm"]

_OVERLAPS_OF_RIVALS = 5  # in a second; a sound card that catches up makes one or two


def listen_audio(
    node: ManagedNode,
    topic: str,
    source: AudioInput,
    qos: QoSProfile,
    accept: Callable[[signals.AudioChunk], None],
    refused: Callable[[str, str], None] = lambda _utterance_id, _reason: None,
) -> None:
    """Subscribe a node to sound until it is deactivated.

    Args:
        node: the subscriber; a message without a stamp is taken to end at the time that its clock shows.
        topic: for AudioData and AudioDataStamped, the layout is also read from `<topic>_info`.
        source: kind and layout of the messages.
        qos: quality of service of the subscription.
        accept: called with each chunk.
        refused: called with the utterance and the reason when a message cannot be read; the node reports it as well.

    Raises:
        ValueError: if the message type is not installed.
    """
    kind = installed_kind() if source.kind == "auto" else source.kind
    reader = AudioReader(kind, source.layout, lambda: node.get_clock().now().nanoseconds)

    def take(message: Any) -> None:
        try:
            chunk = reader.read(message)
        except ValueError as error:
            refused(getattr(message, "utterance_id", ""), one_line(error))
            raise
        accept(chunk)

    node.listen(message_type(kind), topic, take, qos)
    if kind in ("AudioData", "AudioDataStamped"):
        node.listen(importlib.import_module("audio_common_msgs.msg").AudioInfo, f"{topic}_info", reader.learn, qos)


class Rivals:
    """Notices nodes that cut into each other's sound on one topic.

    Args:
        node: listens to it.
        topic: as the node names it.
    """

    def __init__(self, node: Node, topic: str) -> None:
        self._node, self._topic, self._overlaps = node, topic, 0

    def complaint(self, overlaps: int) -> str:
        """What is wrong since the last call, in one line, or empty; `overlaps` chunks began within another so far."""
        new, self._overlaps = overlaps - self._overlaps, overlaps
        if new < _OVERLAPS_OF_RIVALS:
            return ""
        topic = self._node.resolve_topic_name(self._topic)
        others = self._node.get_publishers_info_by_topic(topic)
        names = sorted({f"{other.node_namespace.rstrip('/')}/{other.node_name}" for other in others})
        if len(names) < 2:  # a node that was started again stands there twice for a while
            return ""
        return f"{len(names)} nodes cut into each other's sound on {topic}, let one publish: {', '.join(names)}"


def installed_kind() -> AudioKind:
    """The stamped message type of the installed audio_common_msgs, or our own if it is not installed."""
    if importlib.util.find_spec("audio_common_msgs") is None:
        return "AudioChunk"
    messages = importlib.import_module("audio_common_msgs.msg")
    return "AudioStamped" if hasattr(messages, "AudioStamped") else "AudioDataStamped"


def message_type(kind: AudioKind) -> type:
    """The class of a kind of audio message.

    Raises:
        ValueError: if it is not installed.
    """
    if kind == "AudioChunk":
        return AudioChunkMessage
    try:
        return getattr(importlib.import_module("audio_common_msgs.msg"), kind)
    except (ImportError, AttributeError):
        raise ValueError(f"audio_common_msgs with {kind} is not installed; installed is {installed_kind()}") from None


def from_chunk(chunk: signals.AudioChunk) -> AudioChunkMessage:
    """An AudioChunk message with 16-bit samples, from a chunk."""
    return audio.from_chunk(make, chunk)
