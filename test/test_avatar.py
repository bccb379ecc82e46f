# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The Avatar's promises: equal stamps give equal frames, interrupts cut, nothing grows, faults do not stop it."""

import random

import numpy as np
import pytest

from avatar_forcing_ros.avatar import Avatar, AvatarConfig
from avatar_forcing_ros.bundle import load_bundle
from avatar_forcing_ros.files.pictures import read_image
from avatar_forcing_ros.files.resources import default_portrait
from avatar_forcing_ros.motion.space import PortraitError
from avatar_forcing_ros.signals import AudioChunk, MotionSample
from avatar_forcing_ros.testing import smiling, speech_like, tiny_bundle
from avatar_forcing_ros.timeline.grid import FRAME_NS
from avatar_forcing_ros.timeline.playback import Playback

SECOND = 1_000_000_000
MS = 1_000_000
PORTRAIT = np.full((64, 64, 3), 90, np.uint8)


@pytest.fixture(scope="module")
def bundle():
    return tiny_bundle()


def make(bundle, portrait=PORTRAIT, **config) -> Avatar:
    avatar = Avatar(bundle, portrait, AvatarConfig(image_size=72, **config))
    avatar.start(SECOND)
    return avatar


def microphone(seconds: float, start_ns: int = SECOND) -> list[AudioChunk]:
    sound = speech_like(seconds)
    return [
        AudioChunk(start_ns + k * 20 * MS, sound[k * 320 : (k + 1) * 320], 16_000, seq=k)
        for k in range(len(sound) // 320)
    ]


def camera(seconds: float, start_ns: int = SECOND) -> list[MotionSample]:
    return [smiling(start_ns + k * 33 * MS, 0.5 + 0.5 * np.sin(k / 5)) for k in range(int(seconds * 30))]


def arrivals(events: list, delay_ms: dict[type, int], shuffle: int | None = None) -> list[tuple[int, object]]:
    """When each event reaches the avatar: its own end plus a delay, at random up to 30 ms more when shuffled."""
    rng = random.Random(shuffle)
    times = []
    for event in events:
        ends = event.stamp_ns + (event.duration_ns if isinstance(event, AudioChunk) else 0)
        extra = rng.randrange(30 * MS) if shuffle is not None else 0
        times.append((ends + delay_ms.get(type(event), 0) * MS + extra, event))
    return sorted(times, key=lambda item: item[0])


def converse(avatar: Avatar, timed: list[tuple[int, object]], until_ns: int, tick_ns: int = 5 * MS) -> list:
    """Push events when they arrive and step the avatar at every tick."""
    frames, waiting, now = [], list(timed), SECOND
    while now <= until_ns:
        while waiting and waiting[0][0] <= now:
            event = waiting.pop(0)[1]
            push = avatar.push_user_audio if isinstance(event, AudioChunk) else avatar.push_user_motion
            push(event)
        frames += avatar.step(now)
        now += tick_ns
    return frames


def latents(frames: list) -> np.ndarray:
    return np.stack([frame.latent for frame in frames])


def test_frames_lie_on_the_grid_without_gaps_and_are_decided_ahead(bundle):
    avatar = make(bundle)
    now, seen = SECOND, []
    for _ in range(200):
        for frame in avatar.step(now):
            assert frame.stamp_ns - now > 80 * MS - 10 * MS
            seen.append(frame.stamp_ns)
        now += 10 * MS
    assert all(stamp % FRAME_NS == 0 for stamp in seen)
    assert np.all(np.diff(seen) == FRAME_NS)
    assert seen[0] - SECOND <= 80 * MS + 4 * FRAME_NS


def test_output_depends_on_stamps_not_on_arrival(bundle):
    events = camera(3) + microphone(3)
    runs = []
    for shuffle, tick_ms in ((None, 5), (1, 5), (2, 3), (3, 17)):
        timed = arrivals(events, {}, shuffle)
        runs.append(latents(converse(make(bundle), timed, 4 * SECOND, tick_ms * MS))[:70])
    assert all(np.array_equal(runs[0], run) for run in runs[1:])


def test_input_that_comes_too_late_is_counted_and_does_not_matter(bundle):
    avatar = make(bundle)
    converse(avatar, [], 2 * SECOND)
    avatar.push_user_motion(smiling(SECOND, 1.0))
    avatar.push_user_audio(microphone(0.1)[0])
    counters = avatar.counters()
    assert counters["user_motion_late"] == 1 and counters["user_audio_late"] == 1


def test_the_user_changes_the_avatar_and_a_seed_changes_it_too(bundle):
    quiet = latents(converse(make(bundle), [], 3 * SECOND))
    seen = latents(converse(make(bundle), arrivals(camera(2), {}), 3 * SECOND))
    heard = latents(converse(make(bundle), arrivals(microphone(2), {}), 3 * SECOND))
    other = latents(converse(make(bundle, seed=1), [], 3 * SECOND))
    assert all(not np.allclose(quiet, run) for run in (seen, heard, other))


def test_a_change_of_the_user_shows_after_lead_reorder_and_at_most_a_block(bundle):
    still = [smiling(SECOND + k * 40 * MS, 0.0) for k in range(75)]
    for changed_at in range(40, 48):
        changed = still[:changed_at] + [smiling(s.stamp_ns, 1.0) for s in still[changed_at:]]
        a, b = (converse(make(bundle), arrivals(x, {}), 4 * SECOND) for x in (still, changed))
        first = next(f.stamp_ns for f, g in zip(a, b, strict=True) if not np.array_equal(f.latent, g.latent))
        assert 120 * MS <= first - still[changed_at].stamp_ns <= 120 * MS + 4 * FRAME_NS


def test_speech_is_presented_sample_by_sample_with_its_events(bundle):
    avatar = make(bundle)
    sound = speech_like(0.7)
    avatar.push_speech(AudioChunk(None, sound, 16_000, "hello", 0, True), received_ns=SECOND)
    frames = converse(avatar, [], 3 * SECOND)
    said = np.concatenate([frame.speech for frame in frames])
    start = np.flatnonzero(said)[0] - np.flatnonzero(sound)[0]
    assert np.array_equal(said[start : start + len(sound)], sound)
    events = avatar.take_events(10 * SECOND)
    assert [event.kind for event in events] == [Playback.STARTED, Playback.FINISHED]
    assert events[0].stamp_ns == frames[0].stamp_ns + start * 62_500
    assert {f.utterance_id for f in frames} == {"", "hello"}


@pytest.mark.parametrize("phase_ms", range(0, 160, 20))
def test_interrupt_cuts_within_100_ms_and_the_next_utterance_is_right(bundle, phase_ms):
    avatar = make(bundle)
    avatar.push_speech(AudioChunk(None, speech_like(3), 16_000, "long", 0, True), received_ns=SECOND)
    now = 2 * SECOND + phase_ms * MS
    before = converse(avatar, [], now)
    cut = avatar.interrupt(now)
    assert now < cut + FRAME_NS <= now + 120 * MS and cut - now <= 80 * MS
    second = speech_like(0.5, seed=5)
    avatar.push_speech(AudioChunk(None, second, 16_000, "next", 0, True), received_ns=now + 200 * MS)
    after = []
    for t in range(now, now + 2 * SECOND, 5 * MS):
        after += avatar.step(t)
    presented = [f for f in before if f.stamp_ns < cut] + after
    assert np.all(np.diff([f.stamp_ns for f in presented]) == FRAME_NS)
    assert all(f.epoch == 1 and f.utterance_id != "long" for f in after)
    said = np.concatenate([f.speech for f in after])
    start = np.flatnonzero(said)[0] - np.flatnonzero(second)[0]
    assert np.array_equal(said[start : start + len(second)], second)
    events = avatar.take_events(10 * SECOND)
    ends = {e.utterance_id: (e.kind, e.position_ns) for e in events if e.kind is not Playback.STARTED}
    started = next(e.stamp_ns for e in events if e.utterance_id == "long")
    assert ends["long"] == (Playback.INTERRUPTED, cut - started)
    assert ends["next"][0] is Playback.FINISHED


@pytest.mark.parametrize("lead_ms", [80, 2000])  # the longer one takes back more frames than the network remembers
def test_an_interrupt_does_not_make_the_face_jump(lead_ms):
    avatar = make(load_bundle(), read_image(default_portrait()), lead_ms=lead_ms)
    now = 6 * SECOND + lead_ms * MS
    frames = converse(avatar, arrivals(camera(9), {}), now, tick_ns=FRAME_NS)
    steps = np.abs(np.diff(latents(frames), axis=0)).max(0)
    cut = avatar.interrupt(now)
    last = next(f for f in frames if f.stamp_ns == cut - FRAME_NS)
    first = avatar.step(now)[0]
    assert (np.abs(first.latent - last.latent) <= 1.5 * np.maximum(steps, 0.02)).all()


def test_reset_begins_anew_with_a_new_epoch_also_when_time_jumped_back(bundle):
    avatar = make(bundle)
    converse(avatar, arrivals(camera(2), {}), 3 * SECOND)
    avatar.reset(SECOND // 2)
    frames = avatar.step(SECOND)
    assert {f.epoch for f in frames} == {1}
    assert SECOND // 2 < frames[0].stamp_ns < SECOND


def test_after_a_pause_of_the_process_it_goes_on_in_the_present(bundle):
    avatar = make(bundle)
    converse(avatar, [], 2 * SECOND)
    frames = avatar.step(60 * SECOND)
    assert len(frames) == 4 and frames[0].stamp_ns >= 60 * SECOND and frames[0].epoch == 1


def test_what_it_was_saying_before_a_long_pause_ends_where_that_began(bundle):
    avatar = make(bundle)
    avatar.push_speech(AudioChunk(None, speech_like(4.0), 16_000, "a", 0, True), SECOND)
    frames = converse(avatar, [], 2 * SECOND)
    said_ns = sum(FRAME_NS for frame in frames if frame.utterance_id)
    frames = avatar.step(3 * SECOND + 200 * MS)
    assert not any(frame.utterance_id for frame in frames)
    events = avatar.take_events(10 * SECOND)
    assert [(event.kind, event.position_ns) for event in events][1:] == [(Playback.INTERRUPTED, said_ns)]


def test_what_a_conversation_remembers_does_not_grow(bundle):
    avatar = make(bundle)

    def remembered() -> int:
        movement, senses = avatar._conversation.movement, avatar._conversation.senses
        kept = (movement._made, senses._said, senses._voice._frames, senses.motion._samples, senses.audio._pending)
        return sum(map(len, kept))

    converse(avatar, arrivals(camera(12) + microphone(12), {}), 13 * SECOND)
    small = remembered()
    converse(avatar, arrivals(camera(10, 13 * SECOND) + microphone(10, 13 * SECOND), {}), 23 * SECOND)
    assert remembered() <= small + 80


def test_a_refused_portrait_leaves_the_old_one(bundle):
    avatar = make(bundle)
    frame = avatar.step(2 * SECOND)[0]
    before = avatar.render(frame)
    with pytest.raises(PortraitError, match="no face"):
        avatar.set_portrait(np.zeros((8, 8, 3), np.uint8))
    assert np.array_equal(avatar.render(frame), before)
    avatar.set_portrait(PORTRAIT + 50)
    assert not np.array_equal(avatar.render(frame), before)


def test_two_avatars_share_a_model_without_touching_each_other(bundle):
    alone = latents(converse(make(bundle), arrivals(camera(2), {}), 3 * SECOND))
    first, second = make(bundle), make(bundle, seed=7)
    together = []
    timed = arrivals(camera(2), {})
    for now in range(SECOND, 3 * SECOND + 1, 5 * MS):
        for sample in [s for t, s in timed if now - 5 * MS < t <= now]:
            first.push_user_motion(sample)
        together += first.step(now)
        second.step(now)
    assert np.array_equal(latents(together), alone)


def test_not_started_and_impossible_settings_say_so(bundle):
    with pytest.raises(RuntimeError, match="start"):
        Avatar(bundle, PORTRAIT, AvatarConfig(image_size=72)).step(0)
    with pytest.raises(ValueError, match=r"lead_ms.*got 50"):
        AvatarConfig(lead_ms=50)
    with pytest.raises(ValueError, match="18 numbers"):
        make(bundle).push_user_motion(MotionSample(SECOND, np.zeros(3, np.float32)))
