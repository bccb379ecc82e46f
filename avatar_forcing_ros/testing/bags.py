# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Bags of a short conversation, for our tests and others': with and without a camera, in order and shuffled."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from avatar_forcing_ros.bags.bag import BagWriter, Storage
from avatar_forcing_ros.bags.bag_types import BagTypes
from avatar_forcing_ros.messages import audio, images, motion
from avatar_forcing_ros.messages.making import header
from avatar_forcing_ros.signals import MILLISECOND as MS
from avatar_forcing_ros.signals import NANOSECONDS, AudioChunk
from avatar_forcing_ros.testing import smiling, speech_like

BEGIN_NS = 1_700_000_000 * NANOSECONDS + 123_456_789
WINDOW_NS = 40 * MS
TYPES = BagTypes()
KINDS = {
    "/user_motion": "avatar_forcing_ros/MotionLatents",
    "/user_audio": "avatar_forcing_ros/AudioChunk",
    "/speech": "avatar_forcing_ros/AudioChunk",
    "/speech/interrupt": "std_msgs/Empty",
    "/camera/image_raw": "sensor_msgs/Image",
    "/tf": "geometry_msgs/TransformStamped",
    "/robot_face/expression": "avatar_forcing_ros/Expression",
    "/robot_face/look_at": "geometry_msgs/PointStamped",
}


@dataclass(frozen=True)
class Sent:
    """A message: when it could be sent first, when the bag received it."""

    topic: str
    sent_ns: int
    received_ns: int
    message: Any


def make(kind: str, **fields: Any) -> Any:
    """A message of a kind, `package/Name`."""
    return TYPES.make(kind, **fields)


def user_motion(seconds: float, space: str = "bars") -> Iterable[Sent]:
    """A user who smiles now and then, 25 times a second with a little jitter."""
    for k in range(int(25 * seconds)):
        stamp = BEGIN_NS + k * 40 * MS + (k % 5) * MS
        sample = smiling(stamp, 0.5 + 0.5 * np.sin(k / 5))
        yield Sent("/user_motion", stamp, stamp + 9 * MS, motion.from_sample(make, sample, space, ()))


def camera(seconds: float, side: int = 48) -> Iterable[Sent]:
    """Pictures of a user for a `BarsSpace`, which reads their brightness."""
    for k in range(int(25 * seconds)):
        stamp = BEGIN_NS + k * 40 * MS + (k % 5) * MS
        picture = np.full((side, side, 3), 60 + 3 * (k % 40), np.uint8)
        yield Sent("/camera/image_raw", stamp, stamp + 9 * MS, images.from_rgb(make, picture, stamp))


def sound(topic: str, chunks: Iterable[AudioChunk], delay_ns: int = 4 * MS) -> Iterable[Sent]:
    """Chunks with stamps; a microphone's can be sent only when they have ended."""
    for chunk in chunks:
        assert chunk.stamp_ns is not None
        sent = chunk.stamp_ns + (chunk.duration_ns if topic == "/user_audio" else 0)
        yield Sent(topic, sent, sent + delay_ns, audio.from_chunk(make, chunk))


def cut(samples: np.ndarray, begin_ns: int, step_ns: int, length: int, who: str = "") -> list[AudioChunk]:
    """Sound in chunks of `length` samples whose stamps are `step_ns` apart; the last one ends an utterance."""
    pieces = [samples[n : n + length] for n in range(0, len(samples), length)]
    last = len(pieces) - 1
    return [
        AudioChunk(begin_ns + k * step_ns, p, 16_000, who, k, bool(who) and k == last) for k, p in enumerate(pieces)
    ]


def utterance(who: str, at_ns: int, seconds: float, step_ns: int = 25 * MS) -> list[AudioChunk]:
    """Chunks of 100 ms, stamped when they are sent: four times faster than they are said."""
    return cut(speech_like(seconds, seed=len(who)), BEGIN_NS + at_ns, step_ns, 1600, who)


