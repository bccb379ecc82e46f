# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A recorded conversation as events: each thing when a device would have sent it, with the stamp it would have had."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from avatar_forcing_ros.devices.clips import pictures, spoken_stretches
from avatar_forcing_ros.devices.playlist import camera, conversation, dialogue_manager, microphone
from avatar_forcing_ros.files.media import AudioClip, MediaError, length_s
from avatar_forcing_ros.files.movies import MovieWriter
from avatar_forcing_ros.testing import speech_like

RATE = 16_000
MS = 1_000_000


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five pictures, 40 ms apart, brightness 0, 50, ... 200."""
    path = tmp_path_factory.mktemp("video") / "five.mp4"
    with MovieWriter(path, 32, 32, quality=0) as movie:
        for n in range(5):
            movie.write_image(np.full((32, 32, 3), 50 * n, np.uint8))
    return path


def numbers(frames) -> list[int]:
    return [round(float(frame.image.mean()) / 50) for frame in frames]


def times_ms(frames) -> list[int]:
    return [round(frame.time_s * 1000) for frame in frames]


def test_a_video_plays_once_again_and_again_or_forth_and_back(video: Path) -> None:
    assert numbers(pictures(video, "no")) == [0, 1, 2, 3, 4]
    assert numbers(islice(pictures(video, "loop"), 12)) == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]
    assert numbers(islice(pictures(video, "ping-pong"), 12)) == [0, 1, 2, 3, 4, 3, 2, 1, 0, 1, 2, 3]


@pytest.mark.parametrize("repeat", ["loop", "ping-pong"])
def test_time_goes_on_evenly_however_often_it_is_repeated(video: Path, repeat: str) -> None:
    assert times_ms(islice(pictures(video, repeat), 23)) == list(range(0, 23 * 40, 40))


def test_a_video_says_how_long_it_is(video: Path, tmp_path: Path) -> None:
    assert length_s(video) == pytest.approx(0.2, abs=0.02)
    with pytest.raises(MediaError, match=r"gone\.mp4"):
        length_s(tmp_path / "gone.mp4")


def test_a_camera_sends_at_the_moment_of_exposure_and_no_faster_than_told(video: Path) -> None:
    events = list(islice(camera(video, "loop", 64, 48, rate_hz=12.5), 5))

    assert [event.time_ns // MS for event in events] == [0, 80, 160, 240, 320]
    assert all(event.time_ns == event.content.stamp_ns for event in events)
    assert events[0].content.image.shape == (48, 64, 3)


def test_a_microphone_stamps_the_first_sample_and_sends_after_the_last(video: Path) -> None:
    clip = AudioClip(np.arange(1600, dtype=np.float32) / 1600, RATE)

    events = list(microphone(clip, chunk_ms=40))

    assert [event.content.stamp_ns // MS for event in events] == [0, 40, 80]
    assert [event.time_ns // MS for event in events] == [40, 80, 100]
    np.testing.assert_array_equal(np.concatenate([event.content.samples for event in events]), clip.samples)


def test_a_dialogue_manager_sends_each_sentence_ahead_of_time_and_says_its_end() -> None:
    pause = np.zeros(RATE, np.float32)
    clip = AudioClip(np.concatenate([pause, speech_like(0.9), pause, speech_like(0.4)]), RATE)

    events = list(dialogue_manager(clip, chunk_ms=100, speed=4.0))

    ids = [event.content.utterance_id for event in events]
    ends = [event.content.end_of_utterance for event in events]
    assert ids == sorted(ids)
    assert set(ids) == {"utterance-1", "utterance-2"}
    assert [i for i, end in enumerate(ends) if end] == [ids.index("utterance-2") - 1, len(events) - 1]
    assert events[0].time_ns == pytest.approx(1000 * MS, abs=60 * MS)
    assert events[1].time_ns - events[0].time_ns == 25 * MS
    assert all(event.content.stamp_ns is None for event in events)


def test_streams_are_merged_by_time() -> None:
    clip = AudioClip(np.zeros(RATE, np.float32), RATE)

    times = [event.time_ns for event in conversation(microphone(clip, 30), microphone(clip, 40))]

    assert times == sorted(times)


def test_pauses_separate_stretches_and_short_ones_do_not() -> None:
    voice, breath, pause = speech_like(0.5), np.zeros(RATE // 5, np.float32), np.zeros(RATE, np.float32)

    stretches = spoken_stretches(np.concatenate([pause, voice, breath, voice, pause, voice]), RATE)

    assert [(round(first / RATE, 1), round(end / RATE, 1)) for first, end in stretches] == [
        (1.0, pytest.approx(2.2, abs=0.15)),
        (3.2, pytest.approx(3.7, abs=0.15)),
    ]


def test_silence_has_no_stretches() -> None:
    assert spoken_stretches(np.zeros(RATE, np.float32), RATE) == []


def test_a_missing_video_is_named(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"gone\.mp4: no such file"):
        next(pictures(tmp_path / "gone.mp4", "no"))
