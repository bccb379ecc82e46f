"""The sample ring behaves as an endless tape of which only the end is remembered."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_forcing_ros.audio.ring import SampleRing


@pytest.mark.parametrize("seed", range(4))
def test_is_an_endless_tape_whose_end_is_remembered(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ring, tape = SampleRing(500), np.zeros(20_000, np.float32)
    for _ in range(150):
        position = max(0, ring.end + int(rng.integers(-300, 200)))
        samples = rng.standard_normal(int(rng.integers(0, 700))).astype(np.float32)
        if position + len(samples) > len(tape):
            break
        forgotten = ring.write(position, samples)
        tape[position + forgotten : position + len(samples)] = samples[forgotten:]
        start, stop = max(0, ring.start), ring.end
        np.testing.assert_array_equal(ring.read(start, stop), tape[start:stop])
    assert ring.end > 5000


def test_gaps_future_and_forgotten_past_read_as_silence() -> None:
    ring = SampleRing(10)
    ring.write(0, np.ones(4, np.float32))
    ring.write(8, np.ones(4, np.float32))
    np.testing.assert_array_equal(ring.read(-2, 14), [0] * 4 + [1] * 2 + [0] * 4 + [1] * 4 + [0] * 2)


def test_too_old_samples_are_counted_and_left_out() -> None:
    ring = SampleRing(10)
    ring.write(100, np.ones(10, np.float32))
    assert ring.write(95, np.full(8, 2, np.float32)) == 5
    np.testing.assert_array_equal(ring.read(100, 104), [2, 2, 2, 1])


def test_clear_begins_at_zero() -> None:
    ring = SampleRing(10)
    ring.write(50, np.ones(10, np.float32))
    ring.clear()
    assert ring.end == 0
    assert not ring.read(0, 60).any()


def test_bad_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="got 0"):
        SampleRing(0)
    with pytest.raises(ValueError, match="5 to 3"):
        SampleRing(4).read(5, 3)
