# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A file's own clock, its channels and its damages: sound and pictures where a player would present them."""

from __future__ import annotations

import logging
import os
import struct
import threading
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.codec.context import Flags
from av.stream import Disposition
from numpy.typing import NDArray
from PIL import Image
from scipy.io import wavfile

from avatar_forcing_ros.commands.arguments import input_file
from avatar_forcing_ros.devices.clips import pictures
from avatar_forcing_ros.devices.movie import Recorder, RecordingConfig
from avatar_forcing_ros.files.colours import HLG, PQ, in_standard_range
from avatar_forcing_ros.files.media import MediaError, has_audio, read_audio, read_channels, read_video
from avatar_forcing_ros.files.movies import MovieWriter
from avatar_forcing_ros.recordings.footage import on_grid
from avatar_forcing_ros.testing import speech_like

RATE = 16_000
FPS = 25
CLICK_S = 1.0
"""In every film made here a white picture and a beep begin at this moment, a second after the first picture."""
FRAME_S = 1 / FPS


def film(
    path: Path, start_s: float = 0.0, sound_from_s: float = 0.0, length_s: float = 2.0, gap_s: float = 0.0
) -> Path:
    """A video whose clock begins at `start_s`, whose sound begins later, and that has a gap from 1.5 s on."""
    kind = {"ts": "libx264", "mkv": "libx264", "mp4": "libx264", "webm": "libvpx"}[path.suffix[1:]]
    with av.open(str(path), "w", options={"avoid_negative_ts": "disabled"}) as container:
        video = container.add_stream(kind, rate=FPS)
        video.width = video.height = 64
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("libopus" if kind == "libvpx" else "aac", rate=48_000, layout="mono")
        for n in range(round(length_s * FPS)):
            light = 235 if n >= CLICK_S * FPS else 16
            picture = av.VideoFrame.from_ndarray(np.full((64, 64, 3), light, np.uint8), format="rgb24")
            late = gap_s if n >= 1.5 * FPS else 0.0
            picture.pts, picture.time_base = round((start_s + n / FPS + late) * 1000), Fraction(1, 1000)
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
        times = np.arange(round(length_s * 48_000)) / 48_000
        beep = np.where(times >= CLICK_S, 0.5 * np.sin(2 * np.pi * 440 * times), 0).astype(np.float32)
        first = round(sound_from_s * 48_000)
        for begin in range(first, len(beep) - 959, 960):
            sound = av.AudioFrame.from_ndarray(beep[None, begin : begin + 960], format="flt", layout="mono")
            sound.sample_rate, sound.pts = 48_000, round(start_s * 48_000) + begin
            sound.time_base = Fraction(1, 48_000)
            container.mux(audio.encode(sound))
        container.mux(audio.encode(None))
    return path