def interrupt(at_ns: int) -> Sent:
    """Stop speaking."""
    return Sent(
        "/speech/interrupt",
        BEGIN_NS + at_ns,
        BEGIN_NS + at_ns,
        make("std_msgs/Empty", structure_needs_at_least_one_member=0),
    )


def expression(at_ns: int, name: str, confidence: float = 1.0, stamped: bool = True) -> Sent:
    """An expression that is asked for."""
    stamp = header(make, BEGIN_NS + at_ns if stamped else None)
    message = make(KINDS["/robot_face/expression"], header=stamp, expression=name, confidence=confidence)
    return Sent("/robot_face/expression", BEGIN_NS + at_ns, BEGIN_NS + at_ns + 3 * MS, message)


def look_at(at_ns: int, place: tuple[float, float, float], frame: str = "avatar") -> Sent:
    """A place to look at; an empty frame is the user."""
    point = make("geometry_msgs/Point", x=place[0], y=place[1], z=place[2])
    message = make(KINDS["/robot_face/look_at"], header=header(make, BEGIN_NS + at_ns, frame), point=point)
    return Sent("/robot_face/look_at", BEGIN_NS + at_ns, BEGIN_NS + at_ns + 3 * MS, message)


def directions() -> list[Sent]:
    """A smile that is asked for with and without a stamp, a look aside and back, and two that are refused."""
    return [
        expression(300 * MS, "happy", 0.6),
        expression(1700 * MS, "sad", stamped=False),
        expression(1900 * MS, "gleeful"),
        look_at(600 * MS, (1.0, 0.3, -0.1)),
        look_at(1000 * MS, (1.0, 2.0, 0.0), "kitchen"),
        look_at(1500 * MS, (0.0, 0.0, 0.0), ""),
    ]


def conversation(with_camera: bool = False) -> list[Sent]:
    """Three seconds: one utterance is interrupted, the next is stamped ahead, the last has no stamps."""
    ahead = [
        (c, BEGIN_NS + 1350 * MS + 10 * MS * k)
        for k, c in enumerate(cut(speech_like(0.4), BEGIN_NS + 1900 * MS, 100 * MS, 1600, "ahead"))
    ]
    soon = [replace(chunk, stamp_ns=None) for chunk in utterance("soon", 0, 0.3)]
    return [
        *(camera(3) if with_camera else user_motion(3)),
        *sound("/user_audio", cut(speech_like(3.0, seed=7), BEGIN_NS - 40 * MS, 40 * MS, 640)),
        *sound("/speech", utterance("interrupted", 400 * MS, 1.5)),
        interrupt(1203 * MS),
        *directions(),
        *(Sent("/speech", received, received, audio.from_chunk(make, chunk)) for chunk, received in ahead),
        *(
            Sent("/speech", t, t, audio.from_chunk(make, chunk))
            for chunk, t in zip(soon, range(BEGIN_NS + 2500 * MS, BEGIN_NS + 2600 * MS, 20 * MS), strict=False)
        ),
    ]


def shuffled(sent: list[Sent], seed: int) -> list[Sent]:
    """The same messages, each as late as the reorder window allows; what has no stamp keeps its time."""
    draw = random.Random(seed)

    def late(item: Sent) -> Sent:
        stamped = hasattr(item.message, "header") and item.message.header.stamp.sec and "camera" not in item.topic
        return replace(item, received_ns=item.sent_ns + draw.randint(0, WINDOW_NS)) if stamped else item

    return [late(item) if item.received_ns >= item.sent_ns else item for item in sent]


def write_bag(path: Path, sent: list[Sent], storage: Storage = "sqlite3") -> Path:
    """A bag of messages, in the order of their arrival."""
    with BagWriter(path, storage) as writer:
        for topic in sorted({item.topic for item in sent}):
            writer.add_topic(topic, KINDS[topic])
        for item in sorted(sent, key=lambda item: item.received_ns):
            writer.write(item.topic, item.received_ns, item.message)
    return path
