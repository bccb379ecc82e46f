# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One simulated conversation between the avatar and a user: what both say, how both move, what the avatar perceives.

Everything follows from (seed, index), except details of the sound, because espeak-ng keeps some state from what it said
before. Equal runs of fresh processes give equal arrays; this is why `corpus` makes each shard in a new process.

Each module gives its numbers with their sources: turn-taking in `turns`, lips in `lips`, eyes in `eyes`, head in
`head`, responses in `listening`, sound in `acoustics`, tracking in `camera` and, for some users, in `filming`.
`docs/training_data.md` collects them in one table.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from avatar_forcing_ros.audio.log_mel import log_mel_frames
from avatar_forcing_ros.audio.spoken import spoken_frames
from avatar_forcing_ros.motion.facemesh.channels import HIGH, INDEX, LOW, SIZE
from avatar_forcing_ros.signals import FPS
from avatar_forcing_ros.simulation.acoustics import AcousticsConfig, clean_speech_acoustics, record
from avatar_forcing_ros.simulation.camera import CameraConfig, Observed, observe
from avatar_forcing_ros.simulation.espeak import Espeak
from avatar_forcing_ros.simulation.eyes import BlinkStatistics, blink_curve, blink_times, simulate_gaze
from avatar_forcing_ros.simulation.filming import FilmConfig, FilmStudio
from avatar_forcing_ros.simulation.head import POSE_CHANNELS, simulate_head
from avatar_forcing_ros.simulation.laughter import (
    Coughs,
    Laugh,
    LaughStatistics,
    answered_laughs,
    coughs,
    laughing_motion,
    laughing_smiles,
    laughs_of,
    with_free_laughs,
    with_quiet_laughs,
)
from avatar_forcing_ros.simulation.lips import LIP_CHANNELS, lip_curves
from avatar_forcing_ros.simulation.listening import (
    ListenerStatistics,
    SmileStatistics,
    brow_raises,
    listening_nods,
    mirrored_brows,
    mirrored_posture,
    narrowed_lids,
    returned_smiles,
    spontaneous_smiles,
)
from avatar_forcing_ros.simulation.pulses import Pulse, draw
from avatar_forcing_ros.simulation.talk import Talk
from avatar_forcing_ros.simulation.turns import TurnStatistics, random_style, simulate_turns
from avatar_forcing_ros.simulation.voices import Speaker, random_voice

_POSE = [INDEX[name] for name in POSE_CHANNELS]
_JAW, _LIDS = INDEX["jaw_open"], [INDEX["blink_right"], INDEX["blink_left"]]
_LIPS = [INDEX[name] for name in LIP_CHANNELS]


@dataclass(frozen=True)
class ConversationConfig:
    """How conversations are made.

    Attributes:
        duration_s: length of each.
        flite_share: chance that an English voice comes from flite instead of espeak-ng.
        held_out_voices: use the voices reserved for evaluation.
        echo_share: chance that the user's microphone also hears the avatar.
        echo_db: least and greatest level of that echo, relative to the avatar's speech.
        rest_share: chance that the avatar's rest pose is not zero.
        filmed_share: chance that the user is drawn and read by the live encoder, at 10 ms a frame, instead of simulated
            by `camera`.
        turns: statistics of turn-taking. The fields below are the same for other subjects.
    """

    duration_s: float = 40.0
    flite_share: float = 0.5
    held_out_voices: bool = False
    echo_share: float = 0.3
    echo_db: tuple[float, float] = (-35.0, -12.0)
    rest_share: float = 0.3
    filmed_share: float = 0.12
    turns: TurnStatistics = field(default_factory=TurnStatistics)
    blinks: BlinkStatistics = field(default_factory=BlinkStatistics)
    smiles: SmileStatistics = field(default_factory=SmileStatistics)
    listener: ListenerStatistics = field(default_factory=ListenerStatistics)
    laughs: LaughStatistics = field(default_factory=LaughStatistics)
    camera: CameraConfig = field(default_factory=CameraConfig)
    film: FilmConfig = field(default_factory=FilmConfig)
    user_acoustics: AcousticsConfig = field(default_factory=AcousticsConfig)
    avatar_acoustics: AcousticsConfig = field(default_factory=clean_speech_acoustics)

    @property
    def frames(self) -> int:
        """T, video frames of a conversation."""
        return round(self.duration_s * FPS)


