# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How well the users' smiles were read: what the avatar answers is the reading, not the smile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects, label

from avatar_forcing_ros.metrics.correlation import pearson
from avatar_forcing_ros.metrics.reaction import OnsetConfig, onsets
from avatar_forcing_ros.motion.facemesh.channels import INDEX
from avatar_forcing_ros.signals import FPS
from avatar_forcing_ros.simulation.conversation import Conversation

_RISE, _SLIGHT_RISE = OnsetConfig(rise=0.3), OnsetConfig(rise=0.08)
_NEAR_S = 0.6
"""A rise that is read belongs to a true one, however slight, no further from it than this."""


@dataclass(frozen=True)
class SmileReading:
    """How what was read of the users' smiles differs from their smiles, while their faces were found.

    Attributes:
        error_talking: rms while they talk; NaN if they never do.
        error_silent: rms while they are silent; NaN if they never are.
        correlation: with the true smiles.
        false_rises_per_minute: rises of 0.3 that were read and are not there.
    """

    error_talking: float
    error_silent: float
    correlation: float
    false_rises_per_minute: float

    def __str__(self) -> str:
        talking, silent = ("-" if np.isnan(x) else f"{x:.2f}" for x in (self.error_talking, self.error_silent))
        return (
            f"The users' smiles, as read: error (rms) {talking} while they talk, {silent} while silent; "
            f"correlation {self.correlation:.2f}; false rises: {self.false_rises_per_minute:.1f} a minute."
        )


def smile_reading(conversations: Sequence[Conversation]) -> SmileReading | None:
    """Compare what was read with the truth, over all conversations; None if no user was seen in any."""
    smile = INDEX["smile"]
    read, true = (
        np.stack([getattr(c, name)[:, smile] for c in conversations]).astype(np.float64)
        for name in ("user_motion", "user_true_motion")
    )
    seen = np.stack([c.user_valid for c in conversations])
    if not seen.any():
        return None
    talks = np.stack([c.user_talk.speaking(FPS)[: seen.shape[1]] for c in conversations])
    rises = sum(_false_rises(*curves) for curves in zip(read, true, seen, strict=True))
    return SmileReading(
        error_talking=_rms((read - true)[seen & talks]),
        error_silent=_rms((read - true)[seen & ~talks]),
        correlation=pearson(read[seen], true[seen]),
        false_rises_per_minute=60 * FPS * rises / int(seen.sum()),
    )


def _rms(errors: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.square(errors).mean())) if len(errors) else float("nan")


def _false_rises(read: NDArray[np.float64], true: NDArray[np.float64], seen: NDArray[np.bool_]) -> int:
    """Number of rises in a (T,) reading, within each stretch of `seen` frames, that are near no rise of the truth."""
    real = onsets(true, _SLIGHT_RISE)
    return sum(not (np.abs(real - found) <= _NEAR_S).any() for found in _rises(read, seen))


def _rises(read: NDArray[np.float64], seen: NDArray[np.bool_]) -> Iterator[float]:
    for (stretch,) in find_objects(label(seen)[0]):
        yield from stretch.start / FPS + onsets(read[stretch], _RISE)
