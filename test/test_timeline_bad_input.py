# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the timelines do with stamps and sequence numbers as they should not be: the table of docs/replay.md."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from avatar_forcing_ros.audio.log_mel import LogMelStream
from avatar_forcing_ros.audio.resample import Resampler
from avatar_forcing_ros.signals import AudioChunk, MotionSample
from avatar_forcing_ros.timeline.grid import FRAME_NS, FRAME_SAMPLES, stamp_of
from avatar_forcing_ros.timeline.mistakes import Mistake
from avatar_forcing_ros.timeline.playback import Playback, PlaybackEvent
from avatar_forcing_ros.timeline.speech import SpeechTimeline
from avatar_forcing_ros.timeline.user_audio import UserAudioTimeline
from avatar_forcing_ros.timeline.user_motion import UserMotionTimeline

BLOCK = 4
MS = 1_000_000
LEAD_NS, REORDER_NS, HORIZON_NS = 80 * MS, 40 * MS, 280 * MS
FIRST = 100
CHUNK = 1600  # 100 ms


def sound(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.1, 0.9, int(16_000 * seconds)).astype(np.float32)


def chunks(
    samples: np.ndarray, who: str = "a", stamp_ns: int | None = None, step_ns: int = 100 * MS
) -> list[AudioChunk]:
    """An utterance in chunks of 100 ms; the stamps of the chunks are `step_ns` apart."""
    pieces = [samples[n : n + CHUNK] for n in range(0, len(samples), CHUNK)]
    return [
        AudioChunk(None if stamp_ns is None else stamp_ns + k * step_ns, piece, 16_000, who, k, k == len(pieces) - 1)
        for k, piece in enumerate(pieces)
    ]


def play(
    arrivals: list[tuple[int, AudioChunk]], blocks: int = 14
) -> tuple[np.ndarray, list[PlaybackEvent], SpeechTimeline]:
    """Speech of some blocks, each decided ahead; a chunk is pushed when it arrives, after the decisions before it."""
    timeline = SpeechTimeline(160 * MS, REORDER_NS, HORIZON_NS)
    waiting = sorted(arrivals, key=lambda arrival: arrival[0])
    said, events = [], []
    for frame in range(FIRST, FIRST + blocks * BLOCK, BLOCK):
        decided_ns = stamp_of(frame) - LEAD_NS
        while waiting and waiting[0][0] <= decided_ns:
            received_ns, chunk = waiting.pop(0)
            timeline.push(chunk, received_ns)
        frames, happened = timeline.take(frame, BLOCK, decided_ns)
        said += [f.samples for f in frames]
        events += happened
    return np.concatenate(said), events, timeline


def kinds(events: list[PlaybackEvent]) -> list[tuple[str, Playback]]:
    return [(event.utterance_id, event.kind) for event in events]


def delayed(spoken: list[AudioChunk], delay_ns: list[int]) -> list[tuple[int, AudioChunk]]:
    return [(int(chunk.stamp_ns or 0) + ns, chunk) for chunk, ns in zip(spoken, delay_ns, strict=True)]


@pytest.mark.parametrize("phase_ns", range(0, 160 * MS, 20 * MS))
@pytest.mark.parametrize("step_ns", [25 * MS, 100 * MS])
def test_speech_stamped_when_it_is_sent_does_not_depend_on_jitter(phase_ns: int, step_ns: int) -> None:
    spoken = chunks(sound(0.7), stamp_ns=stamp_of(FIRST + 3) + phase_ns, step_ns=step_ns)
    reference = play(delayed(spoken, [0] * len(spoken)))
    for seed in range(10):
        draw = random.Random(seed)
        jittered = play(delayed(spoken, [draw.randint(0, REORDER_NS) for _ in spoken]))
        assert np.array_equal(jittered[0], reference[0])
        assert jittered[1] == reference[1]
        assert jittered[2].late == 0
    assert np.count_nonzero(reference[0]) == 7 * CHUNK