@dataclass(frozen=True)
class Conversation:
    """One conversation on the 25 fps grid. Each row belongs to the moment of its frame; nothing is shifted yet.

    Attributes:
        motion: (T, 18) float32, the avatar's true motion.
        reference: (18,) float32, the avatar's rest pose.
        avatar_features: (T, 320) float32, log-mel of the avatar's speech, with noise as silence; see `audio/spoken`.
        user_features: (T, 320) float32, log-mel of the user's microphone.
        user_motion: (T, 18) float32, the user's motion as tracked; zeros where not valid.
        user_valid: (T,) bool, whether a face was found.
        user_true_motion: (T, 18) float32, the user's true motion.
        avatar_talk: what the avatar says.
        user_talk: what the user says.
        user_smiles: the user's smiles.
        user_laughs: the user's laughs.
        avatar_laughs: the avatar's silent laughs in answer.
        avatar_sound: (N,) float32 at 16 kHz, the avatar's voice.
        user_sound: (N,) float32 at 16 kHz, the user's voice.
    """

    motion: NDArray[np.float32]
    reference: NDArray[np.float32]
    avatar_features: NDArray[np.float32]
    user_features: NDArray[np.float32]
    user_motion: NDArray[np.float32]
    user_valid: NDArray[np.bool_]
    user_true_motion: NDArray[np.float32]
    avatar_talk: Talk
    user_talk: Talk
    user_smiles: tuple[Pulse, ...]
    user_laughs: tuple[Laugh, ...]
    avatar_laughs: tuple[Laugh, ...]
    avatar_sound: NDArray[np.float32]
    user_sound: NDArray[np.float32]


@dataclass(frozen=True)
class _Behaviour:
    """One person's motion, and the events in it that the other may answer."""

    motion: NDArray[np.float64]
    smiles: tuple[Pulse, ...]
    raises: tuple[Pulse, ...]
    laughs: tuple[Laugh, ...]


def _behave(
    rng: np.random.Generator,
    config: ConversationConfig,
    own: Talk,
    other: Talk,
    smiles: tuple[Pulse, ...],
    raises: tuple[Pulse, ...],
    laughs: tuple[Laugh, ...],
) -> _Behaviour:
    """Everything a person does that does not depend on what they see."""
    frames = config.frames
    motion = np.zeros((frames, SIZE))
    head = simulate_head(rng, own, other, frames)
    motion[:, _POSE] = head.pose
    motion[:, _LIPS] = lip_curves(own, frames, FPS)
    gaze = simulate_gaze(rng, own, frames)
    motion[:, [INDEX["gaze_x"], INDEX["gaze_y"]]] = gaze.curve
    blinks = blink_curve(blink_times(rng, own, other, gaze, config.blinks), frames, config.blinks)
    motion[:, _LIDS] = np.maximum(blinks, narrowed_lids(rng, smiles, frames, config.smiles))[:, None]
    motion[:, INDEX["pitch"]] += listening_nods(rng, own, other, frames, config.listener)
    raises = raises + head.brows + brow_raises(rng, own, other, config.listener)
    motion[:, INDEX["brow_raise"]] = draw(raises, frames)
    motion[:, INDEX["smile"]] = draw(smiles, frames)
    _laugh(rng, config, motion, own, laughs)
    return _Behaviour(motion, smiles, raises, laughs)


