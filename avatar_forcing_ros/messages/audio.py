# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Every kind of audio message -> `AudioChunk` of mono float32, and back to our own message.

Two incompatible packages are called audio_common_msgs. The one released in ROS distributions has AudioData (no stamp)
and AudioDataStamped, with the layout in a separate AudioInfo; the other has AudioStamped, which says its own layout.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros import signals
from avatar_forcing_ros.audio.pcm import to_int16, to_mono
from avatar_forcing_ros.messages.making import Make, header, stamp_ns

AudioKind = Literal["auto", "AudioChunk", "AudioData", "AudioDataStamped", "AudioStamped"]

_SAMPLE_TYPES = {
    "S8": "i1",
    "U8": "u1",
    "S16LE": "<i2",
    "S16BE": ">i2",
    "S32LE": "<i4",
    "S32BE": ">i4",
    "F32LE": "<f4",
    "F32BE": ">f4",
    "F64LE": "<f8",
    "F64BE": ">f8",
}
_CHUNK_ENCODINGS = {0: "S16LE", 1: "F32LE"}  # the constants of msg/AudioChunk.msg
_CODINGS = {b"ID3": "MP3", b"OggS": "Ogg", b"fLaC": "FLAC", b"RIFF": "a WAV file"}
_MPEG1_KBIT = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MPEG2_KBIT = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
LOUDEST = 16.0
"""Sound may be a little louder than 1; if it is louder than this, it was never divided by the largest integer."""
_MARKS = 4096  # bytes that show two frames of MP3
_UNCODED = ("", "raw", "pcm", "wave", "wav")
# PortAudio's numbers for the formats, and the field of AudioStamped that holds the samples.
_PORTAUDIO_FIELDS = {1: "float32_data", 2: "int32_data", 8: "int16_data", 16: "int8_data", 32: "uint8_data"}


@dataclass(frozen=True)
class AudioLayout:
    """How to read the bytes of messages that do not say it themselves.

    Attributes:
        sample_rate: in Hz.
        channels: number of channels, interleaved.
        sample_format: S8, U8, S16LE, S16BE, S32LE, S32BE, F32LE, F32BE, F64LE or F64BE.
    """

    sample_rate: int = field(default=16_000, metadata={"range": (1_000, 384_000)})
    channels: int = field(default=1, metadata={"range": (1, 64)})
    sample_format: str = "S16LE"


@dataclass(frozen=True)
class AudioInput:
    """What kind of messages a topic of sound carries.

    Attributes:
        kind: message type: AudioChunk is ours; auto takes the installed audio_common_msgs, or ours if there is none.
        layout: layout of messages that do not say it themselves (AudioData, AudioDataStamped).
    """

    kind: AudioKind = "auto"
    layout: AudioLayout = AudioLayout()


class AudioReader:
    """Reads one stream of messages of one kind; remembers the layout that came apart from them."""

    def __init__(
        self, kind: AudioKind, layout: AudioLayout | None = None, now_ns: Callable[[], int] = lambda: 0
    ) -> None:
        self._read = {
            "AudioChunk": self._chunk,
            "AudioData": self._data,
            "AudioDataStamped": self._data_stamped,
            "AudioStamped": self._stamped,
        }[kind]
        self._layout, self._coding, self._now_ns = layout or AudioLayout(), "", now_ns
        self._seq, self._recognised = -1, ""

    def read(self, message: Any) -> signals.AudioChunk:
        """One message as a chunk of mono sound.

        Raises:
            ValueError: its encoding, size or rate cannot be read.
        """
        return self._read(message)

    def learn(self, info: Any) -> None:
        """Take the layout from an AudioInfo of the released audio_common_msgs.

        Raises:
            ValueError: it has no rate.
        """
        if info.sample_rate <= 0:
            raise ValueError(f"AudioInfo.sample_rate must be positive, got {info.sample_rate}")
        self._coding = info.coding_format.lower()
        self._layout = AudioLayout(info.sample_rate, info.channels, info.sample_format)

    def _chunk(self, message: Any) -> signals.AudioChunk:
        encoding = _CHUNK_ENCODINGS.get(message.encoding)
        if encoding is None:
            raise ValueError(f"AudioChunk.encoding must be one of {_CHUNK_ENCODINGS}, got {message.encoding}")
        samples = read_pcm(np.frombuffer(message.data, np.uint8), encoding, message.channels)
        return signals.AudioChunk(
            stamp_ns(message.header.stamp) or None,
            samples,
            message.sample_rate,
            message.utterance_id,
            message.seq,
            message.end_of_utterance,
        )

    def _data(self, message: Any) -> signals.AudioChunk:
        samples = self._raw(message.data)
        length_ns = len(samples) * signals.NANOSECONDS // self._layout.sample_rate
        return self._numbered(self._now_ns() - length_ns, samples, self._layout.sample_rate)

    def _data_stamped(self, message: Any) -> signals.AudioChunk:
        time_ns = stamp_ns(message.header.stamp) or None
        return self._numbered(time_ns, self._raw(message.audio.data), self._layout.sample_rate)

    def _stamped(self, message: Any) -> signals.AudioChunk:
        info, data = message.audio.info, message.audio.audio_data
        field = _PORTAUDIO_FIELDS.get(info.format)
        if field is None:
            known = sorted(_PORTAUDIO_FIELDS)
            raise ValueError(f"AudioInfo.format must be one of PortAudio's {known}, got {info.format}")
        samples = _mono(np.asarray(getattr(data, field)), info.channels)
        return self._numbered(stamp_ns(message.header.stamp) or None, samples, info.rate)

    def _raw(self, data: Any) -> NDArray[np.float32]:
        if self._coding not in _UNCODED:
            raise ValueError(f"audio must be uncoded (format:=wave where it is captured), got {self._coding!r}")
        # what was recognised once stays refused: later pieces need not begin with a mark
        self._recognised = self._recognised or coding_of(bytes(data[:_MARKS]), len(data))
        if self._recognised:
            raise ValueError(
                f"expected samples of {self._layout.sample_format!r}, got {self._recognised} in them; "
                "set format:=wave where it is captured"
            )
        return read_pcm(np.frombuffer(data, np.uint8), self._layout.sample_format, self._layout.channels)

    def _numbered(self, time_ns: int | None, samples: NDArray[np.float32], sample_rate: int) -> signals.AudioChunk:
        self._seq += 1
        return signals.AudioChunk(time_ns, samples, sample_rate, seq=self._seq)