@pytest.mark.parametrize("phase_ns", range(0, 160 * MS, 20 * MS))
def test_speech_stamped_ahead_is_said_at_its_stamp_however_early_it_comes(phase_ns: int) -> None:
    spoken = chunks(sound(0.7), stamp_ns=stamp_of(FIRST + 20) + phase_ns)
    for ahead_ns in (HORIZON_NS, HORIZON_NS + 30 * MS, 700 * MS):
        said, events, timeline = play(delayed(spoken, [-ahead_ns] * len(spoken)))
        first = (20 * FRAME_NS + phase_ns) * 16 // MS
        assert np.array_equal(said[first : first + 7 * CHUNK], sound(0.7))
        assert kinds(events) == [("a", Playback.STARTED), ("a", Playback.FINISHED)]
        assert timeline.late == 0


def test_speech_stamped_by_a_clock_that_is_far_ahead_waits_and_is_told(caplog: pytest.LogCaptureFixture) -> None:
    ahead_ns = stamp_of(FIRST) + 3_600_000 * MS
    said, _, timeline = play([(stamp_of(FIRST), chunk) for chunk in chunks(sound(0.3), stamp_ns=ahead_ns)])
    assert not said.any() and list(timeline.mistakes.made) == [Mistake.FAR_AHEAD]
    assert caplog.text.count("more than ten minutes ahead") == 1


def test_speech_later_than_the_window_counts_from_its_arrival_and_is_counted() -> None:
    spoken = chunks(sound(0.2), stamp_ns=stamp_of(FIRST))
    said, _, timeline = play(delayed(spoken, [500 * MS] * 2))
    assert timeline.late == 2
    assert np.array_equal(said[np.flatnonzero(said)[0] :][: 2 * CHUNK], sound(0.2))
    assert np.flatnonzero(said)[0] >= (500 * MS + LEAD_NS) * 16 // MS


def test_speech_with_one_stamp_for_all_chunks_is_said_in_full() -> None:
    spoken = chunks(sound(0.7), stamp_ns=stamp_of(FIRST + 12), step_ns=0)
    arrivals = [(stamp_of(FIRST) + k * 10 * MS, chunk) for k, chunk in enumerate(spoken)]
    said, _, timeline = play(arrivals)
    first = 12 * FRAME_SAMPLES
    assert np.array_equal(said[first : first + 7 * CHUNK], sound(0.7))
    assert timeline.late == 0


def test_speech_chunks_that_overtake_each_other_are_put_in_order() -> None:
    spoken = chunks(sound(0.7))
    order = [1, 0, 2, 4, 3, 6, 5]
    arrivals = [(stamp_of(FIRST) + k * 15 * MS, spoken[seq]) for k, seq in enumerate(order)]
    said, events, timeline = play(arrivals)
    assert np.array_equal(said[said > 0], sound(0.7))
    assert (timeline.lost, timeline.repeated, timeline.orphans) == (0, 0, 0)
    assert kinds(events) == [("a", Playback.STARTED), ("a", Playback.FINISHED)]


def test_a_lost_chunk_is_waited_for_then_counted_and_the_rest_is_said() -> None:
    spoken = chunks(sound(0.7))
    del spoken[3]
    said, _, timeline = play([(stamp_of(FIRST), chunk) for chunk in spoken])
    assert timeline.lost == 1
    assert np.array_equal(said[said > 0], np.delete(sound(0.7), slice(3 * CHUNK, 4 * CHUNK)))


def test_duplicated_chunks_are_said_once() -> None:
    spoken = [chunk for chunk in chunks(sound(0.5)) for _ in range(2)]
    said, events, timeline = play([(stamp_of(FIRST), chunk) for chunk in spoken])
    assert np.array_equal(said[said > 0], sound(0.5))
    assert timeline.repeated + timeline.orphans == 5
    assert kinds(events) == [("a", Playback.STARTED), ("a", Playback.FINISHED)]


