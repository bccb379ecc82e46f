# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Log-mel features: causal, independent of chunking, flat for white noise, and quiet for what is not speech."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_forcing_ros.audio.log_mel import LogMel, LogMelConfig, LogMelStream, log_mel_frames, mel_edges

RATE = 16_000


def noise(seconds: float, decibels: float, seed: int = 0) -> np.ndarray:
    samples = np.random.default_rng(seed).standard_normal(int(seconds * RATE)) * 10 ** (decibels / 20)
    return samples.astype(np.float32)


def tone(hertz: float, seconds: float = 1.0, amplitude: float = 0.1) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE)).astype(np.float32)


@pytest.mark.parametrize("seed", range(3))
def test_stream_equals_offline_bit_for_bit_for_any_chunks(seed: int) -> None:
    samples = noise(2.03, -20)
    rng = np.random.default_rng(seed)
    cuts = np.sort(rng.integers(0, len(samples), 40))
    stream = LogMelStream()
    rows = np.concatenate([stream.push(chunk) for chunk in np.split(samples, cuts)])
    np.testing.assert_array_equal(rows, log_mel_frames(samples))


def test_a_frame_depends_on_no_later_sample() -> None:
    samples = noise(1.0, -20)
    changed = samples.copy()
    changed[640 * 11 :] = 0
    before, after = log_mel_frames(samples), log_mel_frames(changed)
    np.testing.assert_array_equal(before[:11], after[:11])
    assert not np.allclose(before[11], after[11])


def test_a_frame_hears_15_ms_before_itself_and_no_more() -> None:
    for position, rows in ((640 * 3 - 20, {2, 3}), (640 * 3 - 239, {2, 3}), (640 * 3 - 241, {2})):
        click = np.zeros(640 * 5, np.float32)
        click[position] = 1.0
        assert set(np.flatnonzero(np.abs(log_mel_frames(click) + 1).max(axis=1) > 1e-6)) == rows


def test_random_access_gives_the_row_of_the_stream() -> None:
    samples = noise(1.0, -20)
    np.testing.assert_array_equal(LogMel().frame(samples[640 * 7 - 240 : 640 * 8]), log_mel_frames(samples)[7])


def test_digital_silence_costs_nothing_and_gives_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    said = np.concatenate([noise(0.2, -20), np.zeros(RATE, np.float32), noise(0.2, -20)])
    tables = LogMel()
    monkeypatch.setattr(tables, "silence", tables._row(np.zeros(880, np.float32)))
    asked: list[int] = []
    row = tables._row
    monkeypatch.setattr(tables, "_row", lambda samples: asked.append(1) or row(samples))
    stream = LogMelStream(tables)

    rows = stream.push(said)

    np.testing.assert_array_equal(rows, log_mel_frames(said))
    assert len(asked) == 5 + 1 + 5  # one that still hears the noise 15 ms before it


def test_a_tone_is_loudest_in_the_band_that_holds_it() -> None:
    edges = mel_edges(LogMelConfig())
    for hertz in (200, 440, 1000, 3000, 6500):
        row = log_mel_frames(tone(hertz))[10].reshape(4, 80)
        peak = int(row[2].argmax())
        assert edges[peak] < hertz < edges[peak + 2]


def test_ten_times_the_amplitude_is_one_unit_more() -> None:
    quiet, loud = (log_mel_frames(tone(1000, amplitude=a))[5].max() for a in (0.05, 0.5))
    assert loud - quiet == pytest.approx(1.0, abs=0.01)


def test_white_noise_reads_its_level_through_pre_emphasis() -> None:
    """At 2668 Hz, where |1 - 0.97 exp(-jw)| is 1, white noise of x dBFS has x dB: (x - floor) / 20 - 1 units."""
    rows = log_mel_frames(noise(20, -20)).reshape(-1, 4, 80)
    band = int(np.argmin(np.abs(mel_edges(LogMelConfig())[1:-1] - 2668)))
    level = 10 ** ((rows[1:, :, band] + 1) * 20 / 10 - 5.2)
    assert 10 * np.log10(level.mean()) == pytest.approx(-20, abs=0.5)


def test_silence_hiss_hum_and_offset_look_alike() -> None:
    hum = tone(50, amplitude=0.01) + tone(150, amplitude=0.003)
    silence = log_mel_frames(np.zeros(RATE, np.float32))
    np.testing.assert_allclose(silence, -1, atol=1e-6)
    assert np.mean(log_mel_frames(noise(5, -60)) + 1) < 0.05
    assert np.percentile(log_mel_frames(noise(5, -60)) + 1, 95) < 0.15
    assert np.mean(log_mel_frames(hum)[1:] + 1) < 0.05
    assert np.mean(log_mel_frames(np.full(RATE, 0.02, np.float32))[1:] + 1) < 0.05


def test_voice_stands_far_above_silence() -> None:
    """Harmonics of 120 Hz under a formant at 600 Hz, at -42 dBFS: a distant speaker."""
    voice = sum(tone(f, amplitude=1 / f / abs(1 - (f / 600) ** 2 + 0.2j * f / 600)) for f in range(120, 4000, 120))
    voice = (voice / voice.std() * 10 ** (-42 / 20)).astype(np.float32)
    row = log_mel_frames(voice)[10]
    assert -0.4 < row.max() < 2.0


def test_reset_is_a_fresh_stream() -> None:
    stream = LogMelStream()
    stream.push(noise(0.51, -10))
    stream.reset()
    samples = noise(0.2, -20, seed=4)
    np.testing.assert_array_equal(stream.push(samples), log_mel_frames(samples))


def test_wrong_input_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(880,\)"):
        LogMel().frame(np.zeros(640, np.float32))
    with pytest.raises(ValueError, match="must be"):
        log_mel_frames(np.zeros((10, 2), np.float32))
    with pytest.raises(ValueError, match="high_hz"):
        LogMelConfig(high_hz=9000)
