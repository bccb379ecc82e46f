# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The quality ladder: a machine that cannot keep up shows less instead of nothing, says so, and comes back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from avatar_forcing_ros.avatar import AvatarConfig
from avatar_forcing_ros.messages.making import stamp_ns
from avatar_forcing_ros.session.outlet import DEGRADED, IDLE
from avatar_forcing_ros.session.quality import LEVELS, QualityConfig, QualityLadder
from avatar_forcing_ros.testing import tiny_bundle
from avatar_forcing_ros.testing.sessions import Speed, VirtualMachine
from avatar_forcing_ros.timeline.grid import FRAME_NS

BLOCK_S = 0.16
PORTRAIT = np.full((64, 64, 3), 90, np.uint8)
STILL = len(LEVELS) - 1


def ladder(**config: float) -> QualityLadder:
    return QualityLadder(QualityConfig(**config), BLOCK_S)


def note(quality: QualityLadder, lateness_ms: float, blocks: int) -> list[int]:
    """The level after each of some blocks."""
    levels = []
    for _ in range(blocks):
        quality.note(lateness_ms)
        levels.append(quality.level)
    return levels


# --- the policy, by itself --------------------------------------------------------------------------------------------


def test_every_level_is_cheaper_than_the_one_before() -> None:
    work = [(effort.steps(4), sum(map(effort.draws, range(4)))) for effort in LEVELS]

    assert work == sorted(work, reverse=True)
    assert len(set(work)) == len(LEVELS)
    assert (work[0], work[-1]) == ((4, 4), (0, 0))


@pytest.mark.parametrize("full", [1, 2, 3, 8])
def test_a_level_that_moves_takes_at_least_one_step(full: int) -> None:
    assert all(effort.steps(full) >= 1 for effort in LEVELS[:-1])
    assert LEVELS[0].steps(full) == full


def test_one_late_block_changes_nothing_and_three_lead_down_within_a_second() -> None:
    quality = ladder()
    note(quality, -30, 20)
    assert note(quality, 50, 1) == [0]
    note(quality, -30, 5)

    levels = note(quality, 50, 3)

    assert levels == [0, 0, 1]
    assert 3 * BLOCK_S < 1
    assert quality.late == 4


def test_a_machine_that_stays_late_ends_on_the_last_level_and_stays_there() -> None:
    levels = note(ladder(), 500, 100)

    assert levels == sorted(levels)
    assert levels[-1] == STILL


def test_one_block_that_is_hopelessly_late_leads_down_at_once() -> None:
    assert note(ladder(), 400, 3) == [1, 2, 3]


def test_blocks_that_catch_up_are_not_held_against_the_new_level() -> None:
    quality = ladder()
    note(quality, 310, 3)

    for lateness_ms in (250, 200, 150, 100, 50, 0, -30):
        quality.note(lateness_ms)

    assert quality.level == 1


def test_after_a_calm_while_it_comes_back_one_level_at_a_time() -> None:
    quality = ladder(calm_s=5.0)
    note(quality, 300, 6)
    assert quality.level == 2

    levels = note(quality, -30, 100)

    changes = [n for n in range(1, 100) if levels[n] != levels[n - 1]]
    assert levels[-1] == 0
    assert len(changes) == 2
    assert changes[0] * BLOCK_S == pytest.approx(5.0, abs=2 * BLOCK_S)
    assert (changes[1] - changes[0]) * BLOCK_S >= 5.0


def test_a_level_that_does_not_hold_is_tried_less_and_less_often() -> None:
    quality, tries, before = ladder(calm_s=5.0, longest_calm_s=40.0), [], 0
    for n in range(1500):
        quality.note(-30 if quality.level else 50)  # the machine holds level 1, and only that
        if before == 1 and quality.level == 0:
            tries.append(n * BLOCK_S)
        before = quality.level

    waits = np.diff(tries)
    assert waits[:5] == pytest.approx([10.5, 20.5, 40.5, 40.5, 40.5], abs=0.4)


