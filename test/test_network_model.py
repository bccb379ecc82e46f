# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The network as a function of a clip: sizes, conditions, causality, gradients and errors."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from avatar_forcing_ros.network.conditions import Conditions
from avatar_forcing_ros.network.config import NetworkConfig
from avatar_forcing_ros.network.layers import normalize
from avatar_forcing_ros.network.model import AvatarForcingNetwork, parameter_count
from avatar_forcing_ros.network.published import key_map, load_published, published_shapes
from avatar_forcing_ros.network.rotary import Rotary
from avatar_forcing_ros.published.parity import weight_by_name

TINY = NetworkConfig(
    motion_size=6, audio_feature_size=10, condition_size=8, condition_heads=2, hidden_size=16, heads=2, depth=3,
    clip_frames=24, block_frames=4,
)  # fmt: skip


def filled(config: NetworkConfig, seed: int = 0) -> AvatarForcingNetwork:
    network = AvatarForcingNetwork(config).eval()
    shapes = published_shapes(network)
    load_published(network, {key: torch.from_numpy(weight_by_name(key, shape, seed)) for key, shape in shapes.items()})
    return network.double()


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def conditions(batch: int, frames: int, seed: int = 0) -> Conditions:
    return Conditions(*(random(batch, frames, size, seed=seed + i) for i, size in enumerate((8, 8, 6))))


