# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Any sample rate to the core's 16 kHz, as a stream: the same bits for any chunking, 4 ms behind its input.

A polyphase filter on scipy rather than soxr's stream, because of latency: measured with chunks of 10 ms, soxr holds
back 20 ms (LQ) to 37 ms (HQ) at 48 kHz and 61 to 118 ms at 8 kHz, a large share of the reaction time, where this filter
holds back 4 and 8 ms. It is flat up to 7.3 kHz, and what would alias stays below -80 dB.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy.signal import firwin, kaiser_beta, upfirdn

TARGET_RATE = 16_000
REACH = 64  # of the filter to each side, in samples of the lower rate: 4 ms at 16 kHz
STOP_BAND_DB = 80.0
CUTOFF = 0.96  # middle of the transition in units of the lower Nyquist rate; with REACH and -80 dB it ends at 1.0


class Resampler:
    """Mono float32 samples at `rate` in, at 16 kHz out; output sample k is the input at time k / 16000 s.

    One stream without gaps; after a gap, `reset` and count positions anew.
    """

    def __init__(self, rate: int) -> None:
        if not 4000 <= rate <= 192_000:
            raise ValueError(f"sample rate must be within 4000 and 192000 Hz, got {rate}")
        self.rate = rate
        ratio = Fraction(TARGET_RATE, rate)
        self._up, self._down = ratio.numerator, ratio.denominator
        self._reach = 0 if rate == TARGET_RATE else REACH * max(TARGET_RATE, rate) // TARGET_RATE  # input samples
        self._delay = -(-self._reach * self._up // self._down)  # of the filter, in output samples
        self._filter = self._design()
        self.reset()

    @property
    def held_back(self) -> int:
        """Output samples of what was pushed that are still to come."""
        return -(-(self._start + len(self._pending)) * self._up // self._down) - self._produced

    def reset(self) -> None:
        """Begin a new stream at position 0, with silence before it."""
        self._start = 0  # input position of the first pending sample, a multiple of `_down`
        self._pending = np.zeros(0, np.float32)
        self._produced = 0

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take (N,) samples at `rate`; return those at 16 kHz that are certain by now, (K,)."""
        if samples.ndim != 1:
            raise ValueError(f"samples must be mono (N,), got {samples.shape}")
        if self.rate == TARGET_RATE:
            return samples.astype(np.float32)
        self._pending = np.concatenate([self._pending, samples.astype(np.float32, copy=False)])
        return self._produce(self._start + len(self._pending) - self._reach)

    def flush(self) -> NDArray[np.float32]:
        """End the stream: the samples held back, as if silence followed. Then begin a new one."""
        heard = self._start + len(self._pending)
        self._pending = np.concatenate([self._pending, np.zeros(self._reach, np.float32)])
        tail = self._produce(heard)
        self.reset()
        return tail

    def _design(self) -> NDArray[np.float32]:
        """Low-pass at the common rate `rate * up`, delayed by a whole number of output samples."""
        if self.rate == TARGET_RATE:
            return np.ones(1, np.float32)
        centre = self._reach * self._up
        cutoff = CUTOFF * min(self.rate, TARGET_RATE) / (self.rate * self._up)
        taps = firwin(2 * centre + 1, cutoff, window=("kaiser", kaiser_beta(STOP_BAND_DB))) * self._up
        return np.pad(taps, (self._delay * self._down - centre, 0)).astype(np.float32)

    def _produce(self, certain: int) -> NDArray[np.float32]:
        """New output samples, whose centres lie before input position `certain`; forget inputs not needed again."""
        stop = max(self._produced, -(-certain * self._up // self._down))
        first = self._start // self._down * self._up - self._delay  # output sample that the filter gives first
        if stop == self._produced:
            return np.zeros(0, np.float32)
        filtered = upfirdn(self._filter, self._pending, self._up, self._down)
        result = filtered[self._produced - first : stop - first]
        self._produced = stop
        self._forget(stop * self._down // self._up - self._reach)
        return result

    def _forget(self, position: int) -> None:
        """Drop inputs before `position`, whole periods of `down` inputs and `up` outputs at a time."""
        start = max(self._start, position // self._down * self._down)
        self._pending = self._pending[start - self._start :]
        self._start = start


def to_mono(samples: NDArray) -> NDArray[np.float32]:
    """PCM as devices and files give it -> mono float32 in [-1, 1].

    Args:
        samples: (N,) or (N, channels); float, or integers of full scale (uint8 with its zero at 128).

    Raises:
        ValueError: another shape or type.
    """
    if samples.ndim not in (1, 2):
        raise ValueError(f"samples must be (N,) or (N, channels), got {samples.shape}")
    scaled = _scale(samples)
    return scaled if scaled.ndim == 1 else scaled.mean(axis=1, dtype=np.float32)


def to_int16(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """Samples in [-1, 1] as 16-bit integers, little endian; louder ones are clipped. `to_mono` takes them back."""
    return np.clip(np.rint(samples * 32768.0), -32768, 32767).astype("<i2")


def _scale(samples: NDArray) -> NDArray[np.float32]:
    if samples.dtype.kind == "f":
        return samples.astype(np.float32)
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - np.float32(128)) / np.float32(128)
    if samples.dtype.kind == "i":
        return (samples / -float(np.iinfo(samples.dtype).min)).astype(np.float32)
    raise ValueError(f"samples must be float, uint8 or signed integers, got {samples.dtype}")
