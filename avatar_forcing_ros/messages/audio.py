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
_CODINGS = {b"ID3": "MP3", b"OggS": "Ogg", b"fLaC": "FLAC", b"RIFF": "a WAV file", b"\x1a\x45\xdf\xa3": "WebM"}
_MPEG1_KBIT = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MPEG2_KBIT = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
LOUDEST = 16.0
"""Sound may be a little louder than 1; if it is louder than this, it was never divided by the largest integer."""
_MARKS, _FRAME_HEAD = 4096, 7  # bytes that show two frames of MP3 or AAC, and bytes of the head of one
_LEAST_VALUES = 8  # a tone at a quarter of the sample rate has fewer
_LEAST_NUMBERS = 32  # with this many, their exponents show whether they are floats
_LEAST_SMOOTH = 128  # samples that show which of two readings is sound
_LOUD_NOISE, _ROUGH, _SMOOTH = 8192.0, 1.5, 0.5  # see _in_other_order
_ORDERS = {"S16LE": "S16BE", "S16BE": "S16LE"}
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
        self._seq, self._recognised, self._suspected = -1, "", ""
        self._utterance: tuple[str, int] | None = None

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
        if self._begins(message):
            self._recognised = ""
        is_empty = not len(message.data)  # how its samples are meant need not be said then
        return signals.AudioChunk(
            stamp_ns(message.header.stamp) or None,
            np.zeros(0, np.float32) if is_empty else self._samples(message),
            message.sample_rate or (AudioLayout.sample_rate if is_empty else 0),
            message.utterance_id,
            message.seq,
            message.end_of_utterance,
        )

    def _samples(self, message: Any) -> NDArray[np.float32]:
        encoding = _CHUNK_ENCODINGS.get(message.encoding)
        if encoding is None:
            raise ValueError(f"AudioChunk.encoding must be one of {_CHUNK_ENCODINGS}, got {message.encoding}")
        # what was recognised once stays refused: later pieces would be noise, and need not begin with a mark
        self._recognised = self._recognised or _no_samples(message.data, encoding, message.channels)
        if self._recognised:
            raise ValueError(f"expected samples of {encoding}, got {self._recognised}")
        return read_pcm(np.frombuffer(message.data, np.uint8), encoding, message.channels)

    def _begins(self, message: Any) -> bool:
        """Whether another utterance begins with a message, by its id or by its number."""
        before, this = self._utterance, (message.utterance_id, message.seq)
        self._utterance = None if message.end_of_utterance else this
        return before is None or before[0] != this[0] or before[1] > this[1]

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
        found = coding_of(bytes(data[:_MARKS]), len(data))
        # of millions of pieces of samples, one looks like a single frame; two of them do not follow each other
        if found and (found not in _FRAMED or found == self._suspected):
            self._recognised = found
        self._suspected = found
        if found := self._recognised or found:
            raise ValueError(
                f"expected samples of {self._layout.sample_format!r}, got {found} in them; "
                "set format:=wave where it is captured"
            )
        return read_pcm(np.frombuffer(data, np.uint8), self._layout.sample_format, self._layout.channels)

    def _numbered(self, time_ns: int | None, samples: NDArray[np.float32], sample_rate: int) -> signals.AudioChunk:
        self._seq += 1
        return signals.AudioChunk(time_ns, samples, sample_rate, seq=self._seq)


def _no_samples(data: Any, encoding: str, channels: int) -> str:
    """What came in place of samples, and after which no later piece can be read, with what mends it; or empty."""
    if found := coding_of(bytes(data[:_MARKS])):
        mend = "send what follows its header" if found == _CODINGS[b"RIFF"] else "decode it before you send it"
        return f"{found} in them: {mend}"
    if len(data) % np.dtype(_SAMPLE_TYPES[encoding]).itemsize:
        return f"a chunk of {len(data)} bytes: cut the sound between two samples"
    if encoding in _ORDERS and _in_other_order(np.frombuffer(data, _SAMPLE_TYPES[encoding]), channels):
        return f"{_ORDERS[encoding]}: swap the two bytes of each sample"
    return ""


def coding_of(begin: bytes, size: int | None = None) -> str:
    """How a piece of sound is coded, judged by its first bytes, and by its size where it may be a single frame.

    Returns:
        The coding; empty for plain samples.
    """
    for mark, name in _CODINGS.items():
        if begin.startswith(mark):
            return name
    for name, framed in _FRAMED.items():
        if framed.size_of(begin) == size or framed.count(begin) > 1:
            return name
    return ""


def _mp3_frame_size(begin: bytes) -> int:
    """Size in bytes of the frame of MPEG layer III that begins here; 0 if none does.

    Source: ISO/IEC 11172-3 and 13818-3, 2.4.2.3: eleven ones, version, layer, bitrate, sampling frequency, padding.
    """
    if len(begin) < _FRAME_HEAD or begin[0] != 0xFF or begin[1] & 0xE6 != 0xE2:
        return 0
    version, rate_code, pace_code = begin[1] >> 3 & 3, begin[2] >> 4, begin[2] >> 2 & 3
    if version == 1 or rate_code in (0, 15) or pace_code == 3:
        return 0
    is_first = version == 3
    kbit = (_MPEG1_KBIT if is_first else _MPEG2_KBIT)[rate_code - 1]
    rate = (44_100, 48_000, 32_000)[pace_code] >> {3: 0, 2: 1, 0: 2}[version]
    return (144_000 if is_first else 72_000) * kbit // rate + (begin[2] >> 1 & 1)


