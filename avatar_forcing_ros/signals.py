# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Timed values that the rooms of this package exchange: arrays with stamps, checked once.

Every stamp is an integer number of nanoseconds of ROS time. The core never asks what time it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

NANOSECONDS = 1_000_000_000
"""In a second."""
MILLISECOND = 1_000_000
"""In nanoseconds."""
FPS = 25
"""Frames a second of all motion and pictures: the published rate, which divides the second in whole nanoseconds."""
FOR_EVER_NS = 1 << 62
"""Later than any time that will come."""


def _check_finite(name: str, array: NDArray) -> None:
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got {np.count_nonzero(~np.isfinite(array))} NaN or infinite values")


@dataclass(frozen=True)
class AudioChunk:
    """A piece of mono sound.

    Attributes:
        stamp_ns: time of the first sample; None means as soon as possible, right after the chunk before it.
        samples: (N,) float32 in [-1, 1]; may be empty if the chunk only says `end_of_utterance`.
        sample_rate: in Hz.
        utterance_id: the dialogue manager's name for this utterance; empty for microphones.
        seq: number of the chunk within its utterance or stream.
        end_of_utterance: nothing more follows under this id.
    """

    stamp_ns: int | None
    samples: NDArray[np.float32]
    sample_rate: int
    utterance_id: str = ""
    seq: int = 0
    end_of_utterance: bool = False

    def __post_init__(self) -> None:
        if self.samples.ndim != 1 or self.samples.dtype != np.float32:
            raise ValueError(f"samples must be (N,) float32, got {self.samples.shape} {self.samples.dtype}")
        if not 8000 <= self.sample_rate <= 192_000:
            raise ValueError(f"sample_rate must be within 8000 and 192000 Hz, got {self.sample_rate}")
        _check_finite("samples", self.samples)

    @property
    def duration_ns(self) -> int:
        """Length of the chunk in nanoseconds, rounded down."""
        return len(self.samples) * NANOSECONDS // self.sample_rate

    @property
    def end_ns(self) -> int:
        """Time right after the last sample.

        Raises:
            ValueError: the chunk has no stamp.
        """
        if self.stamp_ns is None:
            raise ValueError("the end of a chunk needs the stamp of its first sample, got none")
        return self.stamp_ns + self.duration_ns


@dataclass(frozen=True)
class VideoFrame:
    """One camera picture: `image` is (H, W, 3) uint8 RGB, `stamp_ns` the time of its exposure."""

    stamp_ns: int
    image: NDArray[np.uint8]

    def __post_init__(self) -> None:
        if self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.dtype != np.uint8:
            raise ValueError(f"image must be (H, W, 3) uint8 RGB, got {self.image.shape} {self.image.dtype}")


@dataclass(frozen=True)
class FacePlace:
    """Where somebody's face is in a picture.

    Attributes:
        name: given by the detector; the same person may get another name.
        low: left and upper edge, as shares of the picture.
        high: right and lower edge; if equal to `low`, no face is to be read.
    """

    name: str
    low: tuple[float, float] = (0.0, 0.0)
    high: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        edges = (*self.low, *self.high)
        ordered = self.low[0] <= self.high[0] and self.low[1] <= self.high[1]
        if not (np.isfinite(edges).all() and ordered):
            raise ValueError(f"a place of a face must be ordered, finite shares of the picture, got {edges}")

    @property
    def width(self) -> float:
        """Width, as a share of the picture's width."""
        return self.high[0] - self.low[0]

    @property
    def is_nowhere(self) -> bool:
        """Whether it has no area."""
        return not (self.width > 0 and self.high[1] > self.low[1])


@dataclass(frozen=True)
class MotionSample:
    """The user's face at one moment, in the units of a motion space.

    Attributes:
        stamp_ns: stamp of the camera frame it was read from.
        latent: (U,) float32; all zeros when `valid` is false.
        confidence: 0 (nobody) to 1.
        valid: a face was found.
    """

    stamp_ns: int
    latent: NDArray[np.float32]
    confidence: float = 1.0
    valid: bool = True

    def __post_init__(self) -> None:
        if self.latent.ndim != 1 or self.latent.dtype != np.float32:
            raise ValueError(f"latent must be (U,) float32, got {self.latent.shape} {self.latent.dtype}")
        _check_finite("latent", self.latent)


@dataclass(frozen=True)
class Expression:
    """What the avatar's face should express until another one is requested.

    Attributes:
        stamp_ns: when it should be seen; None or a time in the past: as soon as possible.
        name: one that hri_msgs/Expression lists; if empty, valence and arousal describe the feeling.
        valence: -1 (unpleasant) to 1 (pleasant).
        arousal: -1 (drowsy) to 1 (excited).
        confidence: 0 to 1: how much of it is shown; 0, the value of an unset field, means all of it.
    """

    stamp_ns: int | None
    name: str = ""
    valence: float = 0.0
    arousal: float = 0.0
    confidence: float = 1.0

    def __post_init__(self) -> None:
        for field_name, low in (("valence", -1), ("arousal", -1), ("confidence", 0)):
            value = getattr(self, field_name)
            if not low <= value <= 1:
                raise ValueError(f"{field_name} of an expression must be within {low} and 1, got {value}")

    @property
    def intensity(self) -> float:
        """How much of it is shown, 0 to 1."""
        return self.confidence or 1.0


@dataclass(frozen=True)
class LookAt:
    """Where the avatar should look until told otherwise.

    Attributes:
        stamp_ns: when; None or a time in the past: as soon as possible.
        place: in the face's frame, in metres: x out of the picture, y to the viewer's right, z up. None: at the user,
            as the network does by itself.
    """

    stamp_ns: int | None
    place: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class UserActivity:
    """What the user does at a moment, as far as face and voice tell.

    Attributes:
        seen: a face is found.
        smiling: with or without talk; not while laughing.
        talking: not while laughing.
        laughing: with or without a voice.
    """

    seen: bool = False
    smiling: bool = False
    talking: bool = False
    laughing: bool = False


@dataclass(frozen=True)
class AvatarFrame:
    """One frame of the avatar before rendering; `Avatar.render(frame)` makes the picture.

    Attributes:
        stamp_ns: presentation time, on the 1/fps grid of the epoch.
        index: frame number within the epoch.
        block: block number within the epoch.
        epoch: counts interrupts, resets and time jumps.
        latent: (M,) float32 motion latent.
        speech: (S,) float32, what the avatar says during this frame at the core's sample rate; zeros when silent.
        utterance_id: utterance being said during this frame, or empty.
        user_present: a user's face was seen by the block that this frame belongs to.
        user_motion_until_ns: newest user motion sample used, None when there was none.
        user_audio_until_ns: end of the newest user audio used, None when there was none.
        repeats: its picture is the one of the frame this many before it; 0 if it has its own.
        user: what the user did at the newest moment that this frame could know of; None if it knows nothing.
        user_share: how much of the block's deviation from the portrait's own motion the user caused, 0 to 1; NaN if not
            known. It covers the network's motion only: rules on top of it, such as laughing along, do not count.
        speech_share: the same for what the avatar says.
    """

    stamp_ns: int
    index: int
    block: int
    epoch: int
    latent: NDArray[np.float32]
    speech: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    utterance_id: str = ""
    user_present: bool = False
    user_motion_until_ns: int | None = None
    user_audio_until_ns: int | None = None
    repeats: int = 0
    user: UserActivity | None = None
    user_share: float = math.nan
    speech_share: float = math.nan