def _laugh(
    rng: np.random.Generator,
    config: ConversationConfig,
    motion: NDArray[np.float64],
    own: Talk,
    laughs: tuple[Laugh, ...],
) -> None:
    """Make a face laugh, in place. While it speaks, its lips follow the speech."""
    laughing = laughing_motion(rng, laughs, config.frames, config.laughs)
    silent = ~Talk(own.duration_s, own.turns + own.backchannels).speaking(FPS)[: config.frames]
    laughing[:, _LIPS] *= (uniform_filter1d(silent.astype(float), 5) * silent)[:, None]
    for laugh in laughs:  # the voice opens the mouth too, less in a chuckle
        motion[int(laugh.start_s * FPS) : int(laugh.end_s * FPS) + 2, _JAW] *= laugh.size
    jaw, lids = (np.maximum(motion[:, columns], laughing[:, columns]) for columns in (_JAW, _LIDS))
    motion += laughing
    motion[:, _JAW], motion[:, _LIDS] = jaw, lids


def _user(rng: np.random.Generator, config: ConversationConfig, own: Talk, other: Talk, coughing: Coughs) -> _Behaviour:
    """The user: smiles, laughs, coughs and raises brows spontaneously, and sits anywhere in front of the camera."""
    laughs = laughs_of(rng, own)
    smiles = spontaneous_smiles(rng, config.duration_s, config.smiles.per_minute, config.smiles)
    smiles += laughing_smiles(laughs)
    starts = rng.uniform(0, config.duration_s, rng.poisson(4 * config.duration_s / 60))
    raises = tuple(Pulse(float(t), 0.2, rng.uniform(0.2, 1.0), 0.35, rng.uniform(0.3, 1.0)) for t in starts)
    user = _behave(rng, config, own, other, smiles, raises, laughs)
    user.motion[:] = np.where(coughing.motion != 0, user.motion + coughing.motion, user.motion)
    user.motion[:, _POSE] += rng.normal(0, (0.08, 0.07, 0.04, 0.12, 0.08, 0.05))
    frowns = rng.uniform(0, config.duration_s, rng.poisson(1))
    user.motion[:, INDEX["brow_furrow"]] = draw(
        (Pulse(float(t), 0.3, 1.0, 0.5, rng.uniform(0.2, 0.7)) for t in frowns), config.frames
    )
    return user


def _avatar(
    rng: np.random.Generator, config: ConversationConfig, own: Talk, other: Talk, user: _Behaviour, seen: bool
) -> _Behaviour:
    """The avatar: answers what it sees of the user."""
    smiles = spontaneous_smiles(rng, config.duration_s, config.smiles.own_per_minute, config.smiles)
    laughs: tuple[Laugh, ...] = ()
    own_laughs = laughs_of(rng, own)
    smiles += laughing_smiles(own_laughs)
    raises: tuple[Pulse, ...] = ()
    if seen:
        smiles += returned_smiles(rng, user.smiles, config.smiles)
        raises += mirrored_brows(rng, user.raises, config.listener)
        laughs = answered_laughs(rng, user.laughs, own, config.laughs)
        smiles += laughing_smiles(laughs)
    avatar = _behave(rng, config, own, other, smiles, raises, laughs)
    if seen:
        avatar.motion[:, _POSE] += mirrored_posture(user.motion[:, _POSE], config.listener)
    return avatar


def _rest_pose(rng: np.random.Generator, config: ConversationConfig) -> NDArray[np.float64]:
    """(18,) small offsets of pose, brows and smile in some conversations, zeros in the rest."""
    rest = np.zeros(SIZE)
    if rng.random() < config.rest_share:
        rest[_POSE] = rng.normal(0, (0.05, 0.04, 0.03, 0.05, 0.04, 0.02))
        rest[INDEX["brow_raise"]] = rng.normal(0, 0.06)
        rest[INDEX["smile"]] = rng.uniform(-0.1, 0.25)
    return rest


