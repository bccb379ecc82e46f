# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What goes from a bag into the avatar: which topic is what, and when the conversation opens and closes."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from avatar_forcing_ros.bags.bag import BagError, BagReader
from avatar_forcing_ros.messages.audio import AudioKind, AudioReader
from avatar_forcing_ros.messages.directions import EXPRESSION, LOOK_AT
from avatar_forcing_ros.signals import NANOSECONDS
from avatar_forcing_ros.timeline.grid import FRAME_NS, PLANNED_AHEAD_NS

CAMERA, COMPRESSED = "camera/image_raw", "camera/image_raw/compressed"
MOTION, USER_AUDIO, SPEECH, INTERRUPT = "user_motion", "user_audio", "speech", "speech/interrupt"
_SOUND = frozenset(f"audio_common_msgs/msg/{kind}" for kind in get_args(AudioKind)) | {
    "avatar_forcing_ros/msg/AudioChunk"
}
_INFO = frozenset({"audio_common_msgs/msg/AudioInfo"})
INPUTS: dict[str, frozenset[str]] = {
    MOTION: frozenset({"avatar_forcing_ros/msg/MotionLatents"}),
    CAMERA: frozenset({"sensor_msgs/msg/Image"}),
    COMPRESSED: frozenset({"sensor_msgs/msg/CompressedImage"}),
    USER_AUDIO: _SOUND,
    SPEECH: _SOUND,
    INTERRUPT: frozenset({"std_msgs/msg/Empty"}),
    EXPRESSION: frozenset({"hri_msgs/msg/Expression", "avatar_forcing_ros/msg/Expression"}),
    LOOK_AT: frozenset({"geometry_msgs/msg/PointStamped"}),
    f"{USER_AUDIO}_info": _INFO,
    f"{SPEECH}_info": _INFO,
}
"""Topics that the avatar listens to, and the types that they may have."""

DIRECTIONS = {EXPRESSION: "avatar_forcing_ros/Expression", LOOK_AT: "geometry_msgs/PointStamped"}
"""Directions for the face, which a replay copies into its bag, under our own name for the type of expressions."""

_OPENING_NS = NANOSECONDS  # what is stamped in the first second says when the conversation opens
_TRUST_NS = NANOSECONDS  # a stamp further than this from the bag's own time says nothing about when the bag begins
_LONGEST_SILENCE_NS = 3600 * NANOSECONDS
"""Robots without a battery for their clock begin in 1970, and are set when they reach the network."""
_TAIL_NS = NANOSECONDS  # for speech to begin late, and for the mouth to come to rest
_STAMP = struct.Struct("<4xiI")


@dataclass(frozen=True)
class Input:
    """One message for the avatar: what it is (a name of `INPUTS`), its type, when it arrived, and its bytes."""

    name: str
    type_name: str
    time_ns: int
    data: bytes

    @property
    def header_ns(self) -> int | None:
        """Its stamp, or None. Its bytes are little endian on all machines that record bags today."""
        if self.type_name.endswith(("/Empty", "/AudioData", "/AudioInfo")) or len(self.data) < _STAMP.size:
            return None
        return stamp_of_bytes(self.data) or None


@dataclass(frozen=True)
class Survey:
    """What a bag holds for the avatar.

    Attributes:
        inputs: topic -> what it is, for the topics that are used.
        types: what it is -> type.
        opens_ns: when the conversation begins, on the frame grid.
        closes_ns: when the last frame has been presented.
        counts: what it is -> number of messages.
        skipped: topic -> number of messages that the avatar does not use or that cannot be read.
        damage: what is wrong with the bag, or empty.
        foreign: what it is -> number of messages whose stamps come from another clock than the bag's.
    """

    inputs: Mapping[str, str]
    types: Mapping[str, str]
    opens_ns: int
    closes_ns: int
    counts: Mapping[str, int]
    skipped: Mapping[str, int]
    damage: str = ""
    foreign: Mapping[str, int] = field(default_factory=dict)

    @property
    def sees_camera(self) -> bool:
        """Whether the user's motion is read from pictures; otherwise it is in the bag."""
        return CAMERA in self.types or COMPRESSED in self.types

    @property
    def directions(self) -> list[str]:
        """The directions for the face in this bag."""
        return [name for name in DIRECTIONS if name in self.types]


