# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""FrameInfo tells the truth: its parts are all of the time that a frame took, and what it says was used was used."""

from __future__ import annotations

from dataclasses import astuple, replace

import numpy as np
import pytest

pytest.importorskip("rclpy")
from avatar_forcing_ros.msg import FrameInfo

from avatar_forcing_ros.avatar import Avatar, AvatarConfig
from avatar_forcing_ros.messages.making import stamp_ns
from avatar_forcing_ros.metrics.latency import Ledger, ledger, report
from avatar_forcing_ros.nodes.demo import frame_times
from avatar_forcing_ros.signals import NANOSECONDS, AudioChunk, AvatarFrame
from avatar_forcing_ros.testing import smiling, speech_like, tiny_bundle
from avatar_forcing_ros.testing.sessions import Speed, VirtualMachine
from avatar_forcing_ros.timeline.grid import FRAME_NS

MS = 1_000_000
START_NS = 1_000 * NANOSECONDS
PORTRAIT = np.full((64, 64, 3), 90, np.uint8)


def perform(seconds: float, camera_delay_ms: float = 0.0) -> VirtualMachine:
    """A conversation on a machine that takes 10 ms for a block and 5 ms for a picture; a camera at 30 Hz."""
    stage = VirtualMachine(tiny_bundle(), PORTRAIT, Speed(), AvatarConfig(image_size=32), start_ns=START_NS)
    random = np.random.default_rng(0)
    sound = speech_like(seconds)
    for n in range(int(seconds * 30)):
        exposed_ns = START_NS + n * 33_333_333
        arrived_ns = exposed_ns + round((random.uniform(20, 35) + camera_delay_ms) * MS)
        sample = smiling(exposed_ns, 0.5)
        stage.at(arrived_ns, lambda sample=sample: stage.session.see(sample))
    for n in range(int(seconds * 25) - 1):
        chunk = AudioChunk(START_NS + n * FRAME_NS, sound[n * 640 : (n + 1) * 640], 16_000, seq=n)
        stage.at(START_NS + (n + 1) * FRAME_NS + 10 * MS, lambda chunk=chunk: stage.session.hear(chunk))
    answer = AudioChunk(None, speech_like(1.0), 16_000, "answer", end_of_utterance=True)
    stage.at(START_NS + NANOSECONDS, lambda: stage.session.say(answer))
    stage.run(seconds)
    return stage


@pytest.fixture(scope="module")
def usual() -> VirtualMachine:
    return perform(41.0)


@pytest.fixture(scope="module")
def delayed() -> VirtualMachine:
    return perform(8.0, camera_delay_ms=120)


def infos(stage: VirtualMachine) -> list[FrameInfo]:
    """Of the frames that were made from a camera picture."""
    return [info for info in stage.published["avatar/frame_info"] if stamp_ns(info.user_motion_until)]


def ledgers(stage: VirtualMachine) -> np.ndarray:
    """(frames, 4) parts in milliseconds."""
    return np.array([astuple(ledger(frame_times(info))) for info in infos(stage)]) / MS


def test_the_parts_sum_to_what_a_stopwatch_measures_over_a_thousand_frames(usual: VirtualMachine) -> None:
    shown_ns = {
        stamp_ns(image.header.stamp): at_ns
        for image, at_ns in zip(
            usual.published["avatar/image_raw"], usual.published_ns["avatar/image_raw"], strict=True
        )
    }
    measured_ms = [
        (shown_ns[stamp_ns(info.header.stamp)] - stamp_ns(info.user_motion_until)) / MS for info in infos(usual)
    ]

    assert len(measured_ms) >= 1000
    np.testing.assert_allclose(ledgers(usual).sum(axis=1), measured_ms, atol=1)
    assert (ledgers(usual) >= 0).all()


def test_each_part_is_what_it_is_called(usual: VirtualMachine) -> None:
    camera, waiting, computing, _ = ledgers(usual).T

    assert camera.min() >= 20 and camera.max() <= 35
    assert waiting.min() >= 0 and waiting.max() <= 160
    # two evaluations of the network, then up to four pictures
    assert set(np.unique(computing.round(6))) == {15, 20, 25, 30}


def test_a_camera_that_is_120_ms_late_shows_as_120_ms_in_its_own_part(
    usual: VirtualMachine, delayed: VirtualMachine
) -> None:
    more = np.median(ledgers(delayed), axis=0) - np.median(ledgers(usual), axis=0)

    assert more[0] == pytest.approx(120, abs=5)
    assert np.abs(more[2:]).max() <= 5
    assert abs(more[1]) <= 40  # a picture waits for the next block, wherever in it it falls


def test_the_table_of_the_demo_is_made_of_the_same_parts(usual: VirtualMachine, delayed: VirtualMachine) -> None:
    for stage in (usual, delayed):
        frames = [frame_times(info) for info in infos(stage)]
        table = report(frames, FRAME_NS)
        assert table.motion_on_its_way.p50 == pytest.approx(np.median(ledgers(stage)[:, 0]), abs=0.01)
        assert table.motion_waiting.p50 == pytest.approx(np.median(ledgers(stage)[:, 1]), abs=0.01)
        age = np.array([frame.stamp_ns - frame.motion_ns for frame in frames]) / MS
        late = np.array([frame.published_ns - frame.stamp_ns for frame in frames]) / MS
        np.testing.assert_allclose(ledgers(stage).sum(axis=1), age + late, atol=0.001)
        assert table.motion_age.p50 == pytest.approx(np.median(age), abs=0.01)
        assert (table.fps, table.missing) == (25.0, 0)
        assert table.block.p50 == 30
        assert table.spare_ms == 80 - 15  # the lead, less the block and its first picture


