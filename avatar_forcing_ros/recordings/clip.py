# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Reads one clip of a recorded pair from its files into arrays, both faces and both voices, and checks it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.bundle import ModelBundle
from avatar_forcing_ros.files.media import length_s
from avatar_forcing_ros.motion.autoencoder.space import AutoencoderSpace
from avatar_forcing_ros.motion.space import MotionSpace
from avatar_forcing_ros.recordings.dyads import Dyad
from avatar_forcing_ros.recordings.footage import ClipError, Footage
from avatar_forcing_ros.recordings.motion_readers import AutoencoderReader, FaceMeshReader, MotionReader, PersonMotion
from avatar_forcing_ros.recordings.shards import Shard
from avatar_forcing_ros.recordings.speakers import SpeakerConfig, share_out
from avatar_forcing_ros.recordings.two_faces import PartingConfig, part
from avatar_forcing_ros.signals import FPS
from avatar_forcing_ros.timeline.feature_track import FeatureStream
from avatar_forcing_ros.timeline.grid import FRAME_SAMPLES


@dataclass(frozen=True)
class ClipRules:
    """How recordings are divided, and which clips can be used.

    Attributes:
        longest_s: longer recordings are divided into equal clips no longer than this.
        piece_frames: length of the pieces from which training draws (5 s); each lies within one stretch of the avatar.
        least_seen_share: share of a clip in which both faces must be found.
        least_face_px: least median width of a face, from ear to ear, in pixels.
        parting: how one video of two people is split.
        speaker: how the mixed sound of two people is split.
    """

    longest_s: float = 60.0
    piece_frames: int = 125
    least_seen_share: float = 0.5
    least_face_px: float = 64.0
    parting: PartingConfig = field(default_factory=PartingConfig)
    speaker: SpeakerConfig = field(default_factory=SpeakerConfig)

    def __post_init__(self) -> None:
        if not 0 < self.piece_frames <= self.longest_s * FPS:
            raise ValueError(
                f"pieces must be longer than nothing and no longer than clips of {self.longest_s:g} s, "
                f"got {self.piece_frames / FPS:g} s"
            )


@dataclass(frozen=True)
class ClipSpan:
    """A part of a recording.

    Attributes:
        clip: id of the clip.
        dyad: the recording.
        start_s: its first moment, in seconds on the recording's clock.
        frames: T.
    """

    clip: str
    dyad: Dyad
    start_s: float
    frames: int

    @property
    def request(self) -> str:
        """The request as text: equal texts, files and settings give equal shards."""
        return repr((replace(self.dyad, line=0), self.start_s, self.frames))


@dataclass(frozen=True)
class ReadClip:
    """The data of one clip.

    Attributes:
        shard: motion of both people.
        features: (2, T, F) float16 audio features of both voices.
        seen_share: share of the frames in which a and b were seen.
        usable_frames: number of frames that training can use with a and with b as the avatar.
    """

    shard: Shard
    features: NDArray[np.float16]
    seen_share: tuple[float, float]
    usable_frames: tuple[int, int]