def test_a_changed_rate_in_mid_utterance_loses_nothing() -> None:
    high = np.repeat(sound(0.2), 3)[: 48 * 200]
    said, _, _ = play(
        [
            (stamp_of(FIRST), AudioChunk(None, sound(0.2), 16_000, "a", 0)),
            (stamp_of(FIRST), AudioChunk(None, high, 48_000, "a", 1)),
            (stamp_of(FIRST), AudioChunk(None, sound(0.2), 16_000, "a", 2, True)),
        ]
    )
    expected = [sound(0.2), resampled(high, 48_000), sound(0.2)]
    begins = np.flatnonzero(said)[0]
    assert np.array_equal(said[begins : begins + 9600], np.concatenate(expected))


def resampled(samples: np.ndarray, rate: int) -> np.ndarray:
    resampler = Resampler(rate)
    return np.concatenate([resampler.push(samples), resampler.flush()])


def test_an_end_without_a_number_is_no_mistake() -> None:
    sent = [*chunks(sound(0.3))[:-1], AudioChunk(None, np.zeros(0, np.float32), 16_000, "a", 0, True)]
    _, events, timeline = play([(stamp_of(FIRST) + k * MS, chunk) for k, chunk in enumerate(sent)])
    assert events[-1].kind is Playback.FINISHED and not timeline.mistakes.made


def test_a_mistake_is_complained_of_for_a_minute() -> None:
    _, _, timeline = play([(stamp_of(FIRST) + k * MS, chunk) for k, chunk in enumerate(chunks(sound(0.3)) * 2)])
    timeline.refuse("b", "got 5 bytes", stamp_of(FIRST))
    assert len(timeline.mistakes.complaints()) == 1 + len(timeline.mistakes.made)
    timeline.take(FIRST + 70 * 25, BLOCK, stamp_of(FIRST + 70 * 25))
    assert not timeline.mistakes.complaints()


def test_the_end_said_twice_counts_once() -> None:
    spoken = chunks(sound(0.2))
    again = AudioChunk(None, np.zeros(0, np.float32), 16_000, "a", 2, True)
    _, events, timeline = play([(stamp_of(FIRST), chunk) for chunk in [*spoken, again]])
    assert timeline.orphans == 1
    assert kinds(events) == [("a", Playback.STARTED), ("a", Playback.FINISHED)]


def test_an_utterance_without_an_end_stalls_and_is_ended_by_the_next() -> None:
    open_end = chunks(sound(0.2))[:1]
    later = [(stamp_of(FIRST + 20), chunk) for chunk in chunks(sound(0.2, seed=1), "b")]
    _, events, _ = play([(stamp_of(FIRST), chunk) for chunk in open_end] + later)
    assert kinds(events) == [
        ("a", Playback.STARTED),
        ("a", Playback.STALLED),
        ("a", Playback.FINISHED),
        ("b", Playback.STARTED),
        ("b", Playback.FINISHED),
    ]


def test_the_rest_of_an_utterance_that_is_never_ended_is_said_after_all() -> None:
    arrivals = [
        (stamp_of(FIRST) + k * 100 * MS, replace(c, end_of_utterance=False)) for k, c in enumerate(chunks(sound(0.6)))
    ]
    said, _, _ = play(arrivals)
    assert np.array_equal(said[said > 0], sound(0.6))


def test_a_second_utterance_ends_the_first_and_what_still_comes_of_the_first_is_an_orphan() -> None:
    first, second = chunks(sound(0.3)), chunks(sound(0.3, seed=1), "b")
    arrivals = [(stamp_of(FIRST), c) for c in [*first[:2], *second[:1], first[2], *second[1:]]]
    said, events, timeline = play(arrivals)
    assert timeline.orphans == 1
    assert np.array_equal(said[said > 0], np.concatenate([sound(0.3)[: 2 * CHUNK], sound(0.3, seed=1)]))
    assert [who for who, kind in kinds(events) if kind is Playback.FINISHED] == ["a", "b"]


