# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Both forms of guidance against their formulas."""

from __future__ import annotations

import pytest
import torch

from avatar_forcing_ros.generator.guidance import Guidance
from avatar_forcing_ros.generator.sampler import joint_branches, separate_branches

SCALES = [(1.0, 1.0), (2.0, 1.0), (1.0, 0.0), (0.0, 1.0), (1.5, 1.7), (0.0, 0.0)]


def combined(guidance: Guidance, null: float, avatar: float, user: float, everything: float) -> float:
    """Guided velocity when each branch guesses these."""
    guesses = {(False, False): null, (True, False): avatar, (False, True): user, (True, True): everything}
    stacked = torch.tensor([guesses[b.sees_avatar, b.sees_user] for b in guidance.branches]).view(-1, 1, 1)
    return float(guidance.combine(stacked))


@pytest.mark.parametrize(("w_a", "w_u"), SCALES)
def test_separate_is_the_published_sum(w_a: float, w_u: float) -> None:
    found = combined(Guidance(separate_branches(w_a, w_u)), 0.3, 0.7, -0.4, 99.0)
    assert found == pytest.approx(0.3 + w_a * (0.7 - 0.3) + w_u * (-0.4 - 0.3), abs=1e-6)


@pytest.mark.parametrize(("w_a", "w_u"), SCALES)
def test_joint_leads_away_from_what_lacks_a_side(w_a: float, w_u: float) -> None:
    found = combined(Guidance(joint_branches(w_a, w_u)), 99.0, 0.7, -0.4, 0.5)
    assert found == pytest.approx(0.5 + (w_a - 1) * (0.5 + 0.4) + (w_u - 1) * (0.5 - 0.7), abs=1e-6)


@pytest.mark.parametrize(("w_a", "w_u"), SCALES)
def test_forms_agree_where_influences_add_up(w_a: float, w_u: float) -> None:
    guesses = (0.0, 0.7, -0.4, 0.3)
    separate = combined(Guidance(separate_branches(w_a, w_u)), *guesses)
    assert combined(Guidance(joint_branches(w_a, w_u)), *guesses) == pytest.approx(separate, abs=1e-6)


def test_joint_without_exaggeration_is_one_branch_and_without_the_user_it_sees_none() -> None:
    assert [(b.sees_avatar, b.sees_user) for b in joint_branches(1, 1)] == [(True, True)]
    assert not any(b.sees_user for b in joint_branches(1, 0))
