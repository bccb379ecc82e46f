# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A recording places pictures and sound by their stamps: what was presented together is together in the file."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from avatar_forcing_ros.devices.movie import Recorder, RecordingConfig, VoiceFile, pan, side_by_side, square_planes
from avatar_forcing_ros.files.media import MediaError, read_audio, read_video
from avatar_forcing_ros.files.pictures import fit_square
from avatar_forcing_ros.signals import NANOSECONDS, AudioChunk

START_NS = 1_795_358_055_000_000_000
FRAME_NS = 40_000_000
SMALL = RecordingConfig(side=64, quality=10)


def picture(red: int, side: int = 64) -> np.ndarray:
    return np.full((side, side, 3), (red, 40, 40), np.uint8)


def beep(start_ns: int, seconds: float = 0.04, rate: int = 16_000, level: float = 0.5) -> AudioChunk:
    time_s = np.arange(round(seconds * rate)) / rate
    return AudioChunk(start_ns, (level * np.sin(2 * np.pi * 1000 * time_s)).astype(np.float32), rate)


def loud_from(path: Path, channel: int = 0) -> float:
    with av.open(str(path)) as container:
        pieces = [frame.to_ndarray()[channel] for frame in container.decode(audio=0)]
        rate = container.streams.audio[0].rate
    return float(np.flatnonzero(np.abs(np.concatenate(pieces)) > 0.1)[0] / rate)


def record(path: Path, frames: int = 25, beep_at: float = 0.4) -> Recorder:
    recorder = Recorder(path, SMALL)
    for n in range(frames):
        white = n * FRAME_NS >= beep_at * NANOSECONDS
        recorder.add_user_picture(START_NS + n * FRAME_NS, picture(20))
        recorder.add_avatar_picture(START_NS + n * FRAME_NS, picture(230 if white else 20))
    recorder.add_avatar_sound(beep(START_NS + round(beep_at * NANOSECONDS), 0.2))
    return recorder


def test_sound_and_picture_of_one_stamp_come_out_together(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4", beep_at=0.4).finish()

    seen = next(f.time_s for f in read_video(path) if f.image[32, 96, 0] > 128)
    assert seen == pytest.approx(0.4, abs=0.002)
    assert loud_from(path, channel=1) == pytest.approx(0.4, abs=0.004)


def test_the_user_is_left_and_the_avatar_right_in_picture_and_sound(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "a.mp4", RecordingConfig(side=64, balance=1.0))
    for n in range(10):
        recorder.add_user_picture(START_NS + n * FRAME_NS, picture(230))
        recorder.add_avatar_picture(START_NS + n * FRAME_NS, picture(20))
    recorder.add_user_sound(beep(START_NS, 0.3))
    path = recorder.finish()

    image = list(read_video(path))[5].image
    assert image.shape == (64, 128, 3)
    assert image[32, 32, 0] > 200 > 60 > image[32, 96, 0]
    with av.open(str(path)) as container:
        left, right = np.concatenate([f.to_ndarray() for f in container.decode(audio=0)], axis=1)
    assert np.abs(left).max() > 0.4 > 0.05 > np.abs(right).max()


def test_a_picture_in_nv12_is_recorded_as_it_is_in_rgb() -> None:
    rng = np.random.default_rng(0)
    rgb = cv2.resize(rng.integers(0, 255, (6, 8, 3), np.uint8), (96, 64), interpolation=cv2.INTER_CUBIC)
    planes = cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420)
    blue, red = planes[64:].reshape(2, 32, 48)
    nv12 = np.concatenate([planes[:64], cv2.merge([blue, red]).reshape(32, 96)])

    recorded = side_by_side(square_planes(nv12, 128), square_planes(rgb, 128)).to_ndarray(format="rgb24")

    apart = np.abs(recorded[:, :128].astype(int) - recorded[:, 128:])
    assert recorded.shape == (128, 256, 3)
    assert apart.mean() < 4
    for half in (recorded[:, :128], recorded[:, 128:]):
        assert np.abs(half - cv2.resize(rgb[:, 16:80], (128, 128)).astype(int)).mean() < 6
    assert np.abs(recorded - recorded.mean((0, 1))).mean() > 20


