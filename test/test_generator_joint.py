# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Conversations whose blocks are drawn together get what they would get alone, and do not disturb each other."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor

from avatar_forcing_ros.compute.joining import Joined
from avatar_forcing_ros.generator import joint_generator
from avatar_forcing_ros.generator.block_generator import BlockGenerator
from avatar_forcing_ros.generator.joint_generator import JointGenerator, join, part_of
from avatar_forcing_ros.generator.sampler import AnchorConfig, SamplerConfig
from avatar_forcing_ros.generator.state import GeneratorState
from avatar_forcing_ros.network.conditions import Conditions
from avatar_forcing_ros.network.config import NetworkConfig
from avatar_forcing_ros.network.model import AvatarForcingNetwork
from avatar_forcing_ros.network.published import load_published, published_shapes
from avatar_forcing_ros.published.parity import relative_error, weight_by_name

TINY = NetworkConfig(
    motion_size=6, audio_feature_size=4, condition_size=8, condition_heads=2, hidden_size=16, heads=2, depth=2,
    clip_frames=24, block_frames=4,
)  # fmt: skip
BLOCKS = 4
SAMPLER = SamplerConfig(
    steps=2, smoothing=(1.0,) * 6, settling_s=(5.0,) * 6, easing_frames=(1.0,) * 6, at_rest_in_silence=(1.0,) * 6,
    anchor=AnchorConfig(gain=0.1),
)  # fmt: skip


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def conditions(frames: int, who: int) -> Conditions:
    return Conditions(*(random(1, frames, size, seed=100 * who + i) for i, size in enumerate((8, 8, 6))))


def plain(dtype: torch.dtype = torch.float32) -> BlockGenerator:
    network = AvatarForcingNetwork(TINY).eval()
    shapes = published_shapes(network)
    load_published(network, {key: torch.from_numpy(weight_by_name(key, shape, 1)) for key, shape in shapes.items()})
    return BlockGenerator(network.to(dtype), SAMPLER)


def begun(made: BlockGenerator | JointGenerator, who: int) -> GeneratorState:
    return made.prime(random(1, 20, 6, seed=who), conditions(20, who), random(1, 6, seed=who + 50))


def converse(made: BlockGenerator | JointGenerator, who: int, interrupted: bool = False) -> Tensor:
    """All blocks of one conversation, who is silent in some; it may begin anew in the middle."""
    state, drawn = begun(made, who), []
    for block in range(BLOCKS):
        if interrupted and block == 2:
            state = begun(made, who + 1000)
        silent = torch.tensor([[(who + block) % 2 == 0] * 4])
        drawn.append(made.generate(state, conditions(6, who + block), random(1, 4, 6, seed=10 * who + block), silent))
    return torch.cat(drawn, 1)


def together(made: JointGenerator, count: int, **interrupted: bool) -> list[Tensor]:
    """As many conversations, each in a thread of its own."""
    made.users = count
    with ThreadPoolExecutor(count) as threads:
        done = [threads.submit(converse, made, who, interrupted.get(f"of_{who}", False)) for who in range(count)]
        return [one.result() for one in done]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that others use, too, blocks that are due together must come together."""
    monkeypatch.setattr(joint_generator, "PATIENCE_S", 0.5)


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of conversations in every batch that is drawn."""
    found: list[int] = []
    generate = BlockGenerator.generate

    def counted(self: BlockGenerator, state: GeneratorState, *rest: Tensor) -> Tensor:
        found.append(len(state.tail))
        return generate(self, state, *rest)

    monkeypatch.setattr(BlockGenerator, "generate", counted)
    return found


@pytest.mark.parametrize("pads", [False, True])
def test_batched_equals_alone(batches: list[int], pads: bool) -> None:
    alone = [converse(plain(), who) for who in range(3)]
    assert set(batches) == {1}
    batches.clear()
    found = together(JointGenerator(plain(), pads), 3)
    assert max(batches) == (4 if pads else 3)
    for one, other in zip(found, alone, strict=True):
        assert relative_error(one, other) < 1e-6
    assert relative_error(alone[0], alone[1]) > 0.1


def test_batched_equals_alone_in_bfloat16_within_a_percent() -> None:
    alone = [converse(plain(torch.bfloat16), who) for who in range(3)]
    for one, other in zip(together(JointGenerator(plain(torch.bfloat16)), 3), alone, strict=True):
        assert relative_error(one, other) < 1e-2


def test_an_interrupt_of_one_changes_nobody_elses_motion() -> None:
    undisturbed = [converse(plain(), who) for who in range(3)]
    found = together(JointGenerator(plain()), 3, of_1=True)
    assert relative_error(found[0], undisturbed[0]) < 1e-6
    assert relative_error(found[2], undisturbed[2]) < 1e-6
    assert relative_error(found[1], converse(plain(), 1, interrupted=True)) < 1e-6


