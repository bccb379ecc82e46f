# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A process that is stopped and wakes up, in virtual time: what it says of its speech is what was heard."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from numpy.typing import NDArray

from avatar_forcing_ros.avatar import Avatar
from avatar_forcing_ros.behaviour.config import AvatarConfig
from avatar_forcing_ros.session.outlet import AvatarStatus, Shown
from avatar_forcing_ros.session.quality import LEVELS, QualityConfig
from avatar_forcing_ros.session.virtual import VirtualRun
from avatar_forcing_ros.signals import NANOSECONDS, AudioChunk
from avatar_forcing_ros.testing import tiny_bundle
from avatar_forcing_ros.timeline.grid import FRAME_NS, SAMPLE_RATE
from avatar_forcing_ros.timeline.playback import Playback, PlaybackEvent

BEHIND_S = AvatarConfig().behind_ms / 1e3
LENGTHS_S = {"a": 1.23, "b": 0.31, "c": 1.5}


class Listener:
    """Keeps what is heard and told."""

    def __init__(self) -> None:
        self.sent = np.zeros(0, np.float32)
        self.pieces: list[AudioChunk] = []
        self.events: defaultdict[str, list[PlaybackEvent]] = defaultdict(list)

    def shown(self, shown: Shown) -> None: ...

    def said(self, chunk: AudioChunk) -> None:
        assert not any(event.kind in FINAL for event in self.events[chunk.utterance_id])
        self.pieces.append(chunk)

    def happened(self, event: PlaybackEvent) -> None:
        self.events[event.utterance_id].append(event)

    def changed(self, status: AvatarStatus, stamp_ns: int) -> None: ...

    @property
    def heard(self) -> NDArray[np.float32]:
        """All samples but padding, which none of our sounds has."""
        samples = np.concatenate([piece.samples for piece in self.pieces])
        return samples[samples != 0]


FINAL = (Playback.FINISHED, Playback.INTERRUPTED)


@pytest.fixture(scope="module")
def avatar() -> Avatar:
    return Avatar(tiny_bundle(), np.full((64, 64, 3), 90, np.uint8), AvatarConfig(image_size=64))


def converse(avatar: Avatar, stops_s: list[tuple[float, float]], wakes_first: str, interrupts_s: float) -> Listener:
    """Three utterances, the last one in pieces; at each moment a stop of so long, and perhaps an interrupt."""
    listener, chance = Listener(), np.random.default_rng(3)
    still = QualityConfig(fixed=len(LEVELS) - 1)  # what is seen does not matter here
    report = lambda _what, error: pytest.fail(str(error))  # noqa: E731
    run = VirtualRun(avatar, 1_000 * NANOSECONDS, listener, report, quality=still)
    session, begun_ns, sounds = run.session, run.now_ns, []
    for who, seconds in LENGTHS_S.items():
        sound = chance.uniform(0.1, 0.5, round(seconds * SAMPLE_RATE)).astype(np.float32)
        sounds.append(sound)
        parts = np.array_split(sound, 5 if who == "c" else 1)
        for seq, part in enumerate(parts):
            piece = AudioChunk(None, part, SAMPLE_RATE, who, seq, seq == len(parts) - 1)
            run.at(begun_ns + round(0.3 * seq * NANOSECONDS), lambda piece=piece: session.say(piece))
    if interrupts_s:
        run.at(begun_ns + round(interrupts_s * NANOSECONDS), session.interrupt)
    for at_s, stop_s in stops_s:
        run.run_until(max(run.now_ns, begun_ns + round(at_s * NANOSECONDS)))
        run.now_ns += round(stop_s * NANOSECONDS)
        if wakes_first == "deciding":
            session.turn()
    run.run_until(run.now_ns + 5 * NANOSECONDS)
    listener.sent = np.concatenate(sounds)
    return listener


@pytest.mark.parametrize("wakes_first", ["presenting", "deciding"])
@pytest.mark.parametrize(
    ("stop_s", "interrupts_s"), [(0.3, 0.9), (0.5, 0.0), (BEHIND_S - 0.1, 0.0), (BEHIND_S + 0.3, 0.9), (3.0, 0.0)]
)
def test_each_ending_gives_what_was_heard(avatar: Avatar, stop_s: float, interrupts_s: float, wakes_first: str) -> None:
    for at_s in np.arange(0.21, 2.2, 0.53):
        listener = converse(avatar, [(at_s, stop_s), (at_s + stop_s + 0.05, 0.4)], wakes_first, interrupts_s)
        heard = listener.heard
        assert np.array_equal(heard, listener.sent[: len(heard)])  # in order, nothing twice, no hole
        told_ns = 0
        for who, length_s in LENGTHS_S.items():
            kinds = [event.kind for event in listener.events[who] if event.kind is not Playback.STALLED]
            assert kinds in ([Playback.STARTED, Playback.FINISHED], [Playback.STARTED, Playback.INTERRUPTED]) or (
                kinds == [Playback.INTERRUPTED]
            ), (at_s, who, kinds)
            ending = listener.events[who][-1]
            whole = abs(ending.position_ns / NANOSECONDS - length_s) < 1e-3
            assert whole or ending.kind is Playback.INTERRUPTED
            told_ns += ending.position_ns
        assert abs(told_ns - len(heard) * NANOSECONDS / SAMPLE_RATE) < FRAME_NS / 100
        if stop_s + 0.45 < BEHIND_S and not interrupts_s:  # both stops together, when nothing is heard between
            assert len(heard) == len(listener.sent)
