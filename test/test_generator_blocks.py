# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Blocks of motion: what decides them, what does not, and for how long."""

import copy
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from avatar_forcing_ros.flow.solver import euler_steps
from avatar_forcing_ros.generator.block_generator import BlockGenerator, GeneratorState
from avatar_forcing_ros.generator.noise import block_noise
from avatar_forcing_ros.generator.roll_out import roll_out
from avatar_forcing_ros.generator.sampler import AnchorConfig, SamplerConfig
from avatar_forcing_ros.generator.state import SMALL
from avatar_forcing_ros.network.conditions import Conditions
from avatar_forcing_ros.network.config import NetworkConfig
from avatar_forcing_ros.network.model import AvatarForcingNetwork
from avatar_forcing_ros.network.published import load_published, published_shapes
from avatar_forcing_ros.published.parity import weight_by_name

TINY = NetworkConfig(
    motion_size=6, audio_feature_size=4, condition_size=8, condition_heads=2, hidden_size=16, heads=2, depth=2,
    clip_frames=24, block_frames=4,
)  # fmt: skip
HISTORY = 20


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def conditions(frames: int, batch: int = 1, seed: int = 10) -> Conditions:
    return Conditions(*(random(batch, frames, size, seed=seed + i) for i, size in enumerate((8, 8, 6))))


def generator(steps: int = 2, avatar: float = 2.0, user: float = 1.0, config: NetworkConfig = TINY) -> BlockGenerator:
    network = AvatarForcingNetwork(config).eval()
    shapes = published_shapes(network)
    load_published(network, {key: torch.from_numpy(weight_by_name(key, shape, 1)) for key, shape in shapes.items()})
    return BlockGenerator(network.double(), SamplerConfig(steps, avatar, user))


def primed(made: BlockGenerator, batch: int = 1, seed: int = 0) -> GeneratorState:
    return made.prime(random(batch, HISTORY, 6, seed=seed), conditions(HISTORY, batch), random(batch, 6, seed=seed + 1))


def stream(made: BlockGenerator, state: GeneratorState, inputs: Conditions, noise: torch.Tensor) -> torch.Tensor:
    starts = range(0, noise.shape[1], 4)
    return torch.cat([made.generate(state, inputs.slice(n, n + 6), noise[:, n : n + 4]) for n in starts], dim=1)


def test_a_block_is_the_guided_euler_solution_of_the_network() -> None:
    """The definition written out: three separate passes a step, each branch with a state of its own."""
    made, inputs, noise = generator(steps=3), conditions(6), random(1, 4, 6, seed=5)
    state, network = primed(made), made.network
    expected, masks = noise, ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0))
    for step in euler_steps(3):
        guesses = []
        for branch, (avatar, user) in enumerate(masks):
            seen = inputs.keep(*(torch.tensor([x]) for x in (avatar, user, user)))
            past = replace(
                state.cache,
                layers=tuple(
                    replace(x, keys=x.keys[branch : branch + 1], values=x.values[branch : branch + 1])
                    for x in state.cache.layers
                ),
                conditions=state.cache.conditions[branch : branch + 1],
            )
            x = torch.cat((state.tail, expected), dim=1)
            t = torch.tensor([[0.0] * 2 + [step.t] * 4])
            guesses.append(network.velocity(x, t, network.encode_conditions(seen), state.reference, past)[:, 2:])
        null, speech, listener = guesses
        expected = step.apply(expected, null + 2.0 * (speech - null) + 1.0 * (listener - null))
    torch.testing.assert_close(made.generate(state, inputs, noise), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("avatar", "user"), [(1.0, 0.0), (0.0, 1.0), (0.0, 0.0), (2.0, 0.0), (0.3, 0.7)])
def test_leaving_out_a_branch_without_a_share_changes_nothing(avatar: float, user: float) -> None:
    inputs, noise = conditions(10), random(1, 8, 6, seed=5)
    few, all_three = generator(avatar=avatar, user=user), generator(avatar=avatar + 1e-11, user=user + 1e-11)
    motion = stream(few, primed(few), inputs, noise)
    torch.testing.assert_close(motion, stream(all_three, primed(all_three), inputs, noise), rtol=0, atol=1e-8)
    assert primed(few).cache.bytes < primed(all_three).cache.bytes or user == 0.7


