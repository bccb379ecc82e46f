# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The timelines place signals by stamp alone: order of arrival, chunking and jitter do not matter, faults count."""

import random

import numpy as np
import pytest

from avatar_forcing_ros.audio.log_mel import LogMelStream
from avatar_forcing_ros.signals import AudioChunk, MotionSample
from avatar_forcing_ros.timeline.grid import (
    FRAME_NS,
    FRAME_SAMPLES,
    first_frame_from,
    sample_of,
    stamp_of,
)
from avatar_forcing_ros.timeline.playback import Playback
from avatar_forcing_ros.timeline.speech import SpeechTimeline
from avatar_forcing_ros.timeline.user_audio import UserAudioTimeline
from avatar_forcing_ros.timeline.user_motion import KEPT_NS, UserMotionTimeline

HALF_SECOND = 500_000_000
BLOCK = 4
REORDER_NS = 40_000_000
HORIZON_NS = 280_000_000


def motion(stamp_ns: int, value: float, valid: bool = True) -> MotionSample:
    return MotionSample(stamp_ns, np.full(2, value, np.float32), valid=valid)


def tone(samples: int, start: int = 0) -> np.ndarray:
    return np.sin(np.arange(start, start + samples) * 0.2).astype(np.float32)


def mic(stamp_ns: int, samples: np.ndarray, seq: int = 0) -> AudioChunk:
    return AudioChunk(stamp_ns, samples, 16_000, seq=seq)


def make_speech() -> SpeechTimeline:
    """With the values of the bundled model: patience and block 160 ms, lead 80 ms, reorder window 40 ms."""
    return SpeechTimeline(160_000_000, reorder_ns=REORDER_NS, horizon_ns=HORIZON_NS)


def said(
    samples: np.ndarray, utterance: str = "a", seq: int = 0, end: bool = False, stamp: int | None = None
) -> AudioChunk:
    return AudioChunk(stamp, samples, 16_000, utterance, seq, end)


@pytest.mark.parametrize(("stamp_ns", "first"), [(0, 0), (1, 1), (FRAME_NS, 1), (FRAME_NS + 1, 2)])
def test_grid_rounds_up_to_the_frame_at_or_after_a_stamp(stamp_ns, first):
    assert first_frame_from(stamp_ns) == first


def test_grid_has_640_samples_a_frame_after_years():
    years = 10 * 365 * 24 * 3600 * 25
    assert sample_of(stamp_of(years)) == years * FRAME_SAMPLES


def test_user_motion_holds_the_newest_sample_and_times_out():
    timeline = UserMotionTimeline(size=2, timeout_ns=HALF_SECOND)
    timeline.push(motion(100, 1.0))
    timeline.push(motion(FRAME_NS, 2.0))
    window = timeline.read([50, 100, FRAME_NS - 1, FRAME_NS, FRAME_NS + HALF_SECOND, FRAME_NS + HALF_SECOND + 1])
    assert window.latents[:, 0].tolist() == [0.0, 1.0, 1.0, 2.0, 2.0, 0.0]
    assert window.valid.tolist() == [False, True, True, True, True, False]


def test_before_anybody_comes_motion_reads_as_that_of_somebody_long_gone() -> None:
    empty, gone = (UserMotionTimeline(size=2, timeout_ns=HALF_SECOND) for _ in range(2))
    gone.push(MotionSample(0, np.ones(2, np.float32)))
    stamps = [3 * HALF_SECOND, 4 * HALF_SECOND]

    for one, other in zip(vars(empty.read(stamps)).values(), vars(gone.read(stamps)).values(), strict=True):
        np.testing.assert_array_equal(one, other)
        assert getattr(one, "dtype", None) == getattr(other, "dtype", None)


def test_user_motion_without_a_face_is_zero_but_known():
    timeline = UserMotionTimeline(size=2, timeout_ns=HALF_SECOND)
    timeline.push(motion(0, 5.0, valid=False))
    window = timeline.read([0])
    assert not window.valid[0] and not window.latents.any() and window.stamps_ns[-1] == 0


