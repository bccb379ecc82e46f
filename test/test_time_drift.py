# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Sound card, microphone and camera never run as fast as the ROS clock: lips and voice stay together all the same."""

from __future__ import annotations

import re

import numpy as np
import pytest

pytest.importorskip("rclpy")
from avatar_forcing_ros.audio.resample import Resampler
from avatar_forcing_ros.devices.playback import (
    VOICE_EARLY_MS,
    VOICE_LATE_MS,
    PlaybackConfig,
    PlayHead,
    VoicePlayback,
)
from avatar_forcing_ros.nodes.diagnostics import Level
from avatar_forcing_ros.nodes.display_node import voice_health
from avatar_forcing_ros.session.inputs import InputWatch
from avatar_forcing_ros.signals import NANOSECONDS, AudioChunk, MotionSample
from avatar_forcing_ros.timeline.drift import DriftFollower
from avatar_forcing_ros.timeline.grid import FRAME_NS, FRAME_SAMPLES, SAMPLE_RATE, sample_of, stamp_of
from avatar_forcing_ros.timeline.user_audio import UserAudioTimeline
from avatar_forcing_ros.timeline.user_motion import UserMotionTimeline

HOURS_8 = 8 * 3600
START_S = 1_790_000_000
START_NS = START_S * NANOSECONDS
MS = 1_000_000
PERIOD = 1 << 16


def numbered(first: int, count: int) -> np.ndarray:
    """A voice whose samples say their own number, and are never silent."""
    return (0.25 + (np.arange(first, first + count) % PERIOD) / (2 * PERIOD)).astype(np.float32)


def off_by(value: float, number: float) -> float:
    """How many samples a numbered sample is older than the number that is expected there."""
    said = (float(value) - 0.25) * 2 * PERIOD
    return (number - said + PERIOD / 2) % PERIOD - PERIOD / 2


class SoundCard:
    """Asks for `count` samples again and again, by a crystal that is `ppm` millionths off; heard `latency_ms` later."""

    def __init__(self, playback: VoicePlayback, rate: int, count: int, ppm: float, latency_ms: float = 20) -> None:
        self.playback, self.rate, self.count = playback, rate, count
        self.period_ns = count * NANOSECONDS / rate / (1 + ppm * 1e-6)
        self.latency_ns = round(latency_ms * MS)
        self.asked = 0
        self.random = np.random.default_rng(0)

    @property
    def now_ns(self) -> int:
        return START_NS + round(self.asked * self.period_ns)

    def ask(self, jitter_ms: float = 0.0) -> tuple[int, np.ndarray]:
        """When the samples are truly heard, and the samples."""
        heard_ns = self.now_ns + self.latency_ns
        said_ns = heard_ns + round(self.random.uniform(-jitter_ms, jitter_ms) * MS)
        self.asked += 1
        return heard_ns, self.playback.pull(self.count, said_ns)


