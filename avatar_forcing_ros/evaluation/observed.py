# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Observations of one held-out conversation: the figures behind the measures, each computed once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.metrics.correlation import lagged_pearson
from avatar_forcing_ros.metrics.distance import frechet_distance
from avatar_forcing_ros.metrics.eyelids import Blinks, blinks
from avatar_forcing_ros.metrics.laughs import held_share, laughs
from avatar_forcing_ros.metrics.nods import nods
from avatar_forcing_ros.metrics.reaction import AnswerTime, OnsetConfig, Responses, onsets, respond
from avatar_forcing_ros.metrics.richness import COMMON_CLUSTERS, PAPER_CLUSTERS, find_states, variance, visits
from avatar_forcing_ros.metrics.smoothness import border_jerk
from avatar_forcing_ros.metrics.speech_motion import log_energy, reached_share, stillness
from avatar_forcing_ros.motion.facemesh.channels import INDEX
from avatar_forcing_ros.signals import FPS
from avatar_forcing_ros.simulation.conversation import Conversation
from avatar_forcing_ros.simulation.lips import is_consonant, targets_of

PARTS = {"expression": slice(6, 18), "pose": slice(0, 6)}
MOUTH_LAGS = range(-5, 6)
"""Frames by which the mouth may follow the speech."""
SMILE_LAGS = range(16)
"""Frames by which the avatar's smile may follow the user's."""
LEAST_SMILE = 0.05
"""Standard deviation of a user's smile below which there is nothing to answer."""
_JAW_TARGET, _PRESS_TARGET = 0, 3


@dataclass(frozen=True)
class ObservationConfig:
    """What counts as an event and as its answer.

    Attributes:
        user_smile: onset of a user's smile that calls for an answer.
        slight_smile: onset of a user's smile that may be answered.
        smile: onset of an avatar's smile.
        laugh_time: when a laugh counts as the answer to a laugh.
        smile_time: when a smile counts as the answer to a smile.
        nod_time: when a nod counts as the answer to the end of a phrase.
        aftermath_s: the avatar counts as listening after this much silence of its own.
        least_speech: share of a conversation in which the avatar must speak for its lips to be judged.
        shut: gap between the lips, in units of `jaw_open`, at which they look shut.
        open_target: least jaw target of the vowels on which lips must not look shut.
        at_user: greatest absolute `gaze_x` of a look at the user.
        beginning_s: time before and after the first sound of a turn in which people look away.
    """

    user_smile: OnsetConfig = field(default_factory=lambda: OnsetConfig(rise=0.3))
    slight_smile: OnsetConfig = field(default_factory=lambda: OnsetConfig(rise=0.08))
    smile: OnsetConfig = field(default_factory=OnsetConfig)
    laugh_time: AnswerTime = field(default_factory=lambda: AnswerTime(0.1, 1.5))
    smile_time: AnswerTime = field(default_factory=lambda: AnswerTime(0.1, 1.6))
    nod_time: AnswerTime = field(default_factory=lambda: AnswerTime(0.2, 1.3))
    aftermath_s: float = 0.4
    least_speech: float = 0.1
    shut: float = 0.05
    open_target: float = 0.4
    at_user: float = 0.12
    beginning_s: tuple[float, float] = (0.4, 0.8)


@dataclass(frozen=True)
class States:
    """Clusters of the true motion for the Shannon index, by (part, number of clusters)."""

    centres: dict[tuple[str, int], NDArray[np.float64]]

    @classmethod
    def of(cls, truth: NDArray[np.float32]) -> States:
        """The clusters of (T, 18) true motion, of all conversations one after the other."""
        wanted = [*COMMON_CLUSTERS.items(), *PAPER_CLUSTERS.items()]
        return cls({(part, count): find_states(truth[:, PARTS[part]], count) for part, count in wanted})