def test_one_whose_inputs_do_not_fit_fails_alone_and_keeps_its_state() -> None:
    made = JointGenerator(plain())
    made.users = 3
    states = [begun(made, who) for who in range(3)]
    before = states[1].tail.clone()

    def draw(who: int) -> Tensor:
        window = conditions(5 if who == 1 else 6, who)
        return made.generate(states[who], window, random(1, 4, 6, seed=who))

    with ThreadPoolExecutor(3) as threads:
        done = [threads.submit(draw, who) for who in range(3)]
        with pytest.raises(ValueError, match="conditions must be of"):
            done[1].result()
        assert torch.equal(states[1].tail, before)
        for who in (0, 2):
            alone = plain()
            wanted = alone.generate(begun(alone, who), conditions(6, who), random(1, 4, 6, seed=who))
            assert relative_error(done[who].result(), wanted) < 1e-6


def test_what_is_not_a_number_stays_with_whom_it_came_from() -> None:
    made = JointGenerator(plain())
    made.users = 2
    states = [begun(made, who) for who in range(2)]
    poisoned = conditions(6, 0).map(lambda x: torch.full_like(x, float("nan")))
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(made.generate, states[0], poisoned, random(1, 4, 6, seed=0))
        second = threads.submit(made.generate, states[1], conditions(6, 1), random(1, 4, 6, seed=1))
        assert not first.result().isfinite().any()
        assert second.result().isfinite().all()


def test_joined_states_come_apart_as_they_were() -> None:
    states = [begun(plain(), who) for who in range(3)]
    for i, state in enumerate(states):
        part = part_of(join(states), i)
        for name in ("reference", "tail", "mean", "poise", "silent_frames"):
            assert torch.equal(vars(part)[name], vars(state)[name])
        for one, other in zip(part.cache.layers, state.cache.layers, strict=True):
            assert torch.equal(one.keys, other.keys) and torch.equal(one.values, other.values)
        assert torch.equal(part.cache.conditions, state.cache.conditions)
        assert part.tail.untyped_storage().nbytes() == part.tail.numel() * 4  # holds nobody else's memory


def test_every_size_is_drawn_once_before_it_is_needed(batches: list[int]) -> None:
    made = JointGenerator(plain(), pads=True)
    made.users = 5
    state = begun(made, 0)
    before = state.tail.clone()
    made.warm_up(state, conditions(6, 0), random(1, 4, 6, seed=0), None)
    assert batches == [1, 2, 4, 8]
    assert torch.equal(state.tail, before)


class WrongFromFour(BlockGenerator):
    """A card whose batches of four and more give something else."""

    def generate(self, state: GeneratorState, *args: Any, **kwargs: Any) -> Tensor:
        return super().generate(state, *args, **kwargs) + float(len(state.tail) >= 4)


def test_a_size_that_a_card_draws_wrongly_is_not_used_and_the_one_below_is() -> None:
    made = JointGenerator(WrongFromFour(plain().network, SAMPLER), pads=True)
    made.users = 5
    made.warm_up(begun(made, 0), conditions(6, 0), random(1, 4, 6, seed=0), None)
    assert made._joined.most == 2


# --- jobs of several threads, by themselves ---------------------------------------------------------------------------


def test_one_alone_waits_for_nobody_and_jobs_that_come_meanwhile_are_done_together() -> None:
    groups: list[list[int]] = []
    at_work, go_on = threading.Event(), threading.Event()

    def act(jobs: list[int]) -> list[int]:
        groups.append(jobs)
        at_work.set()
        assert go_on.wait(10)
        return [10 * job for job in jobs]

    joined = Joined(act, most=3)
    with ThreadPoolExecutor(6) as threads:
        done = [threads.submit(joined, 0)]
        assert at_work.wait(10)
        done += [threads.submit(joined, job) for job in range(1, 6)]
        while len(joined._waiting) < 5:
            pass
        go_on.set()
        assert [one.result(timeout=10) for one in done] == [0, 10, 20, 30, 40, 50]
    assert groups[0] == [0]
    assert sorted(map(len, groups[1:])) == [2, 3]


def test_a_group_that_fails_is_done_one_by_one() -> None:
    def act(jobs: list[int]) -> list[int]:
        if 1 in jobs:
            raise ArithmeticError("one")
        return jobs

    joined = Joined(act, most=8, patience_s=5.0)
    joined.users = 3
    with ThreadPoolExecutor(3) as threads:
        done = [threads.submit(joined, job) for job in range(3)]
        assert (done[0].result(timeout=10), done[2].result(timeout=10)) == (0, 2)
        with pytest.raises(ArithmeticError, match="one"):
            done[1].result(timeout=10)
