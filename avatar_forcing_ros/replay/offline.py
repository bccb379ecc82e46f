"""A bag through the avatar without ROS, as fast as the machine can: the same pictures as the live nodes make of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from avatar_forcing_ros.avatar import Avatar
from avatar_forcing_ros.messages import images, motion
from avatar_forcing_ros.messages.making import stamp_ns
from avatar_forcing_ros.motion.space import MotionSpace
from avatar_forcing_ros.replay import inputs
from avatar_forcing_ros.replay.bag import BagReader, BagWriter
from avatar_forcing_ros.replay.inputs import Input, Survey
from avatar_forcing_ros.replay.performance import Performance
from avatar_forcing_ros.replay.stage import BagStage, Pictures
from avatar_forcing_ros.signals import VideoFrame


@dataclass
class Replayed:
    """What was made of a bag.

    Attributes:
        sha256: of all pictures and their stamps, see `ImageDigest`.
        frames: pictures.
        counters: what the avatar refused or mended, by name.
        refused: messages that could not be read, by what they are.
        reasons: why, the first time, by what they are.
        damage: what is wrong with the bag, or empty.
    """

    sha256: str = ""
    frames: int = 0
    counters: dict[str, int] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, str] = field(default_factory=dict)
    damage: str = ""


def replay(
    source: BagReader,
    found: Survey,
    writer: BagWriter,
    avatar: Avatar,
    portrait_sha256: str,
    pictures: Pictures = "raw",
) -> Replayed:
    """Play a bag to an avatar and record what it presents.

    Args:
        source: the bag.
        found: what is in it.
        writer: of the bag that is made, not open yet.
        avatar: has not begun yet.
        portrait_sha256: of the portrait's pixels.
        pictures: how pictures are written.
    """
    result = Replayed()
    stage = BagStage(writer, avatar.render, pictures)
    if found.sees_camera:
        stage.add_topic(inputs.MOTION, "avatar_forcing_ros/MotionLatents")
    with stage:
        performance = Performance(avatar, stage, writer.types.make, portrait_sha256)
        feeder = Feeder(source, found, performance, avatar.bundle.space, stage.tell)
        performance.start(found.opens_ns)
        for message in inputs.read_inputs(source, found.inputs):
            if message.time_ns > found.closes_ns:
                break
            performance.advance(message.time_ns)
            feeder.feed(message, result)
        performance.advance(found.closes_ns)
    result.sha256, result.frames = stage.digest.hexdigest(), stage.digest.frames
    result.counters = {**avatar.counters(), "failed_blocks": performance.failed_blocks}
    result.damage = source.damage
    return result


class Feeder:
    """Hands the messages of a bag to a performance, as the nodes' subscriptions do.

    Args:
        bag: has the types of the messages.
        found: what is in it.
        performance: gets them.
        space: of the user's motion.
        record: gets the user's motion that was read from pictures.
    """

    def __init__(
        self,
        bag: BagReader,
        found: Survey,
        performance: Performance,
        space: MotionSpace,
        record: Callable[[str, int, Any], None],
    ) -> None:
        self._types, self._performance, self._space, self._record = bag.types, performance, space, record
        self._now_ns = 0
        self._newest_picture_ns = 0
        self._encoder = space.make_encoder() if found.sees_camera else None
        self._readers = inputs.audio_readers(found.types, lambda: self._now_ns)
        self._accept: dict[str, Callable[[Any], None]] = {
            inputs.USER_AUDIO: lambda m: self._performance.hear(self._sound(inputs.USER_AUDIO, m), self._now_ns),
            inputs.SPEECH: lambda m: self._performance.say(self._sound(inputs.SPEECH, m), self._now_ns),
            inputs.INTERRUPT: lambda _m: self._performance.interrupt(self._now_ns),
            inputs.MOTION: self._see,
            inputs.CAMERA: self._look,
            inputs.COMPRESSED: self._look,
            f"{inputs.USER_AUDIO}_info": lambda m: self._readers[inputs.USER_AUDIO].learn(m),
            f"{inputs.SPEECH}_info": lambda m: self._readers[inputs.SPEECH].learn(m),
        }

    def feed(self, message: Input, result: Replayed) -> None:
        """Hand one over; what is refused is counted, and the next one comes."""
        self._now_ns = message.time_ns
        try:
            self._accept[message.name](self._types.read(message.data, message.type_name))
        except (ValueError, KeyError) as error:
            result.refused[message.name] += 1
            result.reasons.setdefault(message.name, str(error))

    def _sound(self, name: str, message: Any) -> Any:
        return self._readers[name].read(message)

    def _see(self, message: Any) -> None:
        self._performance.see(motion.to_sample(message, self._space.name), self._now_ns)

    def _look(self, message: Any) -> None:
        """Read the user's motion from a picture, as the motion extraction node does; a message carries it on."""
        assert self._encoder is not None
        time_ns, image = stamp_ns(message.header.stamp), images.read_image(message)
        if time_ns < self._newest_picture_ns:
            self._encoder.reset()  # time went back: another recording, or a clock that was set
        self._newest_picture_ns = time_ns
        sample = self._encoder.encode(VideoFrame(time_ns, image))
        seen = motion.from_sample(self._types.make, sample, self._space.name, self._space.names)
        self._record(inputs.MOTION, self._now_ns, seen)
        self._see(self._types.read(self._types.write(seen), seen.__msgtype__))