def test_user_motion_does_not_depend_on_the_order_of_arrival():
    samples = [motion(n * 33_000_000, n) for n in range(20)]
    windows = []
    for seed in range(5):
        timeline = UserMotionTimeline(size=2, timeout_ns=HALF_SECOND)
        for sample in random.Random(seed).sample(samples, len(samples)):
            timeline.push(sample)
        windows.append(timeline.read([n * FRAME_NS for n in range(15)]).latents)
    assert all(np.array_equal(windows[0], window) for window in windows)


def test_user_motion_counts_what_it_refuses_and_stays_small():
    timeline = UserMotionTimeline(size=2, timeout_ns=HALF_SECOND)
    for n in range(1000):
        timeline.push(motion(n * FRAME_NS, n))
        timeline.close(n * FRAME_NS)
    timeline.push(motion(5 * FRAME_NS, 0.0))
    timeline.push(motion(1030 * FRAME_NS, 1.0))
    timeline.push(motion(1030 * FRAME_NS, 2.0))
    assert (timeline.late, timeline.repeated) == (1, 1)
    assert len(timeline._samples) < KEPT_NS // FRAME_NS + 10


def test_reading_the_users_motion_changes_nothing():
    timeline = UserMotionTimeline(size=2, timeout_ns=HALF_SECOND)
    timeline.push(motion(10 * FRAME_NS, 0.1))
    timeline.read([1000 * FRAME_NS])
    timeline.push(motion(5 * FRAME_NS, 0.2))
    assert timeline.read([5 * FRAME_NS, 10 * FRAME_NS]).valid.all()
    assert (timeline.late, timeline.future) == (0, 0)


def test_user_motion_of_another_space_is_refused_with_both_sizes():
    with pytest.raises(ValueError, match=r"2 numbers, got \(3,\)"):
        UserMotionTimeline(2, HALF_SECOND).push(MotionSample(0, np.zeros(3, np.float32)))


def make_user_audio() -> UserAudioTimeline:
    return UserAudioTimeline(LogMelStream, 320, HALF_SECOND)


def features_of(chunks: list[AudioChunk], until_ns: int, frames: range) -> np.ndarray:
    timeline = make_user_audio()
    for chunk in chunks:
        timeline.push(chunk)
    timeline.advance(until_ns)
    return timeline.features.read(frames)


def test_user_audio_is_the_same_for_any_chunks_order_and_jitter():
    sound = tone(16_000)
    whole = features_of([mic(0, sound)], 10**9, range(25))
    cuts = [mic(k * 20_000_000 + (k % 3) * 1_000_000, sound[k * 320 : (k + 1) * 320], k) for k in range(50)]
    random.Random(1).shuffle(cuts)
    assert np.array_equal(features_of(cuts, 2 * 10**9, range(25)), whole)


def test_user_audio_read_in_steps_equals_read_at_once():
    sound = tone(16_000)
    timeline = make_user_audio()
    for k in range(50):
        timeline.push(mic(k * 20_000_000, sound[k * 320 : (k + 1) * 320], k))
        timeline.advance((k + 1) * 20_000_000)
    assert np.array_equal(timeline.features.read(range(25)), features_of([mic(0, sound)], 10**9, range(25)))


def test_user_audio_fills_a_gap_with_silence_at_the_right_place():
    sound = tone(16_000)
    holed = sound.copy()
    holed[3200:9600] = 0
    chunks = [mic(0, sound[:3200]), mic(600_000_000, sound[9600:], 1)]
    assert np.array_equal(features_of(chunks, 10**9, range(25)), features_of([mic(0, holed)], 10**9, range(25)))


