# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Reading of video and sound files, through PyAV: one wheel that brings FFmpeg's libraries along.

**A file's own clock.** A container may begin anywhere (a transport stream at an hour), its sound and its pictures may
begin apart, and either may have gaps. All that is read here stands on one time line, which begins with the first moment
that a player would present, be it sound or picture. What is damaged is skipped, as players do, and logged.
"""

from __future__ import annotations

import io
import logging
import mmap
import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO

import av
import cv2
import numpy as np
from av.audio.resampler import AudioResampler
from av.container import InputContainer
from av.sidedata.sidedata import Type as SideDataType
from av.stream import Disposition
from numpy.typing import NDArray

from avatar_forcing_ros.files.colours import in_standard_range
from avatar_forcing_ros.files.fields import whole_pictures
from avatar_forcing_ros.files.inputs import instead, name_for_ffmpeg, require_file
from avatar_forcing_ros.signals import FPS

JITTER_S = 0.03
"""A smaller error in the stamps of sound is the container's rounding: the sound continues without a gap."""
LONGEST_GAP_S = 600.0
"""Stamps that leap further, or back, mean a new clock and not a gap: the recording continues without one."""
MOST_SOUND_S = 7200.0
"""Sound that is held in memory as a whole: 1.4 GB for so much at 48 kHz."""
USUAL_RATES = range(8000, 192_001)
"""In Hz; sound at another rate is read as if it were at `RATE_OF_OTHERS`."""
RATE_OF_OTHERS = 48_000
LOUDEST = 16.0
"""Sound may be a little louder than 1; what is louder than this was never divided by the largest integer."""
SQUEEZED = (0.25, 4.0)
"""Widths of pixels over their heights that are believed."""
SILENT = 0.001
"""Peak of a channel in which nobody speaks: -60 dBFS."""
OPPOSITE = -0.9
"""Correlation of two channels below which one is the other turned upside down: their mean would be next to silence."""
_PICTURE_BRANDS = ("avif", "heic", "heix", "mif1")
_DURATION_TAG = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d*)?)")
_UNKNOWN_SIZE = 0x7FF0_0000
_CUT_S = 0.5  # a file that ends so much before its declared end was cut
# What a second recording begins with, where files were joined end to end.
_HEADS = {b"RIFF": re.compile(rb"RIFF....WAVE", re.DOTALL), b"fLaC": re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")}

_log = logging.getLogger(__name__)


class MediaError(ValueError):
    """A file cannot be read as what it should be; the message says why in one line."""


@dataclass(frozen=True)
class AudioClip:
    """The sound of a file from its first moment: (N,) mono float32 in [-1, 1] at the file's own rate in Hz."""

    samples: NDArray[np.float32]
    sample_rate: int


@dataclass(frozen=True)
class ClipFrame:
    """One picture of a video: seconds from the file's first moment, and (H, W, 3) uint8 RGB."""

    time_s: float
    image: NDArray[np.uint8]


def read_audio(path: str | Path, most_s: float = MOST_SOUND_S) -> AudioClip:
    """All sound of a sound or video file: the mean of its channels, silence where it has a gap.

    Channels that are silent throughout do not count: a voice on one of two, or in the middle of six, would be quiet.
    Two channels of which one is the other turned upside down would cancel out; then the first is taken alone.

    Args:
        path: of the file.
        most_s: seconds; a small file may hold days of silence, or say that its last second comes in a year.

    Raises:
        MediaError: no such file, no sound in it, more than `most_s`, or it cannot be decoded.
    """
    origin_s = first_moment_s(path)
    mixed: list[NDArray[np.float32]] = []
    first: list[NDArray[np.float32]] = []
    rate, position, products = 0, 0, np.zeros(3)
    peaks: dict[int, NDArray[np.float32]] = {}  # of each channel, by their number
    for piece in _sounds(path, None):
        rate = piece.rate
        at = round((piece.start_s - origin_s) * rate)
        if max(at, position) > most_s * rate:
            raise MediaError(f"{path}: expected at most {most_s:g} s of sound, got more; cut it into parts")
        if at - position > JITTER_S * rate:
            mixed.append(np.zeros(at - position, np.float32))
            first.append(mixed[-1])
            position = at
        mixed.append(piece.samples.mean(axis=0, dtype=np.float32))
        first.append(piece.samples[0])
        position += len(mixed[-1])
        count = len(piece.samples)
        peaks[count] = np.maximum(peaks.get(count, np.float32(0)), np.abs(piece.samples).max(axis=1, initial=0))
        if count == 2:
            left, right = piece.samples.astype(np.float64)
            products += left @ right, left @ left, right @ right
    if not any(map(len, mixed)):
        raise MediaError(f"{path}: expected sound, got an audio stream without samples")
    if products[0] < OPPOSITE * np.sqrt(products[1] * products[2]):
        _log.warning("%s: the two channels are opposite and would cancel out; the first is used alone", path)
        mixed = first
    samples = np.concatenate(mixed)
    if len(peaks) == 1:
        ((count, loudest),) = peaks.items()
        samples *= np.float32(count / (np.sum(loudest > SILENT) or count))
    return AudioClip(samples, rate)


def read_channels(path: str | Path, start_s: float, end_s: float, sample_rate: int) -> NDArray[np.float32]:
    """A span of the sound of a file, every channel by itself.

    Args:
        path: of a sound or video file.
        start_s: first moment, counted from the file's first one.
        end_s: last moment.
        sample_rate: wanted, in Hz.

    Returns:
        (channels, N) float32, N as the span asks; zeros where the file has no sound.

    Raises:
        MediaError: no such file, no sound in it, it cannot be decoded, or the number of its channels changes.
    """
    origin_s = first_moment_s(path)
    span: NDArray[np.float32] | None = None
    position: int | None = None
    for piece in _sounds(path, sample_rate, origin_s + start_s):
        if span is None:
            span = np.zeros((len(piece.samples), round((end_s - start_s) * sample_rate)), np.float32)
        if len(piece.samples) != len(span):
            raise MediaError(
                f"{path}: expected {len(span)} channels of sound throughout, got {len(piece.samples)} from "
                f"{piece.start_s - origin_s:.2f} s on"
            )
        at = round((piece.start_s - origin_s - start_s) * sample_rate)
        if position is None or abs(at - position) > JITTER_S * sample_rate:
            position = at
        if position >= span.shape[1]:
            break
        _put(span, piece.samples, position)
        position += piece.samples.shape[1]
    if span is None:  # the file ends before
        with _open(path) as container:
            channels = _audio(container, path).channels
        span = np.zeros((channels, round((end_s - start_s) * sample_rate)), np.float32)
    return span


def _put(span: NDArray[np.float32], piece: NDArray[np.float32], position: int) -> None:
    """Write what of a piece (channels, K) that begins at `position` lies within the span (channels, N)."""
    begin, end = max(0, position), min(span.shape[1], position + piece.shape[1])
    if begin < end:
        span[:, begin:end] = piece[:, begin - position : end - position]


def length_s(path: str | Path) -> float | None:
    """Length of a video or sound file as it says itself; None when it does not.

    Raises:
        MediaError: no such file, or not a media file.
    """
    with _open(path) as container:
        return None if container.duration is None else container.duration / av.time_base


def has_audio(path: str | Path) -> bool:
    """Whether a file has an audio stream.

    Raises:
        MediaError: no such file, or not a media file.
    """
    with _open(path) as container:
        return bool(container.streams.audio)


def first_moment_s(path: str | Path) -> float:
    """The first moment that a player would present, on the file's own clock: the earlier of first sound and picture.

    Raises:
        MediaError: no such file, or not a media file.
    """
    starts = []
    for find in (_video, _audio):
        try:
            with _open(path) as container:
                frame = next(_decoded(container, find(container, path), path), None)
        except _EmptyStreamError:
            continue
        if frame is not None and frame.time is not None:
            starts.append(frame.time)
    return min(starts, default=0.0)


def read_video(path: str | Path, start_s: float = 0.0) -> Iterator[ClipFrame]:
    """The pictures of a video file, one after the other, upright, as wide as the camera says, in standard colours.

    Args:
        path: of the file.
        start_s: where to begin, counted from the file's first moment; the first picture given is the last one that
            begins no later, or one before it.

    Raises:
        MediaError: no such file, no pictures in it, a picture file, or it cannot be decoded.
    """
    look = _look(path)
    origin_s = first_moment_s(path)
    waiting: av.VideoFrame | None = None
    waiting_s = 0.0
    steady = _SteadyClock()
    for frame in whole_pictures(_pictures(path, origin_s + start_s if start_s > 0 else None)):
        time_s = steady.time_of(frame.time, _length_s(frame)) - origin_s
        if waiting is not None and time_s > start_s:
            yield look.shown(waiting, waiting_s)
        waiting, waiting_s = frame, time_s
    if waiting is None:
        raise MediaError(f"{path}: expected a video, got one without pictures")
    yield look.shown(waiting, waiting_s)


def _pictures(path: str | Path, moment_s: float | None) -> Iterator[av.VideoFrame]:
    """Pictures from the last one at or before a moment of the file's own clock from which decoding can begin."""
    with _open(path) as container:
        stream = _video(container, path)
        stream.thread_type = "NONE"
        if moment_s is None or _went_to(container, moment_s):
            frames = _decoded(container, stream, path)
            first = next(frames, None)
            if first is not None and (moment_s is None or (first.time is not None and first.time <= moment_s)):
                yield from chain([first], frames)
                return
    if moment_s is not None:  # a file in which one cannot go to a moment: all of it
        yield from _pictures(path, None)


def _went_to(container: InputContainer, moment_s: float) -> bool:
    """Go to the last place at or before a moment from which decoding can begin; whether that could be done."""
    try:
        container.seek(int(moment_s * av.time_base))
    except av.FFmpegError:
        return False
    return True


def _length_s(frame: av.AudioFrame | av.VideoFrame) -> float:
    """How long a frame is presented, as far as the file says."""
    if isinstance(frame, av.AudioFrame):
        return frame.samples / frame.sample_rate
    length_s = float((frame.duration or 0) * (frame.time_base or 0))
    return length_s if 0 < length_s < LONGEST_GAP_S else 1 / FPS


@dataclass(frozen=True)
class _Look:
    """How a file says that its pictures are to be shown.

    Attributes:
        pixel_aspect: width of a pixel over its height: 1 but for camcorders, discs and some phones' films.
        transfer: of its colours, as ITU-T H.273 numbers them.
    """

    pixel_aspect: float
    transfer: int

    def shown(self, frame: av.VideoFrame, time_s: float) -> ClipFrame:
        image = in_standard_range(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8), self.transfer)
        if self.pixel_aspect != 1:  # a squeezed face has another mouth
            image = cv2.resize(image, (max(1, round(image.shape[1] * self.pixel_aspect)), image.shape[0]))
        return ClipFrame(time_s, np.ascontiguousarray(_turned(image, frame)))