def test_without_the_users_share_the_user_does_not_matter() -> None:
    made, inputs, noise = generator(user=0.0), conditions(6), random(1, 4, 6)
    other = replace(inputs, user_audio=inputs.user_audio + 1, user_motion=inputs.user_motion - 1)
    assert torch.equal(made.generate(primed(made), inputs, noise), made.generate(primed(made), other, noise))


def test_every_input_matters() -> None:
    made, inputs, noise = generator(), conditions(6), random(1, 4, 6)
    motion = made.generate(primed(made), inputs, noise)
    for name in ("avatar_audio", "user_audio", "user_motion"):
        changed = replace(inputs, **{name: getattr(inputs, name).flip(2)})
        assert not torch.allclose(made.generate(primed(made), changed, noise), motion)
    assert not torch.allclose(made.generate(primed(made, seed=7), inputs, noise), motion)
    assert not torch.allclose(made.generate(primed(made), inputs, noise + 1), motion)


def test_the_future_changes_no_earlier_block() -> None:
    made, inputs, noise = generator(), conditions(14), random(1, 12, 6)
    later_inputs = inputs.map(lambda x: torch.cat((x[:, :10], x[:, 10:] + 1), dim=1))
    later_noise = torch.cat((noise[:, :8], noise[:, 8:] + 1), dim=1)
    motion = stream(made, primed(made), inputs, noise)
    other = stream(made, primed(made), later_inputs, later_noise)
    assert torch.equal(motion[:, :8], other[:, :8])
    assert not torch.allclose(motion[:, 8:], other[:, 8:])


def test_a_block_goes_into_the_state_once_and_only_when_it_is_done() -> None:
    made, inputs, noise = generator(), conditions(10), random(1, 8, 6)
    state = primed(made)
    kept = state.snapshot()
    values = [x.clone() for x in kept.tensors()]
    motion = stream(made, state, inputs, noise)
    assert torch.equal(state.tail, motion[:, -2:])
    assert all(torch.equal(x, value) for x, value in zip(kept.tensors(), values, strict=True))
    assert torch.equal(stream(made, kept, inputs, noise), motion)


def test_a_wrong_block_leaves_the_state_as_it_was() -> None:
    made = generator()
    state = primed(made)
    before = copy.deepcopy(state)
    for shape in ((1, 3, 6), (2, 4, 6), (1, 4, 5)):
        with pytest.raises(ValueError, match=re.escape(f"(1, 4, 6), got {shape}")):
            made.generate(state, conditions(6), random(*shape))
    with pytest.raises(ValueError, match=r"\(1, 6\), got \(1, 7\)"):
        made.generate(state, conditions(7), random(1, 4, 6))
    with pytest.raises(ValueError, match=r"\(1, 6\), got \(2, 6\)"):
        made.generate(state, conditions(6, batch=2), random(1, 4, 6))
    assert all(torch.equal(x, y) for x, y in zip(state.tensors(), before.tensors(), strict=True))


def test_conversations_in_a_batch_or_side_by_side_do_not_touch() -> None:
    made, inputs, noise = generator(), conditions(10, batch=2), random(2, 8, 6)
    together = stream(made, primed(made, batch=2), inputs, noise)
    history, reference, past = random(2, HISTORY, 6), random(2, 6, seed=1), conditions(HISTORY, 2)
    states = [
        made.prime(history[i : i + 1], past.map(lambda x, i=i: x[i : i + 1]), reference[i : i + 1]) for i in (0, 1)
    ]
    alone: list[list[torch.Tensor]] = [[], []]
    for n in (0, 4):
        for i in (0, 1):
            window = inputs.slice(n, n + 6).map(lambda x, i=i: x[i : i + 1])
            alone[i].append(made.generate(states[i], window, noise[i : i + 1, n : n + 4]))
    torch.testing.assert_close(torch.cat([torch.cat(parts, 1) for parts in alone]), together, rtol=0, atol=1e-12)


def test_a_state_primed_with_what_was_emitted_goes_on_as_the_stream_does() -> None:
    """One layer keeps nothing but what it saw; with constant conditions a primed state must equal the grown one."""
    made = generator(config=replace(TINY, depth=1))
    still = conditions(1).map(lambda x: x.expand(-1, 70, -1))
    grown = primed(made)
    motion = stream(made, grown, still.slice(0, 66), random(1, 64, 6, seed=4))
    resumed = made.prime(motion[:, -HISTORY:], still.slice(0, HISTORY), grown.reference)
    noise = random(1, 4, 6, seed=9)
    torch.testing.assert_close(
        made.generate(resumed, still.slice(0, 6), noise), made.generate(grown, still.slice(0, 6), noise)
    )


