# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Writing of videos that play everywhere, H.264 and AAC in an mp4: `MovieWriter`, and the two tracks it is made of.

Both tracks write into an open container of PyAV's. A caller that needs another kind of file than `MovieWriter` makes
(pictures at times of their own, a file that survives its process) brings the container and takes the tracks.
"""

from __future__ import annotations

import os
import struct
import uuid
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from av.container import OutputContainer
from numpy.typing import NDArray

from avatar_forcing_ros.files.outputs import replacing
from avatar_forcing_ros.signals import FPS

_XMP_BOX = uuid.UUID("be7acfcb-97a9-42e8-9c71-999491e3afac")
_AAC_SAMPLES = 1024
"""Samples in a frame of AAC. Sound is passed on in such pieces, without a copy of the whole."""


class PictureTrack:
    """H.264, coded as the pictures come.

    Args:
        container: is written to.
        width: of the pictures, even.
        height: of the pictures, even.
        preset: of x264; the cheaper, the larger the file.
        quality: constant rate factor of x264; lower is better.
        ticks: of a second, in which pictures say when they are shown.
    """

    def __init__(
        self,
        container: OutputContainer,
        width: int,
        height: int,
        preset: str,
        quality: int,
        ticks: int = FPS,
    ) -> None:
        if width % 2 or height % 2:
            raise ValueError(f"width and height must be even, got {width}x{height}")
        self._container, self._tick = container, Fraction(1, ticks)
        self._stream = container.add_stream("libx264", rate=FPS)
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
        # either conversion is by BT.601, so the file says so
        colours = {"colorprim": "smpte170m", "colormatrix": "smpte170m"}
        self._stream.options = {"preset": preset, "crf": str(quality), **colours}
        self._stream.codec_context.time_base = self._stream.time_base = self._tick
        self._stream.codec_context.thread_count = 1

    def write(self, image: NDArray[np.uint8], tick: int) -> None:
        """One picture, (height, width, 3) uint8 RGB, shown from this tick on."""
        self.write_frame(av.VideoFrame.from_ndarray(image, format="rgb24"), tick)

    def write_frame(self, frame: av.VideoFrame, tick: int) -> None:
        """The same of a picture in FFmpeg's own memory, YUV by BT.601, which needs no conversion."""
        frame.pts, frame.time_base = tick, self._tick
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Write what the encoder still holds."""
        self._container.mux(self._stream.encode(None))


class SoundTrack:
    """AAC; each piece of sound continues where the last one ended.

    Args:
        container: is written to.
        sample_rate: in Hz.
        channels: 1 or 2.
    """

    def __init__(self, container: OutputContainer, sample_rate: int, channels: int) -> None:
        if channels not in (1, 2):
            raise ValueError(f"channels must be 1 or 2, got {channels}")
        self._container, self._rate = container, sample_rate
        self._layout = "mono" if channels == 1 else "stereo"
        self._stream = container.add_stream("aac", rate=sample_rate, layout=self._layout)
        self._samples = 0

    def write(self, samples: NDArray[np.float32]) -> None:
        """Append sound, (N,) or (N, channels) float32 in [-1, 1]."""
        for start in range(0, len(samples), _AAC_SAMPLES):
            piece = np.ascontiguousarray(samples[start : start + _AAC_SAMPLES], np.float32)
            frame = av.AudioFrame.from_ndarray(piece.reshape(1, -1), format="flt", layout=self._layout)
            frame.sample_rate, frame.time_base, frame.pts = self._rate, Fraction(1, self._rate), self._samples
            self._samples += len(piece)
            self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Write what the encoder still holds."""
        self._container.mux(self._stream.encode(None))


class MovieWriter:
    """Writes an mp4 at 25 fps; pictures and sound each go on where they ended.

    The file appears under its name when it is complete; until then it is a hidden file beside it,
    which goes when anything fails.

    Args:
        path: of the mp4 file; its folder is made.
        width: of the pictures, even.
        height: of the pictures, even.
        sample_rate: of the sound in Hz.
        channels: 1 or 2.
        preset: of x264; the cheaper, the larger the file.
        quality: constant rate factor of x264; lower is better.
        tags: of the container, for players to show.
        xmp: a packet of metadata, for archives.
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
        tags: Mapping[str, str] | None = None,
        xmp: bytes = b"",
    ) -> None:
        with ExitStack() as stack:
            self._partial = stack.enter_context(replacing(Path(path), ".mp4"))
            self._container = av.open(os.fspath(self._partial), "w", options={"movflags": "+faststart"})
            self._container.metadata.update(tags or {})
            self._pictures = PictureTrack(self._container, width, height, preset, quality)
            self._sound = SoundTrack(self._container, sample_rate, channels)
            self._stack = stack.pop_all()
        self._xmp, self._frames = xmp, 0

    def write_image(self, image: NDArray[np.uint8]) -> None:
        """Append one picture, (height, width, 3) uint8 RGB."""
        self._pictures.write(image, self._frames)
        self._frames += 1

    def write_sound(self, samples: NDArray[np.float32]) -> None:
        """Append sound, (N,) or (N, channels) float32 in [-1, 1]."""
        self._sound.write(samples)

    def close(self) -> None:
        """Finish the file and give it its name."""
        with self._stack:
            try:
                self._pictures.finish()
                self._sound.finish()
            finally:
                self._container.close()
            if self._xmp:
                append_xmp(self._partial, self._xmp)

    def __enter__(self) -> MovieWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
            return
        with suppress(av.FFmpegError):  # the disk may be full; what came before it is told
            self._container.close()
        self._stack.__exit__(kind, error, trace)


def append_xmp(path: Path, xmp: bytes) -> None:
    """Put a packet of XMP at the end of an mp4 file, in the box that is meant for it.

    Source: Adobe, XMP Specification Part 3 (2020), 1.2.3 "MPEG-4".
    """
    with path.open("ab") as file:
        file.write(struct.pack(">I4s", 24 + len(xmp), b"uuid") + _XMP_BOX.bytes + xmp)
