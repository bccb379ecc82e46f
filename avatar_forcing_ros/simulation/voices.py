# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Voices: the engine, name, rate and pitch of each speaker."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

from avatar_forcing_ros.simulation import flite
from avatar_forcing_ros.simulation.espeak import Espeak
from avatar_forcing_ros.simulation.phrases import SAMPLE_RATE, Phrase, close_gaps

_ACCENTS: dict[str, tuple[str, ...]] = {
    "en": ("en-us", "en-gb-scotland", "en-029", "en-gb-x-rp", "en-us-nyc"),
    "de": ("de",),
    "fr": ("fr", "fr-be", "fr-ch"),
    "es": ("es", "es-419"),
    "it": ("it",),
    "pt": ("pt", "pt-br"),
    "nl": ("nl",),
}
_LANGUAGE_SHARES = {"en": 0.5, "de": 0.12, "fr": 0.1, "es": 0.1, "it": 0.08, "pt": 0.05, "nl": 0.05}
TIMBRES = ("", "m1", "m2", "m3", "m4", "m6", "m8", "f1", "f2", "f3", "f4", "klatt2", "Andy", "Annie", "linda", "steph")
"""Variants of espeak-ng for training. HELD_OUT_TIMBRES are reserved for evaluation."""
HELD_OUT_TIMBRES = ("m7", "f5", "klatt3", "Lee")


@dataclass(frozen=True)
class Voice:
    """One speaker.

    Attributes:
        language: key of the word lists.
        engine: "espeak" or "flite".
        name: name of the voice within its engine.
        words_per_minute: speech rate.
        pitch: 0 to 99, espeak only.
        pitch_range: range of the melody, 0 to 99, espeak only.
        tract: factor on formants, pitch and rate, applied by resampling; below one, the speaker is larger.
    """

    language: str
    engine: str
    name: str
    words_per_minute: int
    pitch: int
    pitch_range: int
    tract: float


def random_voice(rng: np.random.Generator, flite_share: float, held_out: bool = False) -> Voice:
    """Draw a speaker; `flite_share` is the chance that an English voice comes from flite."""
    language = str(rng.choice(list(_LANGUAGE_SHARES), p=list(_LANGUAGE_SHARES.values())))
    timbre = str(rng.choice(HELD_OUT_TIMBRES if held_out else TIMBRES))
    name = str(rng.choice(_ACCENTS[language])) + (f"+{timbre}" if timbre else "")
    engine = "espeak"
    if language == "en" and flite.available() and rng.random() < flite_share:
        engine, name = "flite", str(rng.choice(flite.VOICES))
    return Voice(
        language,
        engine,
        name,
        words_per_minute=int(np.clip(rng.normal(175, 25), 125, 240)),
        pitch=int(rng.integers(20, 80)),
        pitch_range=int(rng.integers(30, 80)),
        tract=float(rng.uniform(0.88, 1.14)),
    )


class Speaker:
    """Speaks phrases in one voice, at 16 kHz."""

    def __init__(self, voice: Voice, espeak: Espeak) -> None:
        self.voice = voice
        self._espeak = espeak

    def say(self, text: str) -> Phrase:
        """Speak a text, without the pauses before and after it."""
        samples, rate, starts = self._synthesise(text)
        sound = soxr.resample(samples, rate * self.voice.tract, SAMPLE_RATE, quality="MQ").astype(np.float32)
        scaled = [(start / self.voice.tract, symbol, word) for start, symbol, word in starts]
        return _trimmed(sound, scaled)

    def _synthesise(self, text: str) -> tuple[NDArray[np.float32], int, list[tuple[float, str, bool]]]:
        voice = self.voice
        if voice.engine == "flite":
            return flite.say(text, voice.name, stretch=175 / voice.words_per_minute)
        samples, starts = self._espeak.say(text, voice.name, voice.words_per_minute, voice.pitch, voice.pitch_range)
        return samples, self._espeak.sample_rate, starts


def _trimmed(sound: NDArray[np.float32], starts: list[tuple[float, str, bool]]) -> Phrase:
    """Cut the sound before the first and after the last phoneme that is not a pause."""
    phonemes = close_gaps(starts, len(sound) / SAMPLE_RATE)
    voiced = [p for p in phonemes if p.symbol]
    begin, end = voiced[0].start_s, voiced[-1].end_s
    inside = [p for p in phonemes if begin <= p.start_s < end]
    kept = close_gaps([(p.start_s - begin, p.symbol, p.word_start) for p in inside], end - begin)
    cut = sound[int(begin * SAMPLE_RATE) : int(end * SAMPLE_RATE)]
    return Phrase(cut / max(1e-4, float(np.abs(cut).max())), kept)