def _look(path: str | Path) -> _Look:
    with _open(path) as container:
        stream = _video(container, path)
        if len(films := _films(container)) > 1:
            number = 1 + films.index(stream)
            _log.warning("%s: %d tracks of pictures, of which number %d is read", path, len(films), number)
        aspect = float(stream.sample_aspect_ratio or 1)
        transfer = int(stream.codec_context.color_trc) if stream.codec_context else 0  # no decoder: refused later
        return _Look(aspect if SQUEEZED[0] <= aspect <= SQUEEZED[1] else 1.0, transfer)


def _turned(image: NDArray[np.uint8], frame: av.VideoFrame) -> NDArray[np.uint8]:
    """A picture as its display matrix says: in quarter turns, and mirrored, as front cameras write it."""
    data = frame.side_data.get(SideDataType.DISPLAYMATRIX)
    if data is None:
        return image
    across, across_to_down, _, down_to_across, down = struct.unpack("=5i", bytes(data)[:20])
    if abs(across) + abs(down) < abs(across_to_down) + abs(down_to_across):
        image, across, down = image.swapaxes(0, 1), down_to_across, across_to_down
    return image[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1]


@dataclass(frozen=True)
class _Piece:
    """Sound of (channels, N) float32 at `rate` Hz that begins at `start_s` of the file's own clock, leaps taken out."""

    start_s: float
    rate: int
    samples: NDArray[np.float32]