def test_lost_and_disordered_messages_leave_the_rest_in_place(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "a.mp4", SMALL)
    order = [0, 2, 1, 5, 4, 9, 8, 10, 24]
    for n in order:
        recorder.add_avatar_picture(START_NS + n * FRAME_NS, picture(10 * n % 256))
    path = recorder.finish()

    times = [round(frame.time_s / 0.04) for frame in read_video(path)]
    assert times == sorted(order)


def test_a_recording_may_wait_for_the_user(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "a.mp4", RecordingConfig(side=64, wait_for_user=True))
    for n in range(10):
        if n == 4:
            recorder.add_user_picture(START_NS + n * FRAME_NS, picture(230))
        recorder.add_avatar_picture(START_NS + n * FRAME_NS, picture(20))

    frames = list(read_video(recorder.finish()))
    assert [round(frame.time_s / 0.04) for frame in frames] == [0, 1, 2, 3, 4, 5]
    assert frames[0].image[32, 32, 0] > 200


def test_a_picture_older_than_what_is_written_is_left_out_and_counted(tmp_path: Path) -> None:
    recorder = record(tmp_path / "a.mp4")

    recorder.add_avatar_picture(START_NS, picture(1))

    assert recorder.late == 1
    recorder.finish()


def test_without_a_picture_nothing_is_left_behind(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "new" / "a.mp4", SMALL)
    recorder.add_user_sound(beep(START_NS))

    assert recorder.finish() is None
    assert list((tmp_path / "new").iterdir()) == []


def test_pictures_of_a_killed_process_stay_readable(tmp_path: Path) -> None:
    recorder = record(tmp_path / "a.mp4", frames=50)
    part = tmp_path / "copy.mkv"
    part.write_bytes((tmp_path / "a.part.mkv").read_bytes())

    assert len(list(read_video(part))) >= 20
    recorder.finish()


def test_the_file_has_what_every_player_plays(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4").finish()

    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, video.codec_context.pix_fmt, audio.codec_context.name) == (
            "h264",
            "yuv420p",
            "aac",
        )
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("rate", [16_000, 22_050, 48_000])
def test_a_sound_track_gives_back_what_stands_at_a_time(tmp_path: Path, rate: int) -> None:
    track = VoiceFile(tmp_path / "sound", 16_000)
    track.add(beep(START_NS, 0.04, rate))
    track.add(beep(START_NS + NANOSECONDS, 0.04, rate))

    heard = track.between(START_NS - NANOSECONDS // 2, 2.0)

    loud = np.flatnonzero(np.abs(heard) > 0.1) / 16_000
    assert len(heard) == 32_000
    for start_s in (0.5, 1.5):
        inside = loud[(loud > start_s - 0.2) & (loud < start_s + 0.2)]
        assert inside[0] == pytest.approx(start_s, abs=0.003)
        assert inside[-1] == pytest.approx(start_s + 0.04, abs=0.004)


def test_jitter_of_stamps_makes_no_gap(tmp_path: Path) -> None:
    track = VoiceFile(tmp_path / "sound", 16_000)
    wave = (0.5 * np.sin(2 * np.pi * 250 * np.arange(16_000) / 16_000)).astype(np.float32)
    for n, start in enumerate(range(0, 16_000, 640)):
        jitter_ns = (-1) ** n * 3_000_000
        track.add(AudioChunk(START_NS + start * 62_500 + jitter_ns, wave[start : start + 640], 16_000))

    heard = track.between(START_NS + 3_000_000, 0.9)

    np.testing.assert_allclose(heard[2000:12000], wave[2000:12000], atol=1e-3)


def test_fit_square_keeps_the_middle() -> None:
    wide = np.zeros((40, 100, 3), np.uint8)
    wide[:, 30:70] = 255

    assert fit_square(wide, 20).min() == 255


def test_pan_clips_instead_of_wrapping() -> None:
    one = np.ones(4, np.float32)

    np.testing.assert_array_equal(pan(one, one, balance=0.0), np.ones((4, 2)))


def test_an_odd_side_is_refused() -> None:
    with pytest.raises(ValueError, match="side must be even, got 65"):
        RecordingConfig(side=65)


def test_the_recording_reads_as_sound_too(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4").finish()

    assert read_audio(path).sample_rate == 48_000
    with pytest.raises(MediaError):
        read_audio(tmp_path / "b.mp4")