def test_the_published_size_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        network = AvatarForcingNetwork()
    assert parameter_count(network.transformer) + parameter_count(network.condition_encoder) == 148_764_160
    assert parameter_count(network.audio_projection) == 4_720_128


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"depth": 0}, "depth must be positive, got 0"),
        ({"condition_radius": -1}, "condition_radius must not be negative, got -1"),
        ({"visibility": "all"}, "visibility must be one of .*, got 'all'"),
        ({"hidden_size": 18, "heads": 4}, r"hidden_size must be a multiple of 2\*heads, got 18 and 4 heads"),
        ({"condition_size": 9}, "condition_size must be a multiple of condition_heads, got 9 and 2 heads"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(sizes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(TINY, **sizes)


@pytest.mark.shared
def test_the_published_keys_and_shapes_are_the_published_ones(shared: Path) -> None:
    listed = {}
    for line in (shared / "reference" / "avatar_forcing_keys.txt").read_text().splitlines():
        words = line.split(maxsplit=1)
        if words and words[0].startswith(("flow_transformer.", "audio_encoder.")) and "mask" not in words[0]:
            listed[words[0]] = tuple(int(n) for n in words[1].strip().strip("()").split(",") if n.strip())
    with torch.device("meta"):
        assert published_shapes(AvatarForcingNetwork()) == listed


def test_every_parameter_has_one_published_key() -> None:
    network = AvatarForcingNetwork(TINY)
    assert sorted(key_map(TINY).values()) == sorted(name for name, _ in network.named_parameters())


def test_a_fresh_network_predicts_nothing_so_that_training_starts_calm() -> None:
    network = AvatarForcingNetwork(TINY).double()
    c = network.encode_conditions(conditions(1, 8))
    assert not network.velocity(random(1, 8, 6), torch.full((1, 8), 500.0), c, random(1, 6)).any()


@pytest.mark.parametrize(("visibility", "first"), [("framewise", 23 - 3 * 2), ("blockwise", 20 - 2 * 4)])
def test_a_change_of_the_future_reaches_back_no_further_than_the_look_ahead(visibility: str, first: int) -> None:
    """Three layers. Framewise each reaches l frames back; blockwise the first its own block, each further one block."""
    network = filled(NetworkConfig(**(vars(TINY) | {"visibility": visibility})))
    x, c, t = random(1, 24, 6), random(1, 24, 16, seed=1), torch.full((1, 24), 300.0)
    changed = x.clone()
    changed[:, 23:] += 1
    before, after = (network.velocity(frames, t, c, random(1, 6)) for frames in (x, changed))
    moved = (before - after).abs().amax(dim=(0, 2)) > 0
    assert moved.nonzero().flatten().tolist() == list(range(first, 24))


def test_frames_that_share_a_flow_time_may_be_given_one_for_all() -> None:
    network, x, c, reference = filled(TINY), random(2, 24, 6), random(2, 24, 16, seed=1), random(2, 6)
    t = torch.rand(2, 6) * 1000
    shared = network.velocity(x, t, c, reference, frames_per_time=4)
    torch.testing.assert_close(shared, network.velocity(x, t.repeat_interleave(4, dim=1), c, reference))
    with pytest.raises(ValueError, match="t must"):
        network.velocity(x, t, c, reference)


def test_a_layer_whose_gates_are_shut_only_listens_to_its_conditions() -> None:
    network = filled(TINY)
    layer = network.transformer.layers[0]
    window = network.transformer.open_window(random(1, 8, 16, seed=1))
    modulation = network.transformer.modulation(torch.full((8,), 300.0))
    shut = replace(modulation, attention_gate=torch.zeros(16).double(), mlp_gate=torch.zeros(16).double())
    x = random(1, 8, 16)
    heard = layer.cross_attention(normalize(x), window.view, window.conditions[0])
    torch.testing.assert_close(layer(x, shut, window.view, window.conditions[0], None).output, x + heard)


def test_the_numbers_are_those_of_the_implementation_that_agreed_with_the_published_one() -> None:
    """Parity proper needs recorded values; this holds the same code where they are not at hand."""

    def drawn(*shape: int) -> torch.Tensor:  # from a stream that NumPy never changes, unlike torch
        return torch.from_numpy(np.random.RandomState(len(shape)).standard_normal(shape))

    network = filled(TINY)
    c = network.encode_conditions(Conditions(drawn(1, 8, 8), drawn(1, 8, 8) ** 2, drawn(1, 8, 6)))
    velocity = network.velocity(drawn(1, 8, 6), torch.linspace(0, 1000, 8)[None], c, drawn(1, 6))
    expected = torch.tensor([0.139609, 0.349507, -0.381092, 0.429193, 0.286263, -2.235165], dtype=torch.float64)
    torch.testing.assert_close(velocity[0, ::7, :3].flatten(), expected, rtol=0, atol=1e-5)


def test_a_change_of_one_condition_reaches_its_neighbours_only() -> None:
    network = filled(NetworkConfig(**(vars(TINY) | {"depth": 1})))
    x, c, t = random(1, 24, 6), random(1, 24, 16, seed=1), torch.full((1, 24), 300.0)
    changed = c.clone()
    changed[:, 12] += 1
    moved = (network.velocity(x, t, c, random(1, 6)) - network.velocity(x, t, changed, random(1, 6))).abs().amax((0, 2))
    assert (moved > 0).nonzero().flatten().tolist() == [10, 11, 12, 13, 14]


def test_flow_time_acts_on_its_own_frame_and_what_sees_it() -> None:
    network = filled(NetworkConfig(**(vars(TINY) | {"depth": 1})))
    x, c, t = random(1, 24, 6), random(1, 24, 16, seed=1), torch.full((1, 24), 300.0)
    other = t.clone()
    other[:, 12] = 900
    moved = (network.velocity(x, t, c, random(1, 6)) - network.velocity(x, other, c, random(1, 6))).abs().amax((0, 2))
    assert (moved > 0).nonzero().flatten().tolist() == list(range(10, 24))


def test_conditions_have_no_positions() -> None:
    """Nothing in the dual motion encoder knows the order of frames, only which belong together."""
    network, order = filled(TINY), torch.tensor([3, 0, 2, 1, 5, 4])
    window = conditions(1, 6)
    shuffled = network.encode_conditions(window.map(lambda x: x[:, order]))
    torch.testing.assert_close(shuffled, network.encode_conditions(window)[:, order])


@pytest.mark.parametrize("known_past", [True, False])
def test_blockwise_conditions_are_those_of_the_windows_that_streaming_cuts(known_past: bool) -> None:
    network = filled(TINY)
    clip, past = conditions(2, 12), conditions(2, 2, seed=7)
    if not known_past:
        past = past.map(torch.zeros_like)
    together = network.encode_conditions_blockwise(clip, past if known_past else None)
    everything = Conditions.join((past, clip), dim=1)
    for start in (0, 4, 8):
        window = network.encode_conditions(everything.slice(start, start + 6))
        torch.testing.assert_close(together[:, start : start + 4], window[:, 2:])


def test_null_conditions_still_pass_the_encoder() -> None:
    network = filled(TINY)
    null = network.encode_conditions(conditions(1, 6).keep(*torch.zeros(3, 1)))
    assert null.abs().max() > 0
    torch.testing.assert_close(null, null[:, :1].expand_as(null))


def test_masks_take_away_one_condition_of_one_clip() -> None:
    full = conditions(2, 4)
    kept = full.keep(torch.tensor([1, 0]), torch.ones(2), torch.tensor([0, 1]))
    assert torch.equal(kept.user_audio, full.user_audio)
    assert torch.equal(kept.avatar_audio[0], full.avatar_audio[0])
    assert not kept.avatar_audio[1].any()
    assert not kept.user_motion[0].any()


def test_a_loss_reaches_every_parameter() -> None:
    network = filled(TINY).train()
    sound = network.project_audio(random(2, 8, 10))
    c = network.encode_conditions_blockwise(Conditions(sound, sound.flip(1), random(2, 8, 6)))
    network.velocity(random(2, 8, 6), torch.full((2, 8), 300.0), c, random(2, 6)).square().sum().backward()
    still = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == []


def test_freezing_changes_no_value() -> None:
    network, frozen = filled(TINY), filled(TINY).freeze()
    x, c, t = random(1, 8, 6), random(1, 8, 16, seed=1), torch.full((1, 8), 300.0)
    torch.testing.assert_close(frozen.velocity(x, t, c, random(1, 6)), network.velocity(x, t, c, random(1, 6)))
    assert not any(parameter.requires_grad for parameter in frozen.parameters())
    for name, tensor in network.state_dict().items():
        assert torch.equal(frozen.state_dict()[name], tensor)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((1, 8, 5), (1, 8), (1, 8, 16), (1, 6)), r"x_t must be \(B, T, 6\), got \(1, 8, 5\)"),
        (((1, 8, 6), (1, 7), (1, 8, 16), (1, 6)), r"t must be \(1, 8\), got \(1, 7\)"),
        (((1, 8, 6), (1, 8), (1, 6, 16), (1, 6)), r"c must be \(1, 8, 16\), got \(1, 6, 16\)"),
        (((2, 8, 6), (2, 8), (2, 8, 16), (1, 6)), r"reference must be \(2, 6\), got \(1, 6\)"),
    ],
)
def test_wrong_shapes_are_named(shapes: tuple[tuple[int, ...], ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        filled(TINY).velocity(*(random(*shape) for shape in shapes))


def test_wrong_clips_of_conditions_are_named() -> None:
    network = filled(TINY)
    with pytest.raises(ValueError, match="multiple of the block of 4, got 7"):
        network.encode_conditions_blockwise(conditions(1, 7))
    with pytest.raises(ValueError, match="2 frames, got 3"):
        network.encode_conditions_blockwise(conditions(1, 8), conditions(1, 3))
    with pytest.raises(ValueError, match=r"\(B, T, 10\), got \(1, 8, 8\)"):
        network.project_audio(random(1, 8, 8))
    with pytest.raises(ValueError, match=r"\(1, 4, 8\).*\(1, 5, 8\)"):
        Conditions(random(1, 4, 8), random(1, 5, 8), random(1, 4, 6))


def test_published_weights_come_in_strictly() -> None:
    network = AvatarForcingNetwork(TINY)
    tensors = {key: torch.ones(shape) for key, shape in published_shapes(network).items()}
    key = "flow_transformer.blocks.2.attn.qkv.weight"
    with pytest.raises(ValueError, match=f"1 missing, first {key}"):
        load_published(network, {k: v for k, v in tensors.items() if k != key})
    with pytest.raises(ValueError, match=r"1 unexpected, first flow_transformer\.more"):
        load_published(network, tensors | {"flow_transformer.more": torch.ones(1)})
    with pytest.raises(ValueError, match=r"\(48, 16\), got \(48, 15\)"):
        load_published(network, tensors | {key: torch.ones(48, 15)})


def test_a_mask_in_the_weights_must_say_what_our_rule_says() -> None:
    network = AvatarForcingNetwork(TINY)
    tensors = {key: torch.ones(shape) for key, shape in published_shapes(network).items()}
    mask = torch.ones(24, 24, dtype=torch.bool).tril(2)
    load_published(network, tensors | {"flow_transformer.block_bidir_causal_lookahead_mask": mask})
    with pytest.raises(ValueError, match="block_bidir_causal_lookahead_mask must agree"):
        load_published(network, tensors | {"flow_transformer.block_bidir_causal_lookahead_mask": mask.tril(1)})


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_positions_turn_alike_in_complex_numbers_and_written_out_as_compilers_need_it(
    dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    rotary, x = Rotary.at(torch.arange(3, 9), 8, dtype), random(2, 6, 8).to(dtype)
    turned = rotary.turn(x)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    torch.testing.assert_close(rotary.turn(x), turned)
    assert not torch.allclose(turned, x)
    torch.testing.assert_close(turned.float().norm(dim=-1), x.float().norm(dim=-1), rtol=0.01, atol=0)


def test_with_the_newest_face_a_block_sees_the_face_of_its_last_frame_only() -> None:
    torch.manual_seed(0)
    config = replace(TINY, memory_frames=(2, 5), newest_face=True)
    network = AvatarForcingNetwork(config).eval()
    frames, before = config.window_frames, config.recalled_frames
    voice, heard = torch.randn(1, before + frames, config.audio_feature_size), torch.ones(1)
    own, face = torch.randn(1, frames, config.audio_feature_size), torch.randn(1, before + frames, config.motion_size)

    def encoded(face: torch.Tensor) -> torch.Tensor:
        return network.encode_conditions(network.sense(own, voice, heard, face))

    forgotten, remembered, newest = (face.clone() for _ in range(3))
    forgotten[:, : frames - 1] += 1.0  # before the memory of the last frame
    remembered[:, -2] += 1.0
    newest[:, -1] += 1.0
    assert torch.equal(encoded(forgotten), encoded(face))
    for changed in (remembered, newest):
        assert (encoded(changed) != encoded(face)).any(dim=-1).all(), "every frame of the block sees it"
    plain = AvatarForcingNetwork(replace(config, newest_face=False)).eval()
    plain.load_state_dict(network.state_dict())
    conditions = network.sense(own, voice, heard, face)
    assert not torch.allclose(plain.encode_conditions(conditions), network.encode_conditions(conditions))
