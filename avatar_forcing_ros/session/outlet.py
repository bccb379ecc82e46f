# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The avatar's output as plain values, and the protocol of those who receive it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.disclosure.label import LabelConfig
from avatar_forcing_ros.signals import AudioChunk, AvatarFrame
from avatar_forcing_ros.timeline.playback import PlaybackEvent

Picture = NDArray[np.uint8]
"""(S, S, 3) RGB."""

IDLE, LISTENING, SPEAKING, DEGRADED = range(4)  # the constants of msg/AvatarState.msg


@dataclass(frozen=True)
class OutputConfig:
    """How the avatar is published.

    Attributes:
        raw: publish avatar/image_raw.
        compressed: also publish avatar/image_raw/compressed, as JPEG, while it has subscribers.
        jpeg_quality: JPEG quality of the compressed pictures.
        speech_ahead_ms: avatar/speech is published this long before its stamp, so that a speaker can play it in time.
        frame_id: frame_id of pictures and motion.
        label: the label that says on each picture that the face is artificial.
    """

    raw: bool = True
    compressed: bool = False
    jpeg_quality: int = field(default=85, metadata={"range": (1, 100)})
    speech_ahead_ms: int = field(default=40, metadata={"range": (0, 1000)})
    frame_id: str = "avatar"
    label: LabelConfig = field(default_factory=LabelConfig)


@dataclass(frozen=True)
class Provenance:
    """Where a frame came from.

    Attributes:
        motion_received_ns: when the newest user motion that was used reached the avatar; None if there was none.
        compute_start_ns: when generation of the frame's block began.
        compute_end_ns: when the picture was ready.
        portrait_sha256: SHA-256 of the portrait's pixels.
        quality_level: quality level of the frame; 0 is full.
        on_stage: who drew it: 0 is the generator, 1 the understudy.
    """

    motion_received_ns: int | None
    compute_start_ns: int
    compute_end_ns: int
    portrait_sha256: str
    quality_level: int = 0
    on_stage: int = 0


@dataclass(frozen=True)
class Shown:
    """A frame, a function that gives (and perhaps only then draws) its picture, and its provenance."""

    frame: AvatarFrame
    picture: Callable[[], Picture]
    provenance: Provenance


@dataclass(frozen=True)
class AvatarStatus:
    """What `avatar/state` says: `state` is one of the constants above, `detail` what is wrong, in one line."""

    state: int = IDLE
    epoch: int = 0
    utterance_id: str = ""
    detail: str = ""
    quality_level: int = 0
    on_stage: int = 0


class Outlet(Protocol):
    """Receives what is presented at the moment when it is, in order, from one thread."""

    def shown(self, shown: Shown) -> None:
        """A frame is shown."""
        ...

    def said(self, chunk: AudioChunk) -> None:
        """Speech is handed out; it sounds at its stamp, a little later than now."""
        ...

    def happened(self, event: PlaybackEvent) -> None:
        """Something happened to an utterance."""
        ...

    def changed(self, status: AvatarStatus, stamp_ns: int) -> None:
        """The avatar's status has changed."""
        ...


def status_of(frame: AvatarFrame, complaint: str, quality_level: int = 0) -> AvatarStatus:
    """The status while a frame is shown: speaking, else degraded if there is a complaint, else listening or idle."""
    if frame.utterance_id:
        state = SPEAKING
    elif complaint:
        state = DEGRADED
    else:
        state = LISTENING if frame.user_present else IDLE
    return AvatarStatus(state, frame.epoch, frame.utterance_id, complaint, quality_level)