def write_wav(path: Path, channels: NDArray[np.float32], rate: int = RATE) -> Path:
    """(channels, N) as 16-bit samples."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((channels.T * 32767).astype("<i2").tobytes())
    return path


def mp3(path: Path, channels: NDArray[np.float32], rate: int = 24_000) -> Path:
    layout = "mono" if len(channels) == 1 else "stereo"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libmp3lame", rate=rate, layout=layout)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(channels), format="fltp", layout=layout)
        frame.sample_rate = rate
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def tone(seconds: float, hertz: float = 300.0, rate: int = RATE) -> NDArray[np.float32]:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def beep_s(path: Path) -> float:
    """When the sound of a film becomes loud."""
    clip = read_audio(path)
    return float(np.flatnonzero(np.abs(clip.samples) > 0.1)[0]) / clip.sample_rate


def flash_s(path: Path, start_s: float = 0.0) -> float:
    """When its pictures become white."""
    return next(frame.time_s for frame in read_video(path, start_s) if frame.image.mean() > 128)


@pytest.mark.parametrize("ending", ["mp4", "ts", "mkv", "webm"])
@pytest.mark.parametrize("start_s", [0.0, 1.4, 3600.0])
def test_a_file_begins_at_zero_wherever_its_clock_does(ending: str, start_s: float, tmp_path: Path) -> None:
    path = film(tmp_path / f"film.{ending}", start_s)
    first = next(read_video(path))
    assert 0 <= first.time_s < 0.1  # an encoder's run-up may come before the first picture
    assert abs(flash_s(path) - first.time_s - CLICK_S) < 0.5 * FRAME_S
    assert abs(flash_s(path) - beep_s(path)) < FRAME_S


@pytest.mark.parametrize("ending", ["mp4", "ts", "mkv"])
def test_sound_that_begins_late_stays_beside_its_pictures(ending: str, tmp_path: Path) -> None:
    path = film(tmp_path / f"film.{ending}", 1.4, sound_from_s=0.5)
    assert abs(beep_s(path) - flash_s(path)) < FRAME_S
    assert abs(len(read_audio(path).samples) / 48_000 - 2.0) < 0.1


@pytest.mark.parametrize("ending", ["mp4", "ts", "mkv"])
def test_a_moment_is_found_on_the_files_time_line(ending: str, tmp_path: Path) -> None:
    path = film(tmp_path / f"film.{ending}", 3600.0, length_s=4.0)
    first = next(read_video(path, 0.9))
    assert first.time_s <= 0.9
    assert flash_s(path, 0.9) == pytest.approx(flash_s(path))
    span = read_channels(path, CLICK_S - 0.2, CLICK_S + 0.2, RATE)
    lag = flash_s(path) - CLICK_S
    assert np.abs(span[:, : round((0.15 + lag) * RATE)]).max() < 0.05
    assert np.abs(span[:, round((0.25 + lag) * RATE) :]).max() > 0.3


def test_a_gap_is_black_in_data_not_a_frozen_face(tmp_path: Path) -> None:
    path = film(tmp_path / "film.mkv", gap_s=2.0)
    light = np.array([image.mean() for image in on_grid(read_video(path), 0.0)])
    assert len(light) == pytest.approx(4 * FPS, abs=2)
    assert (light[[30, 36, 45]] > 128).all()  # held for half a second
    assert light[55:80].max() == 0


def test_channels_are_averaged(tmp_path: Path) -> None:
    for count in (1, 2, 4, 6):
        path = write_wav(tmp_path / f"{count}.wav", np.tile(tone(0.5), (count, 1)))
        assert read_audio(path).samples == pytest.approx(tone(0.5), abs=1e-3)


@pytest.mark.parametrize(("channels", "audible"), [(2, 0), (2, 1), (6, 2)])
def test_silent_channels_do_not_make_a_voice_quiet(channels: int, audible: int, tmp_path: Path) -> None:
    samples = np.random.default_rng(0).normal(0, 2e-5, (channels, RATE)).astype(np.float32)  # a cable without anything
    samples[audible] += tone(1.0)
    clip = read_audio(write_wav(tmp_path / "voice.wav", samples))
    assert np.abs(clip.samples - tone(1.0)).max() < 0.002


def test_two_opposite_channels_do_not_cancel_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        clip = read_audio(write_wav(tmp_path / "a.wav", np.stack((tone(0.5), -tone(0.5)))))
    assert clip.samples == pytest.approx(tone(0.5), abs=1e-3)
    assert "opposite" in caplog.text


def test_joined_wav_files_are_read_whole(tmp_path: Path) -> None:
    """A synthesiser's two answers in one file: FFmpeg's reader ends with the first."""
    first, second = write_wav(tmp_path / "1.wav", tone(0.5)[None]), write_wav(tmp_path / "2.wav", tone(0.25)[None])
    path = tmp_path / "both.wav"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    assert read_audio(path).samples == pytest.approx(np.concatenate((tone(0.5), tone(0.25))), abs=1e-3)
    streamed = bytearray(path.read_bytes())
    streamed[4:8] = streamed[40:44] = struct.pack("<I", 0xFFFFFFFF)  # a header written before the length was known
    path.write_bytes(bytes(streamed))
    assert len(read_audio(path).samples) == pytest.approx(0.75 * RATE, abs=2)


@pytest.mark.parametrize("second", [(1, 24_000), (2, 24_000), (1, 16_000)])
def test_joined_mp3_files_are_read_whole_whatever_the_second_is_like(second: tuple[int, int], tmp_path: Path) -> None:
    channels, rate = second
    one = mp3(tmp_path / "1.mp3", tone(1.0, 300, 24_000)[None])
    two = mp3(tmp_path / "2.mp3", np.tile(tone(1.0, 600, rate), (channels, 1)), rate)
    path = tmp_path / "both.mp3"
    path.write_bytes(one.read_bytes() + two.read_bytes())
    clip = read_audio(path)
    assert clip.sample_rate == 24_000
    assert len(clip.samples) / 24_000 == pytest.approx(2.0, abs=0.25)
    late = clip.samples[round(1.4 * 24_000) : round(1.6 * 24_000)]
    spectrum = np.abs(np.fft.rfft(late * np.hanning(len(late))))
    assert spectrum.argmax() * 24_000 / len(late) == pytest.approx(600, abs=10)
    assert np.abs(late).max() == pytest.approx(0.5, abs=0.1)


def test_damaged_packets_are_skipped_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = mp3(tmp_path / "a.mp3", tone(3.0, 300, 24_000)[None])
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 700] = np.random.default_rng(0).bytes(700)
    path.write_bytes(bytes(content))
    with caplog.at_level(logging.WARNING):
        clip = read_audio(path)
    assert 2.0 < len(clip.samples) / 24_000 < 3.1  # MP3 has no stamps: what is lost is lost
    assert np.abs(clip.samples[-24_000:-6_000]).max() > 0.4
    assert "damaged packets of sound were skipped" in caplog.text


def test_a_file_that_was_cut_is_read_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "film.mp4"
    with MovieWriter(path, 64, 64) as movie:
        for n in range(100):
            movie.write_image(np.random.default_rng(n).integers(0, 255, (64, 64, 3), np.uint8))
            movie.write_sound(tone(FRAME_S))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with caplog.at_level(logging.WARNING):
        assert 20 < len(list(read_video(path))) < 80
    assert "the rest is missing" in caplog.text
    path.write_bytes(content[:30])
    with pytest.raises(MediaError, match=r"film\.mp4"):
        read_audio(path)


def test_the_cover_of_a_song_is_no_video(tmp_path: Path) -> None:
    song = mp3(tmp_path / "song.mp3", tone(0.5, 300, 24_000)[None])
    path = tmp_path / "with_cover.mp4"
    with av.open(str(song)) as source, av.open(str(path), "w") as container:
        sound = container.add_stream_from_template(source.streams.audio[0])
        cover = container.add_stream("mjpeg", rate=1)
        cover.width = cover.height = 64
        cover.pix_fmt = "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
        container.mux(cover.encode(picture.reformat(format="yuvj420p")))
        container.mux(cover.encode(None))
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = sound
                container.mux(packet)
    with pytest.raises(MediaError, match="without a video stream"):
        next(read_video(path))
    assert has_audio(path) and len(read_audio(path).samples)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "an empty file"),
        (b"text\n" * 100, "something else"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        (b"\n<!DOCTYPE html><html></html>", "a web page"),
    ],
)
def test_what_is_no_media_file_is_refused(content: bytes, told: str, tmp_path: Path) -> None:
    path = tmp_path / "speech.wav"
    path.write_bytes(content)
    for read in (read_audio, has_audio, lambda p: next(read_video(p))):
        with pytest.raises(MediaError, match=rf"speech\.wav: expected a video or sound file, got {told}"):
            read(path)
    with pytest.raises(MediaError, match="got a folder"):
        read_audio(tmp_path)


def test_a_pipe_is_an_input(tmp_path: Path) -> None:
    wav = write_wav(tmp_path / "a.wav", tone(0.5)[None])
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(wav.read_bytes()))
    writer.start()
    kept = input_file(str(pipe))
    writer.join()
    assert read_audio(kept).samples == pytest.approx(read_audio(wav).samples)
    assert has_audio(kept)


@pytest.mark.shared
def test_handed_recordings_are_on_one_time_line(shared: Path) -> None:
    cases = shared / "cases"
    zero = [frame.time_s for frame in read_video(cases / "clock_from_zero.mp4")]
    for name in ("clock_from_1.4_s.ts", "clock_from_1_h.ts"):
        times = [frame.time_s for frame in read_video(cases / name)]
        assert len(times) == len(zero)
        assert np.diff(times) == pytest.approx(np.diff(zero), abs=1e-3)
        assert beep_s(cases / name) - times[0] == pytest.approx(beep_s(cases / "clock_from_zero.mp4"), abs=0.01)
    late = beep_s(cases / "sound_begins_late.mp4") - beep_s(cases / "clock_from_zero.mp4")
    assert late == pytest.approx(1.0, abs=0.01)
    mono, stereo = read_audio(cases / "speech.wav"), read_audio(cases / "stereo.wav")
    assert np.abs(stereo.samples).max() < 1.0
    assert len(stereo.samples) == len(mono.samples)


@pytest.mark.parametrize("channels", [6, 8, 16])
def test_sound_of_an_array_of_microphones_is_averaged(channels: int, tmp_path: Path) -> None:
    """Eight planes and more end PyAV's process."""
    samples = np.tile(speech_like(0.5)[:, None], (1, channels)) * np.linspace(0.5, 1.5, channels)
    wavfile.write(tmp_path / "array.wav", 16_000, (samples * 32767).astype(np.int16))
    np.testing.assert_allclose(read_audio(tmp_path / "array.wav").samples, speech_like(0.5), atol=1e-4)
    assert read_channels(tmp_path / "array.wav", 0.1, 0.2, 16_000).shape == (channels, 1600)


