# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Broken inputs of every kind, made from good ones: for tests, for long runs, and for authors of readers.

Each reader either gives what it promises, or refuses with the one error of its room, in one line.
"""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
from PIL import Image

from avatar_forcing_ros.bags.bag import BagError, BagReader
from avatar_forcing_ros.bundle import DEFAULT_BUNDLE, MANIFEST, BundleError, read_manifest
from avatar_forcing_ros.files.media import MediaError, has_audio, length_s, read_audio, read_channels, read_video
from avatar_forcing_ros.files.movies import MovieWriter
from avatar_forcing_ros.files.pictures import read_image
from avatar_forcing_ros.files.resources import resource
from avatar_forcing_ros.messages import directions, images
from avatar_forcing_ros.messages.audio import LOUDEST, AudioKind, AudioReader
from avatar_forcing_ros.messages.images import ENCODINGS
from avatar_forcing_ros.messages.motion import to_sample
from avatar_forcing_ros.portraits.consent import Consent, ConsentError, read_consent
from avatar_forcing_ros.session.errors import MOST_LETTERS, one_line
from avatar_forcing_ros.signals import AudioChunk
from avatar_forcing_ros.testing.bags import conversation, write_bag
from avatar_forcing_ros.timeline.grid import FRAME_NS
from avatar_forcing_ros.timeline.playback import Playback, PlaybackEvent
from avatar_forcing_ros.timeline.speech import SpeechTimeline

SIDE = 96
FRAMES = 12
SOUNDS: tuple[AudioKind, ...] = ("AudioChunk", "AudioData", "AudioDataStamped", "AudioStamped")
_SAMPLES = {"float32_data": "<f4", "int32_data": "<i4", "int16_data": "<i2", "int8_data": "i1", "uint8_data": "u1"}
MOST_READ = 200  # pictures of a video whose header lies about its length


def mutated(content: bytes, draw: random.Random) -> bytes:
    """Some of the ways in which files break: cut, a hole, flipped bits, bytes lost or put in, a part twice."""
    data = bytearray(content)
    for _ in range(draw.randint(1, 3)):
        if len(data) < 8:
            break
        # half of the damage hits the header, where little of the file is
        at = draw.randrange(min(len(data), 64) if draw.random() < 0.5 else len(data))
        size = draw.randint(1, max(1, min(400, len(data) - at)))
        what = draw.randrange(6)
        if what == 0:
            del data[max(1, at) :]
        elif what == 1:
            data[at : at + size] = bytes(size)
        elif what == 2:
            data[at] ^= 1 << draw.randrange(8)
        elif what == 3:
            del data[at : at + size]
        elif what == 4:
            data[at:at] = draw.randbytes(size)
        else:
            data[at:at] = data[at : at + size]
    return bytes(data)


@dataclass(frozen=True)
class Reader:
    """A way in.

    Attributes:
        samples: name -> content of good files.
        read: reads a file whole and checks what it gives.
        refusal: what it may raise.
    """

    samples: Mapping[str, bytes]
    read: Callable[[Path], None]
    refusal: type[Exception]


def readers(folder: Path) -> dict[str, Reader]:
    """All that open files; `folder` is where good ones are made."""
    return {
        "picture": Reader(_good_pictures(folder), _read_picture, MediaError),
        "sound": Reader(_good_sounds(folder), _read_sound, MediaError),
        "video": Reader(_good_videos(folder), _read_video, MediaError),
        "bag": Reader(_good_bags(folder), _read_bag, BagError),
        "sidecar": Reader(_good_sidecars(folder), _read_sidecar, ConsentError),
        "model": Reader(_good_models(), _read_model, BundleError),
    }


def try_one(reader: Reader, folder: Path, seed: int) -> str:
    """Break one of a reader's good files and read it; what came of it: "read" or "refused".

    Raises:
        AssertionError: an error of another kind, one of several lines, or one that does not name the file.
    """
    draw = random.Random(seed)
    name = draw.choice(sorted(reader.samples))
    path = folder / name
    path.write_bytes(mutated(reader.samples[name], draw))
    try:
        reader.read(path)
    except reader.refusal as refusal:
        said = str(refusal)
    except Exception as error:
        raise AssertionError(f"seed {seed}, {name}: expected {reader.refusal.__name__}, got {error!r}") from error
    else:
        return "read"
    assert "\n" not in said and name in said, f"seed {seed}: expected one line that names {name}, got {said}"
    return "refused"


def try_message(kind: str, seed: int) -> str:
    """A message of a kind of `MESSAGES` whose fields do not fit together; "read" or "refused".

    Raises:
        AssertionError: an error of another kind than ValueError, one of several lines, or a value that it promises not.
    """
    make, read = MESSAGES[kind]
    draw = random.Random(seed)
    message = make(draw)
    try:
        read(message)
    except ValueError as refusal:
        said, length = str(refusal), len(one_line(refusal))
    except Exception as error:
        raise AssertionError(f"seed {seed}, {kind}: expected ValueError, got {error!r}") from error
    else:
        return "read"
    assert said and "\n" not in said, f"seed {seed}, {kind}: expected one line, got {said!r}"
    assert length <= MOST_LETTERS, f"seed {seed}, {kind}: expected at most {MOST_LETTERS} letters, got {length}"
    return "refused"


def _image(draw: random.Random) -> SimpleNamespace:
    height, width, step = (draw.choice((0, 1, 2, 7, 8, 64, 2**31)) for _ in range(3))
    size = draw.choice((0, 1, step * height, step * height + 5, width * height * 3))
    return SimpleNamespace(
        height=height,
        width=width,
        step=step,
        encoding=draw.choice((*ENCODINGS, "", "32FC1", "h264")),
        is_bigendian=draw.choice((0, 1, 7)),
        data=np.frombuffer(draw.randbytes(min(size, 100_000)), np.uint8),
    )


def _read_image_message(message: SimpleNamespace) -> None:
    _check_pixels(images.to_rgb(message), (message.height, message.width, 3))


@cache
def _compressed_samples() -> tuple[bytes, ...]:
    shades = Image.fromarray(np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3), np.uint8))
    found = []
    for ending in ("jpeg", "png", "webp", "tiff", "bmp", "gif"):
        file = io.BytesIO()
        shades.save(file, ending)
        found.append(file.getvalue())
    return tuple(found)


def _compressed_image(draw: random.Random) -> SimpleNamespace:
    content = draw.choice((*_compressed_samples(), b"", b"\x00\x00\x00\x01\x67" + draw.randbytes(300)))
    content = content if draw.random() < 0.1 else mutated(content, draw)
    kind = draw.choice(("", "jpeg", "png", "h264", "rgb8; jpeg compressed bgr8", "16UC1; compressedDepth png"))
    return SimpleNamespace(format=kind, data=np.frombuffer(content, np.uint8))


def _read_compressed_image(message: SimpleNamespace) -> None:
    _check_pixels(images.compressed_to_rgb(message), None)


def _check_pixels(image: np.ndarray, shape: tuple[int, ...] | None) -> None:
    assert image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8 and image.size, image.shape
    assert shape in (None, image.shape), f"expected {shape}, got {image.shape}"


def _sound(draw: random.Random) -> SimpleNamespace:
    """A message that has the fields of all kinds of sound."""
    size = draw.choice((0, 1, 2, 3, 4, 640, 641, 1280))
    floats = np.array([draw.choice((0.0, 0.5, 1.0, 1e9, -1e30, np.nan, np.inf)) for _ in range(size % 5)], "<f4")
    data = draw.choice((draw.randbytes(size), floats.tobytes(), b"\xff\xfb\xb4\xc4" + bytes(572), b"OggS" + bytes(60)))
    layout = SimpleNamespace(
        sample_rate=draw.choice((0, 1, 8000, 16_000, 44_100, 48_000, 2**32 - 1)),
        channels=draw.choice((0, 1, 2, 3, 255)),
        sample_format=draw.choice(("S16LE", "F32LE", "U8", "", "S24LE", "s16le", "S16LE\n")),
        coding_format=draw.choice(("", "wave", "WAVE", "mp3", "ogg")),
        bitrate=0,
    )
    arrays = {
        name: np.frombuffer(data, kind) for name, kind in _SAMPLES.items() if not len(data) % np.dtype(kind).itemsize
    }
    arrays = {name: arrays.get(name, np.zeros(0, kind)) for name, kind in _SAMPLES.items()}
    info = SimpleNamespace(
        format=draw.choice((0, 1, 2, 4, 8, 16, 32, -1)),
        channels=draw.choice((-1, 0, 1, 2)),
        rate=draw.choice((-1, 0, 16_000, 48_000)),
        chunk=512,
    )
    return SimpleNamespace(
        header=SimpleNamespace(
            stamp=SimpleNamespace(sec=draw.choice((-1, 0, 5, 2**31 - 1)), nanosec=draw.choice((0, 7)))
        ),
        data=np.frombuffer(data, np.uint8),
        audio=SimpleNamespace(data=np.frombuffer(data, np.uint8), info=info, audio_data=SimpleNamespace(**arrays)),
        encoding=draw.choice((0, 1, 2, 255)),
        sample_rate=layout.sample_rate,
        channels=layout.channels,
        utterance_id=draw.choice(("", "a", "ü\n")),
        seq=draw.choice((0, 1, 2**32 - 1)),
        end_of_utterance=draw.random() < 0.3,
        kind=draw.choice(SOUNDS),
        layout=layout if draw.random() < 0.5 else None,
    )


def _read_sound_message(message: SimpleNamespace) -> None:
    reader = AudioReader(message.kind, None, lambda: 10**18)
    if message.layout is not None:
        reader.learn(message.layout)
    chunk = reader.read(message)
    assert chunk.samples.dtype == np.float32 and chunk.samples.ndim == 1
    assert np.abs(chunk.samples).max(initial=0.0) <= LOUDEST, f"samples of {np.abs(chunk.samples).max()}"


def _speech(draw: random.Random) -> list[tuple[int, AudioChunk]]:
    """What a publisher sends that numbers, names and ends its chunks as it likes; each holds a tone of its own."""
    habits = [draw.choice(("right", "zero", "back", "any")), draw.choice(("new", "same", "none", "any"))]
    ends = draw.choice(("last", "all", "never", "any"))
    sent: list[tuple[int, AudioChunk]] = []
    now_ns = 10**9
    for utterance in range(draw.randint(1, 3)):
        size = draw.randint(1, 5)
        for n in range(size):
            seq = {"right": n, "zero": 0, "back": size - n, "any": draw.choice((0, 1, 7, 2**32 - 1))}[habits[0]]
            who = {"new": f"u{utterance}", "same": "u", "none": "", "any": draw.choice(("", "a", "b"))}[habits[1]]
            end = {"last": n == size - 1, "all": True, "never": False, "any": draw.random() < 0.3}[ends]
            level = 0.01 * (1 + len(sent))
            sent.append((now_ns, AudioChunk(None, np.full(1600, level, np.float32), 16_000, who, seq, end)))
            now_ns += draw.choice((0, 1, 50, 2000)) * 1_000_000
    return sent


def _read_speech(sent: list[tuple[int, AudioChunk]]) -> None:
    """Every chunk is said once, or its utterance has an event that says why not; or else it came twice."""
    timeline = SpeechTimeline(160_000_000, 40_000_000, 400_000_000)
    waiting, said, events = list(sent), [], list[PlaybackEvent]()
    for block in range(150 + 4 * (sent[-1][0] - 10**9) // FRAME_NS // 4 + 4):
        now_ns = 10**9 + block * 4 * FRAME_NS
        while waiting and waiting[0][0] <= now_ns:
            timeline.push(waiting[0][1], waiting.pop(0)[0])
        frames, told = timeline.take(25 + block * 4, 4, now_ns)
        said += [frame.samples for frame in frames]
        events += told
        if not waiting and block > (sent[-1][0] - 10**9) // (4 * FRAME_NS) + 40:
            break
    heard = np.concatenate(said)
    refused = {event.utterance_id for event in events if event.kind is Playback.REFUSED}
    for _, chunk in sent:
        count = np.count_nonzero(np.isclose(heard, chunk.samples[0], atol=1e-5))
        assert count in (0, 1600), f"{count} samples of a chunk of 1600 are said"
        assert count or chunk.utterance_id in refused, f"a chunk of {chunk.utterance_id!r} is lost without a word"
        if not count:
            raise ValueError("refused by an event")


def _read_motion(message: SimpleNamespace) -> None:
    assert np.isfinite(to_sample(message, "facemesh").latent).all()


def _motion(draw: random.Random) -> SimpleNamespace:
    values = [draw.choice((0.0, 1.0, 1e9, np.nan, np.inf)) for _ in range(draw.choice((0, 1, 18, 19)))]
    return SimpleNamespace(
        header=SimpleNamespace(stamp=SimpleNamespace(sec=draw.choice((0, 1)), nanosec=draw.choice((0, 1)))),
        motion_space=draw.choice(("facemesh", "", "autoencoder")),
        latent=values,
        confidence=draw.choice((0.0, 1.0, -1.0, np.nan)),
        valid=draw.random() < 0.5,
    )


def _direction(draw: random.Random) -> SimpleNamespace:
    """An expression or a look, of numbers and names that may be anything."""
    odd = (0.0, 0.5, 1.0, -1.0, 1e38, float("nan"), float("inf"))
    frame = draw.choice(("", "avatar", "/avatar", "map", "x" * 5000, "\0"))
    header = SimpleNamespace(stamp=SimpleNamespace(sec=draw.choice((0, 1, -1)), nanosec=0), frame_id=frame)
    if draw.random() < 0.5:
        point = SimpleNamespace(**{name: draw.choice(odd) for name in "xyz"})
        return SimpleNamespace(header=header, point=point)
    numbers = {name: draw.choice(odd) for name in ("valence", "arousal", "confidence")}
    return SimpleNamespace(header=header, expression=draw.choice(("", "happy", "\0", "x" * 10_000)), **numbers)


def _read_direction(message: SimpleNamespace) -> None:
    if hasattr(message, "point"):
        assert directions.to_look_at(message, "avatar").place is None or message.header.frame_id
    else:
        assert 0 <= directions.to_expression(message).intensity <= 1


MESSAGES: Mapping[str, tuple[Callable[[random.Random], Any], Callable[[Any], None]]] = {
    "image": (_image, _read_image_message),
    "compressed image": (_compressed_image, _read_compressed_image),
    "sound": (_sound, _read_sound_message),
    "speech": (_speech, _read_speech),
    "motion": (_motion, _read_motion),
    "direction": (_direction, _read_direction),
}
"""Kind of message -> what makes one, and what reads it and checks what it gives."""


def _read_sidecar(path: Path) -> None:
    consent = read_consent(path)
    assert consent.who and consent.source and consent.licence


def _read_model(path: Path) -> None:
    manifest = read_manifest(path.parent)
    assert all(".." not in name for name in manifest.weights)


def _read_picture(path: Path) -> None:
    image = read_image(path)
    assert image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8 and image.size


def _read_sound(path: Path) -> None:
    clip = read_audio(path)
    assert clip.samples.ndim == 1 and clip.samples.dtype == np.float32 and len(clip.samples) and clip.sample_rate > 0
    assert read_channels(path, 0.1, 0.2, 16_000).shape[1] == 1600


def _read_video(path: Path) -> None:
    length_s(path)
    if has_audio(path):
        _read_sound(path)
    times = []
    for frame in islice(read_video(path), MOST_READ):
        assert frame.image.ndim == 3 and frame.image.shape[2] == 3
        times.append(frame.time_s)
    assert np.isfinite(times).all() and (np.diff(times) >= -0.1).all()


def _read_bag(path: Path) -> None:
    with BagReader(path) as bag:
        for message in bag.messages(bag.topics):
            assert message.topic in bag.topics
        assert "\n" not in bag.damage


def _good_pictures(folder: Path) -> dict[str, bytes]:
    shades = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3), np.uint8)
    found = {}
    for ending in ("jpg", "png", "webp", "bmp", "gif", "tif"):
        path = folder / f"picture.{ending}"
        Image.fromarray(shades).save(path)
        found[path.name] = path.read_bytes()
    return found


def _good_sounds(folder: Path) -> dict[str, bytes]:
    """A second of stereo in several clothes."""
    tone = np.tile(0.3 * np.sin(np.arange(16_000) / 8).astype(np.float32), (2, 1))
    found = {}
    for ending, codec, kind in (("wav", "pcm_s16le", "s16"), ("flac", "flac", "s16"), ("mp3", "libmp3lame", "fltp")):
        path = folder / f"sound.{ending}"
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=16_000, layout="stereo")
            samples = tone if kind == "fltp" else (tone.T.reshape(1, -1) * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format=kind, layout="stereo")
            frame.sample_rate = 16_000
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        found[path.name] = path.read_bytes()
    return found


def _good_videos(folder: Path) -> dict[str, bytes]:
    """Half a second with sound, in the containers that people have."""
    random_pictures = np.random.default_rng(1).integers(0, 255, (FRAMES, SIDE, SIDE, 3), np.uint8)
    path = folder / "video.mp4"
    with MovieWriter(path, SIDE, SIDE) as movie:
        for picture in random_pictures:
            movie.write_image(picture)
            movie.write_sound(np.zeros(640, np.float32))
    found = {path.name: path.read_bytes()}
    for ending in ("ts", "mkv"):
        other = folder / f"video.{ending}"
        with av.open(str(path)) as source, av.open(str(other), "w") as container:
            streams = {stream.index: container.add_stream_from_template(stream) for stream in source.streams}
            for packet in source.demux():
                if packet.dts is not None:
                    index, packet.stream = packet.stream.index, streams[packet.stream.index]
                    assert index in streams
                    container.mux(packet)
        found[other.name] = other.read_bytes()
    return found


def _good_sidecars(folder: Path) -> dict[str, bytes]:
    path = folder / "face.png.yaml"
    said = Consent("Ada", "camera", "internal", "signed", expires=date(2099, 1, 1), sha256_pixels="0" * 64)
    said.write(path)
    values = {**vars(said), "expires": said.last_day}
    return {path.name: path.read_bytes(), "face.png.json": json.dumps(values).encode()}


def _good_models() -> dict[str, bytes]:
    return {MANIFEST: resource("models", DEFAULT_BUNDLE, MANIFEST).read_bytes()}


def _good_bags(folder: Path) -> dict[str, bytes]:
    """One file of a bag each: what is left of a recorder that died."""
    found = {}
    for storage, ending in (("sqlite3", "db3"), ("mcap", "mcap")):
        bag = write_bag(folder / storage, conversation()[:60], storage)  # type: ignore[arg-type]
        file = next(bag.glob(f"*.{ending}"))
        found[f"bag.{ending}"] = file.read_bytes()
    return found
