# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Turn-taking: two people speak in turns, with gaps, overlaps, pauses, silences and backchannels."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from avatar_forcing_ros.simulation.phrases import Phrase
from avatar_forcing_ros.simulation.prosody import LoudnessStatistics, with_loudness
from avatar_forcing_ros.simulation.sentences import laughter, random_backchannel, random_phrase
from avatar_forcing_ros.simulation.talk import Spoken, Talk
from avatar_forcing_ros.simulation.voices import Speaker

_USER = 1
"""The second of the two speakers. The avatar is the first."""


@dataclass(frozen=True)
class TurnStatistics:
    """Timing of a conversation.

    Attributes:
        phrases_per_turn: mean number of phrases in a turn, drawn from a geometric distribution. Most turns last about
            2 s, and long ones exist. Source: Levinson and Torreira, 2015.
        gap_mean_s: mean time from the end of a turn to the answer. Source: Stivers et al., 2009 (208 ms over ten
            languages).
        gap_std_s: its standard deviation. Negative gaps are overlaps, about 40 % of all. Source: Heldner and Edlund,
            2010.
        pause_median_s: median pause between the phrases of a turn. Source: Campione and Veronis, 2002 (most lie between
            200 and 1000 ms).
        pause_log_std: standard deviation of its logarithm.
        backchannel_share: chance of a spoken backchannel at the end of a phrase within a turn. Source: Ward and
            Tsukahara, 2000 (about one every seven seconds).
        backchannel_delay_s: least and greatest time from the end of the phrase to the backchannel. Source: same (700 ms
            after the cue, which precedes the end of the phrase).
        same_speaker_share: chance that the same person continues after a gap.
        laugh_share: chance that a turn ends in laughter, mostly the speaker's own. Source: Provine, 1993 (laughter
            follows phrases and hardly ever interrupts them).
        user_laugh_share: the same for the user's turns; higher than in real life, so that answers are learnt.
        after_laugh_s: least and greatest silence after the user's laugh, in which the avatar may still laugh along.
        loudness: how the level varies.
    """

    phrases_per_turn: float = 2.6
    gap_mean_s: float = 0.21
    gap_std_s: float = 0.4
    pause_median_s: float = 0.42
    pause_log_std: float = 0.5
    backchannel_share: float = 0.22
    backchannel_delay_s: tuple[float, float] = (0.15, 0.5)
    same_speaker_share: float = 0.12
    laugh_share: float = 0.07
    user_laugh_share: float = 0.3
    after_laugh_s: tuple[float, float] = (0.2, 1.6)
    loudness: LoudnessStatistics = field(default_factory=LoudnessStatistics)


@dataclass(frozen=True)
class TurnStyle:
    """What differs from one conversation to another.

    Attributes:
        avatar_share: chance that a turn is the avatar's.
        silence_share: chance that a silence of several seconds follows a turn.
        silence_s: least and greatest length of such a silence.
        length: factor on the number of phrases in a turn.
    """

    avatar_share: float = 0.5
    silence_share: float = 0.1
    silence_s: tuple[float, float] = (2.0, 8.0)
    length: float = 1.0


def random_style(rng: np.random.Generator) -> TurnStyle:
    """Draw the style of one conversation: most are dialogues, some are monologues, some have little speech."""
    kind = rng.choice(("dialogue", "avatar talks", "user talks", "quiet"), p=(0.62, 0.14, 0.14, 0.1))
    if kind == "avatar talks":
        return TurnStyle(avatar_share=0.9, silence_share=0.15, length=2.0)
    if kind == "user talks":
        return TurnStyle(avatar_share=0.06, silence_share=0.12, length=2.0)
    if kind == "quiet":
        share = float(rng.uniform(0.1, 0.9))
        return TurnStyle(avatar_share=share, silence_share=0.9, silence_s=(3.0, 12.0), length=0.7)
    return TurnStyle(avatar_share=float(rng.uniform(0.35, 0.65)), silence_share=0.12)


@dataclass
class _Stage:
    """The conversation while it is being made."""

    rng: np.random.Generator
    statistics: TurnStatistics
    style: TurnStyle
    speakers: tuple[Speaker, Speaker]
    spoken: tuple[list[Spoken], list[Spoken]] = field(default_factory=lambda: ([], []))