@pytest.mark.parametrize("rate", [4000, 384_000])
def test_sound_at_an_unusual_rate_is_read_at_a_usual_one(rate: int, tmp_path: Path) -> None:
    wavfile.write(tmp_path / "odd.wav", rate, np.ones(rate, np.float32) * 0.5)
    clip = read_audio(tmp_path / "odd.wav")
    assert clip.sample_rate == 48_000 and len(clip.samples) == pytest.approx(48_000, abs=300)
    assert np.median(clip.samples) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(("value", "told"), [(np.nan, "NaN"), (np.inf, "NaN or infinite"), (9000.0, "full scale")])
def test_floats_that_are_no_sound_are_refused(value: float, told: str, tmp_path: Path) -> None:
    samples = speech_like(0.2)
    samples[1000] = value
    wavfile.write(tmp_path / "floats.wav", 16_000, samples)
    with pytest.raises(MediaError, match=rf"floats\.wav: expected .*{told}"):
        read_audio(tmp_path / "floats.wav")


def test_a_download_that_was_cut_is_named_so(tmp_path: Path) -> None:
    with MovieWriter(tmp_path / "whole.mp4", 64, 64) as movie:
        for _ in range(30):
            movie.write_image(np.zeros((64, 64, 3), np.uint8))
    content = (tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[:200])
    with pytest.raises(MediaError, match="cut"):
        list(read_video(tmp_path / "cut.mp4"))


