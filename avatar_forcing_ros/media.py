"""Reading and writing of video and sound files, through PyAV: one wheel that brings FFmpeg's libraries along."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

FPS = 25


class MediaError(ValueError):
    """A file cannot be read as what it should be; the message says why in one line."""


@dataclass(frozen=True)
class AudioClip:
    """The sound of a file: (N,) mono float32 in [-1, 1] at the file's own rate in Hz."""

    samples: NDArray[np.float32]
    sample_rate: int


@dataclass(frozen=True)
class ClipFrame:
    """One picture of a video: seconds from its start, and (H, W, 3) uint8 RGB."""

    time_s: float
    image: NDArray[np.uint8]


def read_audio(path: str | Path) -> AudioClip:
    """All sound of a sound or video file, mixed to mono.

    Raises:
        MediaError: no such file, no sound in it, or it cannot be decoded.
    """
    with _open(path) as container:
        if not container.streams.audio:
            raise MediaError(f"{path}: expected sound, got a file without an audio stream")
        rate = container.streams.audio[0].rate
        pieces = list(_mono_pieces(container, rate, path))
    samples = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
    if not len(samples):
        raise MediaError(f"{path}: expected sound, got an audio stream without samples")
    return AudioClip(samples, rate)


def _mono_pieces(container: av.container.InputContainer, rate: int, path: str | Path) -> Iterator[NDArray[np.float32]]:
    resampler = AudioResampler(format="flt", layout="mono", rate=rate)
    try:
        for frame in container.decode(audio=0):
            yield from (piece.to_ndarray()[0] for piece in resampler.resample(frame))
        yield from (piece.to_ndarray()[0] for piece in resampler.resample(None))
    except av.FFmpegError as error:
        raise MediaError(f"{path}: sound cannot be decoded: {error.strerror}") from None


def read_channels(path: str | Path, start_s: float, end_s: float, sample_rate: int) -> NDArray[np.float32]:
    """A span of the sound of a file, every channel by itself.

    Args:
        path: of a sound or video file.
        start_s: first moment.
        end_s: last moment.
        sample_rate: wanted, in Hz.

    Returns:
        (channels, N) float32, N as the span asks; zeros where the file has no sound.

    Raises:
        MediaError: no such file, no sound in it, or it cannot be decoded.
    """
    with _open(path) as container:
        if not container.streams.audio:
            raise MediaError(f"{path}: expected sound, got a file without an audio stream")
        channels = container.streams.audio[0].channels
        span = np.zeros((channels, round((end_s - start_s) * sample_rate)), np.float32)
        resampler = AudioResampler(format="fltp", rate=sample_rate)
        try:
            _go_to(container, start_s)
            for frame in container.decode(audio=0):
                for piece in resampler.resample(frame):
                    position = round((float(piece.time or 0.0) - start_s) * sample_rate)
                    _put(span, np.asarray(piece.to_ndarray(), np.float32), position)
                if (frame.time or 0.0) > end_s:
                    break
        except av.FFmpegError as error:
            raise MediaError(f"{path}: sound cannot be decoded: {error.strerror}") from None
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
        return None if container.duration is None else container.duration / 1_000_000


def has_audio(path: str | Path) -> bool:
    """Whether a file has an audio stream.

    Raises:
        MediaError: no such file, or not a media file.
    """
    with _open(path) as container:
        return bool(container.streams.audio)


def read_video(path: str | Path, start_s: float = 0.0) -> Iterator[ClipFrame]:
    """The pictures of a video file, one after the other, upright as the camera says.

    Args:
        path: of the file.
        start_s: where to begin; the first picture given is the last one that begins no later, or one before it.

    Raises:
        MediaError: no such file, no pictures in it, or it cannot be decoded.
    """
    with _open(path) as container:
        if not container.streams.video:
            raise MediaError(f"{path}: expected a video, got a file without a video stream")
        container.streams.video[0].thread_type = "NONE"
        try:
            _go_to(container, start_s)
            before: av.VideoFrame | None = None
            for frame in container.decode(video=0):
                if before is not None and (frame.time is None or frame.time > start_s):
                    yield _clip_frame(before)
                before = frame
            if before is not None:
                yield _clip_frame(before)
        except av.FFmpegError as error:
            raise MediaError(f"{path}: video cannot be decoded: {error.strerror}") from None