def _sounds(path: str | Path, rate: int | None, moment_s: float | None = None) -> Iterator[_Piece]:
    """The sound of a file, one piece after the other at one rate; recordings joined end to end are read whole.

    Args:
        path: of the file.
        rate: in Hz; None takes that of the first sound.
        moment_s: what ends before it on the file's own clock is not wanted; it may be given all the same.
    """
    end_s: float | None = None
    for part in _parts(path):
        with _open(path, part) as container:
            stream, steady = _audio(container, path), _SteadyClock(end_s)
            if (tracks := len(container.streams.audio)) > 1:
                number = 1 + container.streams.audio.index(stream)
                _log.warning("%s: %d tracks of sound, of which number %d is read", path, tracks, number)
            made_for: tuple[str, str, int] | None = None
            is_one_kind = True
            if moment_s is not None and part is None:
                _went_to(container, moment_s - 1)
            for frame in _decoded(container, stream, path):
                assert isinstance(frame, av.AudioFrame)
                rate = rate or (frame.sample_rate if frame.sample_rate in USUAL_RATES else RATE_OF_OTHERS)
                kind = frame.format.name, frame.layout.name, frame.sample_rate
                is_one_kind = is_one_kind and made_for in (None, kind)
                # sound of another kind was joined on, and stamps are counted by the first one's rate
                now_s = steady.time_of(frame.time if is_one_kind else None, frame.samples / frame.sample_rate)
                if made_for != kind:
                    made_for = kind
                    # interleaved: PyAV 18 reads past the planes of eight channels and more
                    resampler = AudioResampler(format="flt", layout=frame.layout, rate=rate)
                frame.pts = None
                try:
                    resampled = resampler.resample(frame)
                except (av.FFmpegError, ValueError) as error:
                    raise MediaError(
                        f"{path}: expected sound at a rate that can be played, got {frame.sample_rate} Hz: {error}"
                    ) from None
                for made in resampled:
                    samples = np.asarray(made.to_ndarray(), np.float32).reshape(-1, frame.layout.nb_channels).T
                    _check_samples(samples, path)
                    yield _Piece(now_s, rate, samples)
                    now_s += samples.shape[1] / rate
            end_s = steady.end_s