@pytest.mark.parametrize("turn", [0, 90])
def test_pixels_that_are_not_square_are_shown_at_their_width(turn: int, tmp_path: Path) -> None:
    """Camcorders and discs store 16:9 in squeezed pictures: a face would be half as wide, and its mouth another one."""
    path = tmp_path / "squeezed.mp4"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=FPS)
        video.width, video.height, video.pix_fmt = 48, 64, "yuv420p"
        video.codec_context.sample_aspect_ratio = Fraction(4, 3)
        for packet in [*video.encode(av.VideoFrame(48, 64, "yuv420p")), *video.encode(None)]:
            container.mux(packet)
    if turn:
        content = path.read_bytes()
        at = content.index(b"tkhd") + 44  # the matrix of a phone held upright
        matrix = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
        path.write_bytes(content[:at] + matrix + content[at + len(matrix) :])
    assert next(read_video(path)).image.shape == (64, 64, 3)


CORNERS = {"R": (210, 20, 20), "G": (20, 210, 20), "B": (20, 20, 210), "W": (210, 210, 210)}


def one_picture(path: Path, colours: str = "RGBW", depth: str = "yuv420p", transfer: int = 1) -> Path:
    """A film of one picture whose quarters have these colours, row by row; `transfer` as its header names it."""
    quarters = np.array([CORNERS[letter] for letter in colours], np.uint8).reshape(2, 2, 3)
    picture = av.VideoFrame.from_ndarray(quarters.repeat(32, 0).repeat(48, 1), format="rgb24")
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=FPS)
        video.width, video.height, video.pix_fmt = 96, 64, depth
        video.codec_context.color_trc = transfer
        for packet in [*video.encode(picture.reformat(format=depth)), *video.encode(None)]:
            container.mux(packet)
    return path