def _go_to(container: av.container.InputContainer, start_s: float) -> None:
    """To the last place at or before a time from which decoding can begin."""
    if start_s > 0:
        container.seek(int(start_s * 1_000_000))


def _clip_frame(frame: av.VideoFrame) -> ClipFrame:
    image = np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90))
    return ClipFrame(float(frame.time or 0.0), np.ascontiguousarray(image))


def read_image(path: str | Path) -> NDArray[np.uint8]:
    """A picture file as (H, W, 3) uint8 RGB; transparency is laid on white.

    Raises:
        MediaError: no such file, or not a picture.
    """
    import cv2

    if not Path(path).is_file():
        raise MediaError(f"{path}: no such file")
    image = cv2.imread(os.fspath(path), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise MediaError(f"{path}: expected a picture (png, jpeg, webp, bmp), got something else")
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    if image.ndim == 2:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    if image.shape[2] == 4:
        alpha = image[..., 3:].astype(np.float32) / 255
        image = (image[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    return np.ascontiguousarray(image[..., ::-1])


def _open(path: str | Path) -> av.container.InputContainer:
    if not Path(path).is_file():
        raise MediaError(f"{path}: no such file")
    try:
        return av.open(os.fspath(path))
    except av.FFmpegError as error:
        raise MediaError(f"{path}: expected a video or sound file: {error.strerror}") from None


class MovieWriter:
    """Writes an mp4 (H.264 and AAC, plays everywhere) at 25 fps; pictures and sound each go on where they ended.

    The file appears under its name when it is complete; until then, and if it never is, beside it as `NAME.part.mp4`.

    Args:
        path: of the mp4 file; its folder is made.
        width: of the pictures, even.
        height: of the pictures, even.
        sample_rate: of the sound in Hz.
        channels: 1 or 2.
        preset: of x264; the cheaper, the larger the file.
        quality: constant rate factor of x264; lower is better.
    """

    def __init__(
        self,
        path: str | Path,
        width: int,
        height: int,
        sample_rate: int = 16_000,
        channels: int = 1,
        preset: str = "veryfast",
        quality: int = 20,
    ) -> None:
        if width % 2 or height % 2:
            raise ValueError(f"width and height must be even, got {width}x{height}")
        if channels not in (1, 2):
            raise ValueError(f"channels must be 1 or 2, got {channels}")
        self._path = Path(path)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._partial = self._path.with_suffix(".part.mp4")
        self._container = av.open(os.fspath(self._partial), "w", options={"movflags": "+faststart"})
        self._video = self._container.add_stream("libx264", rate=FPS)
        self._video.width, self._video.height, self._video.pix_fmt = width, height, "yuv420p"
        self._video.options = {"preset": preset, "crf": str(quality)}
        self._video.thread_count = 1
        self._layout = "mono" if channels == 1 else "stereo"
        self._audio = self._container.add_stream("aac", rate=sample_rate, layout=self._layout)
        self._sample_rate, self._channels = sample_rate, channels
        self._frames = self._samples = 0

    def write_image(self, image: NDArray[np.uint8]) -> None:
        """Append one picture, (height, width, 3) uint8 RGB."""
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts, frame.time_base = self._frames, Fraction(1, FPS)
        self._frames += 1
        self._container.mux(self._video.encode(frame))

    def write_sound(self, samples: NDArray[np.float32]) -> None:
        """Append sound, (N,) or (N, channels) float32 in [-1, 1]."""
        packed = np.ascontiguousarray(samples, np.float32).reshape(1, -1)
        if not packed.size:
            return
        frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=self._layout)
        frame.sample_rate, frame.time_base = self._sample_rate, Fraction(1, self._sample_rate)
        frame.pts = self._samples
        self._samples += packed.size // self._channels
        self._container.mux(self._audio.encode(frame))

    def close(self) -> None:
        """Finish the file and give it its name."""
        self._container.mux(self._video.encode(None))
        self._container.mux(self._audio.encode(None))
        self._container.close()
        self._partial.replace(self._path)

    def __enter__(self) -> MovieWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._container.close()
            self._partial.unlink(missing_ok=True)