def test_an_interrupt_drops_what_waits_for_its_time_too_and_reports_it() -> None:
    timeline = SpeechTimeline(160 * MS, REORDER_NS, HORIZON_NS)
    now_ns = stamp_of(FIRST)
    for chunk in chunks(sound(0.2), "soon", stamp_ns=now_ns) + chunks(
        sound(0.2), "late", stamp_ns=now_ns + 3600 * 10**9
    ):
        timeline.push(chunk, now_ns)
    dropped = timeline.clear(FIRST + 2, now_ns)
    assert kinds(dropped) == [("soon", Playback.INTERRUPTED), ("late", Playback.INTERRUPTED)]
    frames, events = timeline.take(FIRST + 2, BLOCK, now_ns + 3600 * 10**9)
    assert not events
    assert not any(frame.samples.any() for frame in frames)


SENTENCES = [sound(0.5, seed) for seed in range(3)]


def sentences(gap_ns: int, **changes: object) -> list[tuple[int, AudioChunk]]:
    """Three sentences by a simple publisher, each begun when the one before it was sent, or later."""
    return [
        (stamp_of(FIRST) + number * gap_ns + k * MS, replace(chunk, **changes))
        for number, samples in enumerate(SENTENCES)
        for k, chunk in enumerate(chunks(samples, "same"))
    ]


@pytest.mark.parametrize("gap_ns", [10 * MS, 800 * MS], ids=["at once", "one after the other"])
@pytest.mark.parametrize(
    ("changes", "mistakes"),
    [
        pytest.param({}, {Mistake.NO_NEW_ID}, id="one id for all sentences"),
        pytest.param({"utterance_id": ""}, set(), id="no id"),
        pytest.param({"utterance_id": "", "end_of_utterance": False}, {Mistake.NO_NEW_ID}, id="no id and no end"),
        pytest.param({"end_of_utterance": False}, {Mistake.NO_NEW_ID}, id="one id and no end"),
        pytest.param({"seq": 0}, {Mistake.UNNUMBERED, Mistake.NO_NEW_ID}, id="one id and seq never set"),
        pytest.param({"seq": 0, "utterance_id": ""}, {Mistake.UNNUMBERED}, id="nothing set but the end"),
        pytest.param(
            {"seq": 0, "utterance_id": "", "end_of_utterance": False}, {Mistake.UNNUMBERED}, id="nothing set at all"
        ),
        pytest.param({"end_of_utterance": True}, {Mistake.ALWAYS_ENDED, Mistake.NO_NEW_ID}, id="end on every chunk"),
        pytest.param({"end_of_utterance": True, "seq": 0}, {Mistake.NO_NEW_ID}, id="end on every chunk, no seq"),
    ],
)
def test_all_that_a_simple_publisher_sends_is_said_once_and_its_mistake_too(
    changes: dict[str, object], mistakes: set[Mistake], gap_ns: int, caplog: pytest.LogCaptureFixture
) -> None:
    said, events, timeline = play(sentences(gap_ns, **changes), 22)
    assert np.array_equal(said[said > 0], np.concatenate(SENTENCES))
    assert set(timeline.mistakes.made) == mistakes
    assert len(caplog.records) == len(mistakes)
    started = [kind for _, kind in kinds(events) if kind is Playback.STARTED]
    finished = [kind for _, kind in kinds(events) if kind is Playback.FINISHED]
    ends_are_said = changes.get("end_of_utterance", True)
    assert len(started) - len(finished) == (0 if ends_are_said else 1)


def test_seq_that_is_never_set_is_understood_with_an_id_for_each_sentence_and_an_empty_end() -> None:
    spoken = [replace(c, seq=0, end_of_utterance=False) for c in chunks(sound(0.3))]
    end = AudioChunk(None, np.zeros(0, np.float32), 16_000, "a", 0, True)
    said, events, timeline = play([(stamp_of(FIRST), chunk) for chunk in [*spoken, end]])
    assert np.array_equal(said[said > 0], sound(0.3))
    assert kinds(events) == [("a", Playback.STARTED), ("a", Playback.FINISHED)]
    assert "increase seq" in timeline.mistakes.complaint(Mistake.UNNUMBERED)
    _, events, _ = play([(stamp_of(FIRST), chunk) for chunk in [spoken[0], end]])
    assert kinds(events) == [("a", Playback.STARTED), ("a", Playback.FINISHED)]


