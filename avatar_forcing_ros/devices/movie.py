# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Writes one video of a conversation, the user beside the avatar with both voices, placed by their stamps. No ROS.

Pictures are compressed as they come, in the fastest setting, into `<name>.part.mkv`, which stays readable if the
process is killed. Sound goes into plain files of samples beside it. `finish` joins all into the mp4; the pictures are
copied as they are. Where a part of another recording lies already, be it running or killed, the name is counted up.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import BinaryIO

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.audio.pcm import to_int16, to_mono
from avatar_forcing_ros.disclosure.metadata import CONVERSATION
from avatar_forcing_ros.files.inputs import name_for_ffmpeg
from avatar_forcing_ros.files.movies import PictureTrack, SoundTrack, append_xmp
from avatar_forcing_ros.files.outputs import replacing
from avatar_forcing_ros.files.pictures import fit_square
from avatar_forcing_ros.signals import FPS, MILLISECOND, NANOSECONDS, AudioChunk

Planes = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]
"""A square picture in YUV by BT.601: brightness (S, S), blue and red difference (S/2, S/2)."""
TICKS = 1000
"""Time base of the pictures: stamps are kept to the millisecond, as Matroska does."""
EMPTY_GREY = 40


@dataclass(frozen=True)
class RecordingConfig:
    """How a recording looks and sounds.

    Attributes:
        side: side of each of the two pictures in pixels; must be even.
        quality: quality of the pictures (x264's constant rate factor); lower is better and larger.
        sample_rate: sample rate of the sound, in Hz.
        balance: stereo separation: 0 puts both voices in the middle, 1 the user on the left and the avatar on the
            right.
        reorder_ms: how long a picture of the avatar waits for the user's picture of the same time.
        wait_for_user: begin with the first picture of the user; otherwise with the first one of the avatar.
    """

    side: int = field(default=512, metadata={"range": (64, 2048)})
    quality: int = field(default=21, metadata={"range": (0, 51)})
    sample_rate: int = field(default=48_000, metadata={"range": (8_000, 192_000)})
    balance: float = field(default=0.6, metadata={"range": (0.0, 1.0)})
    reorder_ms: int = field(default=200, metadata={"range": (0, 2000)})
    wait_for_user: bool = False

    def __post_init__(self) -> None:
        if self.side % 2:
            raise ValueError(f"side must be even, got {self.side}")


