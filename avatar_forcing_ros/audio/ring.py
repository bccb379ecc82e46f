"""Samples by absolute position, with bounded memory: what a stream said lately, for ever.

Positions count samples from the origin of an epoch. What nobody has written reads as silence, so a gap in a stream
needs no special case, and pieces may arrive out of order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class SampleRing:
    """The last `capacity` samples of a stream at absolute positions."""

    def __init__(self, capacity: int) -> None:
        if capacity <= 0:
            raise ValueError(f"capacity must be positive, got {capacity}")
        self._samples = np.zeros(capacity, np.float32)
        self._end = 0

    @property
    def capacity(self) -> int:
        """Samples that are remembered."""
        return len(self._samples)

    @property
    def end(self) -> int:
        """Position after the newest sample written."""
        return self._end

    @property
    def start(self) -> int:
        """Oldest position that is still remembered; may be negative at the beginning, where all is silence."""
        return self._end - self.capacity

    def write(self, position: int, samples: NDArray[np.float32]) -> int:
        """Put (N,) samples at `position`; a gap after `end` becomes silence.

        Returns:
            How many samples were too old to be remembered and were left out.
        """
        end = position + len(samples)
        if end > self._end:
            self._advance(end)
        forgotten = min(len(samples), max(0, self.start - position))
        kept = samples[forgotten:]
        self._samples[self._slots(position + forgotten, len(kept))] = kept
        return forgotten

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """(stop - start,) samples; silence where nothing was written or where it is forgotten."""
        if stop < start:
            raise ValueError(f"stop must not be before start, got {start} to {stop}")
        result = np.zeros(stop - start, np.float32)
        first, last = max(start, self.start), min(stop, self._end)
        if first < last:
            result[first - start : last - start] = self._samples[self._slots(first, last - first)]
        return result

    def clear(self) -> None:
        """Forget everything and begin at position 0."""
        self._samples[:] = 0
        self._end = 0

    def _advance(self, end: int) -> None:
        new = min(end - self._end, self.capacity)
        self._samples[self._slots(end - new, new)] = 0
        self._end = end

    def _slots(self, position: int, count: int) -> NDArray[np.intp]:
        return np.arange(position, position + count) % self.capacity