def simulate_turns(
    rng: np.random.Generator,
    duration_s: float,
    avatar: Speaker,
    user: Speaker,
    style: TurnStyle,
    statistics: TurnStatistics | None = None,
) -> tuple[Talk, Talk]:
    """Let two people talk, and return what the avatar and what the user says."""
    stage = _Stage(rng, statistics or TurnStatistics(), style, (avatar, user))
    now = float(rng.uniform(0.0, 3.0))
    who = int(rng.random() > style.avatar_share)
    while now < duration_s:
        now = _speak_turn(stage, who, max(0.0, now)) + _gap_s(stage)
        if rng.random() > stage.statistics.same_speaker_share:
            who = int(rng.random() > style.avatar_share) if abs(style.avatar_share - 0.5) > 0.2 else 1 - who
    avatar_spoken, user_spoken = (_within(duration_s, items) for items in stage.spoken)
    return Talk(duration_s, avatar_spoken), Talk(duration_s, user_spoken)


def _within(duration_s: float, items: list[Spoken]) -> tuple[Spoken, ...]:
    """Items in order, without those that would be cut off or overlap the same person's speech."""
    kept: list[Spoken] = []
    for item in sorted(items, key=lambda item: item.start_s):
        if item.end_s < duration_s and (not kept or item.start_s > kept[-1].end_s + 0.05):
            kept.append(item)
    return tuple(kept)


def _speak_turn(stage: _Stage, who: int, start_s: float) -> float:
    """Add one turn and return when it ends."""
    rng, statistics = stage.rng, stage.statistics
    count = int(rng.geometric(1 / max(1.0, statistics.phrases_per_turn * stage.style.length)))
    now = start_s
    for number in range(count):
        phrase = _say(stage, who, random_phrase(rng, stage.speakers[who].voice.language))
        spoken = Spoken(now, phrase, turn_start=number == 0, turn_end=number == count - 1)
        stage.spoken[who].append(spoken)
        if not spoken.turn_end:
            _maybe_backchannel(stage, 1 - who, spoken.end_s)
            now = spoken.end_s + _pause_s(stage)
    return _maybe_laugh(stage, who, spoken.end_s)


def _say(stage: _Stage, who: int, text: str) -> Phrase:
    """Speak a text in a speaker's voice, with natural changes of loudness."""
    return with_loudness(stage.rng, stage.speakers[who].say(text), stage.statistics.loudness)


def _maybe_laugh(stage: _Stage, who: int, after_s: float) -> float:
    """Add laughter after some turns, and return when it is over."""
    statistics = stage.statistics
    if stage.rng.random() >= (statistics.user_laugh_share if who == _USER else statistics.laugh_share):
        return after_s
    start_s = after_s + float(stage.rng.uniform(0.1, 0.3))
    laugh = Spoken(start_s, _say(stage, who, laughter(stage.rng)), laugh=True)
    stage.spoken[who].append(laugh)
    return laugh.end_s + (float(stage.rng.uniform(*statistics.after_laugh_s)) if who == _USER else 0.0)


def _pause_s(stage: _Stage) -> float:
    statistics = stage.statistics
    pause = statistics.pause_median_s * np.exp(stage.rng.normal(0, statistics.pause_log_std))
    return float(np.clip(pause, 0.15, 2.0))


def _gap_s(stage: _Stage) -> float:
    if stage.rng.random() < stage.style.silence_share:
        return float(stage.rng.uniform(*stage.style.silence_s))
    return float(np.clip(stage.rng.normal(stage.statistics.gap_mean_s, stage.statistics.gap_std_s), -0.7, 1.6))


def _maybe_backchannel(stage: _Stage, who: int, after_s: float) -> None:
    rng = stage.rng
    if rng.random() < stage.statistics.backchannel_share:
        speaker = stage.speakers[who]
        phrase = _say(stage, who, random_backchannel(rng, speaker.voice.language))
        start_s = after_s + float(rng.uniform(*stage.statistics.backchannel_delay_s))
        stage.spoken[who].append(Spoken(start_s, phrase, backchannel=True))