@pytest.mark.parametrize("ppm", [100.0, -100.0])
def test_a_voice_that_never_pauses_stays_with_its_pictures_for_eight_hours(ppm: float) -> None:
    """A picture is shown at its stamp, on the ROS clock: what the head is behind it is what parts lips and voice."""
    head, count = PlayHead(DriftFollower(SAMPLE_RATE, tolerance=4), jump=30 * SAMPLE_RATE // 1000), SAMPLE_RATE // 10
    random = np.random.default_rng(0)
    asked = HOURS_8 * 10
    heard = START_S * SAMPLE_RATE + np.arange(asked) * count / (1 + ppm * 1e-6)
    said = heard + random.uniform(-48, 48, asked)  # the sound card's word is 3 ms off
    behind, jumps = np.zeros(asked), 0
    for n in range(asked):
        jump, take = head.follow(said[n], count, sounds=True)
        behind[n] = heard[n] - head.position
        head.position += take
        jumps += jump != 0

    behind_ms = 1000 * behind / SAMPLE_RATE
    assert behind_ms.min() > -VOICE_EARLY_MS
    assert behind_ms.max() < VOICE_LATE_MS
    assert np.abs(behind_ms).max() < 5
    assert jumps == 0
    assert abs(HOURS_8 * ppm * 1e-3) > 2800  # milliseconds, if nobody followed


@pytest.mark.parametrize("ppm", [500.0, -500.0])
def test_the_samples_that_are_heard_are_those_of_the_moment(ppm: float) -> None:
    playback = VoicePlayback(SAMPLE_RATE)
    card = SoundCard(playback, SAMPLE_RATE, 800, ppm)
    behind_ms, sent = [], 0
    while card.now_ns < START_NS + 60 * NANOSECONDS:
        while stamp_of(sent) < card.now_ns - START_NS + 200 * MS:
            first = START_S * SAMPLE_RATE + sent * FRAME_SAMPLES
            playback.push(AudioChunk(START_NS + stamp_of(sent), numbered(first, FRAME_SAMPLES), SAMPLE_RATE))
            sent += 1
        heard_ns, samples = card.ask(jitter_ms=3)
        behind_ms.append(1000 * off_by(samples[0], heard_ns * SAMPLE_RATE / NANOSECONDS) / SAMPLE_RATE)

    assert np.abs(behind_ms[1:]).max() < 5
    assert playback.jumps == playback.late == playback.lost == 0
    assert abs(playback.behind_ms) < 5
    assert voice_health(playback, {}).level == Level.OK


@pytest.mark.parametrize("ppm", [300.0, -300.0])
def test_correcting_changes_the_pitch_by_less_than_a_hundredth(ppm: float) -> None:
    playback = VoicePlayback(SAMPLE_RATE)
    card = SoundCard(playback, SAMPLE_RATE, 160, ppm)
    playback.push(AudioChunk(START_NS, numbered(START_S * SAMPLE_RATE, 5 * SAMPLE_RATE), SAMPLE_RATE))
    heard = np.concatenate([card.ask(jitter_ms=2)[1] for _ in range(400)])

    steps = (np.diff(heard) * 2 * PERIOD) % PERIOD
    assert steps.min() > 0.98
    assert steps.max() < 1.03
    assert len(heard) == 400 * 160


def test_the_latency_of_a_loudspeaker_is_set_while_it_plays() -> None:
    """It is found by ear: the command on the page of troubles had no effect."""
    playback = VoicePlayback(SAMPLE_RATE)
    card = SoundCard(playback, SAMPLE_RATE, 160, ppm=0)
    playback.push(AudioChunk(START_NS, numbered(START_S * SAMPLE_RATE, 5 * SAMPLE_RATE), SAMPLE_RATE))
    for extra_ms in (0, 200, 50):
        playback.extra_latency_ms = extra_ms
        heard_ns, samples = [card.ask() for _ in range(20)][-1]
        wanted = (heard_ns + extra_ms * MS) * SAMPLE_RATE / NANOSECONDS
        assert abs(off_by(samples[0], wanted)) < 2


def test_an_utterance_begins_at_its_stamp_to_the_sample() -> None:
    playback = VoicePlayback(SAMPLE_RATE)
    card = SoundCard(playback, SAMPLE_RATE, 160, ppm=0)
    for _ in range(10):
        card.ask()
    stamp_ns = START_NS + 200 * MS
    playback.push(AudioChunk(stamp_ns, np.full(640, 0.5, np.float32), SAMPLE_RATE))
    pieces = [card.ask() for _ in range(20)]

    heard = np.concatenate([samples for _, samples in pieces])
    first = np.flatnonzero(heard)[0]
    assert pieces[0][0] + first * NANOSECONDS // SAMPLE_RATE == pytest.approx(stamp_ns, abs=NANOSECONDS / SAMPLE_RATE)
    assert np.count_nonzero(heard) == 640


def test_a_voice_that_comes_late_is_heard_late_but_whole_and_that_is_told() -> None:
    playback = VoicePlayback(SAMPLE_RATE, PlaybackConfig(margin_ms=5))
    card = SoundCard(playback, SAMPLE_RATE, 160, ppm=0, latency_ms=100)
    voice, heard, first_ns = numbered(0, 40 * FRAME_SAMPLES), [], START_NS + 200 * MS
    for frame in range(40):
        # published 40 ms before its time, on a sound card that wants it 100 ms before
        while card.now_ns < first_ns + frame * FRAME_NS - 40 * MS:
            heard.append(card.ask()[1])
        samples = voice[frame * FRAME_SAMPLES : (frame + 1) * FRAME_SAMPLES]
        playback.push(AudioChunk(first_ns + frame * FRAME_NS, samples, SAMPLE_RATE))
    heard += [card.ask()[1] for _ in range(60)]

    sound = np.concatenate(heard)
    assert np.array_equal(sound[sound > 0][-20 * FRAME_SAMPLES :], voice[-20 * FRAME_SAMPLES :])
    assert np.count_nonzero(sound) == len(voice)
    assert 60 <= playback.behind_ms <= 90
    assert playback.late >= 1
    health = voice_health(playback, {})
    assert health.level == Level.DEGRADED
    assert health.message == f"the voice is heard {playback.behind_ms:.0f} ms behind its pictures"


def test_the_delay_is_given_up_in_silence() -> None:
    playback = VoicePlayback(SAMPLE_RATE, PlaybackConfig(forget_ms=1000))
    card = SoundCard(playback, SAMPLE_RATE, 160, ppm=0)
    card.ask()
    playback.push(AudioChunk(START_NS - 60 * MS, np.full(640, 0.5, np.float32), SAMPLE_RATE))
    assert playback.behind_ms > 60
    for _ in range(1000):
        card.ask()

    assert abs(playback.behind_ms) < 1


def test_what_belongs_to_another_time_is_left_out() -> None:
    playback = VoicePlayback(SAMPLE_RATE)
    card = SoundCard(playback, SAMPLE_RATE, 160, ppm=0)
    card.ask()
    playback.push(AudioChunk(START_NS - 5 * NANOSECONDS, np.ones(640, np.float32), SAMPLE_RATE))
    playback.push(AudioChunk(START_NS + 3600 * NANOSECONDS, np.ones(640, np.float32), SAMPLE_RATE))

    assert playback.lost == 2
    assert not card.ask()[1].any()
    with pytest.raises(ValueError, match="stamped sound at 16000 Hz, got 8000 Hz"):
        playback.push(AudioChunk(START_NS, np.ones(640, np.float32), 8000))


@pytest.mark.parametrize("jump_s", [-100, 100])
def test_after_the_clock_was_set_the_voice_is_at_its_stamps_again(jump_s: int) -> None:
    playback = VoicePlayback(SAMPLE_RATE)
    playback.push(AudioChunk(START_NS, np.ones(SAMPLE_RATE, np.float32), SAMPLE_RATE))
    for n in range(30):
        playback.pull(160, START_NS + n * 10 * MS)
    there_ns = START_NS + jump_s * NANOSECONDS
    playback.pull(160, there_ns)
    playback.push(AudioChunk(there_ns + 10 * MS, np.full(160, 0.5, np.float32), SAMPLE_RATE))

    assert np.all(playback.pull(160, there_ns + 10 * MS) == 0.5)


class Samples:
    """A feature stream whose feature is the first sample of each frame."""

    def push(self, samples: np.ndarray) -> np.ndarray:
        return samples[::FRAME_SAMPLES, None]


@pytest.mark.parametrize("ppm", [500.0, -500.0])
def test_the_users_voice_stays_on_the_grid(ppm: float) -> None:
    """A microphone whose crystal is off counts other samples than its stamps say; here 300 ms in ten minutes."""
    timeline = UserAudioTimeline(Samples, 1, 500 * MS)
    size, late_ms = 1600, []
    random = np.random.default_rng(0)
    for seq in range(600 * SAMPLE_RATE // size):
        true_s = seq * size / SAMPLE_RATE / (1 + ppm * 1e-6)
        stamp_ns = START_NS + round((true_s + random.uniform(0, 0.008)) * NANOSECONDS)
        # what sounds at each moment says its own time
        number = START_S * SAMPLE_RATE + round(true_s * SAMPLE_RATE)
        timeline.push(AudioChunk(stamp_ns, numbered(number, size), SAMPLE_RATE, seq=seq))
        timeline.advance(stamp_ns + 110 * MS)
        frame = timeline.features.next_frame - 1
        value = timeline.features.read(range(frame, frame + 1))[0, 0]
        late_ms.append(1000 * off_by(value, frame * FRAME_SAMPLES) / SAMPLE_RATE)

    assert np.abs(late_ms[3:]).max() < 12
    assert timeline.gaps == timeline.overlaps == timeline.late == 0


@pytest.mark.parametrize("rate", [8000, 16_000, 22_050, 48_000])
def test_a_steady_microphone_of_any_rate_is_left_as_it_is(rate: int) -> None:
    sound = np.sin(np.arange(4 * rate) * 0.05).astype(np.float32)
    timeline = UserAudioTimeline(Samples, 1, 500 * MS)
    step = rate // 25
    for seq in range(100):
        chunk = sound[seq * step : (seq + 1) * step]
        timeline.push(AudioChunk(START_NS + seq * step * NANOSECONDS // rate, chunk, rate, seq=seq))
        timeline.advance(START_NS + seq * FRAME_NS)
    timeline.advance(START_NS + 10 * NANOSECONDS)

    resampled = Resampler(rate).push(sound)[::FRAME_SAMPLES]
    frames = timeline.features.read(range(START_S * 25, START_S * 25 + 90))[:, 0]
    np.testing.assert_array_equal(frames, resampled[:90])


@pytest.mark.parametrize("ppm", [100.0, -100.0])
@pytest.mark.parametrize("hours", [0, 8])
def test_the_users_face_is_taken_by_its_stamp(ppm: float, hours: int) -> None:
    """A camera of 25 pictures a second that is off by 100 millionths slips against the grid, a picture in 400 s."""
    timeline = UserMotionTimeline(1, 500 * MS)
    ages_ms, n = [], hours * 3600 * 25 - 2000
    first_frame = (START_S + hours * 3600) * 25
    for frame in range(first_frame, first_frame + 2500):
        while (stamp_ns := START_NS + round(n * FRAME_NS / (1 + ppm * 1e-6))) <= stamp_of(frame):
            timeline.push(MotionSample(stamp_ns, np.zeros(1, np.float32)))
            n += 1
        newest_ns = timeline.read([stamp_of(frame)]).stamps_ns[-1]
        timeline.close(stamp_of(frame))
        ages_ms.append((stamp_of(frame) - newest_ns) / MS)

    assert min(ages_ms) >= 0 and max(ages_ms) <= 40.01
    assert (timeline.late, timeline.repeated) == (0, 0)


def test_pictures_and_speech_of_the_core_share_their_grid_for_ever() -> None:
    for hours in (0, 8, 24 * 365 * 10):
        frame = START_S * 25 + hours * 3600 * 25
        assert sample_of(stamp_of(frame)) == frame * FRAME_SAMPLES


@pytest.mark.parametrize(("ppm", "where", "hours"), [(100.0, "ahead of", 0.15), (-100.0, "behind", 1.35)])
def test_a_sensor_whose_stamps_drift_away_is_told_before_it_matters(ppm: float, where: str, hours: float) -> None:
    """Stamps are believed: a camera with a clock of its own is for chrony to mend, and for us to notice."""
    watch = InputWatch("camera", timeout_ns=500 * MS)
    random = np.random.default_rng(0)
    told_s = None
    for n in range(8 * 3600):
        made_ns = START_NS + n * NANOSECONDS
        received_ns = made_ns + round(random.uniform(10, 40) * MS)
        watch.seen(received_ns, made_ns + round(n * NANOSECONDS * ppm * 1e-6))
        if told_s is None and watch.clock_complaint():
            told_s, told = n, watch.clock_complaint()

    assert told_s is not None and told_s == pytest.approx(hours * 3600, rel=0.5)
    assert re.fullmatch(rf"the stamps of the camera are (2\d|50\d) ms {where} this clock", told)
    assert watch.clock_complaint().endswith(f"{where} this clock")
    assert abs(watch.least_age_ns) > 2800 * MS


def test_a_sensor_on_this_clock_is_not_complained_about() -> None:
    watch = InputWatch("microphone", timeout_ns=500 * MS)
    for n in range(1000):
        watch.seen(START_NS + n * FRAME_NS + 450 * MS, START_NS + n * FRAME_NS)
    assert watch.clock_complaint() == ""
    watch.forget()
    assert watch.least_age_ns is None
