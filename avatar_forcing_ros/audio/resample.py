# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Any sample rate to the core's 16 kHz, as a stream: the same bits for any chunking, 4 ms behind its input.

A polyphase filter rather than soxr's stream, because of latency: measured with chunks of 10 ms, soxr holds
back 20 ms (LQ) to 37 ms (HQ) at 48 kHz and 61 to 118 ms at 8 kHz, a large share of the reaction time, where this filter
holds back 4 and 8 ms. It is flat up to 7.3 kHz, and what would alias stays below -80 dB. scipy.signal has
the same in two calls, but its import takes a tenth of the time until the avatar leads after power-on.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

TARGET_RATE = 16_000
REACH = 64  # of the filter to each side, in samples of the lower rate: 4 ms at 16 kHz
STOP_BAND_DB = 80.0
KAISER_BETA = 0.1102 * (STOP_BAND_DB - 8.7)
"""Source: J. F. Kaiser, Nonrecursive digital filter design using the I0-sinh window function, ISCAS 1974."""
CUTOFF = 0.96  # middle of the transition in units of the lower Nyquist rate; with REACH and -80 dB it ends at 1.0

_AT_ONCE = 4096  # outputs; their windows take some MB


class Resampler:
    """Mono float32 samples at `rate` in, at 16 kHz out; output sample k is the input at time k / 16000 s.

    One stream without gaps; after a gap, call `reset` and count positions from 0.
    """

    def __init__(self, rate: int) -> None:
        if not 4000 <= rate <= 192_000:
            raise ValueError(f"sample rate must be within 4000 and 192000 Hz, got {rate}")
        self.rate = rate
        ratio = Fraction(TARGET_RATE, rate)
        self._up, self._down = ratio.numerator, ratio.denominator
        self._reach = 0 if rate == TARGET_RATE else REACH * max(TARGET_RATE, rate) // TARGET_RATE  # input samples
        self._delay = -(-self._reach * self._up // self._down)  # of the filter, in output samples
        self._phases = self._design()
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
        """(up, taps) low-pass at the common rate `rate * up`, delayed by a whole number of output samples.

        Row p holds, last first, the taps that meet input samples when an output lies p common samples after one.
        """
        if self.rate == TARGET_RATE:
            return np.ones((1, 1), np.float32)
        centre = self._reach * self._up
        cutoff = CUTOFF * min(self.rate, TARGET_RATE) / (self.rate * self._up)
        taps = np.sinc(cutoff * np.arange(-centre, centre + 1)) * np.kaiser(2 * centre + 1, KAISER_BETA)
        delayed = np.pad(taps / taps.sum() * self._up, (self._delay * self._down - centre, 0))
        whole = np.pad(delayed, (0, -len(delayed) % self._up)).astype(np.float32)
        return np.ascontiguousarray(whole.reshape(-1, self._up).T[:, ::-1])

    def _produce(self, certain: int) -> NDArray[np.float32]:
        """New output samples, whose centres lie before input position `certain`; forget inputs not needed again."""
        stop = max(self._produced, -(-certain * self._up // self._down))
        first = self._start // self._down * self._up - self._delay  # output sample that the filter gives first
        if stop == self._produced:
            return np.zeros(0, np.float32)
        result = self._filtered(np.arange(self._produced - first, stop - first))
        self._produced = stop
        self._forget(stop * self._down // self._up - self._reach)
        return result

    def _filtered(self, outputs: NDArray[np.int64]) -> NDArray[np.float32]:
        """Outputs by number, 0 at the first pending sample; none depends on which others are asked for."""
        taps = self._phases.shape[1]
        sound = np.concatenate([np.zeros(taps - 1, np.float32), self._pending, np.zeros(taps, np.float32)])
        windows = np.lib.stride_tricks.sliding_window_view(sound, taps)
        newest, phase = np.divmod(outputs * self._down, self._up)
        parts = [
            np.einsum("kt,kt->k", windows[newest[at : at + _AT_ONCE]], self._phases[phase[at : at + _AT_ONCE]])
            for at in range(0, len(outputs), _AT_ONCE)
        ]
        return np.concatenate(parts)

    def _forget(self, position: int) -> None:
        """Drop inputs before `position`, whole periods of `down` inputs and `up` outputs at a time."""
        start = max(self._start, position // self._down * self._down)
        self._pending = self._pending[start - self._start :]
        self._start = start
