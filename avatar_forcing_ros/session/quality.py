# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How much work goes into a block: less when blocks keep coming late, more again after a calm period.

Replays keep one level, because their pictures must not depend on the speed of the machine.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Effort:
    """The work that goes into a block at one level.

    Attributes:
        words: description of the level.
        steps_share: share of the solver's steps, at least one step; with 0, nothing is generated and the face is held.
        picture_every: a picture is drawn for one in this many frames and repeated for the others; 0 draws none.
    """

    words: str
    steps_share: float
    picture_every: int

    def draws(self, frame: int) -> bool:
        """Whether a new picture is drawn for a frame of the epoch."""
        return bool(self.picture_every) and frame % self.picture_every == 0

    def steps(self, full: int) -> int:
        """Solver steps of a block that has `full` of them at level 0."""
        return max(1, round(full * self.steps_share)) if self.steps_share else 0


LEVELS = (
    Effort("full quality", 1.0, 1),
    Effort("half the solver steps", 0.5, 1),
    Effort("half the solver steps and every second picture", 0.5, 2),
    Effort("a quarter of the solver steps and every fourth picture", 0.25, 4),
    Effort("the face is held still", 0.0, 0),
)
"""By quality level: each is cheaper than the one before, and all have a face and speech."""


@dataclass(frozen=True)
class QualityConfig:
    """When to reduce the work for a block, and when to raise it again.

    Attributes:
        fixed: keep this level, 0 is full; -1 follows what the machine can do, except in a replay (simulated time
            without an understudy), which keeps 0.
        tolerance_ms: a block is late if one of its pictures was ready this long after its presentation time.
        late_blocks: this many late blocks among the last `watched_blocks` lead to the next cheaper level; so does one
            that is more than two blocks late.
        watched_blocks: number of recent blocks to watch.
        calm_s: quality rises by one level after this long without a late block.
        longest_calm_s: each failed attempt to raise the level doubles the wait, up to this.
        spare_calm_s: quality rises after this long if blocks leave so much time to spare that the next level will fit.
    """

    fixed: int = field(default=-1, metadata={"range": (-1, len(LEVELS) - 1)})
    tolerance_ms: float = field(default=10.0, metadata={"range": (0.0, 1000.0)})
    late_blocks: int = field(default=3, metadata={"range": (1, 100)})
    watched_blocks: int = field(default=5, metadata={"range": (1, 100)})
    calm_s: float = field(default=5.0, metadata={"range": (0.0, 3600.0)})
    longest_calm_s: float = field(default=80.0, metadata={"range": (0.0, 86_400.0)})
    spare_calm_s: float = field(default=1.5, metadata={"range": (0.0, 3600.0)})

    def __post_init__(self) -> None:
        if self.late_blocks > self.watched_blocks:
            raise ValueError(
                f"late_blocks must be at most watched_blocks, got {self.late_blocks} of {self.watched_blocks}"
            )
        if not 0 < self.calm_s <= self.longest_calm_s:
            raise ValueError(f"calm_s must be within 0 and longest_calm_s, got {self.calm_s}")


_LEVEL_COSTS = 2.0
"""A level takes at most this many times as long as the next cheaper one, whatever the share of drawing."""
_FITS = 0.8
"""A block fits if it is expected to take at most this share of its own length."""
_HOLDS_S = 20.0
"""After this long, a raised level counts as holding; one that just does not fit takes this long to come late."""


class QualityLadder:
    """Says at which level the next block is made. Its only clock is the number of blocks.

    Args:
        config: when the level changes.
        block_s: length of a block in seconds.

    Attributes:
        level: level of the next block; 0 is full.
        late: number of late blocks so far.
    """

    def __init__(self, config: QualityConfig, block_s: float) -> None:
        self._config, self._block_s = config, block_s
        self._adapts = config.fixed < 0
        self.level = max(config.fixed, 0)
        self.late = 0
        self._newest: deque[bool] = deque(maxlen=config.watched_blocks)
        self._lateness_ms = 0.0
        self._calm_blocks = 0
        # waits before each level is tried; shorter for a held face, which tells nothing about the machine
        self._first_s = [config.calm_s] * (len(LEVELS) - 2) + [0.8 * config.calm_s] * 2
        held_s = min(config.longest_calm_s, 4 * config.calm_s)
        self._longest_s = [config.longest_calm_s] * (len(LEVELS) - 2) + [held_s] * 2
        self._patience_s = list(self._first_s)
        self._on_trial = False
        self._busy_ms: deque[float] = deque(maxlen=max(1, round(config.spare_calm_s / block_s)))

    @property
    def effort(self) -> Effort:
        """The work of the next block."""
        return LEVELS[self.level]

    def note(self, lateness_ms: float, busy_ms: float = math.inf) -> None:
        """Note that a block is done.

        Args:
            lateness_ms: how long after its presentation time the latest of its pictures was ready; negative is early.
            busy_ms: how long it took; infinite if that is not known.
        """
        # a block that begins late because of earlier ones but catches up is no reason to go further down
        catches_up = lateness_ms < self._lateness_ms - self._config.tolerance_ms
        late = lateness_ms > self._config.tolerance_ms
        self._lateness_ms = lateness_ms
        self.late += late
        self._newest.append(late and not catches_up)
        self._busy_ms.append(busy_ms)
        self._calm_blocks = 0 if late else self._calm_blocks + 1
        if self._adapts:
            self._adapt(hopeless=lateness_ms > 2000 * self._block_s and not catches_up)

    def _adapt(self, hopeless: bool) -> None:
        calm_s = self._calm_blocks * self._block_s
        slow = hopeless or sum(self._newest) >= self._config.late_blocks
        if slow and self.level < len(LEVELS) - 1:
            if self._on_trial:
                self._patience_s[self.level] = min(2 * self._patience_s[self.level], self._longest_s[self.level])
            self._move(1)
        elif self._on_trial and calm_s >= _HOLDS_S:
            self._patience_s[self.level], self._on_trial = self._first_s[self.level], False  # it holds
        elif self.level:
            wait_s = self._config.spare_calm_s if self._has_room() else self._patience_s[self.level - 1]
            if calm_s >= wait_s:
                self._move(-1)

    def _has_room(self) -> bool:
        """Whether the next better level will fit; unknown, and so False, while the face is held still."""
        is_known = self.effort.steps_share > 0 and len(self._busy_ms) == self._busy_ms.maxlen
        return is_known and _LEVEL_COSTS * max(self._busy_ms) <= _FITS * 1e3 * self._block_s

    def _move(self, by: int) -> None:
        self.level += by
        self._on_trial = by < 0
        self._newest.clear()
        self._busy_ms.clear()
        self._calm_blocks = 0