class Recorder:
    """Takes pictures and sound in any order and writes them by their stamps; time zero is the first picture written.

    Attributes:
        pictures: pictures written so far.
        late: pictures left out because a newer one was written already.
    """

    def __init__(self, path: Path, config: RecordingConfig | None = None) -> None:
        """Begin.

        Raises:
            ValueError: the name does not end in .mp4, or something other than a file is there.
            OSError: nothing can be written there.
        """
        self._path, self._config = path, config or RecordingConfig()
        if path.suffix.lower() != ".mp4" or (path.exists() and not path.is_file()):
            raise ValueError(f"{path}: expected the name of an mp4 file to write")
        path.parent.mkdir(parents=True, exist_ok=True)
        part = _unused(path)
        self._part = part.with_suffix(".part.mkv")
        # a cluster is written when it is complete; without B-frames nothing in it waits for later pictures
        self._film = av.open(
            name_for_ffmpeg(self._part), "w", options={"cluster_time_limit": "500", "flush_packets": "1"}
        )
        self._film.metadata.update(CONVERSATION.tags)
        side, quality = self._config.side, self._config.quality
        self._track = PictureTrack(self._film, 2 * side, side, "ultrafast", quality, TICKS)
        self._user_voice = VoiceFile(part.with_suffix(".user.part"), self._config.sample_rate)
        self._avatar_voice = VoiceFile(part.with_suffix(".avatar.part"), self._config.sample_rate)
        self._waiting: list[tuple[int, Planes]] = []
        self._user: list[tuple[int, Planes]] = []
        self._nobody = square_planes(np.full((side, side, 3), EMPTY_GREY, np.uint8), side)
        self._start_ns: int | None = None
        self._newest_ns = -1
        self.pictures = 0
        self.late = 0

    def add_avatar_picture(self, stamp_ns: int, image: NDArray[np.uint8]) -> None:
        """A picture of the avatar, (H, W, 3) uint8 RGB, shown from its stamp until the next one."""
        if self._config.wait_for_user and not self._user:
            return
        if stamp_ns <= self._newest_ns:
            self.late += 1
            return
        insort(self._waiting, (stamp_ns, square_planes(image, self._config.side)), key=_stamp)
        self._write(until_ns=self._waiting[-1][0] - self._config.reorder_ms * MILLISECOND)

    def add_user_picture(self, stamp_ns: int, image: NDArray[np.uint8]) -> None:
        """A picture of the user, as `square_planes` takes it."""
        insort(self._user, (stamp_ns, square_planes(image, self._config.side)), key=_stamp)
        if not self._waiting:
            self._user = self._user[-50:]  # no avatar yet: nobody will ask for the old ones

    def add_user_sound(self, chunk: AudioChunk) -> None:
        """What the user says."""
        self._user_voice.add(chunk)

    def add_avatar_sound(self, chunk: AudioChunk) -> None:
        """What the avatar says, on the presentation clock."""
        self._avatar_voice.add(chunk)

    def finish(self) -> Path | None:
        """Write what still waits, join pictures and sound and clean up; None when there was no picture.

        Raises:
            OSError: it cannot be written; the pictures stay in the part.
        """
        try:
            self._write(until_ns=None)
            self._track.finish()
            self._film.close()
            self._join()
        except OSError as error:
            raise OSError(f"{self._path}: cannot be written: {error}; {self._part} has the pictures") from error
        finally:
            self._user_voice.remove()
            self._avatar_voice.remove()
        self._part.unlink(missing_ok=True)
        return self._path if self._start_ns is not None else None

    def _join(self) -> None:
        if self._start_ns is not None:
            length_s = (self._newest_ns - self._start_ns) / NANOSECONDS + 1 / FPS
            user = self._user_voice.between(self._start_ns, length_s)
            avatar = self._avatar_voice.between(self._start_ns, length_s)
            sound = pan(user, avatar, self._config.balance)
            with replacing(self._path) as whole:
                join(self._part, sound, self._config.sample_rate, whole)
                append_xmp(whole, CONVERSATION.xmp)

    def _write(self, until_ns: int | None) -> None:
        while self._waiting and (until_ns is None or self._waiting[0][0] <= until_ns):
            stamp_ns, avatar = self._waiting.pop(0)
            self._start_ns = stamp_ns if self._start_ns is None else self._start_ns
            self._newest_ns = stamp_ns
            frame = side_by_side(self._user_at(stamp_ns), avatar)
            self._track.write_frame(frame, round((stamp_ns - self._start_ns) * TICKS / NANOSECONDS))
            self.pictures += 1

    def _user_at(self, stamp_ns: int) -> Planes:
        """The newest picture of the user at this time; grey before the first one."""
        while len(self._user) > 1 and self._user[1][0] <= stamp_ns:
            self._user.pop(0)
        return self._user[0][1] if self._user else self._nobody


