# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Plays a bag to the avatar without ROS, as fast as the machine can: the pictures are those of the live nodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

from avatar_forcing_ros.avatar import Avatar
from avatar_forcing_ros.bags import inputs
from avatar_forcing_ros.bags.ahead import ahead
from avatar_forcing_ros.bags.bag import BagReader, BagWriter
from avatar_forcing_ros.bags.bag_outlet import BagOutlet, Pictures
from avatar_forcing_ros.bags.inputs import Input, Survey
from avatar_forcing_ros.bags.watching import watch
from avatar_forcing_ros.messages import directions, motion
from avatar_forcing_ros.messages.directions import EXPRESSION, LOOK_AT
from avatar_forcing_ros.motion.space import MotionSpace
from avatar_forcing_ros.session.errors import one_line
from avatar_forcing_ros.session.outlet import OutputConfig
from avatar_forcing_ros.session.session import Session, SessionConfig
from avatar_forcing_ros.session.virtual import VirtualRun

_AHEAD = 64


@dataclass
class Replayed:
    """What was made of a bag.

    Attributes:
        sha256: SHA-256 of all pictures and their stamps, see `ImageDigest`.
        frames: number of pictures.
        counters: how often the avatar refused or repaired something, by name.
        refused: number of messages that could not be read, by what they are.
        reasons: why the first of each could not be read.
        damage: what is wrong with the bag, or empty.
    """

    sha256: str = ""
    frames: int = 0
    counters: dict[str, int] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, str] = field(default_factory=dict)
    damage: str = ""

    def refuse(self, name: str, error: Exception) -> None:
        """Count a message that could not be read; each kind of message is refused by one thread only."""
        self.refused[name] += 1
        self.reasons.setdefault(name, str(error))


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
        writer: writes the new bag; not open yet.
        avatar: the avatar, not started yet.
        portrait_sha256: SHA-256 of the portrait's pixels.
        pictures: how pictures are written.
    """
    result = Replayed()
    space = avatar.bundle.space
    outlet = BagOutlet(writer, lambda: run.now_ns, space, pictures)
    run = VirtualRun(avatar, found.opens_ns, outlet, result.refuse, portrait_sha256, SessionConfig(draws_ahead=False))
    if found.sees_camera:
        outlet.add_topic(inputs.MOTION, "avatar_forcing_ros/MotionLatents")
    for name in found.directions:
        outlet.add_topic(name, inputs.DIRECTIONS[name])
    with outlet, closing(ahead(_messages(source, found, space, result), _AHEAD, "reading")) as coming:
        feeder = Feeder(source, found, run.session, space)
        for message in coming:
            run.run_until(message.time_ns)
            if message.name in inputs.DIRECTIONS or (found.sees_camera and message.name == inputs.MOTION):
                outlet.copy(message.name, message.time_ns, message.data)
            feeder.feed(message, result)
        run.run_until(found.closes_ns)
    result.sha256, result.frames = outlet.digest.hexdigest(), outlet.digest.frames
    result.counters = {**avatar.counters(), "failed_blocks": run.session.failed_blocks}
    result.damage = source.damage
    return result


def _messages(source: BagReader, found: Survey, space: MotionSpace, result: Replayed) -> Iterator[Input]:
    """The avatar's input until the conversation closes, with pictures turned into the user's motion."""
    messages = takewhile(lambda m: m.time_ns <= found.closes_ns, inputs.read_inputs(source, found.inputs))
    return watch(messages, source.types, space, result.refuse) if found.sees_camera else messages


class Feeder:
    """Hands the messages of a bag to a session, as the nodes' subscriptions do.

    Args:
        bag: defines the types of the messages.
        found: what is in it.
        session: receives them.
        space: motion space of the user's motion.
    """

    def __init__(self, bag: BagReader, found: Survey, session: Session, space: MotionSpace) -> None:
        self._types = bag.types
        self._session, self._now_ns = session, 0
        self._readers = inputs.audio_readers(found.types, lambda: self._now_ns)
        self._accept: dict[str, Callable[[Any], None]] = {
            inputs.USER_AUDIO: lambda m: session.hear(self._sound(inputs.USER_AUDIO, m)),
            inputs.SPEECH: self._say,
            inputs.INTERRUPT: lambda _m: session.interrupt(),
            inputs.MOTION: lambda m: session.see(motion.to_sample(m, space.name)),
            EXPRESSION: lambda m: session.express(directions.to_expression(m)),
            LOOK_AT: lambda m: session.look_at(directions.to_look_at(m, OutputConfig.frame_id)),
            f"{inputs.USER_AUDIO}_info": lambda m: self._readers[inputs.USER_AUDIO].learn(m),
            f"{inputs.SPEECH}_info": lambda m: self._readers[inputs.SPEECH].learn(m),
        }

    def feed(self, message: Input, result: Replayed) -> None:
        """Hand a message over; one that is refused is counted."""
        self._now_ns = message.time_ns
        try:
            self._accept[message.name](self._types.read(message.data, message.type_name))
        except (ValueError, KeyError) as error:
            result.refuse(message.name, error)

    def _say(self, message: Any) -> None:
        try:
            chunk = self._sound(inputs.SPEECH, message)
        except ValueError as error:
            self._session.refuse_speech(getattr(message, "utterance_id", ""), one_line(error))
            raise
        self._session.say(chunk)

    def _sound(self, name: str, message: Any) -> Any:
        return self._readers[name].read(message)
