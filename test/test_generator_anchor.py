# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The pull toward the portrait's motion, on closed forms and on a random walk."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from avatar_forcing_ros.generator.anchor import anchor_block
from avatar_forcing_ros.generator.sampler import AnchorConfig

SIZE, FRAMES, BLOCKS = 64, 10, 400
DEAD_BAND = AnchorConfig(gain=0.25)


@pytest.fixture
def reference() -> Tensor:
    return 28 * torch.nn.functional.normalize(torch.randn(SIZE, generator=torch.Generator().manual_seed(1)), dim=0)


def walk(reference: Tensor, config: AnchorConfig) -> Tensor:
    """Means of blocks whose slow part wanders from where the block before left it: (BLOCKS, M)."""
    random = torch.Generator().manual_seed(2)
    slow, mean, means = reference.clone(), reference, []
    for _ in range(BLOCKS):
        slow = slow + 0.12 * torch.randn(SIZE, generator=random)
        living = torch.randn(FRAMES, SIZE, generator=random)
        block = anchor_block(slow + living, reference, mean, config)
        mean = block.mean
        slow = slow + (block.motion - slow - living).mean(
            0
        )  # the next block follows the cache, which holds the pulled one
        means.append(block.motion.mean(0))
    return torch.stack(means)


def test_off_by_default(reference: Tensor) -> None:
    motion = torch.randn(3, FRAMES, SIZE)
    assert torch.equal(anchor_block(motion, reference.expand(3, SIZE), reference, AnchorConfig()).motion, motion)


def test_frame_pull_moves_every_frame_its_share_of_the_way(reference: Tensor) -> None:
    motion = torch.randn(FRAMES, SIZE)
    pulled = anchor_block(motion, reference, reference, AnchorConfig(frame_pull=0.1)).motion
    torch.testing.assert_close(pulled, 0.9 * motion + 0.1 * reference)


def test_drift_within_the_dead_band_is_left_alone(reference: Tensor) -> None:
    motion = (1.2 * reference).expand(FRAMES, SIZE)
    mean = 1.2 * reference
    assert torch.equal(anchor_block(motion, reference, mean, DEAD_BAND).motion, motion)


@pytest.mark.parametrize(("drift", "step"), [(0.35, 0.025), (3.0, 0.05)], ids=["share-of-excess", "capped"])
def test_correction_is_a_share_of_the_excess_up_to_a_cap(reference: Tensor, drift: float, step: float) -> None:
    mean = (1 + drift) * reference
    motion = mean.expand(FRAMES, SIZE)
    expected = (1 + drift - step) * reference
    torch.testing.assert_close(anchor_block(motion, reference, mean, DEAD_BAND).motion, expected.expand(FRAMES, SIZE))


def test_a_random_walk_is_held(reference: Tensor) -> None:
    free, held = (walk(reference, config) - reference for config in (AnchorConfig(), DEAD_BAND))
    free, held = (torch.linalg.vector_norm(x, dim=1) / 28 for x in (free, held))
    assert free[-100:].mean() > 0.6
    assert held.max() < 0.45


def test_the_frames_of_a_block_keep_their_motion(reference: Tensor) -> None:
    motion = 2 * reference + torch.randn(FRAMES, SIZE)
    pulled = anchor_block(motion, reference, 2 * reference, DEAD_BAND).motion
    torch.testing.assert_close(pulled.diff(dim=0), motion.diff(dim=0), atol=1e-5, rtol=0)


def test_a_reference_of_zero_is_no_division_by_zero() -> None:
    zero = torch.zeros(SIZE)
    assert torch.isfinite(anchor_block(torch.zeros(FRAMES, SIZE), zero, zero, DEAD_BAND).motion).all()


@pytest.mark.parametrize("wrong", [{"gain": 1.5}, {"frame_pull": -0.1}, {"dead_band": -1.0}])
def test_impossible_strengths_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="got"):
        AnchorConfig(**wrong)
