# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Laughter: how a laughing face moves, which laughs are answered, and what only looks or sounds like a laugh.

The laugh itself mostly decides whether it is shared: hearty ones are, chuckles are not. A network can learn this rule;
it could not learn the toss of a coin.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.channels import INDEX, SIZE
from avatar_forcing_ros.signals import FPS
from avatar_forcing_ros.simulation.phrases import SAMPLE_RATE, Phrase
from avatar_forcing_ros.simulation.pulses import Pulse, draw, frame_times, poisson_times
from avatar_forcing_ros.simulation.sentences import laughter
from avatar_forcing_ros.simulation.talk import Spoken, Talk
from avatar_forcing_ros.simulation.voices import Speaker


@dataclass(frozen=True)
class LaughStatistics:
    """Statistics of the user's laughs, and of the avatar's laughs that answer them.

    Attributes:
        per_minute: rate of the user's laughs, besides those that end a turn. People laugh about five times in ten
            minutes of conversation (Vettin and Todt, 2004); the rate here is higher, so that answers are learnt.
        least_heartiness: up to this heartiness, a laugh is hardly ever shared.
        sure_heartiness: from this heartiness on, it nearly always is. Heartiness is drawn evenly, so about half are.
            Source: Smoski and Bachorowski, 2003 (about half of laughs are shared); Truong and Trouvain, 2012.
        unsure: chance of an exception to either rule.
        delay_s: least and greatest time from the user's onset to the avatar's. Source: Truong and Trouvain, 2012;
            Smoski and Bachorowski, 2003 (within a second).
        linger_s: least and greatest time from the end of the user's laugh to the end of the answer.
        lasts_s: least and greatest length of an answer. Source: Vettin and Todt, 2004; Ruch and Ekman, 2001.
        answer: least and greatest heartiness of the answer, relative to the user's.
        calls_hz: calls per second. Source: Bachorowski et al., 2001 (4 to 5).
        back_share: chance that the head goes back rather than forward. Source: Ruch and Ekman, 2001.
        quiet_share: chance that the user laughs almost silently. Source: Provine, 1993; Bachorowski et al., 2001 (half
            of all laughs are unvoiced).
        coughs_per_minute: rate of the user's coughs.
    """

    per_minute: float = 2.5
    least_heartiness: float = 0.25
    sure_heartiness: float = 0.55
    unsure: float = 0.04
    delay_s: tuple[float, float] = (0.26, 0.5)
    linger_s: tuple[float, float] = (0.0, 0.7)
    lasts_s: tuple[float, float] = (1.0, 3.2)
    answer: tuple[float, float] = (0.8, 1.05)
    calls_hz: tuple[float, float] = (4.2, 5.2)
    back_share: float = 0.7
    quiet_share: float = 0.3
    coughs_per_minute: float = 0.6


@dataclass(frozen=True)
class Laugh:
    """One laugh.

    Attributes:
        start_s: when the first call begins.
        duration_s: how long the calls last.
        heartiness: 0 is a chuckle, 1 the heartiest.
    """

    start_s: float
    duration_s: float
    heartiness: float

    @property
    def end_s(self) -> float:
        """When the last call ends."""
        return self.start_s + self.duration_s

    @property
    def size(self) -> float:
        """Size of the laugh on the face, relative to a full laugh."""
        return 0.35 + 0.65 * self.heartiness


def with_free_laughs(rng: np.random.Generator, own: Talk, speaker: Speaker, s: LaughStatistics) -> Talk:
    """What a person says, with extra laughs in their silences that do not follow one of their own turns."""
    spoken = list(own.spoken)
    for start in poisson_times(rng, own.duration_s, s.per_minute, least_gap_s=4.0):
        phrase = speaker.say(laughter(rng))
        free = all(start + phrase.duration_s + 0.2 < i.start_s or i.end_s + 0.2 < start for i in spoken)
        if free and start + phrase.duration_s < own.duration_s:
            spoken.append(Spoken(start, phrase, laugh=True))
    return replace(own, spoken=tuple(sorted(spoken, key=lambda item: item.start_s)))


def with_quiet_laughs(rng: np.random.Generator, own: Talk, s: LaughStatistics) -> Talk:
    """The same talk with some laughs made almost silent."""
    return replace(own, spoken=tuple(_quietened(rng, i, s) if i.laugh else i for i in own.spoken))


def _quietened(rng: np.random.Generator, item: Spoken, s: LaughStatistics) -> Spoken:
    if rng.random() >= s.quiet_share:
        return item
    samples = item.phrase.samples * np.float32(10 ** (rng.uniform(-50, -25) / 20))
    return replace(item, phrase=Phrase(samples, item.phrase.phonemes))


def laughs_of(rng: np.random.Generator, own: Talk) -> tuple[Laugh, ...]:
    """A person's laughs with their heartiness; long laughs are heartier."""
    return tuple(
        Laugh(
            i.start_s, i.phrase.duration_s, float(np.clip(rng.uniform(0, 1) + 0.1 * (i.phrase.duration_s - 1.7), 0, 1))
        )
        for i in own.laughs
    )


