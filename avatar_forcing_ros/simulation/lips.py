# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Lips from phoneme times: each sound has targets, which are blended and sampled at the video frames.

Neighbouring sounds share the mouth in proportion to how much each cares about a channel, so a `t` between two rounded
vowels stays rounded. Source: the dominance functions of Cohen and Massaro, 1993.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from avatar_forcing_ros.simulation.phrases import SAMPLE_RATE
from avatar_forcing_ros.simulation.talk import Talk

LIP_CHANNELS = ("jaw_open", "stretch", "pucker", "press", "upper_lip")
_RATE_HZ = 400
_JAW, _STRETCH, _PUCKER, _PRESS, _UPPER = range(5)


@dataclass(frozen=True)
class LipConfig:
    """How the mouth moves.

    Attributes:
        blend_s: standard deviation of the blending of neighbouring sounds. Speech gestures take 100 to 200 ms.
            Source: Ostry and Munhall, 1985.
        closure_blend_s: the same for closures, which are fast. Source: Loefqvist and Gracco, 1997.
        quiet_db: how far below the loud parts of a phrase the jaw opens only `quiet_gain` as wide; louder speech opens
            the mouth wider. Source: Schulman, 1989; Geumann, 2001.
        quiet_gain: see `quiet_db`.
        parting: exponent on the jaw's opening. Below one, lips part early and open wide late: except in closures,
            speaking lips are visibly apart.
    """

    blend_s: float = 0.032
    closure_blend_s: float = 0.014
    quiet_db: float = -32.0
    quiet_gain: float = 0.25
    parting: float = 0.75


# jaw_open, stretch, pucker, press, upper_lip; then how much the sound cares: jaw, width and rounding, press.
_REST = (0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0)
_TARGETS: dict[str, tuple[float, ...]] = {"": _REST}


def _define(symbols: str, targets: tuple[float, ...], care: tuple[float, float, float]) -> None:
    for symbol in symbols.split():
        _TARGETS[symbol] = (*targets, *care)


_define("p b m", (0.02, 0.0, 0.05, 1.0, 0.0), (1.2, 0.3, 1.0))
_define("f v", (0.10, 0.08, 0.0, 0.30, 0.32), (1.0, 0.5, 1.0))
_define("θ ð", (0.20, 0.10, 0.0, 0.0, 0.12), (0.6, 0.3, 1.0))
_define("t d n l ɾ ɫ ɭ r", (0.23, 0.12, 0.0, 0.0, 0.05), (0.5, 0.2, 1.0))
_define("s z ts dz", (0.16, 0.28, 0.0, 0.0, 0.12), (1.0, 0.5, 1.0))
_define("ʃ ʒ tʃ dʒ ʂ ʐ", (0.18, -0.10, 0.55, 0.0, 0.22), (1.0, 0.9, 1.0))
_define("k ɡ g ŋ x χ ɣ ç ɲ ʎ q", (0.26, 0.05, 0.0, 0.0, 0.03), (0.4, 0.2, 1.0))
_define("h ʔ ɦ", (0.30, 0.0, 0.0, 0.0, 0.0), (0.2, 0.1, 1.0))
_define("ɹ ɚ ɜ ɝ ʁ ɐɾ", (0.28, -0.08, 0.32, 0.0, 0.08), (0.7, 0.6, 1.0))
_define("w ɥ ʍ", (0.16, -0.25, 0.95, 0.0, 0.0), (1.0, 1.2, 1.0))
_define("j ʝ", (0.20, 0.38, 0.0, 0.0, 0.03), (0.7, 0.7, 1.0))
_define("β ʋ", (0.12, 0.0, 0.1, 0.35, 0.0), (0.8, 0.4, 1.0))
_define("i ɪ ᵻ", (0.28, 0.55, 0.0, 0.0, 0.05), (1.0, 1.0, 1.0))
_define("y ʏ", (0.24, -0.15, 0.80, 0.0, 0.0), (1.0, 1.1, 1.0))
_define("e", (0.40, 0.42, 0.0, 0.0, 0.05), (1.0, 1.0, 1.0))
_define("ɛ", (0.48, 0.32, 0.0, 0.0, 0.06), (1.0, 1.0, 1.0))
_define("ø œ", (0.38, -0.15, 0.62, 0.0, 0.0), (1.0, 1.0, 1.0))
_define("æ", (0.62, 0.28, 0.0, 0.0, 0.08), (1.1, 1.0, 1.0))
_define("a ɑ", (0.68, 0.05, 0.0, 0.0, 0.05), (1.1, 0.9, 1.0))
_define("ʌ ɐ", (0.56, 0.02, 0.0, 0.0, 0.03), (1.0, 0.8, 1.0))
_define("ə ɨ", (0.34, 0.04, 0.0, 0.0, 0.0), (0.6, 0.4, 1.0))
_define("ɔ ɒ", (0.54, -0.18, 0.48, 0.0, 0.0), (1.0, 1.0, 1.0))
_define("o", (0.44, -0.25, 0.68, 0.0, 0.0), (1.0, 1.0, 1.0))
_define("u ʊ ʉ", (0.25, -0.30, 0.92, 0.0, 0.0), (1.0, 1.1, 1.0))
_UNKNOWN = (0.28, 0.05, 0.0, 0.0, 0.0, 0.4, 0.2, 1.0)
_SEPARATE = ("tʃ", "dʒ", "ts", "dz", "ɐɾ")