class ConversationSimulator:
    """Makes conversations by number. Use one object per process, because espeak-ng holds one voice per process.

    Args:
        config: how they are made.
        seed: seed of all conversations.
        films: folder for what was read from filmed users, one file per conversation. With it, nobody is filmed twice,
            and training also works where the face mesh is not available. It belongs to this configuration and seed.
            None keeps nothing.
    """

    def __init__(self, config: ConversationConfig | None = None, seed: int = 0, films: Path | None = None) -> None:
        self.config = config or ConversationConfig()
        self.seed = seed
        self.films = films
        self._espeak = Espeak()

    def make(self, index: int) -> Conversation:
        """Make the conversation with this number."""
        rng, config = np.random.default_rng([self.seed, index]), self.config
        avatar_voice, user_voice = (
            Speaker(random_voice(rng, config.flite_share, config.held_out_voices), self._espeak) for _ in range(2)
        )
        own, other = simulate_turns(rng, config.duration_s, avatar_voice, user_voice, random_style(rng), config.turns)
        other = with_quiet_laughs(rng, with_free_laughs(rng, other, user_voice, config.laughs), config.laughs)
        coughing = coughs(rng, other, config.frames, config.laughs)
        user = _user(rng, config, other, own, coughing)
        user_motion = np.clip(user.motion, LOW, HIGH)
        tracked = observe(rng, user_motion, config.camera, self._film(rng, user_motion, index))
        avatar = _avatar(rng, config, own, other, user, seen=bool(tracked.valid.any()))
        rest = _rest_pose(rng, config)
        avatar_sound = record(rng, own.sound(), config.avatar_acoustics)
        user_sound = self._with_echo(
            rng, record(rng, other.sound() + coughing.sound, config.user_acoustics), avatar_sound
        )
        return Conversation(
            motion=np.clip(avatar.motion + rest, LOW, HIGH).astype(np.float32),
            reference=rest.astype(np.float32),
            avatar_features=spoken_frames(avatar_sound),
            user_features=log_mel_frames(user_sound),
            user_motion=tracked.latent,
            user_valid=tracked.valid,
            user_true_motion=user_motion.astype(np.float32),
            avatar_talk=own,
            user_talk=other,
            user_smiles=user.smiles,
            user_laughs=user.laughs,
            avatar_laughs=avatar.laughs,
            avatar_sound=avatar_sound,
            user_sound=user_sound,
        )

    @cached_property
    def _studio(self) -> FilmStudio:
        """The studio, opened for the first filmed user because it takes 350 MB and two seconds."""
        return FilmStudio(self.config.film)

    def _film(self, rng: np.random.Generator, motion: NDArray[np.float64], index: int) -> Observed | None:
        """What is read from pictures of the user if this one is filmed, else None.

        It has its own random stream, so the rest of a conversation does not depend on whether the user is filmed.
        """
        own = rng.spawn(1)[0]
        if own.random() >= self.config.filmed_share:
            return None
        if self.films is None:
            return self._studio.film(own, motion)
        path = self.films / f"{index:05d}.npz"
        if not path.exists():
            read = self._studio.film(own, motion)
            self.films.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(f".{os.getpid()}.partial.npz")
            np.savez(partial, latent=read.latent.astype(np.float32), valid=read.valid)
            partial.rename(path)
        with np.load(path) as kept:
            return Observed(kept["latent"], kept["valid"])

    def _with_echo(
        self, rng: np.random.Generator, user_sound: NDArray[np.float32], avatar_sound: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """The user's microphone, which sometimes hears the avatar's loudspeaker 80 ms late."""
        if rng.random() >= self.config.echo_share:
            return user_sound
        gain = 10 ** (rng.uniform(*self.config.echo_db) / 20)
        echo = np.concatenate([np.zeros(1280, np.float32), avatar_sound[:-1280]])
        return np.clip(user_sound + np.float32(gain) * echo, -1, 1)
