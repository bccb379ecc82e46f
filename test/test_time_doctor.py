# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What doctor says of the playout delay: the smallest lead on the grid that leaves no picture late, in words."""

from __future__ import annotations

import pytest

from avatar_forcing_ros.commands.doctor import delay_in_words


@pytest.mark.parametrize(
    ("spare_ms", "smallest", "advice"),
    [
        (0.0, 80, "leave it as it is"),
        (39.9, 80, "leave it as it is"),
        (40.0, 40, "reacts 40 ms sooner"),
        (79.0, 40, "reacts 40 ms sooner"),
        (-0.1, 120, "reactions come 40 ms later"),
        (-41.0, 160, "reactions come 80 ms later"),
    ],
)
def test_the_lead_covers_what_99_of_100_blocks_take(spare_ms: float, smallest: int, advice: str) -> None:
    said = delay_in_words(spare_ms, reduced=0.0, lead_ms=80)

    assert f"smallest safe avatar.lead_ms is {smallest} (it is 80)" in said
    assert advice in said
    assert f"{abs(spare_ms):.0f} ms {'before' if spare_ms >= 0 else 'after'} their time" in said


def test_a_machine_that_had_to_leave_things_out_is_too_slow() -> None:
    with pytest.raises(RuntimeError, match="25% of the frames were made at less than full quality"):
        delay_in_words(70.0, reduced=0.25, lead_ms=80)