def test_every_field_of_frame_info_is_there_and_in_order(usual: VirtualMachine) -> None:
    for info in infos(usual)[5:]:
        stamp = stamp_ns(info.header.stamp)
        heard, seen = stamp_ns(info.user_audio_until), stamp_ns(info.user_motion_until)
        start, end = stamp_ns(info.compute_start), stamp_ns(info.compute_end)
        assert seen <= stamp_ns(info.camera_received) <= start < end <= stamp <= stamp_ns(info.published)
        assert 0 < heard <= start and heard % FRAME_NS == 0
        assert stamp_ns(info.deadline) == stamp
        assert info.lateness_ms == pytest.approx((stamp_ns(info.published) - stamp) / MS)
        assert info.block_index == info.frame_index // 4
        assert (info.epoch, info.quality_level, info.ai_generated) == (0, 0, True)


def test_speech_is_where_frame_info_says(usual: VirtualMachine) -> None:
    spoken = [info for info in infos(usual) if info.utterance_id]
    chunks = usual.published["avatar/speech"]

    assert {info.utterance_id for info in spoken} == {"answer"}
    assert [stamp_ns(info.avatar_audio_from) for info in spoken] == [stamp_ns(c.header.stamp) for c in chunks]
    lengths = [stamp_ns(info.avatar_audio_until) - stamp_ns(info.avatar_audio_from) for info in spoken]
    assert set(lengths) == {FRAME_NS} and len(spoken) == 25
    silent = [info for info in infos(usual) if not info.utterance_id]
    assert {stamp_ns(info.avatar_audio_from) for info in silent} == {0}


def test_without_a_camera_there_is_no_ledger() -> None:
    stage = VirtualMachine(tiny_bundle(), PORTRAIT, Speed(), AvatarConfig(image_size=32))
    stage.run(1)
    info = stage.published["avatar/frame_info"][-1]

    assert ledger(frame_times(info)) is None
    assert stamp_ns(info.user_motion_until) == stamp_ns(info.camera_received) == stamp_ns(info.user_audio_until) == 0


def test_the_parts_of_a_known_frame() -> None:
    frame = replace(frame_times(FrameInfo()), motion_ns=100, motion_received_ns=130, compute_start_ns=150)
    parts = ledger(replace(frame, compute_end_ns=155, published_ns=200))

    assert parts == Ledger(30, 20, 5, 45)


# --- what is said to be the newest input used is the newest that matters ----------------------------------------------


def talk(
    change_sound_from_ns: int | None = None, until_ns: int | None = None, smile_at_ns: int = 0
) -> list[AvatarFrame]:
    """A core's frames on fixed input, but for sound that is changed in a stretch, or a smile from a moment on."""
    avatar = Avatar(tiny_bundle(), PORTRAIT, AvatarConfig(image_size=32))
    avatar.start(START_NS)
    sound = speech_like(3.0)
    times_ns = START_NS + np.arange(len(sound)) * NANOSECONDS // 16_000
    if change_sound_from_ns is not None:
        changed = (times_ns >= change_sound_from_ns) & (times_ns < (until_ns or np.inf))
        sound = np.where(changed, 0.3 * np.sin(np.arange(len(sound)) * 0.3), sound).astype(np.float32)
    for n in range(100):
        avatar.push_user_motion(
            smiling(START_NS + n * 30 * MS, 0.9 if smile_at_ns and n * 30 * MS + START_NS >= smile_at_ns else 0.1)
        )
    avatar.push_user_audio(AudioChunk(START_NS, sound[:16_000], 16_000))
    for n in range(50):
        piece = sound[16_000 + n * 640 : 16_000 + (n + 1) * 640]
        avatar.push_user_audio(AudioChunk(START_NS + NANOSECONDS + n * FRAME_NS, piece, 16_000, seq=n + 1))
    frames: list[AvatarFrame] = []
    while avatar.next_decision_ns < START_NS + 2_900 * MS:
        frames += avatar.step(avatar.next_decision_ns)
    return frames


def test_the_newest_user_audio_said_to_be_used_is_the_newest_that_matters() -> None:
    frames = talk()
    last = frames[-1]
    before = talk(last.user_audio_until_ns - 40 * MS, last.user_audio_until_ns)[-1]
    after = talk(last.user_audio_until_ns)[-1]

    assert not np.array_equal(before.latent, last.latent)
    assert np.array_equal(after.latent, last.latent)


def test_the_newest_user_motion_said_to_be_used_is_the_newest_that_matters() -> None:
    frames = talk()
    last = frames[-1]
    same = talk(smile_at_ns=last.user_motion_until_ns)[-1]
    later = talk(smile_at_ns=last.user_motion_until_ns + 1)[-1]

    assert not np.array_equal(same.latent, last.latent)
    assert np.array_equal(later.latent, last.latent)