def corners(image: NDArray[np.uint8]) -> str:
    """Which colour is nearest in each quarter, row by row."""
    height, width = image.shape[:2]
    places = [image[height * y // 4, width * x // 4].astype(int) for y in (1, 3) for x in (1, 3)]
    return "".join(min(CORNERS, key=lambda c: np.abs(CORNERS[c] - place).sum()) for place in places)


@pytest.mark.parametrize(
    ("matrix", "shown"),
    [
        ((1, 0, 0, 1), "RGBW"),
        ((0, 1, -1, 0), "BRWG"),
        ((-1, 0, 0, -1), "WBGR"),
        ((0, -1, 1, 0), "GWRB"),
        ((-1, 0, 0, 1), "GRWB"),  # mirrored, as some front cameras write it: it was shown upside down
        ((1, 0, 0, -1), "BWRG"),
        ((0, 1, 1, 0), "RBGW"),
        ((0, -1, -1, 0), "WGBR"),
    ],
)
def test_a_phones_film_is_turned_and_mirrored_as_players_do(
    matrix: tuple[int, int, int, int], shown: str, tmp_path: Path
) -> None:
    path = one_picture(tmp_path / "phone.mp4")
    content = path.read_bytes()
    at = content.index(b"tkhd") + 44
    a, b, c, d = (value << 16 for value in matrix)
    path.write_bytes(content[:at] + struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30) + content[at + 36 :])
    image = next(read_video(path)).image
    assert corners(image) == shown
    assert image.shape[:2] == ((64, 96) if matrix[0] else (96, 64))


@pytest.mark.parametrize(("transfer", "white"), [(PQ, 0.5807), (HLG, 0.75)])
def test_high_dynamic_range_is_shown_as_a_screen_does(transfer: int, white: float, tmp_path: Path) -> None:
    """White paper's code is that of BT.2408; a grey of half its light stays grey, and black is black."""
    shown = in_standard_range(np.array([[[0] * 3, [round(white * 255)] * 3, [255] * 3]], np.uint8), transfer)
    assert np.ptp(shown, axis=2).max() <= 1
    assert shown[0, 0, 0] == 0 and shown[0, 1, 0] >= 250 and shown[0, 2, 0] == 255
    film_of_it = one_picture(tmp_path / "phone.mp4", "WWWW", "yuv420p10le", transfer)
    plain = one_picture(tmp_path / "plain.mp4", "WWWW", "yuv420p10le")
    assert next(read_video(plain)).image.mean() == pytest.approx(210, abs=3)
    assert next(read_video(film_of_it)).image.mean() > 250


@pytest.mark.parametrize("is_interlaced", [True, False])
def test_an_interlaced_film_shows_one_moment_in_each_picture(is_interlaced: bool, tmp_path: Path) -> None:
    path = tmp_path / "camcorder.mpg"
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg2video", rate=FPS)
        video.width, video.height, video.pix_fmt, video.bit_rate = 64, 64, "yuv420p", 4_000_000
        if is_interlaced:
            video.codec_context.flags |= Flags.interlaced_dct | Flags.interlaced_me
        for number in range(4):
            picture = np.full((64, 64, 3), 30, np.uint8)
            for field in (0, 1):  # a white bar goes to the right, half as far in a field as in a picture
                left = 12 * number + 6 * field
                picture[field::2, left : left + 12] = 220
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode(None))
    shown = [frame.image.mean(axis=2) for frame in read_video(path)]
    assert len(shown) == 4
    combs = [np.abs(image[1:-2:2] - (image[:-3:2] + image[2:-1:2]) / 2).mean() for image in shown]
    assert max(combs) < 2 if is_interlaced else min(combs) > 20