@pytest.mark.parametrize("changes", [{}, {"seq": 0}, {"end_of_utterance": True}])
def test_the_rest_of_an_interrupted_sentence_stays_unsaid_whatever_its_publisher_gets_wrong(
    changes: dict[str, object],
) -> None:
    timeline = SpeechTimeline(160 * MS, REORDER_NS, HORIZON_NS)
    now_ns = stamp_of(FIRST) - LEAD_NS
    spoken = [replace(chunk, **changes) for chunk in chunks(sound(0.6))]
    for chunk in spoken[:4]:
        timeline.push(chunk, now_ns)
    timeline.take(FIRST, BLOCK, now_ns)
    timeline.clear(FIRST + 2, now_ns)
    for chunk in spoken[4:]:
        timeline.push(chunk, now_ns + MS)
    frames, _ = timeline.take(FIRST + BLOCK, BLOCK, now_ns + 10 * FRAME_NS)
    assert not any(frame.samples.any() for frame in frames)
    assert timeline.orphans == 2


@pytest.mark.parametrize("sent", [2, 6], ids=["died in the middle", "had ended"])
@pytest.mark.parametrize("cut", [False, True], ids=["", "was interrupted"])
def test_a_publisher_that_is_restarted_and_says_the_same_under_the_same_id_is_heard(sent: int, cut: bool) -> None:
    greeting = chunks(sound(0.6), "utterance 0")
    timeline, now_ns = SpeechTimeline(160 * MS, REORDER_NS, HORIZON_NS), stamp_of(FIRST) - LEAD_NS
    for chunk in greeting[:sent]:
        timeline.push(chunk, now_ns)
    timeline.take(FIRST, BLOCK, now_ns + 200 * MS)
    if cut:
        timeline.clear(FIRST + 2, now_ns + 200 * MS)
    for seconds in (0, 1):  # what comes twice on its way is still said once
        for chunk in greeting[:sent]:
            timeline.push(chunk, now_ns + seconds * 1000 * MS)
    frames, _ = timeline.take(FIRST + BLOCK, 10 * BLOCK, now_ns + 1100 * MS)
    assert sum((frame.samples > 0).sum() for frame in frames) <= max(0, sent * CHUNK - BLOCK * FRAME_SAMPLES)
    for chunk in greeting:
        timeline.push(chunk, now_ns + 5000 * MS)
    frames, _ = timeline.take(FIRST + 20 * BLOCK, 10 * BLOCK, now_ns + 5200 * MS)
    heard = np.concatenate([frame.samples for frame in frames])
    assert np.array_equal(heard[heard > 0], sound(0.6))


@pytest.mark.parametrize("changes", [{}, {"seq": 0}, {"end_of_utterance": True}])
def test_what_a_reset_cut_off_is_said_again_from_its_beginning_only(changes: dict[str, object]) -> None:
    now_ns, spoken = stamp_of(FIRST) - LEAD_NS, [replace(chunk, **changes) for chunk in chunks(sound(0.6))]
    before = SpeechTimeline(160 * MS, REORDER_NS, HORIZON_NS)
    for chunk in spoken[:4]:
        before.push(chunk, now_ns)
    before.take(FIRST, BLOCK, now_ns)
    before.clear(FIRST + 2, now_ns)
    timeline = SpeechTimeline(160 * MS, REORDER_NS, HORIZON_NS)
    timeline.forget_rests_of(before)
    for chunk in spoken[4:]:
        timeline.push(chunk, now_ns)
    frames, events = timeline.take(FIRST, BLOCK, now_ns + 10 * FRAME_NS)
    assert not any(frame.samples.any() for frame in frames)
    assert timeline.orphans == 2
    assert not any(kind is Playback.STARTED for _, kind in kinds(events))
    for chunk in spoken:  # a bag that is played in a loop
        timeline.push(chunk, now_ns)
    frames, _ = timeline.take(FIRST, 5 * BLOCK, now_ns + 10 * FRAME_NS)
    samples = np.concatenate([frame.samples for frame in frames])
    assert np.array_equal(samples[samples > 0], sound(0.6))


