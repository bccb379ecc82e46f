# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Broken inputs of every kind, made of good ones: for tests, for long runs, and for who writes a reader of their own.

Each reader either gives what it promises, or refuses with the one error of its room, in one line.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
from PIL import Image

from avatar_forcing_ros.bags.bag import BagError, BagReader
from avatar_forcing_ros.media import MediaError, MovieWriter, has_audio, length_s, read_audio, read_channels, read_video
from avatar_forcing_ros.messages import images
from avatar_forcing_ros.messages.images import ENCODINGS
from avatar_forcing_ros.pictures import read_image
from avatar_forcing_ros.testing_bags import conversation, write_bag

SIDE = 96
FRAMES = 12
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


def try_image_message(seed: int) -> str:
    """A message of a camera whose fields do not fit together; "read" or "refused".

    Raises:
        AssertionError: an error of another kind, or a picture of another size than the message says.
    """
    draw = random.Random(seed)
    height, width, step = (draw.choice((0, 1, 2, 7, 8, 64, 2**31)) for _ in range(3))
    size = draw.choice((0, 1, step * height, step * height + 5, width * height * 3))
    message = SimpleNamespace(
        height=height,
        width=width,
        step=step,
        encoding=draw.choice((*ENCODINGS, "", "32FC1", "rgb16", "h264")),
        is_bigendian=draw.choice((0, 1, 7)),
        data=np.frombuffer(draw.randbytes(min(size, 100_000)), np.uint8),
    )
    try:
        image = images.to_rgb(message)
    except ValueError as refusal:
        said = str(refusal)
    except Exception as error:
        raise AssertionError(f"seed {seed}: expected ValueError, got {error!r}") from error
    else:
        said = ""
    assert "\n" not in said, f"seed {seed}: expected one line, got {said}"
    if said:
        return "refused"
    assert image.shape == (height, width, 3) and image.dtype == np.uint8, f"seed {seed}: got {image.shape}"
    return "read"


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


def _good_bags(folder: Path) -> dict[str, bytes]:
    """One file of a bag each: what is left of a recorder that died."""
    found = {}
    for storage, ending in (("sqlite3", "db3"), ("mcap", "mcap")):
        bag = write_bag(folder / storage, conversation()[:60], storage)  # type: ignore[arg-type]
        file = next(bag.glob(f"*.{ending}"))
        found[f"bag.{ending}"] = file.read_bytes()
    return found