def answered_laughs(
    rng: np.random.Generator, laughs: Iterable[Laugh], own: Talk, s: LaughStatistics
) -> tuple[Laugh, ...]:
    """The avatar's silent laughs. It does not answer every laugh, and never laughs while it speaks."""
    speaking, answers = own.speaking(FPS), []
    for laugh in laughs:
        share = (laugh.heartiness - s.least_heartiness) / (s.sure_heartiness - s.least_heartiness)
        wanted = rng.random() < np.clip(share, s.unsure, 1 - s.unsure)
        delay, linger = rng.uniform(*s.delay_s), rng.uniform(*s.linger_s)
        heartiness = float(min(1.0, laugh.heartiness * rng.uniform(*s.answer)))
        start, lasts = laugh.start_s + delay, float(np.clip(laugh.duration_s + linger - delay, *s.lasts_s))
        ahead = speaking[int(start * FPS) : int((start + lasts) * FPS)]
        said = np.flatnonzero(ahead)
        lasts = min(lasts, said[0] / FPS - 0.1) if len(said) else lasts
        if wanted and lasts >= 0.5 and start + lasts < own.duration_s:
            answers.append(Laugh(start, lasts, heartiness))
    return tuple(answers)


def laughing_motion(
    rng: np.random.Generator, laughs: Iterable[Laugh], frames: int, s: LaughStatistics
) -> NDArray[np.float64]:
    """(T, 18) what a laugh adds to a face, apart from the smile and, in audible laughs, the mouth (see `lips`).

    The head goes back or forward and to one side, the eyes narrow, brows and upper lip rise.
    """
    motion, times = np.zeros((frames, SIZE)), frame_times(frames)
    for laugh in laughs:
        size = laugh.size
        slow = draw([Pulse(laugh.start_s - 0.1, 0.45, max(0.1, laugh.duration_s - 0.35), 0.9, size)], frames)
        quick = draw([Pulse(laugh.start_s - 0.1, 0.28, max(0.1, laugh.duration_s - 0.1), 0.55, size)], frames)
        back = -1 if rng.random() < s.back_share else 0.8
        calls = 1 + 0.12 * np.sin(2 * np.pi * rng.uniform(*s.calls_hz) * (times - laugh.start_s))
        motion[:, INDEX["pitch"]] += back * rng.uniform(0.06, 0.15) * slow
        motion[:, INDEX["roll"]] += rng.normal(0, 0.07) * slow
        motion[:, INDEX["yaw"]] += rng.normal(0, 0.03) * slow
        motion[:, INDEX["y"]] += back * rng.uniform(0.0, 0.05) * slow
        motion[:, INDEX["scale"]] -= back * rng.uniform(-0.005, 0.025) * slow
        motion[:, INDEX["jaw_open"]] += rng.uniform(0.42, 0.62) * quick * calls
        motion[:, INDEX["stretch"]] += 0.15 * quick
        motion[:, INDEX["upper_lip"]] += rng.uniform(0.15, 0.35) * quick
        motion[:, INDEX["brow_raise"]] += rng.uniform(-0.05, 0.25) * quick
        for lid in ("blink_right", "blink_left"):
            motion[:, INDEX[lid]] = np.maximum(motion[:, INDEX[lid]], rng.uniform(0.24, 0.34) * quick)
    return motion


def laughing_smiles(laughs: Iterable[Laugh]) -> tuple[Pulse, ...]:
    """Smiles that begin with the laughs and outlast them. They are always felt."""
    return tuple(
        Pulse(laugh.start_s - 0.25, 0.35, laugh.duration_s + 0.2, 1.1, size=0.55 + 0.45 * laugh.heartiness, felt=True)
        for laugh in laughs
    )


@dataclass(frozen=True)
class Coughs:
    """A person's coughs: what they do to the face, (T, 18), and how they sound, (N,) at 16 kHz."""

    motion: NDArray[np.float64]
    sound: NDArray[np.float32]


def coughs(rng: np.random.Generator, own: Talk, frames: int, s: LaughStatistics) -> Coughs:
    """Bursts of breath with an open mouth, shut eyes and a nod but no smile, which the avatar must not answer."""
    motion, sound = np.zeros((frames, SIZE)), np.zeros(round(own.duration_s * SAMPLE_RATE), np.float32)
    for first in poisson_times(rng, own.duration_s - 2, s.coughs_per_minute, least_gap_s=3.0):
        size = rng.uniform(0.5, 1.0)
        for start in first + 0.32 * np.arange(int(rng.integers(1, 4))):
            burst = draw([Pulse(float(start), 0.06, 0.06, 0.16, size)], frames)
            motion[:, INDEX["jaw_open"]] += 0.55 * burst
            motion[:, INDEX["pitch"]] += 0.08 * burst
            motion[:, INDEX["pucker"]] += 0.25 * burst
            for lid in ("blink_right", "blink_left"):
                motion[:, INDEX[lid]] = np.maximum(motion[:, INDEX[lid]], burst)
            length = int(0.22 * SAMPLE_RATE)
            noise = rng.normal(size=length) * np.exp(-np.arange(length) / (0.05 * SAMPLE_RATE))
            begin = round(float(start) * SAMPLE_RATE)
            piece = (0.35 * size * noise).astype(np.float32)[: max(0, len(sound) - begin)]
            sound[begin : begin + len(piece)] += piece
    return Coughs(motion, sound)
