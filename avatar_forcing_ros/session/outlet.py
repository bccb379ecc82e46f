# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What an avatar presents, as plain values, and who is told of it."""

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
        label: what the pictures say of themselves.
    """

    raw: bool = True
    compressed: bool = False
    jpeg_quality: int = field(default=85, metadata={"range": (1, 100)})
    speech_ahead_ms: int = field(default=40, metadata={"range": (0, 1000)})
    frame_id: str = "avatar"
    label: LabelConfig = field(default_factory=LabelConfig)


@dataclass(frozen=True)
class Provenance:
    """What is known of a frame beside the frame itself.

    Attributes:
        motion_received_ns: when the newest user motion used reached the avatar, None when there was none.
        compute_start_ns: when generation of the frame's block began.
        compute_end_ns: when the picture was ready.
        portrait_sha256: of the portrait's pixels.
        quality_level: at which the frame was made; 0 is full.
    """

    motion_received_ns: int | None
    compute_start_ns: int
    compute_end_ns: int
    portrait_sha256: str
    quality_level: int = 0
    on_stage: int = 0


@dataclass(frozen=True)
class Shown:
    """A frame with its picture, which may be drawn only when it is asked for, and where it came from."""

    frame: AvatarFrame
    picture: Callable[[], Picture]
    provenance: Provenance


@dataclass(frozen=True)
class Mood:
    """What the avatar does: `state` is one of the constants above, `detail` says what is wrong, in one line."""

    state: int = IDLE
    epoch: int = 0
    utterance_id: str = ""
    detail: str = ""
    quality_level: int = 0
    on_stage: int = 0


class Outlet(Protocol):
    """Is told what is presented when it is, in order of time, by one thread."""

    def shown(self, shown: Shown) -> None:
        """A frame is shown."""
        ...

    def said(self, chunk: AudioChunk) -> None:
        """Speech will be heard at its stamp, a little ahead of now."""
        ...

    def happened(self, event: PlaybackEvent) -> None:
        """Something happened to an utterance."""
        ...

    def changed(self, mood: Mood, stamp_ns: int) -> None:
        """The avatar's mood is another one than before."""
        ...


def mood_of(frame: AvatarFrame, complaint: str, quality_level: int = 0) -> Mood:
    """What the avatar does while a frame is shown: it speaks, or else complains, or else has somebody to listen to."""
    if frame.utterance_id:
        state = SPEAKING
    elif complaint:
        state = DEGRADED
    else:
        state = LISTENING if frame.user_present else IDLE
    return Mood(state, frame.epoch, frame.utterance_id, complaint, quality_level)
