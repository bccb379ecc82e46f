# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Every kind of audio message becomes the same mono sound; what cannot be read is refused in one line."""

from __future__ import annotations

import importlib.util
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy")
from avatar_forcing_ros.msg import AudioChunk
from builtin_interfaces.msg import Time

from avatar_forcing_ros import signals
from avatar_forcing_ros.audio.pcm import to_int16
from avatar_forcing_ros.nodes.audio_messages import (
    AudioKind,
    AudioLayout,
    AudioReader,
    Rivals,
    from_chunk,
    installed_kind,
    message_type,
    read_pcm,
)
from avatar_forcing_ros.nodes.conversions import bytes_field
from avatar_forcing_ros.testing import speech_like

WAVE = np.array([0.0, 0.5, -0.5, 0.25, -1.0, 0.75], np.float32)
HEADER = SimpleNamespace(stamp=Time(sec=2, nanosec=500))
STAMP_NS = 2_000_000_500


def as_bytes(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values).view(np.uint8)


# Each row: the name, and how the wave is stored under it.
FORMATS = [
    ("S8", (WAVE * 128).astype("i1")),
    ("U8", (WAVE * 128 + 128).astype("u1")),
    ("S16LE", (WAVE * 32768).astype("<i2")),
    ("S16BE", (WAVE * 32768).astype(">i2")),
    ("S32LE", (WAVE * 2147483648.0).astype("<i4")),
    ("S32BE", (WAVE * 2147483648.0).astype(">i4")),
    ("F32LE", WAVE.astype("<f4")),
    ("F32BE", WAVE.astype(">f4")),
    ("F64LE", WAVE.astype("<f8")),
    ("F64BE", WAVE.astype(">f8")),
]


@pytest.mark.parametrize(("name", "stored"), FORMATS, ids=[name for name, _ in FORMATS])
def test_every_sample_format_gives_the_same_wave(name: str, stored: np.ndarray) -> None:
    samples = read_pcm(as_bytes(stored), name, channels=1)

    assert samples.dtype == np.float32
    np.testing.assert_array_equal(samples, WAVE)


def test_channels_are_averaged() -> None:
    stereo = np.stack([WAVE, np.zeros_like(WAVE)], axis=1)

    np.testing.assert_array_equal(read_pcm(as_bytes(stereo), "F32LE", channels=2), WAVE / 2)


@pytest.mark.parametrize(
    ("size", "name", "channels", "message"),
    [
        (7, "S16LE", 1, "2 bytes each, got 7 bytes"),
        (6, "S16LE", 2, "got 3 for 2 channels"),
        (4, "S16LE", 0, "at least 1, got 0"),
        (4, "S24LE", 1, "one of S8, U8, .*got 'S24LE'"),
    ],
)
def test_bytes_that_are_no_samples_are_refused(size: int, name: str, channels: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_pcm(np.zeros(size, np.uint8), name, channels)


def test_our_own_message_round_trips_with_all_its_fields() -> None:
    chunk = signals.AudioChunk(STAMP_NS, WAVE, 22_050, "answer", 4, end_of_utterance=True)

    back = AudioReader("AudioChunk").read(from_chunk(chunk))

    np.testing.assert_allclose(back.samples, WAVE, atol=1 / 32768)
    assert (back.stamp_ns, back.sample_rate, back.utterance_id, back.seq, back.end_of_utterance) == (
        STAMP_NS,
        22_050,
        "answer",
        4,
        True,
    )


def test_an_unset_stamp_means_as_soon_as_possible() -> None:
    chunk = signals.AudioChunk(None, WAVE, 16_000)

    assert AudioReader("AudioChunk").read(from_chunk(chunk)).stamp_ns is None


def test_sound_louder_than_full_scale_is_clipped_not_wrapped() -> None:
    np.testing.assert_array_equal(to_int16(np.array([2.0, -2.0], np.float32)), [32767, -32768])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"encoding": 9}, "encoding must be one of .* got 9"),
        ({"sample_rate": 100}, "sample_rate must be .* got 100"),
        ({"data": bytes_field(as_bytes(np.array([np.nan], "<f4"))), "encoding": AudioChunk.F32LE}, "must be finite"),
    ],
)
def test_a_chunk_that_cannot_be_meant_is_refused(change: dict, message: str) -> None:
    bad = from_chunk(signals.AudioChunk(STAMP_NS, WAVE, 16_000))
    for name, value in change.items():
        setattr(bad, name, value)

    with pytest.raises(ValueError, match=message):
        AudioReader("AudioChunk").read(bad)


