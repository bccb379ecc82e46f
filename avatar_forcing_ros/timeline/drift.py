# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Follows the drift of a sound card's clock, which has a crystal of its own: 100 ppm is three seconds in eight hours.

The stamp of each piece of sound is compared with the samples counted so far. Single stamps wander by milliseconds, but
their average does not; when it is off, a piece of sound is made one sample longer or shorter, which is inaudible.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass
class DriftFollower:
    """Averages how far stamps are ahead of counted samples, and says when to insert or drop a sample.

    Attributes:
        smoothing: number of samples over which deviations are averaged.
        tolerance: average deviation in samples that is left alone.
        average: average deviation in samples; if positive, the stamps are ahead and samples are missing.
    """

    smoothing: int
    tolerance: float
    average: float = 0.0
    _begun: bool = field(default=False, repr=False)

    def restart(self, deviation: float = 0.0) -> None:
        """Start again from a known deviation."""
        self.average, self._begun = deviation, True

    def follow(self, deviation: float, length: int) -> int:
        """Take account of the next piece of sound.

        Args:
            deviation: how far its stamp is ahead of the samples counted so far, in samples.
            length: length of the piece in samples.

        Returns:
            By how many samples to lengthen the piece: 1, 0 or -1.
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
    """A piece of sound stretched or compressed to `length` samples; its first and last samples stay."""
    if length == len(samples):
        return samples
    positions = np.linspace(0, len(samples) - 1, length)
    return np.interp(positions, np.arange(len(samples)), samples).astype(np.float32)
