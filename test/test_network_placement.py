# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Where the network runs, in which numbers, and how streaming makes it quicker without changing what it says."""

from __future__ import annotations

import logging

import pytest
import torch
from torch import nn

from avatar_forcing_ros.compute.lost import why_not
from avatar_forcing_ros.generator.block_generator import BlockGenerator, GeneratorState
from avatar_forcing_ros.generator.sampler import AnchorConfig, SamplerConfig
from avatar_forcing_ros.network import placement
from avatar_forcing_ros.network.conditions import Conditions
from avatar_forcing_ros.network.config import NetworkConfig
from avatar_forcing_ros.network.layers import FeedForward, Layer
from avatar_forcing_ros.network.model import AvatarForcingNetwork
from avatar_forcing_ros.network.packed import LEAST_WEIGHTS, HalfLinear, PackedLinear, packed
from avatar_forcing_ros.network.placement import settle
from avatar_forcing_ros.network.published import load_published, published_shapes
from avatar_forcing_ros.published.parity import relative_error, weight_by_name

TINY = NetworkConfig(
    motion_size=6, audio_feature_size=4, condition_size=8, condition_heads=2, hidden_size=16, heads=2, depth=2,
    clip_frames=24, block_frames=4,
)  # fmt: skip
WIDE = nn.Linear(1024, 1024)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def conditions(frames: int) -> Conditions:
    return Conditions(random(1, frames, 8, seed=1), random(1, frames, 8, seed=2), random(1, frames, 6, seed=3))


def filled(kind: type[AvatarForcingNetwork] = AvatarForcingNetwork) -> AvatarForcingNetwork:
    network = kind(TINY).eval()
    shapes = published_shapes(network)
    load_published(network, {key: torch.from_numpy(weight_by_name(key, shape, 1)) for key, shape in shapes.items()})
    return network


def primed(made: BlockGenerator) -> GeneratorState:
    return made.prime(random(1, 20, 6), conditions(20), random(1, 6, seed=1))


def stream(made: BlockGenerator, blocks: int = 3) -> torch.Tensor:
    state = primed(made)
    return torch.cat([made.generate(state, conditions(6), random(1, 4, 6, seed=block)) for block in range(blocks)], 1)


class Cramped(AvatarForcingNetwork):
    """Has no memory for its second pass over conditions, as a GPU that others fill up, and none on a GPU at all."""

    calls = 0

    def encode_conditions(self, conditions: Conditions) -> torch.Tensor:
        self.calls += 1
        if self.calls == 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().encode_conditions(conditions)

    def to(self, *args: object, **kwargs: object) -> Cramped:
        if torch.device("cuda") in (*args, *kwargs.values()):
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().to(*args, **kwargs)


def test_out_of_memory_in_a_block_it_is_drawn_on_the_cpu_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        found = stream(BlockGenerator(filled(Cramped)))
    torch.testing.assert_close(found, stream(BlockGenerator(filled())))
    assert [record.message for record in caplog.records] == [
        "the GPU is out of memory: motion continues on the CPU, far from real time"
    ]


class Lost(AvatarForcingNetwork):
    """On a card that is lost in its fourth pass over conditions, and gives nothing back."""

    calls = 0

    def encode_conditions(self, conditions: Conditions) -> torch.Tensor:
        self.calls += 1
        if self.calls == 4:
            for parameter in self.parameters():
                parameter.data.fill_(float("nan"))
            raise RuntimeError("CUDA error: unspecified launch failure\nCUDA kernel errors might be asynchronously ...")
        return super().encode_conditions(conditions)


def test_a_card_that_is_lost_in_mid_sentence_is_left_for_the_cpu_with_weights_from_memory(
    caplog: pytest.LogCaptureFixture,
) -> None:
    network = filled(Lost)
    placement._KEPT[network] = {name: x.detach().clone() for name, x in network.state_dict().items()}
    with caplog.at_level(logging.WARNING):
        found = stream(BlockGenerator(network), blocks=5)
    torch.testing.assert_close(found, stream(BlockGenerator(filled()), blocks=5))
    assert [record.message for record in caplog.records] == [
        "the GPU is lost (CUDA error: unspecified launch failure): motion continues on the CPU, far from real time"
    ]