@dataclass(frozen=True)
class Observed:
    """One conversation with `generated` (T, 18) motion in place of the true one; the true motion may be given, too."""

    conversation: Conversation
    generated: NDArray[np.float32]
    block_frames: int
    states: States
    config: ObservationConfig = field(default_factory=ObservationConfig)

    @cached_property
    def truth(self) -> NDArray[np.float32]:
        """(T, 18) the avatar's true motion."""
        return self.conversation.motion[: len(self.generated)]

    @cached_property
    def user(self) -> NDArray[np.float32]:
        """(T, 18) the user's true motion."""
        return self.conversation.user_true_motion[: len(self.generated)]

    def channel(self, name: str) -> NDArray[np.float32]:
        """(T,) one generated channel."""
        return self.generated[:, INDEX[name]]

    # --- lips --------------------------------------------------------------------------------------------------------

    @cached_property
    def speaking(self) -> NDArray[np.bool_]:
        """(T,) whether the avatar speaks."""
        return self.conversation.avatar_talk.speaking(FPS)[: len(self.generated)]

    @cached_property
    def lip_gap(self) -> NDArray[np.float32]:
        """(T,) gap between the lips: the jaw's opening, less what pressed lips close of it."""
        return self.channel("jaw_open") * (1 - np.clip(self.channel("press"), 0, 1))

    @cached_property
    def energy_correlation(self) -> NDArray[np.float64]:
        """(L,) correlation of jaw and log energy at MOUTH_LAGS; NaN where the avatar hardly speaks."""
        if self.speaking.mean() < self.config.least_speech:
            return np.full(len(MOUTH_LAGS), np.nan)
        energy = log_energy(self.conversation.avatar_sound)[: len(self.generated)]
        return lagged_pearson(energy, self.channel("jaw_open"), MOUTH_LAGS)

    @cached_property
    def closures_shown(self) -> float:
        """Share of the sounds p, b, m on which the lips meet."""
        return reached_share(-self.lip_gap, self._spans(_is_closure), -self.config.shut)

    @cached_property
    def other_closures(self) -> float:
        """Share of the other consonants on which the lips meet: many share a frame with a p, b or m."""
        others = self._spans(lambda symbol: is_consonant(symbol) and not _is_closure(symbol))
        return reached_share(-self.lip_gap, others, -self.config.shut)

    @cached_property
    def vowels_shown(self) -> float:
        """Share of the open vowels on which the lips part."""
        wide = self.config.open_target
        open_vowels = self._spans(lambda symbol: targets_of(symbol)[0][_JAW_TARGET] >= wide)
        return reached_share(self.lip_gap, open_vowels, self.config.shut)

    def _spans(self, wanted: Callable[[str], bool]) -> list[tuple[float, float]]:
        """Start and end, in seconds, of the avatar's phonemes whose symbols are wanted."""
        return [
            (item.start_s + phoneme.start_s, item.start_s + phoneme.end_s)
            for item in self.conversation.avatar_talk.spoken
            for phoneme in item.phrase.phonemes
            if phoneme.symbol and wanted(phoneme.symbol)
        ]

    @cached_property
    def stillness(self) -> float:
        """Movement of the mouth in silence, as a share of its range while speaking."""
        return stillness(self.channel("jaw_open"), self.speaking)

    # --- reaction ----------------------------------------------------------------------------------------------------

    @cached_property
    def smiles(self) -> Responses:
        """Smiles in answer to the user's clear smiles, as far as the camera saw these."""
        config, smile = self.config, self.user[:, INDEX["smile"]]
        seen = [t for t in onsets(smile, config.user_smile) if self._is_seen(t)]
        everywhere = np.ones(len(smile), bool)
        answers = onsets(self.channel("smile"), config.smile)
        return respond(seen, answers, everywhere, config.smile_time, list(onsets(smile, config.slight_smile)))

    @cached_property
    def laughs(self) -> Responses:
        """Silent laughs in answer to the user's, as far as the camera saw these and the avatar does not speak."""
        seen = [laugh.start_s for laugh in self.conversation.user_laughs if self._is_seen(laugh.start_s)]
        answers = laughs(self.channel("smile"), self.channel("jaw_open"), self.speaking)
        return respond(seen, answers, ~self.speaking, self.config.laugh_time)

    @cached_property
    def smile_held(self) -> float:
        """Share of the user's smiling time after its first second in which the avatar smiles."""
        seen = self.conversation.user_valid[: len(self.generated)]
        return held_share(self.user[:, INDEX["smile"]], self.channel("smile"), seen)

    def spread(self, name: str) -> float:
        """Standard deviation of a channel in units of the truth's; NaN if the truth does not move."""
        moves = float(self.truth[:, INDEX[name]].std())
        return float(self.channel(name).std() / moves) if moves > 1e-6 else float("nan")

    @cached_property
    def smile_correlation(self) -> NDArray[np.float64]:
        """(L,) correlation of both smiles at SMILE_LAGS; NaN where the user does not smile or is not seen."""
        user = self.user[:, INDEX["smile"]]
        if user.std() < LEAST_SMILE or not self.conversation.user_valid.any():
            return np.full(len(SMILE_LAGS), np.nan)
        return lagged_pearson(user, self.channel("smile"), SMILE_LAGS)

    def _is_seen(self, time_s: float) -> bool:
        frame = int(time_s * FPS)
        return bool(self.conversation.user_valid[frame : frame + int(FPS)].all())

    @cached_property
    def nods(self) -> Responses:
        """Nods after the ends of the user's phrases, while the avatar listens."""
        ends = [item.end_s for item in self.conversation.user_talk.turns]
        lately = np.ones(1 + round(self.config.aftermath_s * FPS))
        listening = np.convolve(self.speaking, lately)[: len(self.speaking)] < 0.5
        return respond(ends, nods(self.channel("pitch")), listening, self.config.nod_time)

    # --- resemblance, eyes, blocks -----------------------------------------------------------------------------------

    @cached_property
    def variance(self) -> dict[str, float]:
        """Variance by part."""
        return {part: variance(self.generated[:, columns]) for part, columns in PARTS.items()}

    @cached_property
    def distance(self) -> dict[str, float]:
        """Frechet distance to the truth by part."""
        return {p: frechet_distance(self.generated[:, columns], self.truth[:, columns]) for p, columns in PARTS.items()}

    @cached_property
    def visits(self) -> dict[tuple[str, int], NDArray[np.int64]]:
        """Histogram of the states that occur, by (part, number of clusters)."""
        return {key: visits(self.generated[:, PARTS[key[0]]], found) for key, found in self.states.centres.items()}

    @cached_property
    def blinks(self) -> Blinks:
        """Blinks of the left eye; both eyes blink together."""
        return blinks(self.channel("blink_left"))

    @cached_property
    def at_user(self) -> float:
        """Share of time in which the avatar looks at the user."""
        return float((np.abs(self.channel("gaze_x")) < self.config.at_user).mean())

    @cached_property
    def at_user_listening(self) -> float:
        """The same while the user speaks and the avatar does not; NaN if that never happens."""
        listening = self.conversation.user_talk.speaking(FPS)[: len(self.speaking)] & ~self.speaking
        looks = np.abs(self.channel("gaze_x"))[listening] < self.config.at_user
        return float(looks.mean()) if len(looks) else float("nan")

    @cached_property
    def away_at_beginning(self) -> float:
        """Share of the avatar's turns in which it looks away at the beginning; NaN without a turn."""
        away, (before, after) = np.abs(self.channel("gaze_x")) >= self.config.at_user, self.config.beginning_s
        starts = [item.start_s for item in self.conversation.avatar_talk.turns]
        looks = [away[max(0, round((start - before) * FPS)) : round((start + after) * FPS)].any() for start in starts]
        return float(np.mean(looks)) if looks else float("nan")

    @cached_property
    def jerk(self) -> NDArray[np.float64]:
        """(4, 18) jerk of each channel within blocks and at their borders; NaN if blocks are too short to tell."""
        if self.block_frames < 4:
            return np.full((4, self.generated.shape[1]), np.nan)
        return border_jerk(self.generated, self.block_frames)


def _is_closure(symbol: str) -> bool:
    return targets_of(symbol)[0][_PRESS_TARGET] == 1


def joined(observed: Sequence[Observed], what: Callable[[Observed], NDArray]) -> NDArray:
    """An array of each conversation, concatenated."""
    return np.concatenate([what(one) for one in observed])