def square_planes(picture: NDArray[np.uint8], side: int) -> Planes:
    """The middle of a picture as a square of this side, which is even.

    Args:
        picture: (H, W, 3) uint8 RGB, or (H * 3/2, W) NV12, which is spared the way to RGB and back.
        side: S.
    """
    if picture.ndim == 3:
        # by OpenCV, for a sixth of what libswscale takes: it takes the colour of one pixel of four, not their mean
        whole = cv2.cvtColor(fit_square(picture, side), cv2.COLOR_RGB2YUV_I420)
        blue, red = whole[side:].reshape(2, side // 2, side // 2)
        return whole[:side], blue, red
    height, width = len(picture) * 2 // 3, picture.shape[1]
    colours = picture[height:].reshape(height // 2, width // 2, 2)
    blue, red = cv2.split(fit_square(colours, side // 2))
    return fit_square(picture[:height], side), blue, red


def side_by_side(left: Planes, right: Planes) -> av.VideoFrame:
    """Two squares as one picture."""
    side = len(left[0])
    frame = av.VideoFrame(2 * side, side, "yuv420p")
    for plane, one, other in zip(frame.planes, left, right, strict=True):
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: len(one)]
        rows[:, : len(one)] = one
        rows[:, len(one) : 2 * len(one)] = other
    return frame


class VoiceFile:
    """One voice as a file of 16-bit samples: each chunk is placed by its stamp, and gaps are silent."""

    JITTER_NS = 20_000_000
    """Stamps of sound cards wander; a chunk this near to the end of the one before it is put right after it."""

    def __init__(self, path: Path, sample_rate: int) -> None:
        self._path, self._rate = path, sample_rate
        self._file: BinaryIO = path.open("w+b")
        self._origin_ns: int | None = None
        self._end_ns = 0
        self._resampler: av.AudioResampler | None = None
        self._input_rate = 0
        self._end_sample = 0

    def add(self, chunk: AudioChunk) -> None:
        """Write one chunk; chunks without a stamp follow the one before."""
        stamp_ns = self._end_ns if chunk.stamp_ns is None else chunk.stamp_ns
        if self._origin_ns is None:
            self._origin_ns = self._end_ns = stamp_ns
        if abs(stamp_ns - self._end_ns) > self.JITTER_NS:
            self._seek(stamp_ns)
        samples = self._resampled(chunk)
        if self._end_sample >= 0:
            self._file.seek(2 * self._end_sample)
            self._file.write(to_int16(samples).tobytes())
        self._end_sample += len(samples)
        self._end_ns += chunk.duration_ns

    def between(self, start_ns: int, length_s: float) -> NDArray[np.float32]:
        """The samples of a stretch of time."""
        length = round(length_s * self._rate)
        out = np.zeros(length, np.float32)
        if self._origin_ns is None:
            return out
        self._file.flush()
        first = round((start_ns - self._origin_ns) * self._rate / NANOSECONDS)
        self._file.seek(2 * max(first, 0))
        stored = np.frombuffer(self._file.read(2 * (length + min(first, 0))), "<i2")
        offset = max(-first, 0)
        out[offset : offset + len(stored)] = to_mono(stored)
        return out

    def remove(self) -> None:
        """Delete the file."""
        self._file.close()
        self._path.unlink(missing_ok=True)

    def _seek(self, stamp_ns: int) -> None:
        assert self._origin_ns is not None
        self._end_ns = stamp_ns
        self._end_sample = round((stamp_ns - self._origin_ns) * self._rate / NANOSECONDS)
        self._resampler = None

    def _resampled(self, chunk: AudioChunk) -> NDArray[np.float32]:
        if self._resampler is None or self._input_rate != chunk.sample_rate:
            self._resampler = av.AudioResampler(format="flt", layout="mono", rate=self._rate)
            self._input_rate = chunk.sample_rate
        frame = av.AudioFrame.from_ndarray(chunk.samples[None], format="flt", layout="mono")
        frame.sample_rate = chunk.sample_rate
        pieces = [piece.to_ndarray()[0] for piece in self._resampler.resample(frame)] if len(chunk.samples) else []
        return np.concatenate([np.zeros(0, np.float32), *pieces])


def _unused(path: Path) -> Path:
    """The path, its name counted up while parts of that name are there; the free one is claimed."""
    for number in count(1):
        name = path if number == 1 else path.with_stem(f"{path.stem}.{number}")
        try:
            name.with_suffix(".part.mkv").touch(exist_ok=False)
        except FileExistsError:
            continue
        return name
    raise AssertionError


def pan(user: NDArray[np.float32], avatar: NDArray[np.float32], balance: float) -> NDArray[np.float32]:
    """(N, 2) stereo of two voices, (N,) each: the user more on the left, the avatar more on the right."""
    other = 1.0 - balance
    return np.clip(np.stack([user + other * avatar, other * user + avatar], axis=1), -1.0, 1.0).astype(np.float32)


def join(video: Path, sound: NDArray[np.float32], sample_rate: int, output: Path) -> None:
    """An mp4 with the pictures of `video`, copied, and a stereo sound, (N, 2) float32, coded as AAC."""
    names = name_for_ffmpeg(video), name_for_ffmpeg(output)
    with av.open(names[0]) as source, av.open(names[1], "w", options={"movflags": "+faststart"}) as target:
        target.metadata.update(CONVERSATION.tags)
        pictures = target.add_stream_from_template(source.streams.video[0])
        voice = SoundTrack(target, sample_rate, channels=2)
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = pictures
                target.mux(packet)
        voice.write(sound)
        voice.finish()


def _stamp(item: tuple[int, Planes]) -> int:
    return item[0]
