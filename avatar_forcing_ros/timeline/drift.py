# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Sound cards count their samples with a crystal of their own: 100 millionths off is three seconds in eight hours.

Whoever has a stamp for a piece of sound compares it with where the count of samples has got to. Single stamps wander by
milliseconds, their average does not; when it is off, a piece of sound is made one sample longer or shorter, which no
one hears.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass
class DriftFollower:
    """Averages how far stamps are ahead of counted samples, and says when a sample has to be put in or left out.

    Attributes:
        smoothing: samples over which deviations are averaged.
        tolerance: in samples; a smaller average deviation is left alone.
        average: in samples; positive: the stamps are ahead, samples are missing.
    """

    smoothing: int
    tolerance: float
    average: float = 0.0
    _begun: bool = field(default=False, repr=False)

    def restart(self, deviation: float = 0.0) -> None:
        """Start again from a deviation that is known to be right."""
        self.average, self._begun = deviation, True

    def follow(self, deviation: float, length: int) -> int:
        """A piece of sound of this length comes.

        Args:
            deviation: how far its stamp is ahead of the samples counted so far, in samples.
            length: of the piece, in samples.

        Returns:
            How many samples the piece should be longer: 1, 0 or -1.
        """
        if not self._begun:
            self.restart(deviation)
        self.average += (deviation - self.average) * min(1.0, length / self.smoothing)
        if abs(self.average) < max(self.tolerance, 1.0) or length < 3:
            return 0
        change = 1 if self.average > 0 else -1
        self.average -= change
        return change


def of_length(samples: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    """A piece of sound drawn out or pressed together to `length` samples; its first and last samples stay."""
    if length == len(samples):
        return samples
    positions = np.linspace(0, len(samples) - 1, length)
    return np.interp(positions, np.arange(len(samples)), samples).astype(np.float32)