def test_after_an_interrupt_the_next_sentence_under_the_same_id_is_said_if_it_is_numbered() -> None:
    for changes, heard in (({}, True), ({"seq": 0}, False)):
        timeline = SpeechTimeline(160 * MS, REORDER_NS, HORIZON_NS)
        now_ns = stamp_of(FIRST) - LEAD_NS
        for chunk in chunks(sound(0.6)):
            timeline.push(replace(chunk, **changes), now_ns)
        timeline.take(FIRST, BLOCK, now_ns)
        timeline.clear(FIRST + 2, now_ns)
        for chunk in chunks(sound(0.3, seed=1)):
            timeline.push(replace(chunk, **changes), now_ns + MS)
        frames, _ = timeline.take(FIRST + BLOCK, 3 * BLOCK, now_ns + 10 * FRAME_NS)
        samples = np.concatenate([frame.samples for frame in frames])
        assert np.array_equal(samples[samples > 0], sound(0.3, seed=1) if heard else [])
        assert (Mistake.NO_NEW_ID_AFTER_INTERRUPT in timeline.mistakes.made) is not heard


def refused(events: list[PlaybackEvent]) -> list[str]:
    return [event.reason for event in events if event.kind is Playback.REFUSED]


def test_what_an_interrupted_publisher_without_ids_loses_is_told_by_one_event() -> None:
    timeline = SpeechTimeline(160 * MS, REORDER_NS, HORIZON_NS)
    now_ns = stamp_of(FIRST) - LEAD_NS
    told = []
    for _ in range(2):  # every interrupt is told anew
        for seed in range(2):
            for chunk in chunks(sound(0.6, seed)):
                timeline.push(replace(chunk, seq=0), now_ns)
            now_ns += 2 * REORDER_NS
            told += timeline.take(FIRST, BLOCK, now_ns)[1]
            told += timeline.clear(FIRST + 2, now_ns)
    assert set(refused(told)) == {Mistake.NO_NEW_ID_AFTER_INTERRUPT.value}
    assert 1 <= len(refused(told)) <= 3


@pytest.mark.parametrize(
    ("order", "mistake", "heard"),
    [
        ([5, 4, 3, 2], Mistake.BACKWARDS, 1),
        ([0, 1, 2, 1], Mistake.BACKWARDS, 3),
    ],
)
def test_numbers_that_go_back_are_told_by_one_event(order: list[int], mistake: Mistake, heard: int) -> None:
    pieces = np.split(sound(0.4), 4)
    sent = [AudioChunk(None, piece, 16_000, "a", seq, False) for seq, piece in zip(order, pieces, strict=True)]
    said, events, timeline = play([(stamp_of(FIRST) + k * 100 * MS, chunk) for k, chunk in enumerate(sent)])
    assert refused(events) == [mistake.value] and set(timeline.mistakes.made) == {mistake}
    assert np.array_equal(said[said > 0], sound(0.4)[: heard * CHUNK])


def test_what_comes_after_an_end_that_was_said_too_early_is_told() -> None:
    spoken = [replace(chunk, end_of_utterance=chunk.seq == 2) for chunk in chunks(sound(0.6))]
    _, events, _ = play([(stamp_of(FIRST) + k * MS, chunk) for k, chunk in enumerate(spoken)])
    assert refused(events) == [Mistake.AFTER_ITS_END.value]


def test_two_utterances_mixed_into_each_other_are_told() -> None:
    first, second = chunks(sound(0.3)), chunks(sound(0.3, seed=1), "b")
    mixed = [chunk for pair in zip(first, second, strict=True) for chunk in pair]
    _, events, timeline = play([(stamp_of(FIRST) + k * MS, chunk) for k, chunk in enumerate(mixed)])
    assert Mistake.MIXED.value in refused(events) and timeline.orphans


def test_what_goes_on_after_an_end_and_another_utterance_is_told() -> None:
    """Seed 59752 of the long run."""
    one, other = chunks(sound(0.2)), chunks(sound(0.2, seed=1), "b")
    sent = [replace(one[0], end_of_utterance=True), other[0], replace(one[1], end_of_utterance=False), other[1]]
    _, events, _ = play([(stamp_of(FIRST) + k * MS, chunk) for k, chunk in enumerate(sent)])
    assert refused(events) == [Mistake.MIXED.value]


