# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Reads the user's motion from the pictures of a bag, as the motion extraction node does live."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import replace

from avatar_forcing_ros.bags.bag_types import BagTypes
from avatar_forcing_ros.bags.inputs import CAMERA, COMPRESSED, MOTION, Input
from avatar_forcing_ros.messages import images, motion
from avatar_forcing_ros.messages.making import stamp_ns
from avatar_forcing_ros.motion.space import MotionEncoder, MotionSpace
from avatar_forcing_ros.signals import VideoFrame

Refuse = Callable[[str, Exception], None]
"""Takes note of a message that cannot be read: what it is, and why."""


def watch(messages: Iterable[Input], types: BagTypes, space: MotionSpace, refuse: Refuse) -> Iterator[Input]:
    """Replace each picture by the user's motion, as in a privacy bag; everything else passes through.

    Args:
        messages: messages of a bag.
        types: classes of its messages.
        space: reads pictures.
        refuse: called for pictures that cannot be read; nothing replaces them.
    """
    with closing(space.make_encoder()) as encoder:
        watcher = _Watcher(encoder, types, space)
        for message in messages:
            if message.name not in (CAMERA, COMPRESSED):
                yield message
                continue
            try:
                seen = watcher.look(message)
            except (ValueError, KeyError) as error:
                refuse(message.name, error)
            else:
                yield seen


class _Watcher:
    """Remembers the face from picture to picture."""

    def __init__(self, encoder: MotionEncoder, types: BagTypes, space: MotionSpace) -> None:
        self._encoder, self._types, self._space = encoder, types, space
        self._newest_ns = 0

    def look(self, picture: Input) -> Input:
        """The user's motion in a picture.

        Raises:
            ValueError, KeyError: the picture cannot be read.
        """
        message = self._types.read(picture.data, picture.type_name)
        time_ns = stamp_ns(message.header.stamp)
        if not time_ns:
            raise ValueError("a picture needs the time of its exposure, got an empty header.stamp")
        image = images.read_image(message)
        if time_ns < self._newest_ns:
            self._encoder.reset()  # time went back: another recording begins, or the clock was set
        self._newest_ns = time_ns
        sample = self._encoder.encode(VideoFrame(time_ns, image))
        seen = motion.from_sample(self._types.make, sample, self._space.name, self._space.names)
        return replace(picture, name=MOTION, type_name=seen.__msgtype__, data=bytes(self._types.write(seen)))