def divide(dyad: Dyad, rules: ClipRules) -> list[ClipSpan]:
    """The clips of a recording, of equal length except for rounding.

    Raises:
        ClipError: the recording is shorter than a piece, or its length is unknown.
        MediaError: a video is missing or cannot be read.
    """
    ends = [_end_s(person.video, person.video_offset_s) for person in dyad.people]
    end_s = min(end for end in (dyad.end_s, *ends, np.inf) if end is not None)
    if np.isinf(end_s):
        raise ClipError(f"{dyad.a.video}: the file does not say how long it is: expected an `end` in the list")
    frames = round((end_s - dyad.start_s) * FPS)
    if frames < rules.piece_frames:
        raise ClipError(f"expected at least {rules.piece_frames / FPS:g} s, got {max(0, frames) / FPS:g} s")
    count = -(-frames // round(rules.longest_s * FPS))
    borders = [frames * number // count for number in range(count + 1)]
    names = [dyad.id] if count == 1 else [f"{dyad.id}@{number:04d}" for number in range(count)]
    return [
        ClipSpan(name, dyad, dyad.start_s + begin / FPS, end - begin)
        for name, begin, end in zip(names, borders, borders[1:], strict=False)
    ]


def _end_s(video: Path, offset_s: float) -> float | None:
    """Where a video ends on the recording's clock."""
    length = length_s(video)
    return None if length is None else length - offset_s


class ClipReader:
    """Reads clips as a model needs them.

    Args:
        bundle: the model; only its motion space and audio features matter.
        rules: see `ClipRules`.
    """

    def __init__(self, bundle: ModelBundle, rules: ClipRules) -> None:
        self.rules = rules
        self._motion_reader = motion_reader(bundle.space)
        self._make_audio_stream = bundle.make_audio_stream
        self._block_frames = bundle.manifest.network.block_frames

    def read(self, span: ClipSpan) -> ReadClip:
        """Read a whole clip.

        Raises:
            ClipError: it cannot be used; the message says why.
            MediaError: a file cannot be read.
        """
        footage = self._footage(span)
        people = [self._motion_reader.read(one.pictures) for one in footage]
        frames = min(len(person.stretch) for person in people)
        people = [_first(person, frames) for person in people]
        self._check(people)
        voices = self._voices(span, footage, people)
        features = [
            stream_features(self._make_audio_stream, voice[: frames * FRAME_SAMPLES], self._block_frames)
            for voice in voices
        ]
        names = ("motion", "stretch", "seen", "seen_valid")
        shard = Shard(*(np.stack([getattr(person, name) for person in people]) for name in names))
        seen = [float(person.seen_valid.mean()) for person in people]
        usable = [len(pieces(person.stretch, self.rules.piece_frames)) * self.rules.piece_frames for person in people]
        return ReadClip(shard, np.stack(features).astype(np.float16), (seen[0], seen[1]), (usable[0], usable[1]))

    def _footage(self, span: ClipSpan) -> list[Footage]:
        """The footage of both people."""
        whole = [Footage(person, span.start_s, span.frames) for person in span.dyad.people]
        if span.dyad.a.side == "whole":
            return whole
        halves = part(whole[0].pictures(), self.rules.parting)
        return [replace(whole[0], columns=halves.left), replace(whole[1], columns=halves.right)]

    def _check(self, people: list[PersonMotion]) -> None:
        rules = self.rules
        for letter, person in zip("ab", people, strict=True):
            share, least = person.seen_valid.mean(), rules.least_seen_share
            if share < least:
                raise ClipError(f"the face of {letter} is found in {share:.0%} of the frames: expected {least:.0%}")
            width, narrowest = person.face_px, rules.least_face_px
            if width < narrowest:
                raise ClipError(f"the face of {letter} is {width:.0f} pixels wide: expected at least {narrowest:g}")
        if not any(len(pieces(person.stretch, rules.piece_frames)) for person in people):
            raise ClipError(f"neither face is followed for {rules.piece_frames / FPS:g} s without a break")

    def _voices(
        self, span: ClipSpan, footage: list[Footage], people: list[PersonMotion]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The voices of a and b, (N,) each."""
        if span.dyad.is_mixed:
            voices = share_out(footage[0].sound(), people[0].lip_gap, people[1].lip_gap, self.rules.speaker)
            return voices.a, voices.b
        return footage[0].sound(), footage[1].sound()


def motion_reader(space: MotionSpace) -> MotionReader:
    """The reader for a motion space.

    Raises:
        ClipError: there is none.
    """
    if isinstance(space, AutoencoderSpace):
        return AutoencoderReader(space.runtime)
    if space.name == "facemesh":
        return FaceMeshReader()
    raise ClipError(f"expected a model of motion space facemesh or autoencoder, got {space.name}")


def _first(person: PersonMotion, frames: int) -> PersonMotion:
    """The first frames of a person."""
    return replace(
        person,
        motion=person.motion[:frames],
        stretch=person.stretch[:frames],
        seen=person.seen[:frames],
        seen_valid=person.seen_valid[:frames],
        lip_gap=person.lip_gap[:frames],
    )


def pieces(stretch: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """First frames of consecutive pieces of `length` frames, each within one of the stretches (T,)."""
    starts: list[int] = []
    for number in range(stretch.max(initial=-1) + 1):
        frames = np.flatnonzero(stretch == number)
        starts += range(frames[0], frames[0] + len(frames) - length + 1, length)
    return np.array(starts, np.int64)


def stream_features(
    make_stream: Callable[[], FeatureStream], sound: NDArray[np.float32], block_frames: int
) -> NDArray[np.float32]:
    """(T, F) features of (640 T,) samples, pushed block by block as in the live avatar."""
    stream, frames = make_stream(), len(sound) // FRAME_SAMPLES
    step = block_frames * FRAME_SAMPLES
    blocks = [sound[begin : begin + step] for begin in range(0, len(sound), step)]
    rows = [stream.push(block) for block in blocks]
    while sum(len(some) for some in rows) < frames:  # a stream that looks ahead is fed silence at the end
        rows.append(stream.push(np.zeros(step, np.float32)))
    return np.concatenate(rows)[:frames]