def test_nothing_is_asked_of_a_card_that_is_lost() -> None:
    """Its memory can be neither read nor written, like that of tensors which have none."""
    network = filled()
    placement._KEPT[network] = {name: x.detach().clone() for name, x in network.state_dict().items()}
    fallen = placement.fall_back(network.to("meta"), "the GPU is lost")
    torch.testing.assert_close(stream(BlockGenerator(fallen)), stream(BlockGenerator(filled())))


def test_where_others_live_on_the_card_one_that_has_no_memory_is_told_so() -> None:
    made = BlockGenerator(filled(Cramped))
    made.keeps_gpu = True
    state = primed(made)
    with pytest.raises(torch.OutOfMemoryError):
        made.generate(state, conditions(6), random(1, 4, 6))


def test_other_errors_are_nobody_elses() -> None:
    for error in (RuntimeError("shapes disagree"), ValueError("CUDA error: no"), RuntimeError("")):
        assert why_not(error) == ""


def test_a_gpu_too_small_for_the_weights_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    network = settle(filled(Cramped), torch.device("cuda"))
    assert {parameter.device.type for parameter in network.parameters()} == {"cpu"}
    assert "out of memory" in caplog.text


def test_a_card_that_this_torch_has_no_kernels_for_is_left_alone(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **where: object) -> None:
        if where.get("device") == torch.device("cuda"):
            raise RuntimeError("CUDA error: no kernel image is available for execution on the device\nmore lines")

    network = filled()
    monkeypatch.setattr(network, "to", lambda *args, **where: refuse(*args, **where) or network)
    settle(network, torch.device("cuda"))
    assert caplog.messages[0].startswith("the GPU is lost (CUDA error: no kernel image is available for execution on")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_driver_that_is_too_old_is_told_where_the_card_is_missed(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def init() -> None:
        raise RuntimeError(
            "The NVIDIA driver on your system is too old (found version 11040). Please update your GPU driver by ..."
        )

    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "init", init)
    monkeypatch.setattr(placement, "LARGE", 1)
    settle(filled())
    assert caplog.messages[0].startswith(
        "no GPU (The NVIDIA driver on your system is too old (found version 11040)): expect 1 to 3 s"
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_a_large_network_says_what_speed_to_expect(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(filled())
    assert not caplog.records
    monkeypatch.setattr(placement, "LARGE", 1)
    settle(filled())
    assert "no GPU" in caplog.text
    assert "on one core for 10 frames" in caplog.text


def test_bfloat16_stays_within_two_percent_and_latents_stay_float32() -> None:
    exact, half = stream(BlockGenerator(filled())), stream(BlockGenerator(filled().bfloat16()))
    assert half.dtype == torch.float32
    assert 1e-5 < relative_error(half, exact) < 2e-2


def test_a_conversation_follows_the_network_to_another_place() -> None:
    network = filled()
    made = BlockGenerator(network)
    state = primed(made)
    network.bfloat16()
    assert made.generate(state, conditions(6), random(1, 4, 6)).isfinite().all()
    assert {layer.keys.dtype for layer in state.cache.layers} == {torch.bfloat16}
    assert state.tail.dtype == torch.float32


@pytest.mark.parametrize(("inputs", "noise"), [("cpu", "meta"), ("meta", "meta"), ("cpu", "cpu")])
def test_a_block_is_drawn_where_the_weights_are_wherever_its_inputs_are(inputs: str, noise: str) -> None:
    """The device "meta" has no numbers, but refuses to mix with another as a GPU does."""
    sampler = SamplerConfig(joint=True, noise_scale=(0.5,) * 6, smoothing=(1.0,) * 6, anchor=AnchorConfig(gain=0.1))
    made = BlockGenerator(settle(filled(), torch.device("meta")), sampler)
    heard = conditions(20).map(lambda x: x.to(inputs))
    state = made.prime(random(1, 20, 6).to(inputs), heard, random(1, 6).to(inputs))
    assert {layer.keys.device.type for layer in state.cache.layers} == {"meta"}
    if noise == "meta":
        assert made.generate(state, heard.slice(0, 6), random(1, 4, 6).to(noise)).device.type == "meta"
    else:
        with pytest.raises(NotImplementedError, match="copy out of meta"):
            made.generate(state, heard.slice(0, 6), random(1, 4, 6))
        assert state.tail.device.type == "meta"


def test_a_pass_can_be_captured_whole() -> None:
    """What CUDA graphs need: nothing in a pass depends on values."""
    network = filled()
    window = network.transformer.open_window(random(1, 8, 16), fold=True)
    inputs = random(1, 8, 6), random(1, 6), network.transformer.modulation(torch.zeros(8)), window
    captured = torch.compile(network.transformer, backend="eager", fullgraph=True)
    with torch.inference_mode():
        torch.testing.assert_close(captured(*inputs), network.transformer(*inputs))


def test_folded_conditions_say_the_same_as_plain_ones() -> None:
    transformer = filled().double().transformer
    c = random(3, 8, 16).double()
    inputs = random(3, 8, 6).double(), random(3, 6).double(), transformer.modulation(torch.full((8,), 500.0))
    plain, folded = (transformer(*inputs, transformer.open_window(c, fold=fold)) for fold in (False, True))
    torch.testing.assert_close(folded, plain, rtol=0, atol=1e-12)


def test_branches_may_share_their_latents() -> None:
    transformer = filled().double().transformer
    window = transformer.open_window(random(6, 8, 16).double())
    modulation = transformer.modulation(torch.full((8,), 500.0))
    x, reference = random(2, 8, 6).double(), random(2, 6).double()
    shared = transformer(x, reference, modulation, window)
    apart = transformer(x.repeat(3, 1, 1), reference.repeat(3, 1), modulation, window)
    torch.testing.assert_close(shared, apart, rtol=0, atol=1e-12)
    for one, other in zip(
        transformer.remember(x, reference, modulation, window),
        transformer.remember(x.repeat(3, 1, 1), reference.repeat(3, 1), modulation, window),
        strict=True,
    ):
        torch.testing.assert_close(one.keys, other.keys, rtol=0, atol=1e-12)


@torch.no_grad()
def test_packed_weights_give_the_same_product_under_the_same_names() -> None:
    found = packed(WIDE)
    assert isinstance(found, PackedLinear)
    assert {name: tensor.numel() for name, tensor in found.named_parameters()} == {
        name: tensor.numel() for name, tensor in WIDE.named_parameters()
    }
    for x in (random(2, 18, 1024), random(1, 1024), random(3, 4, 1024), random(3, 4, 1024).transpose(0, 1)):
        assert relative_error(found(x), WIDE(x)) < 1e-6


@torch.no_grad()
def test_packed_weights_are_kept_once_for_all_numbers_of_rows_that_read_them_alike() -> None:
    found = PackedLinear(nn.Linear(4096, 1024))
    for rows in (36, 40, 48, 36, 40):
        found(random(rows, 4096))
    assert sorted(found._by_rows) == [36, 40, 48]
    assert len({id(weight) for weight in found._by_rows.values()}) < 3


@torch.no_grad()
def test_a_packed_feed_forward_has_its_activation() -> None:
    plain, quick = (FeedForward(NetworkConfig(hidden_size=512)) for _ in range(2))
    quick.load_state_dict(plain.state_dict())
    quick.pack()
    assert isinstance(quick.widen, PackedLinear)
    assert relative_error(quick(random(1, 12, 512)), plain(random(1, 12, 512))) < 1e-6


@torch.no_grad()
@pytest.mark.skipif("fbgemm" not in torch.backends.quantized.supported_engines, reason="this processor has no FBGEMM")
def test_weights_in_half_precision_cost_a_few_parts_in_ten_thousand() -> None:
    plain, quick = (FeedForward(NetworkConfig(hidden_size=512)) for _ in range(2))
    quick.load_state_dict(plain.state_dict())
    quick.pack(half=True)
    assert isinstance(quick.widen, HalfLinear)
    assert 1e-5 < relative_error(quick(random(1, 12, 512)), plain(random(1, 12, 512))) < 1e-3


@pytest.mark.skipif("fbgemm" not in torch.backends.quantized.supported_engines, reason="this processor has no FBGEMM")
def test_nothing_is_in_half_precision_that_was_not_asked_for() -> None:
    config = NetworkConfig(hidden_size=512, depth=1, condition_size=16)
    halves = [
        sum(isinstance(module, HalfLinear) for module in AvatarForcingNetwork(config).freeze(*half).modules())
        for half in ((), (False,), (True,))
    ]
    layer = Layer(config)
    layer.pack()
    assert halves[:2] == [0, 0] and halves[2] > 0
    assert not any(isinstance(module, HalfLinear) for module in layer.modules())


def test_what_is_small_or_exact_stays_as_it_is() -> None:
    for linear in (nn.Linear(64, 64), nn.Linear(1024, 1024).double()):
        assert packed(linear) is linear
    assert WIDE.weight.numel() >= LEAST_WEIGHTS