def chunk_of(data: bytes, utterance_id: str = "answer", seq: int = 0, **fields: object) -> AudioChunk:
    message = from_chunk(signals.AudioChunk(None, WAVE, 16_000, utterance_id, seq))
    message.data = bytes_field(np.frombuffer(data, np.uint8))
    for name, value in fields.items():
        setattr(message, name, value)
    return message


MP3_FRAME = b"\xff\xfb\x90\xc4" + bytes(413)  # 128 kbit/s at 44.1 kHz
AAC_FRAME = b"\xff\xf1\x50\x80\x10\x1f\xfc" + bytes(121)  # 128 bytes, 44.1 kHz


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"ID3" + bytes(61), "MP3 in them: decode it"),
        (3 * MP3_FRAME, "MP3 in them: decode it"),
        (3 * AAC_FRAME, "AAC in them: decode it"),
        (b"OggS" + bytes(60), "Ogg in them: decode it"),
        (b"RIFF" + bytes(60), "a WAV file in them: send what follows its header"),
        (bytes(641), "a chunk of 641 bytes: cut the sound between two samples"),
    ],
)
def test_what_a_synthesiser_sends_in_place_of_samples_is_refused_to_the_end_of_its_utterance(
    data: bytes, told: str
) -> None:
    """Its later pieces look like samples; they would be loud noise."""
    reader = AudioReader("AudioChunk")
    for seq, piece in enumerate((data, bytes(64))):
        with pytest.raises(ValueError, match=told):
            reader.read(chunk_of(piece, seq=seq))
    assert len(reader.read(chunk_of(bytes(64), "next", 2)).samples) == 32
    with pytest.raises(ValueError, match=told):
        reader.read(chunk_of(data, "last", 2))
    assert len(reader.read(chunk_of(bytes(64), "last", 0)).samples) == 32  # its publisher begins again


@pytest.mark.parametrize("number", ["<f4", "<f8"])
@pytest.mark.parametrize("name", ["S16LE", "S16BE", "S32LE", "S8", "U8"])
def test_floats_that_are_said_to_be_integers_are_refused_not_played_as_noise(name: str, number: str) -> None:
    for level in (1.0, 1e-3):
        sound = (level * speech_like(0.1)).astype(number)
        bits = 8 * np.dtype(number).itemsize
        with pytest.raises(ValueError, match=f"expected samples of {name}, got floating-point numbers of {bits} bits"):
            read_pcm(as_bytes(sound), name, 1)


def test_long_floats_that_are_said_to_be_short_ones_are_refused() -> None:
    """Of samples that were 16-bit integers before, each second float was 0 and the others between 1 and 2."""
    for level in (1.0, 1e-3):
        sound = np.rint(level * 32767 * speech_like(0.1).astype("<f8")) / 32768
        with pytest.raises(ValueError, match="expected samples of F32LE, got floating-point numbers of 64 bits"):
            read_pcm(as_bytes(sound), "F32LE", 1)