def coding_of(begin: bytes, size: int) -> str:
    """How a piece of sound is coded, judged by its first bytes and its size; empty for plain samples."""
    for mark, name in _CODINGS.items():
        if begin.startswith(mark):
            return name
    return "MP3" if _mp3_frame_size(begin) == size or _two_mp3_frames(begin) else ""


def _two_mp3_frames(begin: bytes) -> bool:
    size = _mp3_frame_size(begin)
    return bool(size) and _mp3_frame_size(begin[size:]) > 0


def _mp3_frame_size(begin: bytes) -> int:
    """Size in bytes of the frame of MPEG layer III that begins here; 0 if none does.

    Source: ISO/IEC 11172-3 and 13818-3, 2.4.2.3: eleven ones, version, layer, bitrate, sampling frequency, padding.
    """
    if len(begin) < 4 or begin[0] != 0xFF or begin[1] & 0xE6 != 0xE2:
        return 0
    version, rate_code, pace_code = begin[1] >> 3 & 3, begin[2] >> 4, begin[2] >> 2 & 3
    if version == 1 or rate_code in (0, 15) or pace_code == 3:
        return 0
    is_first = version == 3
    kbit = (_MPEG1_KBIT if is_first else _MPEG2_KBIT)[rate_code - 1]
    rate = (44_100, 48_000, 32_000)[pace_code] >> {3: 0, 2: 1, 0: 2}[version]
    return (144_000 if is_first else 72_000) * kbit // rate + (begin[2] >> 1 & 1)


def read_pcm(data: NDArray[np.uint8], sample_format: str, channels: int) -> NDArray[np.float32]:
    """Interleaved samples as bytes -> (N,) float32 in [-1, 1], channels averaged.

    Raises:
        ValueError: the format is unknown, there are no channels, or the bytes are not a whole number of samples.
    """
    if sample_format not in _SAMPLE_TYPES:
        raise ValueError(f"sample format must be one of {', '.join(_SAMPLE_TYPES)}, got {sample_format!r}")
    dtype = np.dtype(_SAMPLE_TYPES[sample_format])
    if data.size % dtype.itemsize:
        raise ValueError(f"{sample_format} samples have {dtype.itemsize} bytes each, got {data.size} bytes in all")
    return _mono(data.view(dtype), channels)


def from_chunk(make: Make, chunk: signals.AudioChunk) -> Any:
    """Our message with 16-bit samples from a chunk."""
    return make(
        "avatar_forcing_ros/AudioChunk",
        header=header(make, chunk.stamp_ns),
        utterance_id=chunk.utterance_id,
        seq=chunk.seq,
        sample_rate=chunk.sample_rate,
        channels=1,
        encoding=0,
        data=to_int16(chunk.samples).view(np.uint8),
        end_of_utterance=chunk.end_of_utterance,
    )


def _mono(values: NDArray, channels: int) -> NDArray[np.float32]:
    if channels < 1 or values.size % channels:
        raise ValueError(f"samples must share out evenly to the channels, got {values.size} for {channels} channels")
    mono = to_mono(values if channels == 1 else values.reshape(-1, channels))
    loudest = float(np.abs(mono).max(initial=0.0))
    if loudest > LOUDEST:
        raise ValueError(f"floating-point samples must be within -1 and 1, got {loudest:.4g}: divide by the full scale")
    return mono