class Slow:
    """Blocks of two steps and four pictures, 5 ms each at `slowness` 1, begun 120 ms before they are due."""

    def __init__(self) -> None:
        self.quality, self._due_s, self._free_s = ladder(), 0.0, 0.0

    def live(self, seconds: float, slowness: float) -> np.ndarray:
        """The level after each block."""
        levels = []
        for _ in range(round(seconds / BLOCK_S)):
            effort = self.quality.effort
            steps, pictures = effort.steps(2), 4 // effort.picture_every if effort.picture_every else 0
            began_s = max(self._free_s, self._due_s - 0.12)
            self._free_s = began_s + 5e-3 * slowness * (steps + pictures)
            ready_s = began_s + 5e-3 * slowness * (steps + np.arange(1, max(pictures, 1) + 1) * bool(pictures))
            late_s = (ready_s - self._due_s - 0.16 * np.arange(len(ready_s)) / len(ready_s)).max()
            self.quality.note(1e3 * late_s, 1e3 * (self._free_s - began_s))
            levels.append(self.quality.level)
            self._due_s = max(self._due_s + BLOCK_S, self._free_s - 1.0)  # further behind it leaps
        return np.array(levels)


@pytest.mark.parametrize("slowness", [6.0, 10.0])
def test_after_a_slow_minute_full_quality_is_back_within_ten_seconds(slowness: float) -> None:
    backs = []
    for moment in range(20):
        machine = Slow()
        machine.live(5, 1.0)
        assert machine.live(60 + 0.37 * moment, slowness)[-1] > 0
        backs.append(BLOCK_S * (1 + np.flatnonzero(machine.live(40, 1.0)).max(initial=-1)))
    assert max(backs) < 10


@pytest.mark.parametrize("slowness", [5.4, 6.0, 10.0])
def test_a_machine_that_stays_slow_does_not_flutter(slowness: float) -> None:
    machine = Slow()
    machine.live(5, 1.0)
    assert np.count_nonzero(np.diff(machine.live(600, slowness))) / 10 < 6  # a minute


def test_a_fixed_level_never_moves() -> None:
    quality = ladder(fixed=1)

    assert set(note(quality, 500, 50)) == {1}
    assert quality.late == 50