def test_user_audio_after_a_long_gap_begins_anew_without_filling_it():
    timeline = make_user_audio()
    timeline.push(mic(0, tone(1600)))
    timeline.push(mic(3600 * 10**9, tone(1600)))
    timeline.advance(3601 * 10**9)
    assert timeline.gaps == 1
    assert timeline.features.next_frame == 3600 * 25 + 2
    assert not timeline.present(3602 * 10**9) and timeline.present(3600 * 10**9 + 10**8)


def test_user_audio_cuts_an_overlap_and_counts_a_late_chunk():
    sound = tone(4800)
    timeline = make_user_audio()
    timeline.push(mic(0, sound[:3200]))
    timeline.push(mic(100_000_000, sound[1600:], 1))
    timeline.advance(300_000_000)
    timeline.push(mic(0, sound[:1600]))
    assert (timeline.overlaps, timeline.late) == (1, 1)
    assert np.array_equal(timeline.features.read(range(7)), features_of([mic(0, sound)], 300_000_000, range(7)))


def test_user_audio_needs_stamps():
    with pytest.raises(ValueError, match="stamp"):
        make_user_audio().push(AudioChunk(None, tone(10), 16_000))


def play(timeline: SpeechTimeline, blocks: int, first_frame: int = 100) -> tuple[np.ndarray, list]:
    """Take some blocks, each decided 80 ms ahead; their sound in a row and all events."""
    sound, events = [], []
    for k in range(blocks):
        frame = first_frame + k * BLOCK
        frames, happened = timeline.take(frame, BLOCK, stamp_of(frame) - 80_000_000)
        sound += [f.samples for f in frames]
        events += happened
    return np.concatenate(sound), events


def kinds(events: list) -> list:
    return [(e.utterance_id, e.kind) for e in events]


def test_speech_is_said_sample_for_sample_from_the_start_of_a_block():
    timeline = make_speech()
    sound = tone(5000)
    for k in range(5):
        timeline.push(said(sound[k * 1000 : (k + 1) * 1000], seq=k, end=k == 4), received_ns=0)
    played, events = play(timeline, 3)
    assert np.array_equal(played[:5000], sound) and not played[5000:].any()
    assert kinds(events) == [("a", Playback.STARTED), ("a", Playback.FINISHED)]
    assert events[1].stamp_ns - events[0].stamp_ns == events[1].position_ns == 5000 * 62_500


def test_speech_received_after_the_decision_waits_for_the_next_block():
    timeline = make_speech()
    timeline.push(said(tone(640), end=True), received_ns=stamp_of(100) - 80_000_000 + 1)
    played, _ = play(timeline, 2)
    assert not played[: BLOCK * 640].any() and np.array_equal(played[BLOCK * 640 :][:640], tone(640))


def test_speech_with_a_stamp_starts_at_its_sample():
    timeline = make_speech()
    timeline.push(said(tone(640), end=True, stamp=stamp_of(101) + 1_000_000), received_ns=0)
    played, events = play(timeline, 2)
    assert np.array_equal(np.flatnonzero(played)[[0]], [640 + 16 + 1])
    assert events[0].stamp_ns == stamp_of(101) + 1_000_000


def test_speech_that_runs_dry_stalls_once_and_goes_on_with_whole_blocks():
    timeline = make_speech()
    sound = tone(BLOCK * 640 * 2)
    timeline.push(said(sound[:3000]), received_ns=0)
    timeline.push(said(sound[3000:], seq=1, end=True), received_ns=stamp_of(108) - 80_000_000)
    played, events = play(timeline, 4)
    assert np.array_equal(played[:3000], sound[:3000])
    assert np.array_equal(played[2 * BLOCK * 640 :][: len(sound) - 3000], sound[3000:])
    assert kinds(events) == [("a", Playback.STARTED), ("a", Playback.STALLED), ("a", Playback.FINISHED)]
    assert events[-1].position_ns == len(sound) * 62_500


