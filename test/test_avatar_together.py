# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of a block are drawn together where that is quicker, and the first one alone where somebody waits for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from avatar_forcing_ros.avatar import Avatar
from avatar_forcing_ros.commands.render import START_NS, Inputs, presented_frames
from avatar_forcing_ros.files.media import AudioClip
from avatar_forcing_ros.motion.autoencoder.config import AutoencoderConfig
from avatar_forcing_ros.motion.autoencoder.portrait import AutoencoderPortrait
from avatar_forcing_ros.motion.autoencoder.published import published_shapes
from avatar_forcing_ros.motion.autoencoder.runtime import AutoencoderRuntime
from avatar_forcing_ros.signals import AvatarFrame
from avatar_forcing_ros.testing import BarsPortrait, tiny_bundle
from avatar_forcing_ros.testing.sessions import VirtualMachine
from avatar_forcing_ros.timeline.grid import FRAME_NS

PORTRAIT = np.full((64, 64, 3), 90, np.uint8)


class BlockBars(BarsPortrait):
    """Draws three at once, and keeps how many each time."""

    at_once = 3

    def __init__(self, image: NDArray[np.uint8], size: int) -> None:
        super().__init__(image, size)
        self.drawn: list[int] = []

    def render(self, latent: NDArray[np.float32], frame_index: int = 0) -> NDArray[np.uint8]:
        self.drawn.append(1)
        return super().render(latent, frame_index)

    def render_together(self, latents: NDArray[np.float32]) -> list[NDArray[np.uint8]]:
        self.drawn.append(len(latents))
        return [super(BlockBars, self).render(latent) for latent in latents]


@pytest.fixture
def portrait() -> BlockBars:
    return BlockBars(PORTRAIT, 512)


@pytest.fixture
def avatar(portrait: BlockBars) -> Avatar:
    avatar = Avatar(tiny_bundle(), PORTRAIT)
    avatar.use_portrait(portrait)
    return avatar


@pytest.fixture
def frames(avatar: Avatar) -> list[AvatarFrame]:
    avatar.start(0)
    return avatar.step(avatar.next_decision_ns)


@pytest.mark.parametrize(("first_alone", "parts"), [(False, [3, 1]), (True, [1, 3])])
def test_pictures_are_the_same_together_as_alone(
    avatar: Avatar, portrait: BlockBars, frames: list[AvatarFrame], first_alone: bool, parts: list[int]
) -> None:
    wanted = [avatar.render(frame) for frame in frames]
    portrait.drawn.clear()
    drawings = avatar.drawings(frames, first_alone)
    assert portrait.drawn == []
    for draw, picture in zip(drawings, wanted, strict=True):
        np.testing.assert_array_equal(draw(), picture)
    assert portrait.drawn == parts
    np.testing.assert_array_equal(drawings[-1](), wanted[-1])  # its label is not laid over twice
    assert portrait.drawn == parts


def test_render_draws_whole_blocks(avatar: Avatar, portrait: BlockBars) -> None:
    said = AudioClip(np.zeros(16_000, np.float32), 16_000)
    frames = list(presented_frames(avatar, Inputs(said, None, [], 8 * FRAME_NS)))
    assert [frame.stamp_ns for frame in frames] == [START_NS + n * FRAME_NS for n in range(8)]
    for draw in avatar.drawings(frames[:4]):
        draw()
    assert portrait.drawn == [3, 1]


@pytest.mark.parametrize(("every_frame", "parts"), [(False, {1, 3}), (True, {3, 1})])
def test_a_session_draws_the_first_one_alone_unless_there_is_no_deadline(
    portrait: BlockBars, every_frame: bool, parts: set[int]
) -> None:
    machine = VirtualMachine(tiny_bundle(), PORTRAIT, every_frame=every_frame)
    machine.avatar.use_portrait(portrait)
    portrait.drawn.clear()
    machine.run(1.0)
    first = portrait.drawn[:2]
    assert first == ([3, 1] if every_frame else [1, 3])
    assert set(portrait.drawn) == parts
    assert machine.session.frames_shown >= 20


def test_the_published_portrait_draws_together_what_it_draws_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("avatar_forcing_ros.motion.autoencoder.runtime.quick_dtype", lambda _device: torch.float32)
    torch.manual_seed(0)
    shapes = published_shapes(AutoencoderConfig(image_size=64, latent_size=24, coefficients=5, widest=16))
    state = {key: torch.randn(shape) for key, shape in shapes.items()}
    save_file({k: 0.1 * x + ("modulation" in k) if k.endswith("bias") else x for k, x in state.items()}, tmp_path / "a")
    runtime = AutoencoderRuntime(tmp_path / "a")
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    portrait = AutoencoderPortrait(runtime, image, 48)
    latents = portrait.reference + np.random.default_rng(1).standard_normal((3, 24)).astype(np.float32)
    together = portrait.render_together(latents)
    assert [picture.shape for picture in together] == [(48, 48, 3)] * 3
    for picture, latent in zip(together, latents, strict=True):
        difference = picture.astype(int) - portrait.render(latent)
        assert np.abs(difference).max() <= 1
    with pytest.raises(ValueError, match="finite"):
        portrait.render_together(np.full((2, 24), np.nan, np.float32))