def test_of_several_tracks_the_files_default_is_read_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "tracks.mkv"
    with av.open(str(path), "w") as container:
        tracks = [container.add_stream("libx264", rate=FPS) for _ in range(2)]
        voices = [container.add_stream("pcm_s16le", rate=RATE, layout="mono") for _ in range(2)]
        for track, light in zip(tracks, (20, 230), strict=True):
            track.width, track.height, track.pix_fmt = 64, 64, "yuv420p"
            track.disposition = Disposition.default if light > 128 else Disposition(0)
        for voice, loud in zip(voices, (0.1, 0.5), strict=True):
            voice.disposition = Disposition.default if loud > 0.2 else Disposition(0)
        for track, light in zip(tracks, (20, 230), strict=True):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), light, np.uint8), format="rgb24")
            container.mux([*track.encode(frame), *track.encode(None)])
        for voice, loud in zip(voices, (0.1, 0.5), strict=True):
            samples = (tone(0.5)[None] * loud / 0.5 * 32767).astype(np.int16)
            sound = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            sound.sample_rate = RATE
            container.mux([*voice.encode(sound), *voice.encode(None)])
    assert next(read_video(path)).image.mean() > 200
    assert np.abs(read_audio(path).samples).max() == pytest.approx(0.5, abs=0.02)
    assert "2 tracks of sound, of which number 2 is read" in caplog.text
    assert "2 tracks of pictures, of which number 2 is read" in caplog.text


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "bmp", "avif"])
def test_a_picture_is_no_video_of_a_user(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"face.{ending}"
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(path)
    with pytest.raises(MediaError, match="got a picture"):
        next(read_video(path))
    with pytest.raises(MediaError, match="without an audio stream"):
        read_audio(path)


def test_sound_and_film_that_were_cut_are_said_whatever_their_kind(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wav = write_wav(tmp_path / "speech.wav", tone(3.0)[None])
    content = wav.read_bytes()
    assert len(read_audio(wav).samples) == 3 * RATE and not caplog.text
    for unknown in (0, 0x7FFF_F000, 0xFFFF_FFFF):  # as written into a pipe
        wav.write_bytes(content[:40] + struct.pack("<I", unknown) + content[44:])
        assert len(read_audio(wav).samples) == 3 * RATE and not caplog.text
    wav.write_bytes(content[: len(content) // 2])
    assert len(read_audio(wav).samples) == pytest.approx(1.5 * RATE, abs=100)
    assert "sound ends at 1." in caplog.text and "of 3.0 s: the rest is missing" in caplog.text
    caplog.clear()
    recorded = film(tmp_path / "film.mkv")
    assert list(read_video(recorded)) and not caplog.text
    recorded.write_bytes(recorded.read_bytes()[: recorded.stat().st_size * 2 // 5])
    assert list(read_video(recorded)) and "of 2.0 s: the rest is missing" in caplog.text


@pytest.mark.parametrize("name", ["12:30.mp4", "2026-11-30T12:30:05+00:00.mp4", "-talk%03d ü 'a'.mp4"])
def test_a_file_may_have_any_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with MovieWriter(name, 64, 64) as movie:
        movie.write_image(np.full((64, 64, 3), 200, np.uint8))
        movie.write_sound(tone(FRAME_S))
    assert next(read_video(name)).image.mean() > 190 and len(read_audio(name).samples)
    recorder = Recorder(Path(f"recorded{name}"), RecordingConfig(side=64))
    recorder.add_avatar_picture(0, np.full((64, 64, 3), 200, np.uint8))
    written = recorder.finish()
    assert written is not None and next(read_video(written)).image.shape == (64, 128, 3)


def test_a_film_whose_pictures_are_missing_is_refused_and_not_played_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w") as container:
        video = container.add_stream("mjpeg", rate=FPS)
        video.width, video.height, video.pix_fmt = 64, 64, "yuvj420p"
        voice = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, RATE), np.int16), format="s16", layout="mono")
        sound.sample_rate = RATE
        container.mux([*voice.encode(sound), *voice.encode(None)])
    assert len(read_audio(path).samples) == RATE
    with pytest.raises(MediaError, match="without pictures"):
        next(pictures(path, "loop"))


def test_a_big_endian_wav_file_is_refused_not_read_as_noise(tmp_path: Path) -> None:
    file = tmp_path / "big.wav"
    file.write_bytes(
        b"RIFX"
        + struct.pack(">I", 36 + 320)
        + b"WAVEfmt "
        + struct.pack(">IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16)
        + b"data"
        + struct.pack(">I", 320)
        + bytes(320)
    )
    with pytest.raises(MediaError, match="RIFX"):
        read_audio(file)
