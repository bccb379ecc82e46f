# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Resampling: right in time and amplitude, free of aliases, independent of chunking, and close behind its input."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_forcing_ros.audio.pcm import to_mono
from avatar_forcing_ros.audio.resample import Resampler

LATENCY_S = 0.0081
"""Half of the longest filter: 32 periods at 4 kHz."""
RATES = (8000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000, 192_000)


def sine(hertz: float, rate: int, seconds: float = 0.6) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate).astype(np.float32)


def whole(rate: int, samples: np.ndarray) -> np.ndarray:
    resampler = Resampler(rate)
    return np.concatenate([resampler.push(samples), resampler.flush()])


@pytest.mark.parametrize("rate", RATES)
def test_a_sine_comes_out_at_the_same_times(rate: int) -> None:
    result = whole(rate, sine(1000, rate))
    expected = sine(1000, 16_000)
    assert result.dtype == np.float32
    assert abs(len(result) - len(expected)) <= 1
    np.testing.assert_allclose(result[200:-200], expected[200 : len(result) - 200], atol=3e-4)


@pytest.mark.parametrize("rate", RATES)
def test_any_chunks_give_the_same_bits(rate: int) -> None:
    rng = np.random.default_rng(rate)
    samples = rng.standard_normal(rate // 2 + 13).astype(np.float32)
    resampler = Resampler(rate)
    cuts = np.sort(rng.integers(0, len(samples), 30))
    parts = [resampler.push(chunk) for chunk in np.split(samples, cuts)]
    np.testing.assert_array_equal(np.concatenate([*parts, resampler.flush()]), whole(rate, samples))


@pytest.mark.parametrize("rate", RATES)
def test_output_stays_no_further_behind_than_half_of_the_filter(rate: int) -> None:
    resampler = Resampler(rate)
    heard = given = 0
    for _ in range(30):
        heard += rate // 100
        given += len(resampler.push(np.zeros(rate // 100, np.float32)))
        assert heard / rate - given / 16_000 <= LATENCY_S + 1 / 16_000


@pytest.mark.parametrize(("rate", "hertz"), [(22_050, 8500), (44_100, 12_000), (48_000, 15_500), (192_000, 80_000)])
def test_what_would_alias_is_gone(rate: int, hertz: float) -> None:
    assert np.abs(Resampler(rate).push(sine(hertz, rate))[200:]).max() < 1e-4


def test_memory_stays_bounded() -> None:
    resampler = Resampler(44_100)
    sizes = set()
    for _ in range(2000):
        resampler.push(np.zeros(441, np.float32))
        sizes.add(len(resampler._pending))
    assert max(sizes) < 2000


def test_agrees_with_soxr() -> None:
    soxr = pytest.importorskip("soxr")
    samples = np.random.default_rng(0).standard_normal(24_000).astype(np.float32)
    smooth = np.convolve(samples, np.hanning(31) / 15, mode="same").astype(np.float32)  # below 4 kHz
    ours, theirs = whole(48_000, smooth), soxr.resample(smooth, 48_000, 16_000, quality="VHQ")
    np.testing.assert_allclose(ours[100:-100], theirs[100:-100], atol=2e-3)


def test_flush_begins_anew() -> None:
    samples = sine(300, 48_000)
    resampler = Resampler(48_000)
    first = np.concatenate([resampler.push(samples), resampler.flush()])
    np.testing.assert_array_equal(first, np.concatenate([resampler.push(samples), resampler.flush()]))


def test_impossible_rates_are_refused() -> None:
    for rate in (0, 2000, 400_000):
        with pytest.raises(ValueError, match=f"got {rate}"):
            Resampler(rate)


@pytest.mark.parametrize(
    ("pcm", "expected"),
    [
        (np.array([-32768, 0, 16384], np.int16), [-1, 0, 0.5]),
        (np.array([-(2**31), 2**30], np.int32), [-1, 0.5]),
        (np.array([0, 128, 192], np.uint8), [-1, 0, 0.5]),
        (np.array([0.25, -0.5], np.float64), [0.25, -0.5]),
        (np.array([[0.5, -0.5], [1.0, 0.5]], np.float32), [0, 0.75]),  # channels are averaged
    ],
)
def test_pcm_becomes_mono_floats(pcm: np.ndarray, expected: list[float]) -> None:
    mono = to_mono(pcm)
    assert mono.dtype == np.float32
    np.testing.assert_allclose(mono, expected)


def test_what_is_no_pcm_is_refused() -> None:
    with pytest.raises(ValueError, match="must be"):
        to_mono(np.zeros((1, 2, 3), np.float32))
    with pytest.raises(ValueError, match="bool"):
        to_mono(np.zeros(3, np.bool_))
