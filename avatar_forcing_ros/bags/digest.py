# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The SHA-256 of what an avatar showed: equal if and only if every picture and every stamp is equal."""

from __future__ import annotations

import hashlib
import struct
from typing import Any

from avatar_forcing_ros.bags.bag import BagReader
from avatar_forcing_ros.messages.making import stamp_ns

_HEAD = struct.Struct("<qII")


class ImageDigest:
    """SHA-256 over the stamp (int64 nanoseconds), height, width (uint32), encoding and pixels of every picture.

    Attributes:
        frames: number of pictures so far.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.frames = 0

    def add(self, message: Any) -> None:
        """Add an Image message; they must come in the order of their stamps."""
        self._hash.update(_HEAD.pack(stamp_ns(message.header.stamp), message.height, message.width))
        self._hash.update(message.encoding.encode())
        self._hash.update(message.data)
        self.frames += 1

    def hexdigest(self) -> str:
        """The digest of everything so far."""
        return self._hash.hexdigest()


def digest_of(bag: BagReader, topic: str = "/avatar/image_raw") -> ImageDigest:
    """The digest of a topic of pictures in a bag."""
    digest = ImageDigest()
    for message in bag.messages({topic}):
        digest.add(bag.types.read(message.data, message.type_name))
    return digest
