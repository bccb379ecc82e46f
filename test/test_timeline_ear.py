# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The ear gives the echo gate what the avatar presented, for every moment once and in order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.audio.echo_gate import EchoGate, EchoGateConfig
from avatar_forcing_ros.audio.echo_path import EchoPathConfig
from avatar_forcing_ros.timeline.ear import Ear
from avatar_forcing_ros.timeline.grid import FRAME_SAMPLES

EARLY, REACH = 2, 3
CONFIG = EchoGateConfig(early_frames=EARLY, path=EchoPathConfig(reach_ms=REACH * 40))


class NotingGate(EchoGate):
    """An echo gate that notes which frames it was told of; each frame's sound is its number."""

    def __init__(self) -> None:
        super().__init__(CONFIG)
        self.skipped: list[list[int]] = []
        self.pushed: list[list[int]] = []

    def skip(self, presented: NDArray[np.float32]) -> None:
        self.skipped.append(_frames(presented))
        super().skip(presented)

    def push(self, heard: NDArray[np.float32], presented: NDArray[np.float32]) -> NDArray[np.float32]:
        self.pushed.append(_frames(presented))
        return super().push(heard, presented)


def _frames(presented: NDArray[np.float32]) -> list[int]:
    return presented[::FRAME_SAMPLES].astype(int).tolist()


def test_sound_meets_what_was_presented_with_it_and_only_a_gap_is_bridged_by_what_was_presented_before_it() -> None:
    gate = NotingGate()
    ear = Ear(lambda n: np.full(FRAME_SAMPLES, n, np.float32), gate)
    for first, frames in ((100, 2), (102, 1), (110, 1)):
        ear.hear(first, np.zeros(frames * FRAME_SAMPLES, np.float32))
    assert gate.pushed == [[100 + EARLY, 101 + EARLY], [102 + EARLY], [110 + EARLY]]
    before = [list(range(first - REACH + EARLY, first + EARLY)) for first in (100, 110)]
    assert gate.skipped == before


def test_without_a_gate_the_microphone_is_heard_as_it_is() -> None:
    sound = np.arange(FRAME_SAMPLES, dtype=np.float32)
    assert Ear(lambda _n: np.zeros(FRAME_SAMPLES, np.float32)).hear(0, sound) is sound
