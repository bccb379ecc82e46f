# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The user's voice as barge-in, in the core: decided on stamps, ended in time, and only while the avatar speaks."""

from __future__ import annotations

import random

import numpy as np
import pytest

from avatar_forcing_ros.audio.barge_in import BargeInConfig
from avatar_forcing_ros.audio.echo_gate import EchoGateConfig
from avatar_forcing_ros.avatar import Avatar, AvatarConfig
from avatar_forcing_ros.bundle import ModelBundle
from avatar_forcing_ros.signals import AudioChunk, AvatarFrame
from avatar_forcing_ros.testing import tiny_bundle
from avatar_forcing_ros.timeline.grid import FRAME_NS
from avatar_forcing_ros.timeline.playback import Playback, PlaybackEvent

MS = 1_000_000
START_NS = 1_000 * MS
PORTRAIT = np.full((64, 64, 3), 90, np.uint8)
USER_BEGINS_NS = START_NS + 2_000 * MS


@pytest.fixture(scope="module")
def bundle() -> ModelBundle:
    return tiny_bundle()


class Conversation:
    """An avatar that says one thing while a user speaks from `USER_BEGINS_NS` on; frames as they would be presented."""

    def __init__(self, bundle: ModelBundle, speech: np.ndarray, user: np.ndarray, **config: bool) -> None:
        settings = BargeInConfig(enabled=config.get("enabled", True))
        gate = EchoGateConfig(enabled=config.get("gate", True))
        self.avatar = Avatar(bundle, PORTRAIT, AvatarConfig(image_size=64, barge_in=settings, echo_gate=gate))
        self.avatar.start(START_NS)
        if len(speech):
            self.avatar.push_speech(AudioChunk(None, speech, 16_000, "answer", 0, True), START_NS)
        microphone = np.concatenate([np.zeros(2 * 16_000, np.float32), user])[: 16_000 * 4]
        pieces = np.split(microphone, len(microphone) // 320)
        self.chunks = [AudioChunk(START_NS + k * 20 * MS, p, 16_000, seq=k) for k, p in enumerate(pieces)]
        self.frames: list[AvatarFrame] = []

    def run(self, tick_ms: int = 5, shuffle: int | None = None) -> list[PlaybackEvent]:
        rng = random.Random(shuffle)
        late = [rng.randrange(30 * MS) if shuffle is not None else 0 for _ in self.chunks]
        waiting = sorted(
            zip((c.stamp_ns + c.duration_ns for c in self.chunks), late, self.chunks, strict=True), key=sum_two
        )
        for now_ns in range(START_NS, START_NS + 4_000 * MS, tick_ms * MS):
            while waiting and waiting[0][0] + waiting[0][1] <= now_ns:
                self.avatar.push_user_audio(waiting.pop(0)[2])
            for frame in self.avatar.step(now_ns):
                self.frames = [f for f in self.frames if f.stamp_ns < frame.stamp_ns or f.epoch == frame.epoch]
                self.frames.append(frame)
        return self.avatar.take_events(1 << 62)


def sum_two(item: tuple[int, int, AudioChunk]) -> int:
    return item[0] + item[1]


def test_the_same_stamps_interrupt_at_the_same_point(bundle: ModelBundle, voices: dict[str, np.ndarray]) -> None:
    runs = []
    for tick_ms, shuffle in ((5, None), (3, 1), (17, 2)):
        conversation = Conversation(bundle, voices["avatar"][: 16_000 * 6], 0.6 * voices["user"])
        events = conversation.run(tick_ms, shuffle)
        runs.append((events, [(f.stamp_ns, f.epoch, f.latent.tobytes()) for f in conversation.frames][:85]))
    assert [event.kind for event in runs[0][0]] == [Playback.STARTED, Playback.INTERRUPTED]
    assert runs[0] == runs[1] == runs[2]


def test_speech_ends_and_frames_go_on(bundle: ModelBundle, voices: dict[str, np.ndarray]) -> None:
    conversation = Conversation(bundle, voices["avatar"][: 16_000 * 6], 0.6 * voices["user"])
    events = conversation.run()
    cut_ns = events[-1].stamp_ns
    assert USER_BEGINS_NS + 160 * MS <= cut_ns <= USER_BEGINS_NS + 800 * MS
    assert set(np.diff([f.stamp_ns for f in conversation.frames])) == {FRAME_NS}
    assert all(f.epoch == (f.stamp_ns >= cut_ns) for f in conversation.frames)
    assert not any(f.speech.any() or f.utterance_id for f in conversation.frames if f.stamp_ns >= cut_ns)
    assert events[-1].position_ns == cut_ns - events[0].stamp_ns


@pytest.mark.parametrize("what", ["nobody speaks", "the avatar is silent", "it is not enabled"])
def test_otherwise_nothing_is_interrupted(bundle: ModelBundle, voices: dict[str, np.ndarray], what: str) -> None:
    speech = voices["avatar"][: 0 if what == "the avatar is silent" else 16_000 * 6]
    user = voices["user"] * (0 if what == "nobody speaks" else 0.6)
    conversation = Conversation(bundle, speech, user, enabled=what != "it is not enabled")
    events = conversation.run()
    assert Playback.INTERRUPTED not in [event.kind for event in events]
    assert {frame.epoch for frame in conversation.frames} == {0}


def test_a_user_whom_nobody_echoes_moves_the_avatar_the_same_with_and_without_the_gate(
    bundle: ModelBundle, voices: dict[str, np.ndarray]
) -> None:
    """While the avatar is silent the gate changes no bit of what it hears."""
    runs = []
    for gate in (True, False):
        conversation = Conversation(bundle, voices["avatar"][:0], voices["user"], gate=gate, enabled=False)
        conversation.run()
        runs.append(np.stack([frame.latent for frame in conversation.frames]))
    np.testing.assert_array_equal(runs[0], runs[1])