@dataclass
class _Times:
    """First and last moment of a conversation, from the stamps of what is in it."""

    begin_ns: int | None = None
    opens_ns: list[int] = field(default_factory=list)
    closes_ns: int = 0
    spoken_until_ns: int = 0
    foreign: Counter[str] = field(default_factory=Counter)

    def note(self, message: Input, duration_ns: int) -> None:
        """Take another message."""
        received_ns, stamp = message.time_ns, message.header_ns
        self.begin_ns = received_ns if self.begin_ns is None else self.begin_ns
        near = stamp is not None and abs(stamp - received_ns) <= _TRUST_NS
        begins_ns = stamp if near and stamp is not None else received_ns
        if received_ns <= self.begin_ns + _OPENING_NS:
            self.opens_ns.append(begins_ns)
        self.closes_ns = max(self.closes_ns, begins_ns + duration_ns)
        if message.name == SPEECH:
            planned = stamp if stamp is not None and 0 <= stamp - received_ns <= PLANNED_AHEAD_NS else begins_ns
            self.spoken_until_ns = max(self.spoken_until_ns, planned) + duration_ns
        may_be_ahead_ns = PLANNED_AHEAD_NS if message.name == SPEECH else _TRUST_NS
        if stamp is not None and not -_TRUST_NS <= stamp - received_ns <= may_be_ahead_ns:
            self.foreign[message.name] += 1


def stamp_of_bytes(data: bytes) -> int:
    """The stamp of a message that begins with a header, from its bytes; 0 is an unset stamp."""
    sec, nanosec = _STAMP.unpack_from(data)
    return sec * NANOSECONDS + nanosec