def _aac_frame_size(begin: bytes) -> int:
    """Bytes of the frame of AAC (ADTS) that begins here; 0 where none does.

    Source: ISO/IEC 13818-7, 6.2: twelve ones, then layer 0; thirteen bits of length from the 31st bit on.
    """
    if len(begin) < _FRAME_HEAD or begin[0] != 0xFF or begin[1] & 0xF6 != 0xF0 or begin[2] >> 2 & 15 > 12:
        return 0
    size = (begin[3] & 3) << 11 | begin[4] << 3 | begin[5] >> 5
    return size if size > _FRAME_HEAD else 0


@dataclass(frozen=True)
class _Framed:
    """A coding without a mark at its beginning: frames follow each other, each with a head.

    Attributes:
        size_of: bytes of the frame that begins here; 0 where none does.
        kept: bits of a head's third byte that are the same in all frames, as is the second byte.
    """

    size_of: Callable[[bytes], int]
    kept: int

    def count(self, begin: bytes) -> int:
        """How many frames follow each other, the last of them cut; 0 where anything else does."""
        at = count = 0
        while len(begin) - at >= _FRAME_HEAD:
            head = begin[at : at + _FRAME_HEAD]
            size = self.size_of(head)
            if not size or head[1] != begin[1] or (head[2] ^ begin[2]) & self.kept:
                return 0
            at, count = at + size, count + 1
        return count


_FRAMED = {"MP3": _Framed(_mp3_frame_size, 0x0C), "AAC": _Framed(_aac_frame_size, 0xFC)}


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
    sizes = () if dtype.itemsize == 8 else (8,) if dtype.kind == "f" else (4, 8)
    if floats := next((size for size in sizes if _are_floats(data, size)), 0):
        raise ValueError(f"expected samples of {sample_format}, got floating-point numbers of {8 * floats} bits")
    values = data.view(dtype)
    if sample_format in _ORDERS and _in_other_order(values, channels):
        raise ValueError(f"expected samples of {sample_format}, got {_ORDERS[sample_format]}: the bytes are swapped")
    return _mono(values, channels)


def _in_other_order(values: NDArray, channels: int) -> bool:
    """Whether 16-bit samples are sound once their bytes are swapped, and are loud noise as they stand.

    The lower byte of sound is noise. Read as the higher one it is as loud as can be, and changes from sample to sample
    by as much as the samples differ at all; the other reading goes on smoothly, as voices do but for their hisses.
    """
    if len(values) < _LEAST_SMOOTH or channels < 1:
        return False
    as_read, swapped = (_roughness(order.astype(np.float64), channels) for order in (values, values.byteswap()))
    return as_read[0] > _LOUD_NOISE and as_read[1] > _ROUGH and swapped[1] < _SMOOTH


def _roughness(values: NDArray[np.float64], channels: int) -> tuple[float, float]:
    """Standard deviation of samples, and the variance of what they change by over theirs: 2 for white noise."""
    spread = float(values.std())
    return spread, float(np.mean((values[channels:] - values[:-channels]) ** 2)) / max(spread**2, 1.0)


def _are_floats(data: NDArray[np.uint8], size: int) -> bool:
    """Whether bytes of something else are sound in floating-point numbers of `size` bytes instead, little endian.

    Their highest bytes hold the sign and most of the exponent: for nearly all samples of either sign they are those of
    1e-8 to 1. As integers they would be two narrow bands far from zero, and nothing between, in each second sample; as
    pairs of shorter floats, each second one would be loud throughout, of many values, and the others never be sound.
    """
    numbers = data[: data.size // size * size].reshape(-1, size)
    numbers = numbers[numbers[:, :-1].any(axis=1) | (numbers[:, -1] & 0x7F > 0)]  # not 0 of either sign
    if len(numbers) < _LEAST_NUMBERS:
        return False
    highest, lowest = numbers[:, -1], {4: 0x32, 8: 0x3E}[size]
    likely = ((highest & 0x7F) >= lowest) & ((highest & 0x7F) <= 0x3F)
    negative = np.mean(highest >= 0x80)
    half = numbers[:, 3] & 0x7F
    is_sound = np.mean((half >= 0x32) & (half <= 0x3F)) > 0.5
    few = len(np.unique(numbers[:, 4:], axis=0)) < _LEAST_VALUES if size == 8 else False
    return bool(likely.mean() > 0.95 and 0.05 < negative < 0.95 and not (size == 8 and (is_sound or few)))


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
    if channels < 1:
        raise ValueError(f"the number of channels must be at least 1, got {channels}")
    if values.size % channels:
        raise ValueError(f"the samples must be a multiple of the channels, got {values.size} for {channels} channels")
    mono = to_mono(values if channels == 1 else values.reshape(-1, channels))
    loudest = float(np.abs(mono).max(initial=0.0))
    if not np.isfinite(loudest):
        raise ValueError("floating-point samples must be finite, got NaN or infinite ones: is the encoding right?")
    if loudest > LOUDEST:
        raise ValueError(f"floating-point samples must be within -1 and 1, got {loudest:.4g}: divide by the full scale")
    return mono