@pytest.mark.parametrize(
    ("config", "message"),
    [({"late_blocks": 6}, "at most watched_blocks, got 6 of 5"), ({"calm_s": 0.0}, "calm_s must be .* got 0")],
)
def test_settings_that_contradict_each_other_are_refused(config: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        QualityConfig(**config)


# --- a whole session in virtual time ----------------------------------------------------------------------------


def machine(slowness: float = 1.0, **quality: float) -> VirtualMachine:
    # two solver steps: 10 ms for a block and 20 ms for its pictures, on a machine of usual speed
    return VirtualMachine(
        tiny_bundle(), PORTRAIT, Speed(slowness=slowness), AvatarConfig(image_size=32), QualityConfig(**quality)
    )


def infos_since(stage: VirtualMachine, time_ns: int) -> list[Any]:
    return [info for info in stage.published["avatar/frame_info"] if stamp_ns(info.header.stamp) >= time_ns]


def gaps_ms(infos: list[Any]) -> np.ndarray:
    return np.diff([stamp_ns(info.published) for info in infos]) / 1e6


def test_a_machine_that_keeps_up_stays_at_full_quality() -> None:
    stage = machine()
    stage.run(10)

    infos = infos_since(stage, 0)
    assert {info.quality_level for info in infos} == {0}
    assert set(np.diff([stamp_ns(info.header.stamp) for info in infos])) == {FRAME_NS}
    assert max(info.lateness_ms for info in infos) <= 1
    assert stage.faults.count == 0


@pytest.mark.parametrize("slowness", [1.5, 3.0, 6.0, 10.0, 40.0])
def test_a_slow_machine_keeps_the_rate_and_says_what_it_leaves_out(slowness: float) -> None:
    stage = machine()
    stage.run(2)
    stage.speed.slowness = slowness
    slow_since_ns = stage.now_ns
    stage.run(14)

    settled = infos_since(stage, slow_since_ns + 4_000_000_000)
    rate = (len(settled) - 1) / (stamp_ns(settled[-1].header.stamp) - stamp_ns(settled[0].header.stamp)) * 1e9
    assert rate == pytest.approx(25, abs=1)
    assert np.percentile([info.lateness_ms for info in settled], 95) < 60
    levels = [info.quality_level for info in settled]
    if slowness >= 6:  # 180 ms of work for a block of 160 ms
        assert min(levels[:50]) >= 1
        state = stage.published["avatar/state"][-1]
        assert (state.state, state.quality_level) == (DEGRADED, levels[-1])
        assert state.detail == f"quality level {levels[-1]}: {LEVELS[levels[-1]].words}"
        assert f"quality level {levels[-1]}" in stage.session.complaint()
        assert stage.session.figures()["quality_level"] == levels[-1]


def test_it_comes_back_to_full_quality_when_the_machine_is_free_again() -> None:
    stage = machine(slowness=6.0)
    stage.run(4)
    assert max(info.quality_level for info in infos_since(stage, 0)) > 0
    stage.speed.slowness = 1.0
    stage.run(10)

    infos = infos_since(stage, 0)
    assert infos[-1].quality_level == 0
    assert stage.published["avatar/state"][-1].state == IDLE
    back = [info.quality_level for info in infos_since(stage, stage.now_ns - 9 * 10**9)]
    assert np.count_nonzero(np.diff(back)) <= 2 * STILL


def test_a_kept_picture_is_shown_again_with_its_own_stamp() -> None:
    stage = machine(fixed=3)
    stage.run(4)

    images = stage.published["avatar/image_raw"]
    assert set(np.diff([stamp_ns(image.header.stamp) for image in images])) == {FRAME_NS}
    drawn = [n for n in range(1, len(images)) if images[n].data.tobytes() != images[n - 1].data.tobytes()]
    assert drawn and all(n % 4 == 0 for n in drawn)
    assert {info.quality_level for info in infos_since(stage, 0)} == {3}


def test_a_card_that_vanishes_in_mid_sentence_costs_one_block_and_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """The state of the conversation was on it: the block is held, and the next one begins from what was shown."""
    stage = machine()
    stage.run(2)
    left = [2]

    def vanish(*_: object) -> None:
        left[0] -= 1
        if left[0] >= 0:
            raise RuntimeError("CUDA error: unspecified launch failure")

    stage.avatar.bundle.network.transformer.register_forward_pre_hook(vanish)
    stage.run(4)
    assert gaps_ms(infos_since(stage, 0)).max() <= 80
    assert stage.session.failed_blocks == 1
    assert stage.published["avatar/state"][-1].state == IDLE
    assert "the GPU is lost (CUDA error: unspecified launch failure)" in caplog.text


def test_a_network_that_fails_leaves_the_face_standing() -> None:
    stage = machine()
    stage.run(4)
    hook = stage.avatar.bundle.network.transformer.register_forward_pre_hook(fail)
    broken_since_ns = stage.now_ns
    stage.run(4)
    broken = infos_since(stage, broken_since_ns)
    state = stage.published["avatar/state"][-1]
    hook.remove()
    stage.run(4)

    assert gaps_ms(infos_since(stage, 0)).max() <= 80
    assert len(broken) >= 98
    assert state.state == DEGRADED
    assert "generation failed" in state.detail and "out of memory" in state.detail
    assert stage.faults.count >= 20
    assert len(stage.errors) <= 3
    assert stage.published["avatar/state"][-1].state == IDLE


def test_a_renderer_that_fails_leaves_the_last_picture_standing(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = machine()
    stage.run(4)
    portrait = stage.avatar._portrait
    monkeypatch.setattr(portrait, "render", fail)
    stage.run(4)
    held, state = stage.published["avatar/image_raw"][-50:], stage.published["avatar/state"][-1]
    monkeypatch.undo()
    stage.run(4)

    images = stage.published["avatar/image_raw"]
    assert set(np.diff([stamp_ns(image.header.stamp) for image in images])) == {FRAME_NS}
    assert all(image.data.tobytes() == held[0].data.tobytes() for image in held) and any(held[0].data)
    assert (state.state, state.detail) == (DEGRADED, "rendering failed: out of memory")
    assert stage.published["avatar/state"][-1].state == IDLE


def fail(*_: object) -> None:
    raise MemoryError("out of memory")