def test_a_chunk_that_was_sent_twice_is_no_mistake() -> None:
    spoken = chunks(sound(0.4))
    twice = [chunk for chunk in spoken for _ in range(2)] + spoken[1:3]
    said, events, timeline = play([(stamp_of(FIRST) + k * MS, chunk) for k, chunk in enumerate(twice)])
    assert np.array_equal(said[said > 0], sound(0.4))
    assert not refused(events) and not timeline.mistakes.made


def test_what_cannot_be_read_is_told_once_for_each_utterance() -> None:
    timeline = SpeechTimeline(160 * MS, REORDER_NS, HORIZON_NS)
    for who in ("a", "b"):
        for size in (3, 5):
            timeline.refuse(who, f"got {size} bytes", stamp_of(FIRST))
    _, events = timeline.take(FIRST, BLOCK, stamp_of(FIRST))
    assert [(event.utterance_id, event.reason) for event in events] == [("a", "got 3 bytes"), ("b", "got 3 bytes")]
    assert timeline.mistakes.unreadable == "speech of utterance 'b': got 5 bytes; it is NOT played"


def mic(stamp_ns: int, samples: np.ndarray, seq: int = 0, rate: int = 16_000) -> AudioChunk:
    return AudioChunk(stamp_ns, samples, rate, seq=seq)


def hear(heard: list[AudioChunk], frames: int) -> tuple[np.ndarray, UserAudioTimeline]:
    timeline = UserAudioTimeline(LogMelStream, 320, 500 * MS)
    for chunk in heard:
        timeline.push(chunk)
    timeline.advance(frames * FRAME_NS)
    return timeline.features.read(range(frames)), timeline


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_duplicated_user_audio_changes_nothing(rate: int) -> None:
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, rate).astype(np.float32)
    step = rate // 25
    once = [mic(k * FRAME_NS, samples[k * step : (k + 1) * step], k, rate) for k in range(25)]
    reference, _ = hear(once, 25)
    twice, timeline = hear([chunk for chunk in once for _ in range(2)], 25)
    assert np.array_equal(twice, reference)
    assert timeline.repeated == 25


def test_user_audio_that_stands_still_in_time_is_heard_once() -> None:
    block = sound(0.1)
    stuck, timeline = hear([mic(0, block, k) for k in range(5)], 10)
    alone, _ = hear([mic(0, block)], 10)
    assert np.array_equal(stuck, alone)
    assert timeline.overlaps == 4


def test_user_audio_changes_its_rate_without_a_hole() -> None:
    low, high = sound(0.2), np.repeat(sound(0.2, seed=1), 3)
    mixed, timeline = hear([mic(0, high, 0, 48_000), mic(200 * MS, low, 1)], 10)
    plain, _ = hear([mic(0, np.concatenate([resampled(high, 48_000), low]))], 10)
    assert np.array_equal(mixed, plain)
    assert (timeline.gaps, timeline.overlaps) == (0, 0)


def test_inputs_from_a_clock_that_runs_ahead_are_counted_and_left_out() -> None:
    audio = UserAudioTimeline(LogMelStream, 320, 500 * MS)
    audio.push(mic(0, sound(0.1)))
    audio.advance(100 * MS)
    audio.push(mic(3600 * 10**9, sound(0.1), 1))
    audio.push(mic(100 * MS, sound(0.1), 2))
    audio.advance(200 * MS)
    assert (audio.future, audio.late, audio.gaps, audio.heard_until_ns) == (1, 0, 0, 200 * MS)
    motion = UserMotionTimeline(2, 500 * MS)
    motion.close(100 * MS)
    motion.push(MotionSample(3600 * 10**9, np.zeros(2, np.float32)))
    motion.push(MotionSample(200 * MS, np.ones(2, np.float32)))
    assert motion.future == 1
    assert motion.read([200 * MS]).stamps_ns[-1] == 200 * MS
