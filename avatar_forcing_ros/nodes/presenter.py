"""Publishes what the avatar shows and says, each thing when its presentation time comes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CompressedImage, Image

from avatar_forcing_ros import signals
from avatar_forcing_ros.messages import presented
from avatar_forcing_ros.messages.presented import Provenance
from avatar_forcing_ros.motion.space import MotionSpace
from avatar_forcing_ros.msg import AudioChunk, AvatarState, FrameInfo, MotionLatents, PlaybackEvent
from avatar_forcing_ros.nodes import qos
from avatar_forcing_ros.nodes.audio_messages import from_chunk
from avatar_forcing_ros.nodes.conversions import compressed_from_rgb, from_rgb
from avatar_forcing_ros.nodes.motion_messages import from_frame
from avatar_forcing_ros.nodes.pacer import Pacer
from avatar_forcing_ros.nodes.ros_messages import make
from avatar_forcing_ros.nodes.ros_time import MILLISECOND, to_stamp
from avatar_forcing_ros.signals import AvatarFrame
from avatar_forcing_ros.stream import speech
from avatar_forcing_ros.stream.grid import FRAME_NS, SAMPLE_RATE


@dataclass(frozen=True)
class PresenterConfig:
    """How the avatar is published.

    Attributes:
        raw: publish avatar/image_raw.
        compressed: publish avatar/image_raw/compressed too, as jpeg, while somebody listens to it.
        jpeg_quality: of the compressed pictures.
        speech_ahead_ms: avatar/speech is published this long before its stamp, so that a speaker can play it in time.
        frame_id: of pictures and motion.
    """

    raw: bool = True
    compressed: bool = False
    jpeg_quality: int = 85
    speech_ahead_ms: int = 40
    frame_id: str = "avatar"


class Outlet(Protocol):
    """What a presenter asks of a node."""

    def advertise(self, message_type: type, topic: str, qos: QoSProfile) -> Any:
        """A publisher."""
        ...

    def get_clock(self) -> Any:
        """The node's clock."""
        ...


class Presenter:
    """Turns frames, speech and events into messages and lets a pacer publish them.

    Args:
        node: publishes them.
        pacer: says when.
        config: what is published.
        space: of the motion.
        every_frame: late frames are shown, too, so that a replay does not depend on how fast the machine is.

    Attributes:
        every_frame: as given.
        shown: frames published.
        dropped: frames not published because they were more than one frame late and a newer one was there.
        lateness_ms: of the newest published frames.
    """

    def __init__(
        self, node: Outlet, pacer: Pacer, config: PresenterConfig, space: MotionSpace, every_frame: bool = False
    ) -> None:
        self._now_ns: Callable[[], int] = lambda: node.get_clock().now().nanoseconds
        self._pacer, self._config, self._space, self.every_frame = pacer, config, space, every_frame
        self._image = node.advertise(Image, "avatar/image_raw", qos.PICTURE) if config.raw else None
        self._compressed = (
            node.advertise(CompressedImage, "avatar/image_raw/compressed", qos.PICTURE) if config.compressed else None
        )
        self._info = node.advertise(FrameInfo, "avatar/frame_info", qos.STREAM)
        self._motion = node.advertise(MotionLatents, "avatar/motion", qos.STREAM)
        self._speech = node.advertise(AudioChunk, "avatar/speech", qos.STREAM)
        self._playback = node.advertise(PlaybackEvent, "avatar/playback", qos.STREAM)
        self._state = node.advertise(AvatarState, "avatar/state", qos.LATCHED)
        self._said: AvatarState | None = None
        self._spoken = 0
        self._newest_ns = 0
        self.shown = 0
        self.dropped = 0
        self.lateness_ms: deque[float] = deque(maxlen=250)

    def speak(self, frame: AvatarFrame) -> None:
        """Publish the speech of a frame, in time for a speaker; silence between utterances is not published."""
        if frame.utterance_id or np.any(frame.speech):
            chunk = signals.AudioChunk(frame.stamp_ns, frame.speech, SAMPLE_RATE, frame.utterance_id, self._spoken)
            self._spoken += 1
            message = from_chunk(chunk)
            due_ns = frame.stamp_ns - self._config.speech_ahead_ms * MILLISECOND
            self._pacer.put(due_ns, frame.stamp_ns, lambda: self._speech.publish(message))

    def show(self, frame: AvatarFrame, picture: NDArray[np.uint8], provenance: Provenance) -> None:
        """Publish a picture and its companions when the clock reaches its stamp."""
        self._newest_ns = frame.stamp_ns
        stamp = to_stamp(frame.stamp_ns)
        message = from_rgb(picture, stamp, self._config.frame_id)
        info = presented.frame_info(make, frame, provenance, self._config.frame_id)
        self._pacer.put(frame.stamp_ns, frame.stamp_ns, lambda: self._publish(frame, picture, message, info))

    def report(self, event: speech.PlaybackEvent) -> None:
        """Publish what happened to an utterance when it happens."""
        message = presented.playback_event(make, event)
        # an event at the very moment of a cut belongs to what was presented before it
        self._pacer.put(event.stamp_ns, event.stamp_ns - 1, lambda: self._playback.publish(message))

    def state(self, state: int, epoch: int, utterance_id: str = "", detail: str = "", quality_level: int = 0) -> None:
        """Publish the avatar's state if it is another one than before."""
        message = AvatarState(
            state=state, epoch=epoch, utterance_id=utterance_id, detail=detail, quality_level=quality_level
        )
        if message != self._said:
            self._said = deepcopy(message)
            message.header.stamp = to_stamp(self._now_ns())
            self._state.publish(message)

    def drops(self, frame: AvatarFrame, newest_ns: int) -> bool:
        """Whether a frame is more than one frame late while a newer one is there; it is then counted."""
        late = self._now_ns() > frame.stamp_ns + FRAME_NS
        drop = late and frame.stamp_ns < newest_ns and not self.every_frame
        self.dropped += drop
        return drop

    def _publish(self, frame: AvatarFrame, picture: NDArray[np.uint8], message: Image, info: FrameInfo) -> None:
        if self.drops(frame, self._newest_ns):
            return
        if self._image is not None:
            self._image.publish(message)
        if self._compressed is not None and self._compressed.get_subscription_count():
            stamp, quality = message.header.stamp, self._config.jpeg_quality
            self._compressed.publish(compressed_from_rgb(picture, stamp, self._config.frame_id, quality))
        published_ns = self._now_ns()
        info.published = to_stamp(published_ns)
        info.lateness_ms = (published_ns - frame.stamp_ns) / MILLISECOND
        self._info.publish(info)
        self._motion.publish(from_frame(frame, self._space.name, self._space.names))
        self.shown += 1
        self.lateness_ms.append(info.lateness_ms)