def test_a_new_utterance_ends_the_one_before_and_follows_at_once():
    timeline = make_speech()
    timeline.push(said(tone(1000), "a"), received_ns=0)
    timeline.push(said(tone(1000) * 0.5, "b", end=True), received_ns=1)
    played, events = play(timeline, 1)
    assert np.array_equal(played[1000:2000], tone(1000) * 0.5)
    assert kinds(events) == [(u, k) for u in "ab" for k in (Playback.STARTED, Playback.FINISHED)]


def test_speech_counts_lost_repeated_and_orphaned_chunks():
    timeline = make_speech()
    for chunk in (
        said(tone(640), seq=0),
        said(tone(640), seq=0),
        said(tone(640), seq=3, end=True),
        said(tone(640), seq=4),
    ):
        timeline.push(chunk, received_ns=0)
    _, events = play(timeline, 2)
    assert (timeline.lost, timeline.repeated, timeline.orphans) == (2, 1, 1)
    assert kinds(events) == [("a", Playback.REFUSED), ("a", Playback.STARTED), ("a", Playback.FINISHED)]


def test_chunks_that_come_again_are_left_out_with_and_without_sound_and_after_the_last():
    timeline, sound = make_speech(), tone(1920)
    again = [said(sound[:640]), said(sound[:0])]
    for chunk in (said(sound[:640]), said(sound[640:1280], seq=1), *again):
        timeline.push(chunk, received_ns=0)
    last = said(sound[1280:], seq=2, end=True)
    timeline.push(last, received_ns=1)
    timeline.push(last, received_ns=2)
    played, events = play(timeline, 2)
    assert (timeline.lost, timeline.repeated, timeline.orphans) == (0, 2, 1)
    assert np.array_equal(played[:1920], sound) and not played[1920:].any()
    assert kinds(events) == [("a", Playback.STARTED), ("a", Playback.FINISHED)]


def test_an_utterance_that_pauses_is_being_said_until_the_end_of_its_last_part():
    timeline = make_speech()
    timeline.push(said(tone(2560)), received_ns=0)
    play(timeline, 2)
    timeline.push(said(tone(640), seq=1, end=True), received_ns=stamp_of(107))
    last = 100 + np.flatnonzero(play(timeline, 4, 108)[0])[-1] // 640 + 8
    assert timeline.says("a", 100) and timeline.says("a", last)
    assert not timeline.says("a", last + 1) and not timeline.says("b", 100)


@pytest.mark.parametrize("cut_frame", [100, 101, 103, 104])
def test_clearing_reports_what_was_presented_and_closes_every_utterance_once(cut_frame):
    timeline = make_speech()
    timeline.push(said(tone(1000), "a", end=True), received_ns=0)
    timeline.push(said(tone(9000), "b"), received_ns=0)
    timeline.push(said(tone(1000), "c", end=True), received_ns=10**9)
    _, events = play(timeline, 1)
    before_cut = [e for e in events if e.stamp_ns <= stamp_of(cut_frame)]
    endings = before_cut + timeline.clear(cut_frame, received_ns=10**9)
    presented = {e.utterance_id: e.position_ns // 62_500 for e in endings if e.kind is not Playback.STARTED}
    until_cut = (cut_frame - 100) * 640
    assert presented == {"a": min(1000, until_cut), "b": max(0, until_cut - 1000), "c": 0}
    assert sorted(e.utterance_id for e in endings if e.kind in (Playback.FINISHED, Playback.INTERRUPTED)) == [
        "a",
        "b",
        "c",
    ]


def test_nothing_of_a_cleared_utterance_is_said_later():
    timeline = make_speech()
    timeline.push(said(tone(9000), "a"), received_ns=0)
    play(timeline, 1)
    timeline.clear(102, received_ns=10**9)
    timeline.push(said(tone(9000), "a", seq=1), received_ns=10**9)
    timeline.push(said(tone(640) * 0.25, "b", end=True), received_ns=10**9)
    frames, _ = timeline.take(102, BLOCK, 2 * 10**9)
    assert np.array_equal(frames[0].samples, tone(640) * 0.25)
    assert timeline.orphans == 1