def _check_samples(samples: NDArray[np.float32], path: str | Path) -> None:
    """Only floating-point files can hold what is no sound.

    Raises:
        MediaError: NaN or infinite values, or such that were never divided by the full scale.
    """
    loudest = np.abs(samples).max(initial=0.0)
    if not np.isfinite(loudest):
        raise MediaError(f"{path}: expected sound, got floating-point samples that are NaN or infinite")
    if loudest > LOUDEST:
        raise MediaError(
            f"{path}: expected floating-point samples within -1 and 1, got {loudest:.4g}: divide by the full scale"
        )


def _parts(path: str | Path) -> list[IO[bytes] | None]:
    """The recordings that were joined end to end into one file whose reader would end with the first; None is all."""
    if not Path(path).is_file() or not Path(path).stat().st_size:
        return [None]
    with Path(path).open("rb") as file:
        head = _HEADS.get(file.read(4))
        if head is None:
            return [None]
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return _joined(content, head, path)


def _joined(content: mmap.mmap, head: re.Pattern[bytes], path: str | Path) -> list[IO[bytes] | None]:
    """The recordings of a file, each of which begins with a head."""
    starts = [found.start() for found in head.finditer(content)]
    if len(starts) < 2:
        return [None]
    _log.info("%s: %d recordings joined end to end, read whole", path, len(starts))
    return [io.BytesIO(content[begin:end]) for begin, end in zip(starts, [*starts[1:], None], strict=True)]


class _SteadyClock:
    """Stamps that go on: leaps back, and those too long for a gap, are taken out; what has no stamp follows on.

    Args:
        end_s: where the recording before this one ended, so that this one continues there; None for the first.

    Attributes:
        end_s: end of the newest item.
    """

    def __init__(self, end_s: float | None = None) -> None:
        self.end_s = end_s
        self._shift_s: float | None = 0.0 if end_s is None else None

    def time_of(self, stamp_s: float | None, length_s: float) -> float:
        """When an item begins that says it begins at `stamp_s` and lasts `length_s`."""
        if self.end_s is None:
            now_s = stamp_s or 0.0
        elif stamp_s is None:
            now_s = self.end_s
        else:
            if self._shift_s is None:
                self._shift_s = self.end_s - stamp_s
            now_s = stamp_s + self._shift_s
            if not self.end_s - length_s - JITTER_S <= now_s <= self.end_s + LONGEST_GAP_S:
                now_s = self.end_s
                self._shift_s = now_s - stamp_s
        self.end_s = now_s + length_s
        return now_s


class _EmptyStreamError(MediaError):
    """A file lacks a stream, or nothing of it can be decoded."""


def _audio(container: InputContainer, path: str | Path) -> av.AudioStream:
    if not container.streams.audio:
        raise _EmptyStreamError(f"{path}: expected sound, got a file without an audio stream")
    return max(container.streams.audio, key=_is_meant)


def _video(container: InputContainer, path: str | Path) -> av.VideoStream:
    """The stream of pictures that a player would show, which is not the cover of a song.

    Raises:
        MediaError: there is none, or the file is a single picture.
    """
    kind, brand = container.format.name, container.metadata.get("major_brand", "")
    if kind == "image2" or kind.endswith("_pipe") or brand in _PICTURE_BRANDS:
        raise _EmptyStreamError(f"{path}: expected a video, got a picture, in which nobody moves")
    films = _films(container)
    if not films:
        raise _EmptyStreamError(f"{path}: expected a video, got a file without a video stream")
    return max(films, key=_is_meant)


