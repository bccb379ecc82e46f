# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What is said of camera and microphone: soon, only while it is so, and of nothing that is well."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_forcing_ros.session.inputs import InputWatch, PictureWatch, Punctuality, SoundWatch
from avatar_forcing_ros.signals import MILLISECOND, NANOSECONDS, AudioChunk

RATE = 16_000
START_NS = 1_700_000_000 * NANOSECONDS


def chunks(sound: np.ndarray, ms: int = 40) -> list[AudioChunk]:
    size = RATE * ms // 1000
    return [AudioChunk(0, sound[at : at + size].astype(np.float32), RATE) for at in range(0, len(sound), size)]


def said(watch: SoundWatch, sound: np.ndarray) -> list[str]:
    """What is said after each chunk of 40 ms."""
    lines = []
    for chunk in chunks(sound):
        watch.hear(chunk)
        lines.append(watch.complaint())
    return lines


def quiet(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(int(seconds * RATE)) * 1e-4


def test_a_muted_microphone_is_named_within_a_second_and_no_longer_than_it_is() -> None:
    watch = SoundWatch()
    lines = said(watch, np.concatenate([quiet(2), np.zeros(3 * RATE), quiet(1)]))
    assert not any(lines[: 50 + 24])
    assert all("is it muted" in line for line in lines[50 + 26 : 125])
    assert not any(lines[126:])


@pytest.mark.parametrize("level", [1.0, 0.8], ids=["full scale", "a converter that clips below it"])
def test_a_microphone_that_clips_is_named_within_a_second_and_not_a_second_longer(level: float) -> None:
    tone = 0.3 * np.sin(2 * np.pi * 220 * np.arange(3 * RATE) / RATE)
    loud = np.clip(8 * tone, -level, level)
    lines = said(SoundWatch(), np.concatenate([tone, loud, tone]))
    assert not any(lines[:75])
    assert all("clips" in line for line in lines[100:150])
    assert not any(lines[176:])


def test_loud_speech_is_not_called_clipped(voices: dict[str, np.ndarray]) -> None:
    for voice in voices.values():
        assert not any(said(SoundWatch(), voice / np.abs(voice).max()))


def test_a_camera_that_slows_down_changes_or_stops_is_named_and_then_not_any_more() -> None:
    watch, now_ns, lines = PictureWatch(500 * MILLISECOND), START_NS, []

    def play(seconds: float, hertz: float, width: int = 640) -> list[str]:
        nonlocal now_ns
        lines = []
        for n in range(round(seconds * 50)):
            now_ns += 20 * MILLISECOND
            if hertz and n % round(50 / hertz) == 0:
                watch.seen(now_ns, width, 480)
            lines.append(watch.complaint(now_ns))
        return lines

    assert watch.complaint(now_ns) == "no picture from the camera yet"
    assert not any(play(3, 25))
    lines = play(3, 5)
    assert not any(lines[:10]) and all("only 5 pictures a second" in line for line in lines[75:])
    assert not any(play(4, 25)[60:])
    lines = play(3, 25, 320)
    assert "changed from 640x480 to 320x480" in lines[0] and not any(lines[76:])
    lines = play(2, 0)
    assert not any(lines[:20]) and all("has stopped" in line for line in lines[30:])
    watch.refused(now_ns, "no colours")
    assert watch.complaint(now_ns) == "pictures come that cannot be read: no colours"
    assert not any(play(3, 25, 320)[1:])


def test_a_camera_that_stands_still_is_named_until_it_goes_on() -> None:
    """Its user was there for ever, and did not move."""
    watch, lines = PictureWatch(500 * MILLISECOND), []
    for n in range(500):
        now_ns = START_NS + n * 40 * MILLISECOND
        watch.seen(now_ns, 640, 480, mark=150 if 150 <= n < 300 else n)
        lines.append(watch.complaint(now_ns))
    assert not any(lines[:270]) and all("is it frozen" in line for line in lines[276:300]) and not any(lines[300:])


@pytest.mark.parametrize("seconds", [3.0, -3.0])
def test_a_sensor_whose_clock_was_set_is_named_for_as_long_as_it_is_so(seconds: float) -> None:
    watch, lines = InputWatch("camera", 500 * MILLISECOND), []
    for n in range(3 * 75):
        off_s = seconds if 75 <= n < 150 else 0.0
        now_ns = START_NS + n * 40 * MILLISECOND
        watch.seen(now_ns, now_ns - 10 * MILLISECOND + round(off_s * NANOSECONDS))
        lines.append(watch.clock_complaint())
    assert not any(lines[:75])
    assert all("the stamps of the camera are" in line for line in lines[101:150])
    assert not any(lines[177:])


@pytest.mark.parametrize(
    ("age_ms", "wanted"), [(30, ""), (46, ""), (60, "60 ms late by its stamps, and 12%"), (210, "100%")]
)
def test_sound_that_comes_too_late_for_its_decision_is_named_with_what_to_set(age_ms: int, wanted: str) -> None:
    watch = InputWatch("microphone", 500 * MILLISECOND, Punctuality(40 * MILLISECOND, 160 * MILLISECOND, 0.05))
    for n in range(50):
        made_ns = START_NS + n * 20 * MILLISECOND
        watch.seen(made_ns + age_ms * MILLISECOND, made_ns, 20 * MILLISECOND)
    complaint = watch.clock_complaint()
    assert bool(complaint) == bool(wanted) and wanted in complaint
    if wanted:
        assert f"raise avatar.reorder_ms to {-(-age_ms // 40) * 40}," in complaint


def test_an_input_whose_messages_cannot_be_used_is_named_until_one_can() -> None:
    """/diagnostics said that the microphone was fine, and nobody was heard."""
    watch, now_ns = InputWatch("microphone", 500 * MILLISECOND), START_NS
    assert not watch.refusal(now_ns)
    watch.refused(now_ns, "got MP3")
    assert watch.refusal(now_ns) == "the microphone sends what cannot be used: got MP3"
    assert not watch.refusal(now_ns + NANOSECONDS)
    watch.refused(now_ns, "got MP3")
    watch.seen(now_ns + 1, now_ns)
    assert not watch.refusal(now_ns + 1)


def test_long_chunks_and_chunks_stamped_when_they_were_sent_are_named() -> None:
    watch = InputWatch("microphone", 500 * MILLISECOND)
    for n in range(5):
        end_ns = START_NS + n * NANOSECONDS
        watch.seen(end_ns, end_ns, NANOSECONDS)
        assert not watch.stopped(end_ns + 1400 * MILLISECOND) and watch.stopped(end_ns + 1600 * MILLISECOND)
    assert "are 1000 ms long" in watch.length_complaint()
    for n in range(20):
        sent_ns = START_NS + 10 * NANOSECONDS + n * 100 * MILLISECOND
        watch.seen(sent_ns + MILLISECOND, sent_ns + 100 * MILLISECOND, 100 * MILLISECOND)
    assert "time of its first sample" in watch.clock_complaint() and not watch.length_complaint()