def survey(bag: BagReader, remap: Mapping[str, str] | None = None, camera: bool = False) -> Survey:
    """Read a bag once, except its pictures.

    Args:
        bag: the bag.
        remap: what an input is -> its topic in the bag, if that has another name.
        camera: read the user's motion from pictures even if it is in the bag.

    Raises:
        BagError: there is nothing for the avatar in the bag, or its clock was set while it was recorded; the message
            says what was expected and what is there.
    """
    inputs = _choose(bag, remap or {}, camera)
    counts = dict.fromkeys(inputs.values(), 0)
    times = _Times()
    lengths = lengths_of(bag, {name: bag.topics[topic] for topic, name in inputs.items()})
    last_ns: int | None = None
    for message in read_inputs(bag, inputs):
        if last_ns is not None and message.time_ns - last_ns > _LONGEST_SILENCE_NS:
            raise BagError(_leap(bag, last_ns, message.time_ns))
        last_ns = message.time_ns
        counts[message.name] += 1
        times.note(message, lengths(message))
    if times.begin_ns is None:
        raise BagError(f"{bag.path}: none of {', '.join(inputs)} has a message in it. {bag.damage}".strip())
    skipped = {topic: count for topic, count in bag.counts().items() if topic not in inputs}
    closes_ns = max(times.closes_ns, times.spoken_until_ns) + _TAIL_NS
    types = {name: bag.topics[topic] for topic, name in inputs.items()}
    return Survey(
        inputs,
        types,
        max(min(times.opens_ns) // FRAME_NS * FRAME_NS, FRAME_NS),  # a simulation's 0 is no time yet
        -(-closes_ns // FRAME_NS) * FRAME_NS,
        counts,
        skipped,
        bag.damage,
        times.foreign,
    )


def _leap(bag: BagReader, before_ns: int, after_ns: int) -> str:
    hours = (after_ns - before_ns) / NANOSECONDS / 3600
    return (
        f"{bag.path}: expected messages that follow each other, got none for {hours:.0f} hours after the time "
        f"{before_ns / NANOSECONDS:.0f} s: the clock was probably set meanwhile. Cut the bag there into two "
        "(ros2 bag convert with start_time_ns and end_time_ns)"
    )


def read_inputs(bag: BagReader, inputs: Mapping[str, str]) -> Iterator[Input]:
    """The avatar's messages in order of the bag's time."""
    for message in bag.messages(inputs):
        yield Input(inputs[message.topic], message.type_name, message.time_ns, message.data)


def lengths_of(bag: BagReader, types: Mapping[str, str]) -> Callable[[Input], int]:
    """Duration of the sound in a message, in nanoseconds; 0 for other messages and those that cannot be read."""
    readers = audio_readers(types)

    def length_ns(message: Input) -> int:
        try:
            if message.name in readers:
                return readers[message.name].read(bag.types.read(message.data, message.type_name)).duration_ns
            if message.name.endswith("_info"):
                readers[message.name.removesuffix("_info")].learn(bag.types.read(message.data, message.type_name))
        except (ValueError, KeyError):
            pass  # the replay refuses it, and counts it
        return 0

    return length_ns


def audio_readers(types: Mapping[str, str], now_ns: Callable[[], int] = lambda: 0) -> dict[str, AudioReader]:
    """Readers of the sound in a bag, by what it is."""
    return {name: AudioReader(audio_kind(types[name]), None, now_ns) for name in (USER_AUDIO, SPEECH) if name in types}


def audio_kind(type_name: str) -> AudioKind:
    """The kind of a message of sound."""
    kind: Any = type_name.rpartition("/")[2]
    return kind


def _choose(bag: BagReader, remap: Mapping[str, str], camera: bool) -> dict[str, str]:
    """Topic -> what it is, for the inputs in a bag."""
    _check_remapping(bag, remap)
    found = {}
    for name, types in INPUTS.items():
        topic = "/" + remap.get(name, name).lstrip("/")
        if bag.topics.get(topic) in types:
            found[name] = topic
    for worse in _worse(found, camera):
        found.pop(worse, None)
    if not {MOTION, CAMERA, COMPRESSED, USER_AUDIO, SPEECH} & set(found):
        wanted = ", ".join(f"/{remap.get(name, name).lstrip('/')}" for name in INPUTS)
        has = f"the bag has {_listed(bag)}; --remap INPUT:=TOPIC takes it from another"
        raise BagError(f"{bag.path}: expected at least one of {wanted}; {has}")
    return {topic: name for name, topic in found.items()}


def _check_remapping(bag: BagReader, remap: Mapping[str, str]) -> None:
    """Refuse a remapping that would be passed over.

    Raises:
        BagError: there is no such input or no such topic, or the topic has another type than the input.
    """
    for name, topic in remap.items():
        if name not in INPUTS:
            raise BagError(f"expected INPUT:=TOPIC with one of the inputs {', '.join(INPUTS)}, got {name}:={topic}")
        kind = (bag.topics | bag.unknown).get("/" + topic.lstrip("/"))
        if kind is None:
            raise BagError(f"{bag.path}: expected the topic {topic} for {name}; the bag has {_listed(bag)}")
        if kind not in INPUTS[name]:
            wanted = " or ".join(sorted(INPUTS[name]))
            raise BagError(f"{bag.path}: expected {wanted} on {topic} for {name}, got {kind}")


def _listed(bag: BagReader) -> str:
    """All topics of a bag with their types."""
    return ", ".join(f"{topic} ({kind})" for topic, kind in sorted((bag.topics | bag.unknown).items())) or "nothing"


def _worse(found: Mapping[str, str], camera: bool) -> set[str]:
    """Inputs that are not needed because another one is better."""
    pictures = {CAMERA, COMPRESSED} & set(found)
    if MOTION in found and not (camera and pictures):
        return pictures
    return ({MOTION} if camera and pictures else set()) | ({COMPRESSED} if CAMERA in found else set())
