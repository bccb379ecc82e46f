# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One person's pictures and sound on the frame grid, from files of any frame rate and sample rate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.files.media import ClipFrame, read_channels, read_video
from avatar_forcing_ros.recordings.dyads import Person
from avatar_forcing_ros.signals import FPS
from avatar_forcing_ros.timeline.grid import FRAME_SAMPLES, SAMPLE_RATE

_HALF_FRAME_S = 0.5 / FPS
_LONGEST_HOLD_S = 0.5  # a picture held for longer is a gap, not a face at rest


class ClipError(ValueError):
    """A clip cannot be used; the message says why in one line."""


@dataclass(frozen=True)
class Columns:
    """The part of every picture that shows one person: from column `left` to before `right`; None is the edge."""

    left: int | None = None
    right: int | None = None


@dataclass(frozen=True)
class Footage:
    """One person during one clip.

    Attributes:
        person: the person.
        start_s: start of the clip, in seconds on the recording's clock.
        frames: T, length of the clip.
        columns: this person's part of the pictures.
    """

    person: Person
    start_s: float
    frames: int
    columns: Columns = Columns()

    def pictures(self) -> Iterator[NDArray[np.uint8]]:
        """Up to T pictures (H, W, 3), number n for the moment start + n/25 s; fewer if the video ends before.

        Raises:
            ClipError: there is none.
        """
        start_s = self.start_s + self.person.video_offset_s
        images = islice(on_grid(read_video(self.person.video, start_s), start_s), self.frames)
        first = next(images, None)
        if first is None:
            raise ClipError(f"{self.person.video}: the video ends before {start_s:g} s")
        for image in chain([first], images):
            yield image[:, self.columns.left : self.columns.right]

    def sound(self) -> NDArray[np.float32]:
        """(640 T,) mono samples at 16 kHz; silence where the file has no sound.

        Raises:
            ClipError: the file does not have two channels, but the person has one of them.
        """
        start_s = self.start_s + self.person.audio_offset_s
        channels = read_channels(self.person.audio, start_s, start_s + self.frames / FPS, SAMPLE_RATE)
        wanted = self.person.channel
        if wanted is None:
            sound = channels.mean(axis=0)
        elif len(channels) == 2:
            sound = channels[wanted]
        else:
            raise ClipError(f"{self.person.audio}: expected two channels of sound, got {len(channels)}")
        return sound[: self.frames * FRAME_SAMPLES]


def on_grid(frames: Iterator[ClipFrame], start_s: float) -> Iterator[NDArray[np.uint8]]:
    """The picture nearest in time to start, start + 1/25 s, ... until half a grid frame after the last one.

    The picture is black where the video has a gap or has not begun, because a held picture would be a frozen face.
    """
    now: ClipFrame | None = None
    number = 0
    for following in frames:
        before = now or ClipFrame(-np.inf, following.image)
        is_gap = following.time_s - before.time_s > _LONGEST_HOLD_S
        change_s = following.time_s - _HALF_FRAME_S if is_gap else (before.time_s + following.time_s) / 2
        while (time_s := start_s + number / FPS) < change_s:
            yield before.image if time_s - before.time_s < _LONGEST_HOLD_S else np.zeros_like(following.image)
            number += 1
        now = following
    while now is not None and start_s + number / FPS < now.time_s + _HALF_FRAME_S:
        yield now.image
        number += 1