def test_the_tensors_of_a_state_come_back_to_their_places() -> None:
    state = primed(generator())
    other = state.snapshot()
    other.assign([x + 1 for x in state.tensors()])
    assert all(torch.equal(new, old + 1) for new, old in zip(other.tensors(), state.tensors(), strict=True))
    for name in SMALL:
        assert torch.equal(getattr(other, name), getattr(state, name) + 1), name
    assert torch.equal(other.cache.layers[1].values, state.cache.layers[1].values + 1)


def test_after_a_hundred_thousand_frames_the_stream_is_as_right_and_as_small_as_after_one_clip() -> None:
    config = replace(TINY, depth=1, clip_frames=404, block_frames=200, hidden_size=8)
    made = generator(steps=1, avatar=1.0, user=0.0, config=config)
    still = conditions(1).map(lambda x: x.expand(-1, 400, -1))
    history = random(1, 400, 6)
    state = made.prime(history, still, random(1, 6))
    size = state.bytes
    for block in range(500):
        motion = made.generate(
            state, still.slice(0, 202), torch.from_numpy(block_noise(0, 0, block, (1, 200, 6))).double()
        )
        history = torch.cat((history[:, 200:], motion), dim=1)
    assert state.bytes == size
    assert history.isfinite().all()
    fresh = made.prime(history, still, state.reference)
    noise = random(1, 200, 6)
    torch.testing.assert_close(
        made.generate(state, still.slice(0, 202), noise), made.generate(fresh, still.slice(0, 202), noise)
    )


def test_memory_stays_after_one_window_and_holds_no_hidden_storage() -> None:
    made = generator(steps=1, avatar=1.0, user=0.0, config=replace(TINY, depth=1))
    state, inputs = primed(made), conditions(6)
    size = state.bytes
    for block in range(400):
        made.generate(state, inputs, torch.from_numpy(block_noise(0, 0, block, (1, 4, 6))).double())
    assert state.bytes == size
    assert sum(x.untyped_storage().nbytes() for x in state.tensors()) == size


def test_an_anchor_pulls_blocks_before_the_past_takes_them_up() -> None:
    free, inputs, noise = generator(), conditions(10), random(1, 8, 6)
    held = BlockGenerator(free.network, replace(free.config, anchor=AnchorConfig(frame_pull=0.25)))
    states = {made: primed(made) for made in (free, held)}
    first = {made: made.generate(state, inputs.slice(0, 6), noise[:, :4]) for made, state in states.items()}
    torch.testing.assert_close(first[held], first[free].lerp(states[held].reference[:, None], 0.25))
    resumed = replace(states[free].snapshot(), tail=first[held][:, -2:])
    second = held.generate(states[held], inputs.slice(4, 10), noise[:, 4:])
    assert torch.equal(states[held].tail, second[:, -2:])
    assert not torch.allclose(second, held.generate(resumed, inputs.slice(4, 10), noise[:, 4:]))


def test_drift_beyond_the_dead_band_is_taken_back() -> None:
    free, inputs = generator(steps=1), conditions(6)
    anchor = AnchorConfig(gain=0.5, dead_band=0.1, memory=0.5, largest_step=5.0)
    held = BlockGenerator(free.network, replace(free.config, anchor=anchor))
    far = {}
    for made in (free, held):
        state = primed(made)
        noises = (torch.from_numpy(block_noise(0, 0, block, (1, 4, 6))).double() for block in range(60))
        means = [made.generate(state, inputs, noise).mean(1) for noise in noises]
        far[made] = (torch.stack(means[20:]).mean(0) - state.reference).norm().item()
    assert far[held] < 0.8 * far[free], far


def test_noise_is_scaled_number_by_number() -> None:
    plain, inputs = generator(), conditions(TINY.lookahead_frames + TINY.block_frames)
    scale = tuple(0.5 + 0.1 * i for i in range(TINY.motion_size))
    louder = BlockGenerator(plain.network, replace(plain.config, noise_scale=scale))
    noise = random(1, TINY.block_frames, TINY.motion_size)
    scaled = louder.generate(primed(louder), inputs, noise)
    assert torch.equal(scaled, plain.generate(primed(plain), inputs, noise * torch.tensor(scale)))
    assert not torch.equal(scaled, plain.generate(primed(plain), inputs, noise))


