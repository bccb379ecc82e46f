# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Streaming with a cache is the same computation as a pass over everything at once."""

from dataclasses import replace

import pytest
import torch

from avatar_forcing_ros.network.cache import KeysValues, KVCache
from avatar_forcing_ros.network.config import NetworkConfig
from avatar_forcing_ros.network.layers import View
from avatar_forcing_ros.network.model import AvatarForcingNetwork
from avatar_forcing_ros.network.published import load_published, published_shapes
from avatar_forcing_ros.network.rotary import Rotary
from avatar_forcing_ros.network.visibility import aligned, visible
from avatar_forcing_ros.published.parity import weight_by_name

BUNDLED = NetworkConfig(
    motion_size=6, audio_feature_size=4, condition_size=8, condition_heads=2, hidden_size=16, heads=2, depth=2,
    clip_frames=24, block_frames=4,
)  # fmt: skip
ODD = replace(BUNDLED, clip_frames=19, block_frames=3, lookahead_frames=4, condition_radius=4)
BLOCKS = 6


def filled(config: NetworkConfig) -> AvatarForcingNetwork:
    network = AvatarForcingNetwork(config).eval()
    shapes = published_shapes(network)
    load_published(network, {key: torch.from_numpy(weight_by_name(key, shape, 1)) for key, shape in shapes.items()})
    return network.double().requires_grad_(requires_grad=False)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def still(
    network: AvatarForcingNetwork, x: torch.Tensor, c: torch.Tensor, cache: KVCache | None = None
) -> list[KeysValues]:
    """The pass over clean frames that fills the cache."""
    transformer = network.transformer
    modulation = transformer.modulation(torch.zeros(x.shape[1]))
    return transformer.remember(x, random(len(x), 6, seed=3), modulation, transformer.open_window(c, cache))


def after(network: AvatarForcingNetwork, x: torch.Tensor, c: torch.Tensor) -> KVCache:
    """The cache after a clean past."""
    return KVCache.from_clip(still(network, x, c), c, network.config)


def over_everything(network: AvatarForcingNetwork, x: torch.Tensor, t: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
    """Velocity of a whole stream in one pass: the rule, cut where a frame's window and its cache begin."""
    config, at = network.config, torch.arange(x.shape[1])
    begins = config.cache_frames  # of the first window; what lies before was one clip
    window = begins + (at - begins).div(config.block_frames, rounding_mode="floor") * config.block_frames
    window = window.clamp(max=x.shape[1] - config.window_frames)  # the newest window is still whole
    oldest = torch.where(at < begins, 0, window - config.cache_frames)
    oldest_condition = torch.where(at < begins, 0, window - config.condition_radius)
    seen = visible(at, at, config) & (at >= oldest[:, None])
    reached = aligned(at, at, config) & (at >= oldest_condition[:, None])
    masks = (torch.zeros(m.shape, dtype=x.dtype).masked_fill(~m, float("-inf")) for m in (seen, reached))
    view = View(Rotary.at(at, config.head_size, x.dtype), *masks)
    window_of_all = replace(network.transformer.open_window(c), view=view)
    reference = random(len(x), 6, seed=3)
    return network.transformer(x, reference, network.transformer.modulation(t), window_of_all)


@pytest.mark.parametrize("config", [BUNDLED, replace(BUNDLED, depth=1), ODD], ids=["bundled", "one layer", "odd sizes"])
def test_streaming_is_one_pass_over_everything(config: NetworkConfig) -> None:
    """Every block's noisy pass, after any number of commits, against one without a cache over all frames so far."""
    network, ahead, block = filled(config), config.lookahead_frames, config.block_frames
    history = config.cache_frames + ahead
    frames = history + BLOCKS * block
    clean, noisy, c = random(2, frames, 6), random(2, frames, 6, seed=1), random(2, frames, 16, seed=2)
    cache = after(network, clean[:, :history], c[:, :history])
    for start in range(history, frames, block):
        stop = start + block
        x = torch.cat((clean[:, :start], noisy[:, start:stop]), dim=1)
        t = torch.cat((torch.zeros(2, start), torch.full((2, block), 700.0)), dim=1)
        window = slice(start - ahead, stop)
        streamed = network.velocity(x[:, window], t[:, window], c[:, window], random(2, 6, seed=3), cache)
        at_once = over_everything(network, x, t, c[:, :stop])[:, window]
        torch.testing.assert_close(streamed, at_once, rtol=0, atol=1e-12)
        cache.commit(still(network, clean[:, window], c[:, window], cache), c[:, window], block)


@pytest.mark.parametrize(
    ("visibility", "depth", "exact"),
    [("framewise", 1, True), ("framewise", 2, True), ("framewise", 3, False), ("blockwise", 1, True),
     ("blockwise", 2, False)],
)  # fmt: skip
def test_where_a_training_clip_and_a_stream_agree(visibility: str, depth: int, exact: bool) -> None:
    """Training sees a clip in one pass with a noise level per block; let the past be at level 0, as in a stream.

    What differs is the past's look-ahead. In a clip it adds up over layers, l frames each, and reaches into the block
    being generated. A stream writes a frame's keys and values down when the l frames after it are final, which settles
    them for two layers. Blockwise a frame would see l frames of the next block, which is not there yet, so that one
    layer is settled. The published code streams its eight layers in this way too.
    """
    config = replace(BUNDLED, visibility=visibility, depth=depth)
    network, history = filled(config), config.cache_frames + config.lookahead_frames
    frames, window = history + config.block_frames, slice(config.cache_frames, None)
    x, c, reference = random(1, frames, 6), random(1, frames, 16, seed=2), random(1, 6, seed=3)
    t = torch.cat((torch.zeros(1, history), torch.full((1, config.block_frames), 400.0)), dim=1)
    clip = network.velocity(x, t, c, reference)[:, window]
    cache = after(network, x[:, :history], c[:, :history])
    streamed = network.velocity(x[:, window], t[:, window], c[:, window], reference, cache)
    difference = ((streamed - clip).norm() / clip.norm()).item()
    assert difference < 1e-12 if exact else 1e-6 < difference < 0.1


def test_reading_leaves_the_past_alone() -> None:
    network, frames, window = filled(BUNDLED), BUNDLED.clip_frames, BUNDLED.window_frames
    cache = after(network, random(1, frames, 6), random(1, frames, 16))
    tensors = [x for layer in cache.layers for x in (layer.keys, layer.values)] + [cache.conditions]
    copies = [x.clone() for x in tensors]
    for seed in range(8):
        x, c, t = (
            random(1, window, 6, seed=seed),
            random(1, window, 16, seed=seed),
            torch.full((1, window), 99.0 * seed),
        )
        network.velocity(x, t, c, random(1, 6), cache)
    assert all(torch.equal(x, copy) for x, copy in zip(tensors, copies, strict=True))
    assert cache.layers[0].keys is tensors[0]


def test_wrong_lengths_are_named() -> None:
    network = filled(BUNDLED)
    with pytest.raises(ValueError, match="at least 20 frames to fill the cache, got 19"):
        after(network, random(1, 19, 6), random(1, 19, 16))
    cache = after(network, random(1, 20, 6), random(1, 20, 16))
    with pytest.raises(ValueError, match="takes 6 frames, got 5"):
        network.velocity(random(1, 5, 6), torch.zeros(1, 5), random(1, 5, 16), random(1, 6), cache)