def test_integers_are_not_taken_for_floats() -> None:
    draw, time_s = np.random.default_rng(0), np.arange(1600) / 16_000
    sounds = [np.sin(2 * np.pi * pitch * time_s) for pitch in (50, 4000, 8000)]
    sounds += [np.sign(sounds[0]), draw.normal(size=1600), speech_like(0.1), np.ones(1600)]
    for sound in sounds:
        for level in (1e-4, 0.01, 0.1, 0.3, 0.45, 0.5, 1.0):
            for kind, scale in (("i1", 127), ("<i2", 32767), ("<i4", 2**31 - 1), ("<f4", 1)):
                stored = (level * sound.clip(-1, 1) * scale).astype(kind)
                for stereo in (stored, np.repeat(stored, 2)):
                    read_pcm(as_bytes(stereo), {"i1": "S8", "<i2": "S16LE", "<i4": "S32LE", "<f4": "F32LE"}[kind], 1)


@pytest.mark.parametrize("channels", [1, 2])
def test_swapped_bytes_are_refused_not_played_as_noise(channels: int) -> None:
    voice = to_int16(speech_like(1.0, 16_000)).repeat(channels)
    reader = AudioReader("AudioChunk")
    swapped = [voice[start : start + 640].byteswap().tobytes() for start in range(0, len(voice) - 639, 640)]
    chunks = [
        AudioChunk(utterance_id="a", seq=seq, sample_rate=16_000, channels=channels, data=piece)
        for seq, piece in enumerate(swapped)
    ]
    with pytest.raises(ValueError, match="got S16BE: swap the two bytes"):
        list(map(reader.read, chunks[: len(chunks) // 4]))  # what is quiet or hisses shows nothing
    for chunk in chunks[len(chunks) // 4 :]:  # and then no more of it is played
        with pytest.raises(ValueError, match="S16BE"):
            reader.read(chunk)
    with pytest.raises(ValueError, match="expected samples of S16BE, got S16LE"):
        read_pcm(voice.view(np.uint8), "S16BE", channels)


def test_no_sound_is_taken_for_swapped() -> None:
    rng, times = np.random.default_rng(0), np.arange(640) / 16_000
    noise = rng.uniform(-1, 1, 640)
    sounds = [noise, noise.round(2), np.sign(noise), np.rint(noise * 127) / 128, np.zeros(640)]
    sounds += [np.sin(2 * np.pi * hertz * times) for hertz in (50, 440, 4000, 7900)]
    sounds += [noise * 10 ** (-level / 20) for level in (6, 20, 60, 80)]
    for sound in sounds:
        for swap in (False, True):  # neither is it if that is what was said
            samples = to_int16(np.asarray(sound, np.float32))
            data = (samples.byteswap() if swap else samples).view(np.uint8)
            assert len(read_pcm(data, "S16BE" if swap else "S16LE", 1)) == 640


def test_the_end_of_an_utterance_needs_nothing_but_its_id() -> None:
    end = AudioReader("AudioChunk").read(AudioChunk(utterance_id="answer", end_of_utterance=True))
    assert end.end_of_utterance and end.utterance_id == "answer" and not len(end.samples)


# The two packages called audio_common_msgs cannot be installed together; their messages are spelt out here.


def released(values: np.ndarray) -> SimpleNamespace:
    return SimpleNamespace(header=HEADER, audio=SimpleNamespace(data=bytes_field(as_bytes(values))))


def test_the_released_family_takes_its_layout_from_parameters_and_then_from_audio_info() -> None:
    reader = AudioReader("AudioDataStamped", AudioLayout(8000, 1, "S16LE"))

    first = reader.read(released((WAVE * 32768).astype("<i2")))
    reader.learn(SimpleNamespace(sample_rate=48_000, channels=2, sample_format="F32LE", coding_format="wave"))
    second = reader.read(released(np.stack([WAVE, WAVE], axis=1)))

    np.testing.assert_array_equal(first.samples, second.samples)
    assert (first.stamp_ns, first.sample_rate, first.seq) == (STAMP_NS, 8000, 0)
    assert (second.sample_rate, second.seq) == (48_000, 1)


def test_coded_sound_is_refused_with_the_way_out() -> None:
    reader = AudioReader("AudioDataStamped")
    reader.learn(SimpleNamespace(sample_rate=16_000, channels=1, sample_format="S16LE", coding_format="MP3"))

    with pytest.raises(ValueError, match="format:=wave"):
        reader.read(released((WAVE * 32768).astype("<i2")))


def test_sound_without_a_stamp_ended_when_it_came() -> None:
    reader = AudioReader("AudioData", AudioLayout(16_000, 1, "S16LE"), now_ns=lambda: 10_000_000)

    chunk = reader.read(SimpleNamespace(data=bytes_field(np.zeros(32, np.uint8))))

    assert chunk.stamp_ns == 9_000_000  # 16 samples are one millisecond


@pytest.mark.parametrize(
    ("number", "field", "values"),
    [
        (1, "float32_data", WAVE),
        (2, "int32_data", (WAVE * 2147483648.0).astype("i4")),
        (8, "int16_data", (WAVE * 32768).astype("i2")),
        (16, "int8_data", (WAVE * 128).astype("i1")),
        (32, "uint8_data", (WAVE * 128 + 128).astype("u1")),
    ],
)
def test_the_other_family_says_its_own_layout(number: int, field: str, values: np.ndarray) -> None:
    info = SimpleNamespace(format=number, channels=1, rate=44_100)
    message = SimpleNamespace(
        header=HEADER, audio=SimpleNamespace(info=info, audio_data=SimpleNamespace(**{field: values}))
    )

    chunk = AudioReader("AudioStamped").read(message)

    np.testing.assert_array_equal(chunk.samples, WAVE)
    assert (chunk.stamp_ns, chunk.sample_rate) == (STAMP_NS, 44_100)


@pytest.mark.parametrize("kind", ["AudioDataStamped", "AudioStamped"])
def test_an_unset_stamp_of_either_family_is_none_too(kind: AudioKind) -> None:
    info = SimpleNamespace(format=1, channels=1, rate=16_000)
    audio = SimpleNamespace(data=bytes_field(as_bytes(WAVE)), info=info, audio_data=SimpleNamespace(float32_data=WAVE))
    message = SimpleNamespace(header=SimpleNamespace(stamp=Time()), audio=audio)

    chunk = AudioReader(kind, AudioLayout(16_000, 1, "F32LE")).read(message)

    assert chunk.stamp_ns is None
    np.testing.assert_array_equal(chunk.samples, WAVE)


def test_an_unknown_portaudio_format_is_refused() -> None:
    info = SimpleNamespace(format=4, channels=1, rate=16_000)
    message = SimpleNamespace(header=HEADER, audio=SimpleNamespace(info=info, audio_data=SimpleNamespace()))

    with pytest.raises(ValueError, match=r"PortAudio's \[1, 2, 8, 16, 32\], got 4"):
        AudioReader("AudioStamped").read(message)


@pytest.mark.skipif(importlib.util.find_spec("audio_common_msgs") is not None, reason="audio_common_msgs is installed")
def test_without_audio_common_msgs_ours_is_used_and_theirs_is_named() -> None:
    assert installed_kind() == "AudioChunk"
    with pytest.raises(ValueError, match="AudioStamped is not installed; installed is AudioChunk"):
        message_type("AudioStamped")


def test_two_microphones_on_one_topic_are_named_and_one_that_was_started_again_is_not() -> None:
    there = [("/", "microphone"), ("/hall", "player")]
    node = SimpleNamespace(
        resolve_topic_name=lambda name: f"/{name}",
        get_publishers_info_by_topic=lambda _topic: [
            SimpleNamespace(node_namespace=space, node_name=name) for space, name in there
        ],
    )
    rivals = Rivals(node, "user_audio")
    assert rivals.complaint(2) == ""  # a sound card that catches up
    told = "2 nodes cut into each other's sound on /user_audio, let one publish: /hall/player, /microphone"
    assert rivals.complaint(12) == told
    assert rivals.complaint(12) == ""  # it is over
    there[1] = there[0]
    assert rivals.complaint(30) == ""