def test_a_scale_of_noise_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=f"noise_scale must have {TINY.motion_size} numbers or none, got 2"):
        BlockGenerator(generator().network, SamplerConfig(noise_scale=(1.0, 1.0)))
    with pytest.raises(ValueError, match="noise_scale must not be negative, got -1"):
        SamplerConfig(noise_scale=(1.0, -1.0))


def test_a_roll_out_is_a_cold_start_and_its_blocks() -> None:
    made, inputs, noise, reference = generator(), conditions(32), random(1, 32, 6), random(1, 6)
    motion = roll_out(made, inputs, reference, noise)
    beginning = made.begin(inputs.slice(0, 24), noise[:, :24], reference)
    parts = [made.generate(beginning.state, inputs.slice(n - 2, n + 4), noise[:, n : n + 4]) for n in (24, 28)]
    assert torch.equal(motion, torch.cat((beginning.motion, *parts), dim=1))
    with pytest.raises(ValueError, match="24 and a multiple of 4 more, got 30"):
        roll_out(made, inputs.slice(0, 30), reference, noise[:, :30])


def test_wrong_beginnings_are_named() -> None:
    made = generator()
    with pytest.raises(ValueError, match="first clip has 24 frames, got 20"):
        made.begin(conditions(20), random(1, 20, 6), random(1, 6))
    with pytest.raises(ValueError, match="at least 20 frames to fill the cache, got 16"):
        made.prime(random(1, 16, 6), conditions(16), random(1, 6))
    with pytest.raises(ValueError, match=r"\(1, 20, 5\) and \(1, 6\)"):
        made.prime(random(1, 20, 5), conditions(20), random(1, 6))
    with pytest.raises(ValueError, match="at least 1, got 0"):
        SamplerConfig(steps=0)


def test_noise_is_keyed_by_seed_epoch_and_block() -> None:
    shape = (1, 4, 6)
    keys = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0)]
    drawn = [block_noise(*key, shape) for key in keys]
    assert all(np.array_equal(block_noise(*key, shape), x) for key, x in zip(keys, drawn, strict=True))
    assert len({x[0, 0, 0].item() for x in drawn}) == len(keys)
    many = np.concatenate([block_noise(3, 0, block, shape).ravel() for block in range(400)])
    assert abs(many.mean()) < 0.05
    assert many.std() == pytest.approx(1, abs=0.05)


def test_noise_is_the_same_on_every_machine() -> None:
    expected = [-0.9375996, -1.4246221, 1.4722837, -0.0670808]
    np.testing.assert_allclose(block_noise(7, 2, 11, (4,)), expected, rtol=0, atol=1e-6)
    with pytest.raises(ValueError, match="not be negative, got 7, -1 and 0"):
        block_noise(7, -1, 0, (1,))


def test_what_is_at_rest_in_silence_goes_there_after_a_pause_and_comes_back_with_speech() -> None:
    free, inputs, noise = generator(), conditions(18), random(1, 16, 6)
    still = BlockGenerator(free.network, replace(free.config, at_rest_in_silence=(1.0, 1.0, 0.0, 0.0, 0.0, 0.0)))
    state = primed(still)
    silent = torch.tensor([[False] * 4 + [True] * 8 + [False] * 4])
    shown = [
        still.generate(state, inputs.slice(n, n + 6), noise[:, n : n + 4], silent[:, n : n + 4])
        for n in range(0, 16, 4)
    ]
    away = (torch.cat(shown, dim=1) - state.reference[:, None]).abs()[0]
    assert (away[10:12, :2] == 0).all() and (away[:6, :2] > 0).all() and (away[12:, :2] > 0).all()
    assert (away[:, 2:] > 0).all(), "the others move on"


@pytest.mark.parametrize(
    "parameter", [torch.empty(0, dtype=torch.bfloat16), torch.empty(0, dtype=torch.float64, device="meta")]
)
def test_a_state_follows_its_network_to_another_type_and_to_another_device(parameter: torch.Tensor) -> None:
    state = primed(generator())
    state.follow(parameter)
    assert state.cache.conditions.dtype == parameter.dtype
    assert {x.device.type for x in state.tensors()} == {parameter.device.type}