def _films(container: InputContainer) -> list[av.VideoStream]:
    """Tracks of pictures that are no covers of songs."""
    return [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]


def _is_meant(stream: av.AudioStream | av.VideoStream) -> tuple[bool, bool, bool]:
    """How good a choice a track is among several: one that can be decoded, is the file's default, is no still."""
    return stream.codec_context is not None, bool(stream.disposition & Disposition.default), stream.frames != 1


def _decoded(
    container: InputContainer, stream: av.AudioStream | av.VideoStream, path: str | Path
) -> Iterator[av.AudioFrame | av.VideoFrame]:
    """All that can be decoded of a stream; damaged packets are skipped and counted.

    Raises:
        MediaError: half of it or more is damaged.
    """
    kind = "sound" if stream.type == "audio" else "video"
    good = damaged = 0
    reason, end_s = "", None
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            break
        except av.FFmpegError as error:  # nothing can be read from here on
            damaged, reason = damaged + 1, error.strerror
            break
        try:
            frames = packet.decode()
        except av.EOFError:
            break
        except av.FFmpegError as error:
            damaged, reason = damaged + 1, error.strerror
            continue
        for frame in frames:
            good += 1
            end_s = None if frame.time is None else frame.time + _length_s(frame)
            yield frame
    if damaged and damaged >= good:
        raise _EmptyStreamError(f"{path}: {kind} cannot be decoded: {reason}")
    if damaged:
        _log.warning("%s: %d damaged packets of %s were skipped: %s", path, damaged, kind, reason)
    declared_s = _declared_end_s(container, stream, path)
    if end_s is not None and declared_s is not None and end_s < declared_s - _CUT_S:
        _log.warning("%s: %s ends at %.1f s of %.1f s: the rest is missing", path, kind, end_s, declared_s)


def _declared_end_s(
    container: InputContainer, stream: av.AudioStream | av.VideoStream, path: str | Path
) -> float | None:
    """Where a stream ends on the file's own clock, as its header says."""
    is_whole = container.name == name_for_ffmpeg(path)  # not one of several that were joined
    if is_whole and container.format.name == "wav":
        return _declared_length_of_wav_s(path, (stream.codec_context.bit_rate or 0) / 8)
    if stream.duration is not None and stream.start_time is not None and stream.time_base is not None:
        return float((stream.start_time + stream.duration) * stream.time_base)
    # Matroska says when the stream ends in a tag of its own
    tag = _DURATION_TAG.fullmatch(stream.metadata.get("DURATION", ""))
    return None if tag is None else int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3])


def _declared_length_of_wav_s(path: str | Path, bytes_a_second: float) -> float | None:
    """How long a WAV file says its sound is; FFmpeg only says how long it is."""
    with Path(path).open("rb") as file:
        if file.read(12)[8:] != b"WAVE" or not bytes_a_second:
            return None
        while len(head := file.read(8)) == 8:
            name, size = struct.unpack("<4sI", head)
            if name == b"data":  # programs that write into a pipe do not know the size yet
                return size / bytes_a_second if size < _UNKNOWN_SIZE else None
            file.seek(size + size % 2, os.SEEK_CUR)
    return None


def _open(path: str | Path, part: IO[bytes] | None = None) -> InputContainer:
    """Open a file, or a part of it that was read already."""
    with require_file(path, "a video or sound file", MediaError).open("rb") as file:
        first = file.read(100)
    if first[:4] == b"RIFX":  # FFmpeg reads it with the bytes of each sample the wrong way round
        raise MediaError(f"{path}: expected a WAV file in little-endian order (RIFF), got a big-endian one (RIFX)")
    try:
        # tags of a song may be in any alphabet's own encoding; nothing here reads them
        return av.open(name_for_ffmpeg(path) if part is None else part, metadata_errors="replace")
    except av.FFmpegError as error:
        is_mp4 = first[4:8] == b"ftyp"
        reason = "an mp4 without its index: it is truncated or was never finished" if is_mp4 else instead(first)
        raise MediaError(f"{path}: expected a video or sound file, got {reason or _no_media(error)}") from None


def _no_media(error: av.FFmpegError) -> str:
    is_other = isinstance(error, av.InvalidDataError)
    return "something else" if is_other else f"one that cannot be opened: {error.strerror}"