_VOWELS = "iɪᵻyʏeɛøœæaɑʌɐəɨɔɒouʊʉɚɜɝ"


def _plain(symbol: str) -> str:
    return "".join(letter for letter in symbol if letter not in "ˈˌː:-̩̃̚ʰʲ̝̯ˑ")


def is_consonant(symbol: str) -> bool:
    """Whether a sound is a consonant; a pause is none."""
    return bool(_plain(symbol)) and _plain(symbol)[0] not in _VOWELS


def targets_of(symbol: str) -> tuple[tuple[float, ...], ...]:
    """Targets of a sound in order: two for a diphthong or a syllabic consonant, else one."""
    plain = _plain(symbol)
    if plain in _TARGETS:
        return (_TARGETS[plain],)
    if plain[:2] in _SEPARATE:
        return (_TARGETS[plain[:2]],)
    return tuple(_TARGETS.get(letter, _UNKNOWN) for letter in plain[:2]) or (_REST,)


def _targets_on_clock(talk: Talk) -> NDArray[np.float32]:
    """(N, 8) targets and cares at every moment; the mouth is at rest between phrases."""
    out = np.tile(np.array(_REST, np.float32), (round(talk.duration_s * _RATE_HZ), 1))
    for item in talk.spoken:
        for phoneme in item.phrase.phonemes:
            parts = targets_of(phoneme.symbol)
            edges = item.start_s + np.linspace(phoneme.start_s, phoneme.end_s, len(parts) + 1)
            for part, begin, end in zip(parts, edges[:-1], edges[1:], strict=True):
                out[int(begin * _RATE_HZ) : int(end * _RATE_HZ)] = part
    return out


def loudness_gain(talk: Talk, config: LipConfig) -> NDArray[np.float32]:
    """(N,) factor on the jaw's opening, from the level of the voice within its phrase."""
    sound = talk.sound()
    step = SAMPLE_RATE // _RATE_HZ
    power = gaussian_filter1d((sound[: len(sound) // step * step] ** 2).reshape(-1, step).mean(axis=1), 0.03 * _RATE_HZ)
    loud = max(1e-6, float(np.percentile(power[power > 1e-6], 90))) if (power > 1e-6).any() else 1.0
    level_db = 10 * np.log10(power / loud + 1e-6)
    share = np.clip(1 - level_db / config.quiet_db, 0, 1.2)
    return (config.quiet_gain + (1 - config.quiet_gain) * share).astype(np.float32)


def lip_curves(talk: Talk, frames: int, frame_rate: float, config: LipConfig | None = None) -> NDArray[np.float32]:
    """Lips of what a person says.

    Args:
        talk: what is said, and when.
        frames: T, number of video frames.
        frame_rate: in Hz. Frame n is sampled at the middle of its display time.
        config: how the mouth moves.

    Returns:
        (T, 5) float32 in the order of LIP_CHANNELS.
    """
    config = config or LipConfig()
    clock = _targets_on_clock(talk)
    care = clock[:, [5, 6, 6, 7, 6]]
    sigma = np.array([config.blend_s] * 3 + [config.closure_blend_s, config.blend_s]) * _RATE_HZ
    curves = np.empty((len(clock), 5), np.float32)
    for channel in range(5):
        weight = gaussian_filter1d(care[:, channel], sigma[channel])
        curves[:, channel] = gaussian_filter1d(care[:, channel] * clock[:, channel], sigma[channel]) / weight
    # A closure may be shorter than a video frame, so show its peak in the frame that it falls into.
    curves[:, _PRESS] = maximum_filter1d(curves[:, _PRESS], int(_RATE_HZ / frame_rate))
    opening = curves[:, _JAW] * loudness_gain(talk, config)[: len(curves)]
    curves[:, _JAW] = opening**config.parting * (1 - 0.9 * np.clip(curves[:, _PRESS], 0, 1))
    middles = ((np.arange(frames) + 0.5) / frame_rate * _RATE_HZ).astype(int)
    return np.clip(curves[np.minimum(middles, len(curves) - 1)], (0, -0.5, 0, 0, 0), 1).astype(np.float32)
