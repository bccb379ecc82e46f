# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The echo gate: what the avatar did not say passes, what it said does not, and it learns the room from that alone."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_forcing_ros.audio.echo_gate import EchoGate, EchoGateConfig
from avatar_forcing_ros.audio.echo_path import EchoPath, EchoPathConfig

RATE, FRAME = 16_000, 640


@pytest.fixture(scope="module")
def voices(voices: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """8 s of each voice."""
    return {name: sound[: 8 * RATE] for name, sound in voices.items()}


def room(said: np.ndarray, delay_ms: int, gain_db: float) -> np.ndarray:
    """Delay, direct sound and a short tail."""
    rng = np.random.default_rng(1)
    tail = rng.normal(size=2400) * np.exp(-np.arange(2400) / 350) * 0.05
    tail[0] = 1.0
    heard = np.convolve(said, np.concatenate([np.zeros(delay_ms * 16), tail]))[: len(said)]
    return (heard * 10 ** (gain_db / 20) * said.std() / heard.std()).astype(np.float32)


def noise(count: int, dbfs: float = -60.0) -> np.ndarray:
    return (np.random.default_rng(2).standard_normal(count) * 10 ** (dbfs / 20)).astype(np.float32)


def listen(gate: EchoGate, heard: np.ndarray, said: np.ndarray) -> np.ndarray:
    early = gate.config.early_frames * FRAME
    return gate.push(heard, np.concatenate([said[early:], np.zeros(early, np.float32)]))


def decibels(sound: np.ndarray, reference: np.ndarray) -> float:
    return float(20 * np.log10(sound.std() / reference.std()))


def test_while_the_avatar_is_silent_sound_passes_bit_for_bit(voices: dict[str, np.ndarray]) -> None:
    silence = np.zeros_like(voices["user"])
    np.testing.assert_array_equal(listen(EchoGate(), voices["user"], silence), voices["user"])


def test_after_the_last_echo_sound_passes_bit_for_bit_again(voices: dict[str, np.ndarray]) -> None:
    said = np.concatenate([voices["avatar"][: 2 * RATE], np.zeros(2 * RATE, np.float32)])
    heard = room(said, 100, -10) + noise(len(said))
    reach = EchoPathConfig().reach_ms * 16 + 2 * FRAME
    np.testing.assert_array_equal(listen(EchoGate(), heard, said)[2 * RATE + reach :], heard[2 * RATE + reach :])


@pytest.mark.parametrize("gain_db", [-6, -20])
@pytest.mark.parametrize("delay_ms", [0, 150, 300])
def test_echo_is_quieter_by_20_db_from_the_beginning(
    voices: dict[str, np.ndarray], gain_db: float, delay_ms: int
) -> None:
    echo = room(voices["avatar"], delay_ms, gain_db)
    alone = listen(EchoGate(), echo + noise(len(echo)), voices["avatar"])
    assert decibels(alone[:RATE], echo[:RATE]) < -20
    assert decibels(alone, echo) < -20


def test_a_loudspeaker_that_is_80_ms_early_is_heard_as_well(voices: dict[str, np.ndarray]) -> None:
    said = voices["avatar"]
    echo = np.concatenate([room(said, 0, -10)[2 * FRAME :], np.zeros(2 * FRAME, np.float32)])
    assert decibels(listen(EchoGate(), echo + noise(len(echo)), said), echo) < -20


@pytest.mark.parametrize("gain_db", [-10, -100], ids=["echo", "no echo"])
def test_a_user_who_speaks_into_it_is_heard_once_the_room_is_known(
    voices: dict[str, np.ndarray], gain_db: float
) -> None:
    said, user = voices["avatar"], voices["user"] * 0.3
    user[: 4 * RATE] = 0
    alone = listen(EchoGate(), room(said, 100, gain_db) + user + noise(len(said)), said)[5 * RATE :]
    assert abs(decibels(alone, user[5 * RATE :])) < 3.5
    assert np.corrcoef(alone, user[5 * RATE :])[0, 1] > 0.9


def test_the_room_is_remembered_while_the_avatar_is_silent_and_the_microphone_away(
    voices: dict[str, np.ndarray],
) -> None:
    said = voices["avatar"]
    echo = room(said, 100, -8)
    gate = EchoGate()
    listen(gate, echo + noise(len(echo)), said)
    gate.skip(np.zeros(RATE, np.float32))
    again = listen(gate, echo[:RATE] + noise(RATE), said[:RATE])
    assert decibels(again, echo[:RATE]) < -20


def test_any_cut_into_frames_gives_the_same_sound(voices: dict[str, np.ndarray]) -> None:
    said, heard = voices["avatar"][: 2 * RATE], room(voices["avatar"][: 2 * RATE], 40, -10)
    whole, gate = EchoGate().push(heard, said), EchoGate()
    pieces = [gate.push(heard[n : n + FRAME], said[n : n + FRAME]) for n in range(0, len(said), FRAME)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


def test_is_causal(voices: dict[str, np.ndarray]) -> None:
    said, heard = voices["avatar"][:RATE], room(voices["avatar"][:RATE], 40, -10)
    changed = heard.copy()
    changed[RATE // 2 :] = 0
    before = EchoGate().push(heard, said)[: RATE // 2]
    np.testing.assert_array_equal(EchoGate().push(changed, said)[: RATE // 2], before)


def test_the_path_is_found_where_it_is() -> None:
    """White sound, no noise: the estimate is the true response, and all else is zero."""
    config = EchoPathConfig(reach_ms=100)
    path, rng = EchoPath(config), np.random.default_rng(0)
    true = np.zeros(1600)
    true[[400, 700]] = 0.5, -0.2
    said = (rng.standard_normal(RATE * 8) * 0.1).astype(np.float32)
    heard = np.convolve(said, true)[: len(said)].astype(np.float32)
    for block in range(0, len(said), config.block_samples):
        path.present(said[block : block + config.block_samples])
        residual = path.subtract(heard[block : block + config.block_samples])
    found = np.fft.irfft(path._path, axis=1)[:, : config.block_samples].ravel()
    assert residual is not None and residual.samples.std() < 0.05 * heard.std()
    np.testing.assert_allclose(found, true, atol=0.03)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"reach_ms": 10}, "reach_ms must be at least 20, got 10"),
        ({"persistence": 1.5}, r"persistence must be within 0 and 1, got 1\.5"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EchoPathConfig(**settings)  # type: ignore[arg-type]


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="caution must not be negative"):
        EchoGateConfig(caution=-1)
    with pytest.raises(ValueError, match="whole blocks of 320 samples, got 100"):
        EchoGate().push(np.zeros(100, np.float32), np.zeros(100, np.float32))
